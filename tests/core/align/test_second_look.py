"""The first frame in which the plate is lost is looked at again, once its matte says who hides the plate."""

from __future__ import annotations

import numpy as np
from rooms import error_px, person_in, plate_of, room, seen, turned

from core.align import PlateAligner
from core.align.second_look import SecondLook
from core.types import U8, Alignment, Frame, Light, State

LOST = Alignment(None, Light(), State.LOST, 0.4, "41 of 106 cells agree")
FOUND = Alignment(np.eye(3), Light(), State.TRACKING, 1.0, "41 of 41 cells agree")


class Scripted:
    """Gives these answers, one a call."""

    def __init__(self, answers: list[Alignment]) -> None:
        self.answers = answers

    def update(self, frame: Frame) -> Alignment:
        return self.answers.pop(0)

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None: ...

    def close(self) -> None: ...


def test_a_plate_that_somebody_mostly_hides_is_found_in_the_very_first_frame():
    rgb, H = room(), turned(5.0, 2.0)
    frame, alpha = person_in(seen(rgb, H), left=0.15, width=0.66)
    aligner = PlateAligner(plate_of(rgb), frame.size)
    first = aligner.update(frame)
    assert first.state is State.LOST, "else there is nothing to show here"
    aligner.learn(frame, alpha)
    found = SecondLook(aligner).after(frame, first)
    assert found is not None
    assert error_px(found.H, H) < 0.3


def test_another_room_is_not_taken_for_the_plate_by_a_second_look():
    frame, alpha = person_in(seen(room(5), np.eye(3)), left=0.15, width=0.66)
    aligner = PlateAligner(plate_of(room()), frame.size)
    first = aligner.update(frame)
    aligner.learn(frame, alpha)
    assert SecondLook(aligner).after(frame, first) is None


def test_only_the_first_frame_of_each_stretch_is_looked_at_twice():
    aligner = Scripted([LOST, FOUND, LOST])
    looks = SecondLook(aligner)
    frame = seen(room(), np.eye(3))
    assert looks.after(frame, FOUND) is None
    assert len(aligner.answers) == 3, "what was found is not asked for again"
    assert looks.after(frame, LOST) is None
    assert looks.after(frame, LOST) is None
    assert len(aligner.answers) == 2, "a camera that looks elsewhere costs one look more, not one a frame"
    assert looks.after(frame, FOUND) is None
    assert looks.after(frame, LOST) is FOUND
    assert looks.after(frame, LOST) is None
    assert aligner.answers == []
