"""Commands that are at work while the other tests run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

from tests.conftest import ROOT

Ran = subprocess.CompletedProcess[str]


class Beside:
    """Runs a command for each name, one after the other, beside the caller."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._results: dict[str, Future[Ran]] = {}
        self._lock = Lock()
        self._at_work: subprocess.Popen[str] | None = None
        self._closed = False

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Begins once those before have ended."""
        self._results[name] = self._pool.submit(self._run, command)

    def result(self, name: str, timeout_s: float | None = None) -> Ran:
        """Waits for it, without a timeout for ever. Raises TimeoutError: it stays at work till `close`."""
        return self._results[name].result(timeout_s)

    def close(self) -> None:
        """Ends what is at work; what has not begun never will."""
        with self._lock:
            self._closed = True
            if self._at_work is not None:
                with suppress(ProcessLookupError):  # it has just ended by itself
                    os.killpg(self._at_work.pid, signal.SIGTERM)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, command: Sequence[str | Path]) -> Ran:
        pipe = subprocess.PIPE
        with self._lock:
            if self._closed:
                raise InterruptedError("the tests have ended")
            # a group of its own, so that what a script has started goes with it
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
            )
            self._at_work = process
        out, errors = process.communicate()
        with self._lock:
            self._at_work = None
        return Ran(command, process.returncode, out, errors)
