"""Sweeps: one plate from a turning camera, refused with the reason where it cannot be one."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest

from core.align import PlateAligner
from core.errors import PlateError
from core.matte.working_size import shrink_into
from core.plate.compose import compose_views
from core.plate.poses import Pair, solve_poses
from core.plate.sweep import SweepBuilder, SweepState
from core.types import Frame, Plate, View

SIZE = (320, 180)
FOCAL = 0.8 * 320
PX_PER_DEGREE = 5.2


def _wall(seed: int = 0, width: int = 1600, height: int = 700) -> np.ndarray:
    """A long wall full of things, uint8 HxWx3; a camera turning before it sees homographies of it."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 120, np.uint8)
    for _ in range(1500):
        centre, extent = rng.uniform(0, (width, height)), rng.uniform(10, 60, 2)
        corners = cv2.boxPoints((centre.tolist(), extent.tolist(), rng.uniform(0, 90))).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, rng.uniform(30, 210, 3).tolist(), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.9), np.uint8)


def _frame_from_wall(yaw_deg: float, tilt_deg: float = 0.0) -> np.ndarray:
    """A camera FOCAL px before the wall's middle, turned: float64 3x3."""
    K = np.array([[FOCAL, 0, 159.5], [0, FOCAL, 89.5], [0, 0, 1.0]])
    K_wall = np.array([[FOCAL, 0, 799.5], [0, FOCAL, 349.5], [0, 0, 1.0]])
    R = cv2.Rodrigues(np.array([0.0, -np.radians(yaw_deg), 0.0]))[0]
    R = cv2.Rodrigues(np.array([np.radians(tilt_deg), 0.0, 0.0]))[0] @ R
    return K @ R @ np.linalg.inv(K_wall)


def _look(wall: np.ndarray, yaw_deg: float, tilt_deg: float = 0.0, seed: int = 0) -> np.ndarray:
    looked = cv2.warpPerspective(wall, _frame_from_wall(yaw_deg, tilt_deg), SIZE, flags=cv2.INTER_AREA)
    grain = np.random.default_rng(seed).normal(0, 2, looked.shape)
    return np.clip(looked + grain, 0, 255).astype(np.uint8)


def swept_by(frames: Iterable[np.ndarray]) -> Plate:
    """What a sweep of these frames becomes."""
    builder = SweepBuilder("room")
    for rgb in frames:
        builder.add(rgb)
    return builder.finish()


@pytest.fixture(scope="module")
def wall() -> np.ndarray:
    return _wall()


@pytest.fixture(scope="module")
def swept(wall: np.ndarray) -> Plate:
    return swept_by(
        (_look(wall, yaw, 2 * np.sin(yaw / 9), i) for i, yaw in enumerate(np.arange(-30, 31, 1.2)))
    )


def test_a_slow_turn_becomes_one_plate_of_several_views(swept: Plate):
    assert swept.size == SIZE
    assert 3 <= len(swept.views) <= 8
    np.testing.assert_array_equal(swept.views[0].plate_from_view, np.eye(3))


def test_views_lie_where_the_camera_looked(wall: np.ndarray, swept: Plate):
    aligner = PlateAligner(swept, SIZE)
    for yaw in (-28.0, -10.0, 5.0, 27.0):
        frame = _look(wall, yaw, seed=77)
        alignment = aligner.update(Frame(frame, 0, 0))
        assert alignment.H is not None, alignment.reason
        room, coverage = compose_views(swept, alignment.H, SIZE)
        known = coverage == 255
        assert known.mean() > 0.8
        assert np.abs(room.astype(int) - frame)[known].mean() < 9


def _panorama(seed: int, degrees: float) -> np.ndarray:
    return _wall(seed, int(degrees * PX_PER_DEGREE), int(70 * PX_PER_DEGREE))


def _look_around(panorama: np.ndarray, yaw_deg: float, seed: int) -> np.ndarray:
    """A camera amid a round room, which may turn as far as it likes; 0 is the middle of the picture."""
    x, y = np.meshgrid(np.arange(SIZE[0]) - 159.5, np.arange(SIZE[1]) - 89.5)
    right, down = np.degrees(np.arctan2(x, FOCAL)) + yaw_deg, np.degrees(np.arctan2(y, np.hypot(x, FOCAL)))
    middle = np.array(panorama.shape[1::-1]) / 2
    places = [(a * PX_PER_DEGREE + m).astype(np.float32) for a, m in zip((right, down), middle, strict=True)]
    looked = cv2.remap(panorama, *places, cv2.INTER_LINEAR)
    return np.clip(looked + np.random.default_rng(seed).normal(0, 2, looked.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("furthest", [26.0, 100.0])
def test_a_turn_of_any_width_is_known_wherever_it_went(furthest: float):
    # from 56 degrees on a corner of the reference lies behind the camera, from 90 all of it
    panorama = _panorama(1, 2 * furthest + 80)
    builder = SweepBuilder("room")
    for i, yaw in enumerate(np.arange(-furthest, furthest + 0.1, 1.5)):
        progress = builder.add(_look_around(panorama, yaw, i))
    assert progress.place[0] == pytest.approx(np.radians(2 * furthest) * FOCAL / SIZE[0], rel=0.3)
    plate = builder.finish()
    aligner = PlateAligner(plate, SIZE)
    for yaw in np.linspace(-furthest, furthest, 9):
        frame = _look_around(panorama, yaw, 1000)
        alignment = aligner.update(Frame(frame, 0, 0))
        assert alignment.H is not None, alignment.reason
        room, coverage = compose_views(plate, alignment.H, SIZE)
        known = coverage == 255
        assert known.mean() > 0.95, f"at {yaw} degrees, the ends too"
        assert np.abs(room.astype(int) - frame)[known].mean() < 4


def test_what_no_view_saw_is_not_covered(swept: Plate):
    far_left = np.array([[1.0, 0, 2000], [0, 1, 0], [0, 0, 1]])
    assert not compose_views(swept, far_left, SIZE)[1].any()


def test_the_reference_alone_comes_back_unchanged():
    rgb = _wall(width=320, height=180)
    room, coverage = compose_views(Plate("one", SIZE, (View(rgb),)), np.eye(3), SIZE)
    np.testing.assert_array_equal(room, rgb)
    assert (coverage == 255).all()


def test_blending_leaves_no_seam_between_views_of_one_wall(wall: np.ndarray):
    left, right = np.eye(3), np.eye(3)
    right[0, 2] = 160
    views = (View(wall[:180, :320].copy(), None, left), View(wall[:180, 160:480].copy(), None, right))
    H = np.eye(3)
    H[0, 2] = -80.0
    room, coverage = compose_views(Plate("two", SIZE, views), H, SIZE)
    inner = np.s_[2:-2, 2:-2]
    assert (coverage[inner] == 255).all()
    assert np.abs(room.astype(int) - wall[:180, 80:400])[inner].max() <= 1


def _two_views(wall: np.ndarray, gain: float = 1.0) -> Plate:
    left, right = np.eye(3), np.eye(3)
    right[0, 2] = 160
    lit = np.clip(wall[:180, 160:480] * gain, 0, 255).astype(np.uint8)
    return Plate("two", SIZE, (View(wall[:180, :320].copy(), None, left), View(lit, None, right)))


def _shifted(dx: float) -> np.ndarray:
    return np.array([[1, 0, dx], [0, 1, 0], [0, 0, 1.0]])


def test_a_place_of_the_room_looks_the_same_wherever_the_camera_looks(wall: np.ndarray):
    plate = _two_views(wall, gain=1.15)  # two views that do not agree in their light
    for dx in (-20, -60, -79, -81, -110):  # the view that is nearest to the frame's middle changes at -80
        before, _ = compose_views(plate, _shifted(-80), SIZE)
        after, coverage = compose_views(plate, _shifted(dx), SIZE)
        both = before[:, 40:280], np.roll(after, -80 - dx, axis=1)[:, 40:280]
        known = np.roll(coverage, -80 - dx, axis=1)[:, 40:280] == 255
        inside = np.s_[2:-2, 35:-35]
        assert known[inside].mean() > 0.85
        assert np.abs(both[0].astype(int) - both[1])[inside][known[inside]].max() <= 1


def test_views_that_disagree_fade_and_do_not_step(wall: np.ndarray):
    bright, dark = np.full((180, 320, 3), 120, np.uint8), np.full((180, 320, 3), 112, np.uint8)
    plate = Plate("two", SIZE, (View(bright), View(dark, None, _shifted(160))))
    room, _ = compose_views(plate, _shifted(-80), SIZE)
    row = room[90, :, 0].astype(int)
    assert row[0] == 120
    assert row[-1] == 112
    assert np.abs(np.diff(row)).max() <= 2


@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_a_reduced_frame_is_the_reduced_room_without_aliasing(wall: np.ndarray, scale: float):
    plate, small = _two_views(wall), (round(320 * scale), round(180 * scale))
    sx, sy = small[0] / SIZE[0], small[1] / SIZE[1]
    to_small = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
    room, coverage = compose_views(plate, to_small @ _shifted(-80), small)
    full, _ = compose_views(plate, _shifted(-80), SIZE)
    expected = cv2.resize(full, small, interpolation=cv2.INTER_AREA)
    inner = np.s_[2:-2, 2:-2]
    assert (coverage[inner] == 255).all()
    assert np.abs(room.astype(int) - expected)[inner].mean() < 3


@pytest.mark.parametrize("scale", [0.9, 0.65, 0.525, 0.4])
def test_a_reduced_room_is_as_sharp_as_a_frame_that_is_shrunk_for_the_network(wall: np.ndarray, scale: float):
    plate, small = _two_views(wall), (round(320 * scale), round(180 * scale))
    sx, sy = small[0] / SIZE[0], small[1] / SIZE[1]
    to_small = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
    room, _ = compose_views(plate, to_small @ _shifted(-80), small)
    frame = np.empty_like(room)
    shrink_into(compose_views(plate, _shifted(-80), SIZE)[0], frame)
    inner = np.s_[2:-2, 2:-2]
    assert (
        np.abs(room.astype(int) - frame)[inner].mean() < 0.5
    )  # levels: two views fade after they were shrunk


def test_a_view_behind_the_camera_is_not_shown(wall: np.ndarray):
    K = np.array([[FOCAL, 0, 159.5], [0, FOCAL, 89.5], [0, 0, 1.0]])
    about = K @ cv2.Rodrigues(np.array([0.0, np.pi, 0.0]))[0] @ np.linalg.inv(K)
    views = (View(_look(wall, 0)), View(_look(wall, 20), None, about))
    room, _ = compose_views(Plate("around", SIZE, views), _shifted(0.5), SIZE)
    alone, _ = compose_views(Plate("one", SIZE, views[:1]), _shifted(0.5), SIZE)
    np.testing.assert_array_equal(room, alone)


def test_a_view_with_a_hole_leaves_the_hole_uncovered():
    rgb = _wall(width=320, height=180)
    hole = np.full(SIZE[::-1], 255, np.uint8)
    hole[60:100, 100:200] = 0
    H = np.eye(3)
    H[0, 2] = 0.5
    _, coverage = compose_views(Plate("hole", SIZE, (View(rgb, hole),)), H, SIZE)
    assert not coverage[62:98, 103:197].any()


def test_the_builder_says_what_each_frame_did(wall: np.ndarray):
    builder = SweepBuilder("room")
    assert builder.add(_look(wall, 0)).state is SweepState.NEW
    assert builder.add(_look(wall, 0.3, seed=1)).state is SweepState.COVERED
    assert builder.add(_look(wall, 4.0, seed=2)).state is SweepState.FAST
    progress = builder.add(_look(_wall(8), 0, seed=3))
    assert progress.state is SweepState.LOST
    assert progress.lost == 1
    assert builder.add(np.zeros((180, 320, 3), np.uint8)).state is SweepState.DARK


def test_a_gap_is_bridged_by_going_back(wall: np.ndarray):
    builder = SweepBuilder("room")
    for i, yaw in enumerate([0, 1, 2, 60, 60, 2, 3, 4, 5]):
        progress = builder.add(_look(wall, yaw, seed=i))
    assert progress.lost == 0
    assert builder.finish().views


def test_too_fast_a_turn_is_refused_with_the_reason(wall: np.ndarray):
    with pytest.raises(PlateError, match="turn more slowly"):
        swept_by([_look(wall, yaw) for yaw in (-40, 35, -40, 35, 35, 35, 35)])


def test_a_dark_sweep_is_refused_with_the_reason(wall: np.ndarray):
    with pytest.raises(PlateError, match="too dark"):
        swept_by([(_look(wall, yaw) * 0.03).astype(np.uint8) for yaw in range(5)])


def _carried(depths: tuple[float, ...], seed: int) -> Iterator[np.ndarray]:
    """A camera carried sideways before a wall with things at other depths: 30 frames of 4 px on the wall."""
    rng = np.random.default_rng(seed)
    walls = [_wall(seed + i, width=1280, height=SIZE[1]) for i in range(len(depths))]
    masks = [np.full((SIZE[1], 1280), 255, np.uint8)]
    for near in range(1, len(depths)):
        masks.append(np.zeros((SIZE[1], 1280), np.uint8))
        for _ in range(14):
            x, y = rng.integers(0, 1280), rng.integers(30 * near, SIZE[1])
            axes = int(rng.integers(15, 45)), int(rng.integers(20, 70))
            cv2.ellipse(masks[-1], (int(x), int(y)), axes, 0, 0, 360, 255, -1)
    for k in range(30):
        out = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        for depth, picture, mask in zip(depths, walls, masks, strict=True):
            shift = np.array([[1, 0, -4.0 * k * depth], [0, 1, 0]])
            near, where = (
                cv2.warpAffine(a, shift, SIZE, borderMode=cv2.BORDER_WRAP) for a in (picture, mask)
            )
            out[where > 127] = near[where > 127]
        yield np.clip(out + rng.normal(0, 2, out.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("depths", [(1.0, 1.6, 2.6, 4.0), (1.0, 1.3, 1.6)])
def test_a_camera_that_is_carried_is_refused_with_the_reason(depths: tuple[float, ...]):
    with pytest.raises(PlateError, match=r"about (the camera's|its) own place"):
        swept_by(_carried(depths, 1))


def test_a_carried_camera_with_little_parallax_is_kept_with_what_was_seen():
    plate = swept_by(_carried((1.0, 1.1), 1))
    H = np.linalg.inv(plate.views[-1].plate_from_view)
    _, coverage = compose_views(plate, H / H[2, 2], SIZE)
    assert (coverage == 255).mean() > 0.95, "the last view is known all over"
    far = np.array([[1, 0, 4000.0], [0, 1, 0], [0, 0, 1]])
    assert not compose_views(plate, far, SIZE)[1].any(), "and nothing is where nobody looked"


def test_no_frames_are_refused():
    with pytest.raises(PlateError, match="no picture"):
        SweepBuilder("room").finish()


def test_frames_of_two_sizes_are_refused(wall: np.ndarray):
    builder = SweepBuilder("room")
    builder.add(_look(wall, 0))
    with pytest.raises(PlateError, match="one size"):
        builder.add(_look(wall, 0)[:90])


def _pairs(focal: float, yaws: list[float]) -> list[Pair]:
    K = np.array([[focal, 0, 159.5], [0, focal, 89.5], [0, 0, 1.0]])
    turns = [cv2.Rodrigues(np.array([0.02 * i, np.radians(yaw), 0.0]))[0] for i, yaw in enumerate(yaws)]
    found = []
    for i in range(len(yaws) - 1):
        H = K @ turns[i + 1] @ turns[i].T @ np.linalg.inv(K)
        found.append(Pair(i, i + 1, H / H[2, 2]))
    return found


@pytest.mark.parametrize("focal", [200.0, 300.0, 450.0])
def test_the_focal_length_of_a_turning_camera_is_found(focal: float):
    poses = solve_poses(_pairs(focal, [0, 12, 24, 36]), 4, SIZE)
    assert poses.focal_px == pytest.approx(focal, rel=0.01)
    assert poses.rms_px < 0.05


def test_what_a_pair_says_of_where_only_one_view_looks_bends_no_pose():
    """Measured to a tenth of a pixel where both see the room, a homography is off by several elsewhere."""
    K, turns = np.array([[FOCAL, 0, 159.5], [0, FOCAL, 89.5], [0, 0, 1.0]]), range(0, 101, 20)
    there = np.array([(x, y) for x in (20.0, 60.0, 100.0) for y in (9.0, 90.0, 170.0)])
    grain, heres, measured = np.random.default_rng(0), [], []
    for first, second in ((i, j) for i in range(6) for j in (i + 1, i + 2) if j < 6):
        R = cv2.Rodrigues(np.array([0.0, np.radians(turns[second] - turns[first]), 0.0]))[0]
        heres.append(cv2.perspectiveTransform(there[None], K @ R @ np.linalg.inv(K))[0])
        seen = heres[-1] + grain.normal(0, 0.1, there.shape)
        measured.append(Pair(first, second, cv2.findHomography(seen, there)[0]))
    poses = solve_poses(measured, 6, SIZE)
    assert poses.focal_px == pytest.approx(FOCAL, rel=0.01)
    for pair, here in zip(measured, heres, strict=True):
        solved = np.linalg.inv(poses.plate_from_view[pair.second]) @ poses.plate_from_view[pair.first]
        assert np.abs(cv2.perspectiveTransform(here[None], solved)[0] - there).max() < 0.4


def test_a_chain_stands_in_where_the_camera_did_more_than_turn():
    shear = np.array([[1.0, 0.35, 40], [0, 0.8, 0], [0, 0, 1.0]])
    poses = solve_poses([Pair(0, 1, shear), Pair(1, 2, shear)], 3, SIZE)
    assert poses.focal_px is None
    assert poses.reference == 1
    np.testing.assert_allclose(np.linalg.inv(poses.plate_from_view[2]), shear / shear[2, 2], atol=1e-9)
