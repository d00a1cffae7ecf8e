"""The mesh: takes up what no homography shows, and nothing else."""

import cv2
import numpy as np
import pytest
from rooms import SIZE, person_in, plate_of, room, seen, turned

from core.align import PlateAligner
from core.align.mesh import MOST_PX
from core.render.build import MatterOptions, build_platenet
from core.render.room import RoomWarper, matte_in
from core.types import Alignment, Frame, Matter, Plate, State

WIDTH, HEIGHT = SIZE
LEFT = np.zeros((HEIGHT, WIDTH), bool)  # where something stands nearer than the wall
LEFT[:, :150] = True


def two_depths(index: int, wall_px: float, near_px: float, rgb: np.ndarray) -> Frame:
    """The room after the camera stepped aside: what is near has moved further than the wall."""
    wall, near = (seen(rgb, shifted(px), index).rgb for px in (wall_px, near_px))
    moved = np.roll(LEFT, round(near_px), 1)
    moved[:, : round(near_px)] = True
    return Frame(np.where(moved[..., None], near, wall).astype(np.uint8), index * 33_000_000, index)


def shifted(px: float) -> np.ndarray:
    H = np.eye(3)
    H[0, 2] = px
    return H


def off_px(plate: Plate, alignment: Alignment, near_px: float) -> float:
    """How far the near thing is from where the alignment puts it, mean over its middle."""
    x = np.arange(WIDTH, dtype=np.float32) - np.float32(near_px)
    return float(np.abs(RoomWarper(plate).plate_xy(alignment, SIZE)[20:160, 20:120, 0] - x[20:120]).mean())


def walk(aligner: PlateAligner, rgb: np.ndarray, factor: float, frames: int = 16) -> list[Alignment]:
    return [aligner.update(two_depths(i, 0.8 * i, factor * 0.8 * i, rgb)) for i in range(frames)]


def test_what_stands_nearer_and_moved_further_is_met():
    rgb = room()
    with_mesh, without = (walk(PlateAligner(plate_of(rgb), SIZE, bend=bend), rgb, 1.2)[-1] for bend in (1, 0))
    assert with_mesh.mesh is not None
    assert without.mesh is None
    far, near = 12.0, 14.4
    assert off_px(plate_of(rgb), with_mesh, near) < 0.5 * off_px(plate_of(rgb), without, near)
    apart = RoomWarper(plate_of(rgb)).plate_xy(with_mesh, SIZE)[20:160, 220:300, 0]
    assert np.abs(apart - (np.arange(220, 300) - far)).mean() < 0.3


def test_a_mesh_is_a_few_pixels_at_most_and_bends_smoothly():
    rgb = room()
    for alignment in walk(PlateAligner(plate_of(rgb), SIZE), rgb, 1.3, 24):
        if alignment.mesh is not None:
            assert np.isfinite(alignment.mesh).all()
            assert np.abs(alignment.mesh).max() < 2 * MOST_PX
            assert np.abs(np.diff(alignment.mesh, axis=1)).max() < WIDTH / alignment.mesh.shape[1] / 4


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("move", [0.0, 1.5])
def test_a_room_that_fits_gets_no_mesh_whoever_stands_in_it(masked: bool, move: float):
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    for i in range(32):
        frame, alpha = person_in(seen(rgb, turned(move * min(i, 12)), i), left=0.2 + 0.011 * i, width=0.4)
        assert aligner.update(frame).mesh is None
        aligner.learn(frame, alpha if masked else None)


def test_a_still_camera_keeps_the_very_mesh_it_has():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    walk(aligner, rgb, 1.2)
    rest = [aligner.update(two_depths(15 + i, 12.0, 14.4, rgb)) for i in range(70)]
    assert rest[-1].state is State.LOCKED
    assert rest[-1].mesh is not None
    assert len({id(alignment.mesh) for alignment in rest[-40:]}) <= 3, "it hardly ever changes"


@pytest.mark.parametrize("size", [(48, 48), (96, 54), (160, 90)])
def test_small_pictures_which_have_no_coarse_levels_raise_nothing(size: tuple[int, int]):
    rgb = cv2.resize(room(), size, interpolation=cv2.INTER_AREA)
    aligner = PlateAligner(plate_of(rgb), size)
    for i in range(24):
        wall, near = (seen(rgb, shifted(px), i, size=size).rgb for px in (0.3 * i, 0.4 * i))
        near[:, size[0] // 2 :] = wall[:, size[0] // 2 :]
        assert aligner.update(Frame(near, i, i)).reason


def test_it_goes_when_the_camera_comes_back():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    assert walk(aligner, rgb, 1.2)[-1].mesh is not None
    back = [aligner.update(two_depths(16 + i, 12 - 0.8 * i, 1.2 * (12 - 0.8 * i), rgb)) for i in range(16)]
    home = [aligner.update(two_depths(40 + i, 0, 0, rgb)) for i in range(90)]
    assert back[2].mesh is not None
    assert home[-1].mesh is None


def test_it_goes_with_the_plate_when_that_is_lost():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    assert walk(aligner, rgb, 1.2)[-1].mesh is not None
    assert aligner.update(Frame(np.full_like(rgb, 3), 1, 1)).mesh is None
    assert aligner.update(two_depths(1, 0, 0, rgb)).mesh is None


@pytest.fixture(scope="module")
def matter() -> Matter:
    return build_platenet(MatterOptions(device="cpu", threads=1))[0]


@pytest.mark.parametrize(
    "shirt",
    [
        pytest.param(room(9), id="another texture"),
        pytest.param(np.roll(room(), 60, 1), id="the room's own texture, 60 px aside"),
        pytest.param(room()[:, ::-1], id="the room's own texture, mirrored"),
    ],
)
def test_somebody_nobody_has_masked_is_not_taken_for_a_bent_room(shirt: np.ndarray, matter: Matter):
    """Walks in and stays while parallax calls for a mesh; the aligner is never told of anybody."""
    rgb = room()
    plate, found = plate_of(rgb), {}
    for bend in (False, True):
        aligner, warper, seen_of_person, meshes = (
            PlateAligner(plate, SIZE, bend=bend),
            RoomWarper(plate),
            [],
            0,
        )
        for i in range(20):
            empty = two_depths(i, 0.8 * i, 0.96 * i, rgb)
            alpha = np.zeros(SIZE[::-1], bool)
            alpha[30:, max(0, 250 - 8 * i) : 340 - 8 * i] = True
            frame = Frame(np.where(alpha[..., None], shirt, empty.rgb).astype(np.uint8), i, i)
            alignment = aligner.update(frame)
            meshes += alignment.mesh is not None
            if i % 3 == 1 and alignment.usable:
                matte = matte_in(matter, frame.rgb, warper.room(alignment, SIZE))
                inner = cv2.erode(alpha.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
                seen_of_person.append(float(matte[inner].mean()) / 255)
        found[bend] = seen_of_person, meshes
    without, with_mesh = (np.array(found[bend][0]) for bend in (False, True))
    assert found[True][1] > 5, "a mesh that never came proves nothing"
    assert (with_mesh > without - 0.02).all()


def test_frames_larger_than_the_working_picture_are_told_a_mesh_in_their_own_pixels():
    rgb = room()
    small, large = (PlateAligner(plate_of(enlarged(rgb, n)), (n * SIZE[0], n * SIZE[1])) for n in (2, 4))
    meshes = []
    for i in range(16):
        frame = two_depths(i, 0.8 * i, 0.96 * i, rgb)
        meshes = [
            aligner.update(Frame(enlarged(frame.rgb, n), frame.time_ns, i)).mesh
            for aligner, n in ((small, 2), (large, 4))
        ]
    assert meshes[0] is not None
    assert meshes[1] is not None
    assert np.abs(meshes[1]).max() == pytest.approx(2 * np.abs(meshes[0]).max(), rel=0.2)


def enlarged(rgb: np.ndarray, times: int) -> np.ndarray:
    return np.asarray(cv2.resize(rgb, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), np.uint8)
