"""Worker processes: waited for while they live, and at work for no dead parent."""

from __future__ import annotations

import functools
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import CleanplateError

PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """What workers synthesise from. data, more: folders shaped like `data`. workers: how many there are."""

    data: Path
    more: tuple[Path, ...] = ()
    unknown_licences: bool = False
    seed: int = 0
    workers: int = 1


class Feed:
    """Workers and the queue that they fill. Who makes it takes from it, and closes it.

    A worker imports the modules of its function and of the function's arguments. None of them imports torch:
    that takes two seconds of processor time and 190 MB, for each worker.
    """

    def __init__(
        self, work: Callable[..., None], arguments: Sequence[Any], seeds: Sequence[list[int]], most: int
    ) -> None:
        """work: takes the queue, the arguments, and the seed of its worker; see `telling`. most: items in the
        queue. The workers start when something is taken for the first time: a finished run needs none.
        """
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue(most)
        self._workers = [
            context.Process(target=work, args=(self._queue, *arguments, seed), daemon=True) for seed in seeds
        ]

    def take(self) -> Any:
        """The next item; see the function `take`."""
        if self._workers[0].pid is None:
            start(self._workers)
        return take(self._queue, self._workers)

    def take_if_there(self) -> Any:
        """The next item, or None where none waits."""
        try:
            return _or_raised(self._queue.get_nowait())
        except queue.Empty:
            return None

    def close(self) -> None:
        for worker in self._workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()
        self._queue.cancel_join_thread()


def start(workers: Sequence[Any]) -> None:
    """Starts worker processes that do not hear Ctrl-C: a terminal sends it to all, and who ends them is the
    parent, when it has saved. What is started deaf stays deaf."""
    if threading.current_thread() is not threading.main_thread():
        for worker in workers:
            worker.start()
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for worker in workers:
            worker.start()
    finally:
        signal.signal(signal.SIGINT, before)


def take(samples: Any, workers: Sequence[Any]) -> Any:
    """The next item of a multiprocessing queue; RuntimeError when a worker died, not a wait for ever.

    A worker prints its own traceback; but an error that a person can act on (see `telling`) is raised here.
    """
    while True:
        try:
            return _or_raised(samples.get(timeout=PATIENCE_S))
        except queue.Empty:
            dead = [w for w in workers if not w.is_alive()]
            if dead:
                raise RuntimeError(f"{len(dead)} of {len(workers)} workers died; see above") from None


def _or_raised(item: Any) -> Any:
    if isinstance(item, CleanplateError):
        raise item
    return item


def telling(work: Callable[..., None]) -> Callable[..., None]:
    """Of a worker's function, whose first argument is the queue: a CleanplateError goes to the parent.

    Nor does the worker hear Ctrl-C.
    """

    @functools.wraps(work)
    def told(samples: Any, *arguments: Any) -> None:
        if multiprocessing.parent_process() is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows no process is started deaf, see `start`
        try:
            work(samples, *arguments)
        except CleanplateError as error:
            give(samples, error)

    return told


def give(samples: Any, item: Any) -> None:
    """Puts an item into a multiprocessing queue, from a worker; ends the worker where its parent died.

    A parent that is killed outright tells nobody, and its workers would synthesise for ever.
    """
    parent = multiprocessing.parent_process()
    while True:
        if parent is not None and not parent.is_alive():
            os._exit(1)  # a proper end would wait for the queue to be emptied
        try:
            samples.put(item, timeout=PATIENCE_S)
            return
        except queue.Full:
            continue
