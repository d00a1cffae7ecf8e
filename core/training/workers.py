"""Waiting for worker processes, without waiting for dead ones, and working for no dead parent."""

from __future__ import annotations

import functools
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from core.errors import CleanplateError

PATIENCE_S = 5.0


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
            item = samples.get(timeout=PATIENCE_S)
            if isinstance(item, CleanplateError):
                raise item
            return item
        except queue.Empty:
            dead = [w for w in workers if not w.is_alive()]
            if dead:
                raise RuntimeError(f"{len(dead)} of {len(workers)} workers died; see above") from None


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
