"""What a still camera is held by, what it is let go for, and what mends the place where it is held."""

from itertools import pairwise

import numpy as np
import pytest
from rooms import SIZE, error_px, plate_of, room, seen, turned

from core.align import PlateAligner
from core.align.hold import ANCHOR_PX, LEAVE_FRAMES
from core.align.refine import Belief
from core.types import State

STILL = np.eye(3)


def held(rgb: np.ndarray) -> PlateAligner:
    """An aligner that has held the camera for a while where the plate was taken."""
    aligner = PlateAligner(plate_of(rgb), SIZE)
    for i in range(8):
        assert aligner.update(seen(rgb, STILL, i)).state is State.LOCKED
    return aligner


def test_a_place_that_is_a_little_off_is_mended_by_steps_that_nobody_sees():
    rgb, there = room(), turned(0.11)
    aligner = held(rgb)
    found = [aligner.update(seen(rgb, there, 20 + i)) for i in range(120)]
    assert all(alignment.state is State.LOCKED for alignment in found)
    assert error_px(found[0].H, there) > 0.1, "it is held where it was"
    assert error_px(found[-1].H, there) < ANCHOR_PX
    for before, after in pairwise(found):
        assert error_px(after.H, before.H) < 0.02


def test_a_camera_that_moved_by_a_third_of_a_pixel_is_followed_after_a_few_frames_and_not_before():
    rgb, there = room(), turned(0.28)
    aligner = held(rgb)
    for i in range(LEAVE_FRAMES - 1):  # as long as an edge of somebody or a ghost of compression may last
        assert aligner.update(seen(rgb, there, 20 + i)).state is State.LOCKED
    first = aligner.update(seen(rgb, STILL, 30)).H
    assert error_px(first, STILL) < 0.01
    for i in range(LEAVE_FRAMES + 2):
        last = aligner.update(seen(rgb, there, 40 + i))
    assert error_px(last.H, there) < 0.1


def test_a_mask_over_all_of_the_picture_is_no_reason_to_lose_the_plate():
    """It is the network that is lost, not the room."""
    rgb = room()
    aligner = held(rgb)
    aligner.learn(seen(rgb, STILL), np.full(SIZE[::-1], 255, np.uint8))
    alignment = aligner.update(seen(rgb, STILL, 20))
    assert alignment.state is State.LOCKED
    assert alignment.score > 0.9


def test_a_hand_before_the_lens_is_not_taken_for_a_brightly_lit_wall():
    wall = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
    aligner = PlateAligner(plate_of(wall), SIZE)
    assert aligner.update(seen(wall, STILL)).state is State.LOCKED
    hand = seen(np.full_like(wall, 150), STILL, 1)
    assert aligner.update(hand).state is State.LOST
    lamp = seen(np.full_like(wall, 100), STILL, 2)
    assert aligner.update(lamp).state is State.LOCKED


@pytest.mark.parametrize(("keystone_px", "normal"), [(2.0, True), (0.4, False)])
def test_a_camera_that_was_carried_is_at_home_where_it_was_found(keystone_px: float, normal: bool):
    """A little keystone more than a turning camera has may be the focal length, and stays suspect."""
    motion = np.array([30.0, 5.0, 1.0, 0.5, 0.0, 0.0, keystone_px, 0.0])
    settled = Belief.fresh(cold=True).after(motion).settled()
    assert not settled.cold
    assert not settled.gone.any()
    assert np.array_equal(settled.total, np.zeros(8) if normal else motion)
