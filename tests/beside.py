"""Commands that are at work while the other tests run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Condition

from tests.conftest import ROOT

Ran = subprocess.CompletedProcess[str]
MOST = 2  # at work while somebody waits: what is run here takes a processor or two


class Beside:
    """Runs a command for each name, in that order and one at a time, beside the caller; one more while the
    caller waits, who then needs no processor."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="beside")
        self._results: dict[str, Future[Ran]] = {}
        self._turn = Condition()
        self._to_begin: deque[str] = deque()
        self._at_work: set[subprocess.Popen[str]] = set()
        self._waited_for = False
        self._closed = False

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Begins when it has its turn."""
        self._to_begin.append(name)
        self._results[name] = self._pool.submit(self._run, name, command)

    def result(self, name: str, timeout_s: float | None = None) -> Ran:
        """Waits for it, without a timeout for ever. Raises TimeoutError: it stays at work till `close`."""
        self._wait(True)
        try:
            return self._results[name].result(timeout_s)
        finally:
            self._wait(False)

    def close(self) -> None:
        """Ends what is at work; what has not begun never will."""
        with self._turn:
            self._closed = True
            for process in self._at_work:
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.killpg(process.pid, signal.SIGTERM)
            self._turn.notify_all()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _wait(self, waits: bool) -> None:
        with self._turn:
            self._waited_for = waits
            self._turn.notify_all()

    def _has_turn(self, name: str) -> bool:
        most = MOST if self._waited_for else 1
        return self._closed or (self._to_begin[0] == name and len(self._at_work) < most)

    def _run(self, name: str, command: Sequence[str | Path]) -> Ran:
        pipe = subprocess.PIPE
        with self._turn:
            self._turn.wait_for(lambda: self._has_turn(name))
            if self._closed:
                raise InterruptedError("the tests have ended")
            self._to_begin.popleft()
            # a group of its own, so that what a script has started goes with it
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
            )
            self._at_work.add(process)
            self._turn.notify_all()
        out, errors = process.communicate()
        with self._turn:
            self._at_work.remove(process)
            self._turn.notify_all()
        return Ran(command, process.returncode, out, errors)
