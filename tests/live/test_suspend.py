"""The clock of the system's sleep."""

from __future__ import annotations

import sys
import time

import pytest

from live.suspend import SLEPT_NS, asleep_ns


def test_awake_it_stands_still():
    first = asleep_ns()
    time.sleep(0.01)
    assert abs(asleep_ns() - first) < SLEPT_NS


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another clock for it")
def test_it_is_what_the_boot_clock_is_ahead_by(monkeypatch):
    ahead_ns = 0
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: time.monotonic_ns() + ahead_ns)
    awake = asleep_ns()
    ahead_ns = 3_600_000_000_000
    assert abs(asleep_ns() - awake - ahead_ns) < SLEPT_NS


def test_a_reading_that_was_held_up_is_taken_again(monkeypatch):
    monotonic = iter([0, 5_000_000_000, 6_000_000_000, 6_000_000_100])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(monotonic))
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: 7_000_000_000)
    monkeypatch.setattr(time, "time_ns", lambda: 7_000_000_000)
    assert asleep_ns() == 1_000_000_000
