"""A run's time goes on where it stood, and it is saved by steps and by minutes."""

import pytest

from core.training import run_clock
from core.training.run_clock import SAVE_MINUTES, RunClock


class Time:
    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def passes(self, minutes: float) -> None:
        self.seconds += 60 * minutes


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(run_clock, "time", time)
    return time


def test_minutes_before_a_stop_count(time: Time):
    clock = RunClock(10, spent=4)
    time.passes(1)
    assert (clock.elapsed, clock.progress) == (5, 0.5)
    assert clock.goes_on()
    time.passes(5)
    assert not clock.goes_on()
    assert (clock.stopped, clock.to_write_down) == (False, 10), "it ended by itself"


def test_a_stop_ends_it_and_the_minutes_are_those_of_then(time: Time):
    asked: list[bool] = []
    clock = RunClock(10, 0, lambda: bool(asked))
    time.passes(3)
    assert clock.goes_on()
    asked.append(True)
    assert not clock.goes_on()
    assert (clock.stopped, clock.to_write_down) == (True, 3)
    time.passes(8)
    assert (clock.stopped, clock.to_write_down) == (False, 10), "asked when it was over"


def test_it_is_saved_every_so_many_steps_and_every_few_minutes(time: Time):
    clock = RunClock(100, spent=30)
    assert clock.time_to_save(500, 500)
    assert not clock.time_to_save(501, 500)
    time.passes(SAVE_MINUTES)
    assert clock.time_to_save(502, 500)
    assert not clock.time_to_save(503, 500)


def test_a_finished_run_that_is_asked_for_less_stays_finished(time: Time):
    clock = RunClock(10, spent=30)
    assert not clock.goes_on()
    assert clock.to_write_down == 30


def test_a_run_of_no_length_is_over(time: Time):
    clock = RunClock(0, 0)
    assert not clock.goes_on()
    assert clock.progress == 1
