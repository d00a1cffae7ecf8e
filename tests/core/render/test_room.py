"""A room that is made in parts is the same room."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.align.geometry import resized_from_original
from core.matte.working_size import shrink_into, shrunk_room
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


@pytest.mark.parametrize("scale", [0.65, 0.4])
@pytest.mark.parametrize("bent", [False, True], ids=["plain", "mesh"])
def test_of_a_moving_camera_the_small_room_is_as_sharp_as_its_frames(scale: float, bent: bool) -> None:
    detail = np.random.default_rng(5).integers(0, 256, (180, 320, 3), dtype=np.uint8)
    warper = RoomWarper(Plate("room", SIZE, (View(cv2.GaussianBlur(detail, (0, 0), 1.2)),)))
    H = np.array([[1.08, 0.02, -12.4], [-0.015, 1.08, -8.3], [0, 0, 1.0]])  # the frame lies within the plate
    room = warper.room(replace(aligned(H), mesh=0 * MESH if bent else None), SIZE)
    small = round(320 * scale), round(180 * scale)
    frame = np.empty((small[1], small[0], 3), np.uint8)
    shrink_into(room.whole().rgb, frame)
    inner = np.s_[2:-2, 2:-2]
    apart = np.abs(room.small(small).rgb.astype(int) - frame)[inner]
    detail_left = np.abs(frame.astype(int) - cv2.blur(frame, (3, 3)))[inner]
    assert apart.mean() < 0.29 * detail_left.mean()


MESH = np.stack(np.meshgrid(np.linspace(-5, 4, 12), np.linspace(2, -3, 7)), -1).astype(np.float32)


@pytest.mark.parametrize("H", [np.eye(3), TURNED])
def test_a_mesh_adds_its_shifts_to_the_homography(H: np.ndarray) -> None:
    shift = np.broadcast_to(np.float32([6.0, -3.0]), (7, 12, 2))
    moved = np.array([[1.0, 0, 6], [0, 1, -3], [0, 0, 1]]) @ H
    warper = RoomWarper(smooth_plate())
    for size in (SIZE, SMALL):
        bent, expected = (
            warper.room(a, SIZE).small(size) for a in (replace(aligned(H), mesh=shift), aligned(moved))
        )
        known = cv2.erode(expected.coverage, np.ones((3, 3))) > 0
        assert np.abs(bent.rgb.astype(int) - expected.rgb)[known].max() <= 2
        assert bent.coverage is not None
        assert (bent.coverage[known] > 0).all()


@pytest.mark.parametrize("hole", [False, True])
def test_parts_of_a_bent_room_are_those_of_the_whole(hole: bool) -> None:
    bent = replace(aligned(TURNED, UNEVEN), mesh=MESH)
    whole = RoomWarper(smooth_plate(hole)).room(bent, SIZE).whole()
    room = RoomWarper(smooth_plate(hole)).room(bent, SIZE)
    assert whole.coverage is not None
    for where in (np.s_[60:100, 200:240], np.s_[0:30, 10:300], np.s_[150:180, 300:320]):
        part = room.part(where)
        known = whole.coverage[where] > 0
        assert np.abs(part.rgb.astype(int) - whole.rgb[where])[known].max() <= 2


def test_a_sweep_is_bent_like_a_single_picture() -> None:
    rgb = smooth_plate().rgb
    right = np.array([[1.0, 0, 140], [0, 1, 0], [0, 0, 1]])
    views = (View(rgb[:, :200].copy()), View(rgb[:, 140:].copy(), None, right))
    bent = replace(aligned(TURNED), mesh=MESH)
    one, two = (RoomWarper(p).room(bent, SIZE).whole() for p in (smooth_plate(), Plate("s", SIZE, views)))
    assert one.coverage is not None
    assert two.coverage is not None
    known = cv2.erode(cv2.min(one.coverage, two.coverage), np.ones((5, 5))) > 0
    assert known.mean() > 0.8
    assert np.abs(one.rgb.astype(int) - two.rgb)[known].mean() < 1.5


@pytest.mark.parametrize("mesh", [None, 0 * MESH], ids=["plain", "mesh"])
def test_a_plate_of_a_larger_size_is_averaged_as_the_camera_averages(mesh: np.ndarray | None) -> None:
    large = np.random.default_rng(2).integers(0, 256, (540, 960, 3), dtype=np.uint8)  # all detail
    hole = np.full((540, 960), 255, np.uint8)
    hole[:300, :300] = 0
    plate = Plate("large", (960, 540), (View(large, hole),))
    room = RoomWarper(plate).room(replace(aligned(resized_from_original(1 / 3, 1 / 3)), mesh=mesh), SIZE)
    frame = cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA)
    where = np.s_[90:150, 20:290]
    seen = room.part(where)
    assert np.abs(seen.rgb.astype(int) - frame[where])[20:].max() <= 2  # roundings
    assert seen.coverage is not None
    assert (seen.coverage[:10, :75] == 0).all()
    assert (seen.coverage[20:] == 255).all()
    small, expected = room.small(SMALL), shrunk_room(Room(frame, None), SMALL)
    assert small.coverage is not None
    known = cv2.erode(small.coverage, np.ones((3, 3), np.uint8)) > 0
    assert known.mean() > 0.5
    assert np.abs(small.rgb.astype(int) - expected.rgb)[known].mean() < 2


def test_of_a_camera_that_zooms_out_the_room_follows_at_every_step() -> None:
    large = cv2.resize(smooth_plate().rgb, (1280, 720), interpolation=cv2.INTER_CUBIC)
    warper = RoomWarper(Plate("large", (1280, 720), (View(large),)))
    for zoom in (1.0, 0.75, 0.69, 0.66, 0.5, 0.52, 0.3):
        H = np.diag([zoom, zoom, 1.0])
        whole = warper.room(aligned(H), SIZE).whole()
        expected = cv2.warpPerspective(large, H, SIZE, flags=cv2.INTER_LINEAR)
        assert np.abs(whole.rgb.astype(int) - expected).mean() < 1.5, zoom


def test_after_a_zoom_a_larger_plate_is_averaged_anew() -> None:
    large = np.random.default_rng(3).integers(0, 256, (720, 1280, 3), dtype=np.uint8)  # all detail
    plate = Plate("large", (1280, 720), (View(large),))
    used = RoomWarper(plate)
    for zoom in (0.65, 0.25):
        H = aligned(np.diag([zoom, zoom, 1.0]))
        seen, fresh = used.room(H, SIZE).whole(), RoomWarper(plate).room(H, SIZE).whole()
        assert (seen.rgb == fresh.rgb).all(), zoom


def test_another_mesh_is_another_room() -> None:
    warper, mesh = RoomWarper(smooth_plate()), MESH.copy()
    light = Light()
    room = warper.room(replace(aligned(TURNED, light), mesh=mesh), SIZE)
    assert warper.room(replace(aligned(TURNED, light), mesh=mesh), SIZE) is room
    assert warper.room(aligned(TURNED, light), SIZE) is not room


def test_what_did_not_change_is_not_made_again() -> None:
    warper = RoomWarper(smooth_plate())
    light = Light()
    room = warper.room(aligned(TURNED, light), SIZE)
    assert warper.room(aligned(TURNED.copy(), light), SIZE) is room
    assert room.small(SMALL) is room.small(SMALL)
    assert np.shares_memory(room.part(np.s_[50:60, 50:60]).rgb, room.part(np.s_[40:70, 40:70]).rgb)
    assert warper.room(aligned(TURNED, Light()), SIZE) is not room


def test_parts_that_are_asked_for_in_turn_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen = [], RoomWarper.seen
    monkeypatch.setattr(RoomWarper, "seen", lambda *given: made.append(given) or seen(*given))
    room = RoomWarper(smooth_plate()).room(aligned(TURNED), SIZE)
    left, right = np.s_[20:40, 0:40], np.s_[120:150, 260:300]
    for where in (left, right, left, right):
        room.part(where)
    assert len(made) == 2, "each for the first time"


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
