"""Workers live no longer than who takes what they make."""

import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import MediaError
from core.training.workers import Feed, give, start, take, telling

SCRIPT = """
import multiprocessing
from core.training import workers
workers.PATIENCE_S = 0.05

def work(queue):
    while True:
        workers.give(queue, 1)

context = multiprocessing.get_context("fork")
queue = context.Queue(2)
worker = context.Process(target=work, args=(queue,))
worker.start()
assert workers.take(queue, [worker]) == 1
print(worker.pid, flush=True)
worker.join()
"""


def test_workers_end_when_their_parent_was_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while _runs(worker):
        assert time.monotonic() < deadline, "the worker goes on for nobody"
        time.sleep(0.02)


@telling
def _refuses(samples: Any, words: str) -> None:
    raise MediaError(words)


def test_what_a_worker_refuses_is_said_by_who_waits_for_it() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(2)
    worker = context.Process(target=_refuses, args=(queue, "a.png is no picture: remove it"))
    start([worker])
    with pytest.raises(MediaError, match=r"a\.png is no picture: remove it"):
        take(queue, [worker])
    worker.join()
    assert worker.exitcode == 0


@telling
def _gives_and_refuses(samples: Any, words: str, seed: list[int]) -> None:
    give(samples, seed)
    raise MediaError(words)


def test_a_feed_starts_when_it_is_taken_from_and_tells_a_refusal_to_who_only_looks() -> None:
    feed = Feed(_gives_and_refuses, ("a.png is no picture: remove it",), [[4, 2]], 2)
    deadline = time.monotonic() + 60

    def look_on() -> None:
        while feed.take_if_there() is None:
            assert time.monotonic() < deadline, "nothing is told"
            time.sleep(0.02)

    try:
        assert feed.take_if_there() is None
        assert feed.take() == [4, 2]
        with pytest.raises(MediaError, match=r"a\.png is no picture"):
            look_on()
    finally:
        feed.close()


def test_workers_import_no_torch() -> None:
    """It would take two seconds and 190 MB of each of them."""
    script = "import sys, core.training.{0}; print('torch' in sys.modules)"
    for module in ("samples", "edges", "pairs"):
        ran = subprocess.run(
            [sys.executable, "-c", script.format(module)], capture_output=True, text=True, check=True
        )
        assert ran.stdout == "False\n", module


@telling
def _says_how_it_hears(samples: Any) -> None:
    samples.put(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)


def test_a_worker_that_was_not_started_deaf_is_deaf_too() -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue(2)
    worker = context.Process(target=_says_how_it_hears, args=(answers,))
    worker.start()  # as `start` does on Windows, where nothing of a parent's signals is handed down
    assert take(answers, [worker]) is True
    worker.join()


def test_who_calls_a_workers_function_itself_goes_on_hearing() -> None:
    before = signal.getsignal(signal.SIGINT)
    _says_how_it_hears(queue.Queue())
    assert signal.getsignal(signal.SIGINT) == before


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
