"""A plate is doubted when it would bare the room, and not for what somebody holds up."""

import numpy as np
import pytest

from core.matte.doubt import LASTS, PlateDoubt

W, H = 104, 60
NOBODY = np.zeros((H, W), np.uint8)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """255 in a part of the picture, given in shares of it."""
    picture = NOBODY.copy()
    picture[round(top * H) : round(bottom * H), round(left * W) : round(right * W)] = 255
    return picture


PERSON = box(0.4, 0.2, 0.6, 1.0)


def test_a_person_alone_is_believed_and_a_room_that_is_bared_at_once_is_not() -> None:
    doubt = PlateDoubt()
    assert not doubt.of(PERSON, PERSON)
    assert doubt.of(np.full((H, W), 255, np.uint8), PERSON)
    assert not doubt.of(PERSON, PERSON), "one frame leaves nothing behind"


def test_a_frame_that_is_torn_low_down_is_not_believed() -> None:
    doubt = PlateDoubt()
    assert not doubt.of(PERSON, PERSON)
    assert doubt.of(PERSON | box(0.0, 0.9, 1.0, 1.0), PERSON)


@pytest.mark.parametrize(("left", "doubted"), [(0.6, False), (0.7, True)], ids=["in hand", "by itself"])
def test_what_comes_bit_by_bit_is_believed_when_it_is_in_somebody_s_hand(left: float, doubted: bool) -> None:
    doubt = PlateDoubt()
    told = [doubt.of(PERSON | box(left, 1 - 0.05 * k, left + 0.24, 1.0), PERSON) for k in range(20)]
    assert any(told) == doubted
    assert told[-1] == doubted, "and what was hidden does not come back"


def test_the_same_at_once_is_not_believed() -> None:
    doubt = PlateDoubt()
    assert not doubt.of(PERSON, PERSON)
    assert doubt.of(PERSON | box(0.6, 0.05, 0.84, 1.0), PERSON)


def test_a_book_before_the_chest_hides_nobody() -> None:
    head_and_lap = box(0.4, 0.1, 0.6, 0.3) | box(0.3, 0.8, 0.7, 1.0)
    assert not PlateDoubt().of(head_and_lap | box(0.35, 0.3, 0.65, 0.8), head_and_lap)


def test_somebody_whom_the_segmenter_has_lost_counts_for_a_while() -> None:
    doubt = PlateDoubt()
    assert not doubt.of(PERSON, PERSON)
    assert not any(doubt.of(PERSON, NOBODY) for _ in range(LASTS))
    assert doubt.of(PERSON, NOBODY)


def test_after_a_doubted_frame_half_as_much_is_too_much() -> None:
    door = box(0.7, 0.3, 0.8, 1.0)
    doubt = PlateDoubt()
    assert not doubt.of(door, PERSON), "7 % of the picture"
    assert doubt.of(box(0.65, 0.1, 0.85, 1.0), PERSON)
    assert doubt.of(door, PERSON)
    doubt.forget()
    assert not doubt.of(door, PERSON)


def test_another_working_size_is_no_reason() -> None:
    doubt = PlateDoubt()
    assert not doubt.of(PERSON, PERSON)
    assert not doubt.of(PERSON[::2, ::2], PERSON)
