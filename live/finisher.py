"""A thread that finishes one frame while the loop begins the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Finisher:
    """Runs one job after the other, in the order given, on a thread of its own; a context manager.

    There is never more than one job that is not done: a second would only grow old. What a job raises is
    raised by the next call of any method, or on leaving the context unless that is an error already.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._under_way: Future[None] | None = None

    def put(self, job: Callable[[], None]) -> None:
        """Waits for the job before, then starts this one."""
        self.wait()
        self._under_way = self._pool.submit(job)

    def wait(self) -> None:
        """Returns when nothing is under way."""
        if self._under_way is not None:
            job, self._under_way = self._under_way, None
            job.result()

    def __enter__(self) -> Finisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=True)
