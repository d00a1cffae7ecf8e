"""How long the system has slept: what a camera hands over after a resume may be from before it."""

from __future__ import annotations

import time

SLEPT_NS = 1_000_000_000  # less is a clock being set right
_HURRIED_NS = 1_000_000


def asleep_ns() -> int:
    """A number that grows by the time the system spends suspended, and hardly at all otherwise.

    On Linux what CLOCK_BOOTTIME is ahead of the monotonic clock, which stands still meanwhile. Elsewhere the
    wall clock takes its place: setting it looks like a suspension.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    while True:
        before_ns = time.monotonic_ns()
        all_ns = time.clock_gettime_ns(clock) if clock is not None else time.time_ns()
        after_ns = time.monotonic_ns()
        if after_ns - before_ns < _HURRIED_NS:  # else this thread was left waiting between the two clocks
            return all_ns - before_ns
