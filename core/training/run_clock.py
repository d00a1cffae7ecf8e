"""A run's time: how much of it is over, when it is time to save, and whether it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

SAVE_MINUTES = 5.0  # most that is lost where a machine is switched off


def never() -> bool:
    """Nobody asks the run to stop."""
    return False


class RunClock:
    """Counts the minutes of a run that may have been stopped and gone on with.

    minutes: length of the whole run. spent: what was over when it goes on. stopped: asked before each
    step; True ends the run early.
    """

    def __init__(self, minutes: float, spent: float, stopped: Callable[[], bool] = never) -> None:
        self._minutes, self._spent, self._stopped = minutes, spent, stopped
        self._begin = time.monotonic()
        self._saved = spent

    @property
    def elapsed(self) -> float:
        """Minutes of learning, those before a stop too."""
        return self._spent + (time.monotonic() - self._begin) / 60

    @property
    def progress(self) -> float:
        """Share of the run that is over; 1 or a little more at its end."""
        return self.elapsed / self._minutes if self._minutes else 1.0

    @property
    def stopped(self) -> bool:
        """Whether the run was asked to end before its time."""
        return self.elapsed < self._minutes and self._stopped()

    def goes_on(self) -> bool:
        """Whether there is time for another step."""
        return self.elapsed < self._minutes and not self._stopped()

    def time_to_save(self, step: int, every: int) -> bool:
        """Every so many steps, and at least every SAVE_MINUTES, so that slow machines lose no more."""
        now = self.elapsed
        if step % every and now - self._saved < SAVE_MINUTES:
            return False
        self._saved = now
        return True

    @property
    def to_write_down(self) -> float:
        """What the last checkpoint tells as over: all of the run, but where it was stopped.

        Never less than was over before: a finished run that is asked for fewer minutes stays finished.
        """
        return self.elapsed if self.stopped else max(self._minutes, self._spent)
