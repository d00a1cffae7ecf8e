"""A room that is made in parts is the same room."""

import cv2
import numpy as np
import pytest

from core.matte.working_size import shrunk_room
from core.render.room import RoomWarper, matte_in
from core.types import Alignment, Light, Plate, Room, State, View

SIZE, SMALL = (320, 180), (128, 64)
TURNED = np.array([[1.01, 0.02, -9.0], [-0.015, 1.0, 6.0], [1e-5, 0, 1.0]])
ZOOMED = np.array([[1.2, 0, -30.0], [0, 1.2, -20.0], [0, 0, 1.0]])  # the frame lies within the plate
GRID = np.linspace(0.8, 1.2, 24, dtype=np.float32).reshape(4, 6)
UNEVEN = Light(np.float32([1.1, 0.9, 1.0]), np.float32([3, -4, 0]), GRID)


def smooth_plate(hole: bool = False) -> Plate:
    y, x = np.mgrid[:180, :320]
    rgb = np.stack([x * 0.7, y * 1.2, 128 + 60 * np.sin(x / 25) * np.cos(y / 20)], -1).astype(np.uint8)
    coverage = None
    if hole:
        coverage = np.full((180, 320), 255, np.uint8)
        coverage[40:90, 100:160] = 0
    return Plate("room", SIZE, (View(rgb, coverage=coverage),))


def aligned(H: np.ndarray, light: Light | None = None) -> Alignment:
    return Alignment(H, light or Light(), State.TRACKING, 1.0, "")


@pytest.mark.parametrize("H", [np.eye(3), TURNED, ZOOMED])
@pytest.mark.parametrize("hole", [False, True])
def test_parts_are_those_of_the_whole_in_any_order(H: np.ndarray, hole: bool) -> None:
    plate = smooth_plate(hole)
    whole = RoomWarper(plate).room(aligned(H, UNEVEN), SIZE).whole()
    room = RoomWarper(plate).room(aligned(H, UNEVEN), SIZE)
    for where in (np.s_[60:100, 200:240], np.s_[0:30, 10:300], np.s_[150:180, 300:320]):
        part = room.part(where)
        # the warp's fixed-point weights round differently where another pixel is the first
        assert np.abs(part.rgb.astype(int) - whole.rgb[where]).max() <= 2
        known = np.full(SIZE[::-1], 255, np.uint8) if whole.coverage is None else whole.coverage
        mine = np.full_like(known[where], 255) if part.coverage is None else part.coverage
        assert (mine != known[where]).mean() < 0.01


@pytest.mark.parametrize("H", [np.eye(3), TURNED, ZOOMED])
def test_the_small_room_is_the_whole_one_shrunk(H: np.ndarray) -> None:
    room = RoomWarper(smooth_plate()).room(aligned(H, UNEVEN), SIZE)
    small, expected = room.small(SMALL), shrunk_room(room.whole(), SMALL)
    both = np.ones(SMALL[::-1], bool)
    for r in (small, expected):
        if r.coverage is not None:
            both &= r.coverage > 0
    both = cv2.erode(both.astype(np.uint8), np.ones((3, 3))) > 0  # at its border the unseen mixes in
    assert both.mean() > 0.85
    apart = np.abs(small.rgb.astype(int) - expected.rgb)[both]
    assert apart.mean() < 0.6
    assert apart.max() <= 8
    assert (small.coverage is None) == (H is not TURNED)


def test_what_did_not_change_is_not_made_again() -> None:
    warper = RoomWarper(smooth_plate())
    light = Light()
    room = warper.room(aligned(TURNED, light), SIZE)
    assert warper.room(aligned(TURNED.copy(), light), SIZE) is room
    assert room.small(SMALL) is room.small(SMALL)
    assert np.shares_memory(room.part(np.s_[50:60, 50:60]).rgb, room.part(np.s_[40:70, 40:70]).rgb)
    assert warper.room(aligned(TURNED, Light()), SIZE) is not room


def test_a_matter_that_knows_no_parts_gets_the_whole_room() -> None:
    class Whole:
        def matte(self, rgb, plate_rgb, coverage):  # type: ignore[no-untyped-def]
            self.seen = Room(plate_rgb, coverage)
            return rgb[..., 0]

        def reset(self) -> None: ...

    matter, plate = Whole(), smooth_plate(hole=True)
    room = RoomWarper(plate).room(aligned(np.eye(3)), SIZE)
    assert matte_in(matter, plate.rgb, room).shape == (180, 320)
    assert (matter.seen.rgb == plate.rgb).all()
    assert (matter.seen.coverage == plate.coverage).all()
    matte_in(matter, plate.rgb, None)
    assert matter.seen.rgb is None
