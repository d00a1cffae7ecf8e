"""The network looks at as much as keeps up with the camera, no less and no more."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from core.matte.working_size import CLOSER_PIXELS, STEPS, platenet_size
from live.pace import CHECKED_EVERY, FAR_TOO_MUCH, LONGEST_PATIENCE, MOST_LOAD, PATIENCE, WATCHED, Pace

FPS = 25.0
INTERVAL_MS = 40.0


class Machine:
    """A matter on a machine that needs so many ms for each thread at a size."""

    def __init__(self, ms_per_megapixel: float, fixed_ms: float = 4.0, finish_ms: float = 10.0) -> None:
        self.ms_per_megapixel, self.fixed_ms, self.finish_ms = ms_per_megapixel, fixed_ms, finish_ms
        self.pixels, self.asked = 0, []
        self.closer_pixels: int | None = None
        self.changing_size = False

    @property
    def working_size(self) -> tuple[int, int]:
        return self.pixels, int(self.pixels > 0)

    @property
    def closer_size(self) -> tuple[int, int] | None:
        return None if self.closer_pixels is None else (self.closer_pixels, 1)

    def work_at(self, working_pixels: int, closer_pixels: int | None = None) -> None:
        self.pixels, self.closer_pixels = working_pixels, closer_pixels
        self.asked.append(working_pixels)

    def frames(self, pace: Pace, count: int) -> None:
        for _ in range(count):
            pixels = self.pixels + (self.closer_pixels or 0)
            pace.note(self.fixed_ms + self.ms_per_megapixel * pixels / 1e6, self.finish_ms)


@pytest.mark.parametrize(
    ("ms_per_megapixel", "expected"),
    [
        (10.0, STEPS[2]),
        (80.0, STEPS[2]),
        (120.0, STEPS[1]),
        (900.0, STEPS[0]),
    ],
)
def test_the_largest_size_that_keeps_up_is_found_and_kept(ms_per_megapixel: float, expected: int) -> None:
    machine = Machine(ms_per_megapixel)
    pace = Pace(machine, FPS)
    assert machine.asked == [STEPS[2]]
    machine.frames(pace, 4 * PATIENCE)
    assert machine.pixels == expected
    changes = len(machine.asked)
    machine.frames(pace, 20 * PATIENCE)
    assert (machine.pixels, len(machine.asked)) == (expected, changes)
    assert pace.sizes == ((expected, 1),)


def test_a_second_look_is_taken_where_it_is_asked_for_and_there_is_time() -> None:
    for asked, ms_per_megapixel, expected in (
        (True, 12.0, CLOSER_PIXELS),
        (True, 30.0, None),
        (False, 12.0, None),
    ):
        machine = Machine(ms_per_megapixel)
        pace = Pace(machine, FPS, closer=asked)
        machine.frames(pace, PATIENCE - CHECKED_EVERY)
        assert pace.sizes == ((STEPS[2], 1),), "first it is seen how long one look takes"
        machine.frames(pace, 2 * PATIENCE)
        assert (machine.pixels, machine.closer_pixels) == (STEPS[2], expected)
        assert pace.sizes == ((STEPS[2], 1), *([] if expected is None else [(expected, 1)]))


def test_no_size_is_told_before_there_was_a_frame() -> None:
    machine = Machine(12.0)
    pace = Pace(machine, FPS)
    machine.pixels = 0
    assert pace.sizes == ()


def test_a_second_look_is_the_first_thing_that_is_given_up() -> None:
    machine = Machine(12.0)
    pace = Pace(machine, FPS, closer=True)
    machine.frames(pace, 2 * PATIENCE)
    assert machine.closer_pixels == CLOSER_PIXELS
    machine.ms_per_megapixel = 35.0
    machine.frames(pace, WATCHED)
    assert (machine.pixels, machine.closer_pixels) == (STEPS[2], None)
    machine.frames(pace, 10 * PATIENCE)
    assert (machine.pixels, machine.closer_pixels) == (STEPS[2], None)


def test_the_other_thread_counts_as_well() -> None:
    machine = Machine(10.0, finish_ms=1.1 * INTERVAL_MS)
    pace = Pace(machine, FPS)
    machine.frames(pace, 2 * WATCHED)
    assert machine.pixels < STEPS[2]


def test_where_frames_are_far_too_slow_few_of_them_decide() -> None:
    for load, frames in ((1.05 * FAR_TOO_MUCH, CHECKED_EVERY), (0.95 * FAR_TOO_MUCH, WATCHED)):
        machine = Machine(0.0, fixed_ms=load * INTERVAL_MS)
        pace = Pace(machine, FPS)
        machine.frames(pace, frames - 1)
        assert machine.pixels == STEPS[2]
        machine.frames(pace, 1)
        assert machine.pixels == STEPS[1]
        machine.frames(pace, frames)
        assert machine.pixels == STEPS[0]


def test_a_machine_that_gets_slower_and_quick_again_is_followed() -> None:
    machine = Machine(35.0)
    pace = Pace(machine, FPS)
    machine.frames(pace, 2 * PATIENCE)
    machine.ms_per_megapixel = 125.0
    machine.frames(pace, 4 * WATCHED)
    assert machine.pixels == STEPS[1]
    machine.ms_per_megapixel = 35.0
    machine.frames(pace, 8 * PATIENCE)
    assert machine.pixels == STEPS[2]


def test_single_slow_frames_change_nothing() -> None:
    machine = Machine(35.0)
    pace = Pace(machine, FPS)
    machine.frames(pace, 2 * PATIENCE)
    changes = len(machine.asked)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        slow = rng.random() < 0.2
        pace.note(5 * INTERVAL_MS if slow else 20.0, 10.0)
    assert len(machine.asked) == changes


def test_a_size_that_was_too_slow_is_tried_less_and_less_often() -> None:
    """The time that a larger size will take is a guess, and may be wrong again and again."""

    class Liar(Machine):
        def frames(self, pace: Pace, count: int) -> None:
            for _ in range(count):
                pace.note(1.2 * INTERVAL_MS if self.pixels > STEPS[1] else 15.0, 10.0)

    machine = Liar(0.0)
    pace = Pace(machine, FPS)
    machine.frames(pace, 40 * PATIENCE)
    early = len(machine.asked)
    machine.frames(pace, 40 * PATIENCE)
    assert 0 < len(machine.asked) - early < early / 2
    machine.frames(pace, 4 * LONGEST_PATIENCE)
    assert set(machine.asked) == set(STEPS[1:])


def test_frames_count_only_when_nothing_is_being_made_ready() -> None:
    machine = Machine(900.0)
    pace = Pace(machine, FPS)
    machine.changing_size = True
    machine.frames(pace, 10 * WATCHED)
    assert machine.asked == [STEPS[2]]
    machine.changing_size = False
    machine.frames(pace, CHECKED_EVERY)
    assert machine.asked == [STEPS[2], STEPS[1]]


def test_a_frame_may_take_nearly_all_of_the_time_there_is() -> None:
    machine = Machine(0.0, fixed_ms=0.99 * MOST_LOAD * INTERVAL_MS)
    pace = Pace(machine, FPS)
    machine.frames(pace, 10 * PATIENCE)
    assert machine.asked == [STEPS[2]]


class SmallCamera(Machine):
    """One whose frames have fewer pixels than the larger sizes: see `platenet_size`."""

    def __init__(self, frame_size: tuple[int, int], ms_per_megapixel: float) -> None:
        super().__init__(ms_per_megapixel)
        self.frame_size = frame_size

    def work_at(self, working_pixels: int, closer_pixels: int | None = None) -> None:
        super().work_at(working_pixels)
        self.size = platenet_size(self.frame_size, working_pixels)
        self.pixels = self.size[0] * self.size[1]

    @property
    def working_size(self) -> tuple[int, int]:
        return self.size


def test_a_small_camera_is_helped_at_once_by_the_next_size_that_is_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = SmallCamera((640, 360), 200.0)
    pace = Pace(machine, FPS)
    assert machine.size == (640, 352)
    with caplog.at_level(logging.INFO):
        machine.frames(pace, WATCHED)
        assert machine.size == (512, 288)
        machine.ms_per_megapixel = 40.0
        machine.frames(pace, 4 * PATIENCE)
    assert machine.size == (640, 352)
    assert [("fewer" in r.message, "more" in r.message) for r in caplog.records] == [
        (True, False),
        (False, True),
    ]


def test_nothing_is_said_where_there_is_no_other_size(caplog: pytest.LogCaptureFixture) -> None:
    machine = SmallCamera((320, 240), 900.0)
    with caplog.at_level(logging.INFO):
        machine.frames(Pace(machine, FPS), 10 * WATCHED)
        machine.ms_per_megapixel = 1.0
        machine.frames(Pace(machine, FPS, closer=True), 10 * PATIENCE)
    assert not caplog.records
