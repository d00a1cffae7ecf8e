"""Virtual machines that are at work while the other tests run: what they do is mostly waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("KERNELTEST_CACHE", Path.home() / ".cache" / "cleanplate-vm"))
FRAMES = os.environ.get("KERNELTEST_FRAMES", "300")  # through the whole program
TIMEOUT_S = 1800 + int(FRAMES) // 5  # one or two minutes on a quiet machine

Ran = subprocess.CompletedProcess[str]


def prepared_versions() -> list[str]:
    """The versions of v4l2loopback that setup has built, oldest first."""
    if not (CACHE / "ready").is_file():
        return []
    return (CACHE / "loopback-versions").read_text().split()


def guest_checks(version: str) -> list[str | Path]:
    """The command that boots a machine with that version and runs guest.py there."""
    command: list[str | Path] = [HERE / "run", "--timeout", str(TIMEOUT_S), "--loopback-version", version]
    command += ["--env", f"PYTHONPATH={ROOT}", "--env", f"KERNELTEST_NEWEST={prepared_versions()[-1]}"]
    return [*command, "--env", f"KERNELTEST_FRAMES={FRAMES}", "--", sys.executable, HERE / "guest.py"]


class Machines:
    """Runs a command for each name, one after the other, beside the caller."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="machines")
        self._results: dict[str, Future[Ran]] = {}
        self._lock = Lock()
        self._at_work: subprocess.Popen[str] | None = None
        self._closed = False

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Begins once those before have ended."""
        self._results[name] = self._pool.submit(self._run, command)

    def result(self, name: str) -> Ran:
        """Waits for it."""
        return self._results[name].result()

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
            # a group of its own, so that the machine goes with the script that started it
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
            )
            self._at_work = process
        out, errors = process.communicate()
        with self._lock:
            self._at_work = None
        return Ran(command, process.returncode, out, errors)
