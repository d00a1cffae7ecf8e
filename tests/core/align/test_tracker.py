"""The aligner: follows, holds, leaps, finds again, and says so when it cannot."""

from concurrent.futures import Future

import cv2
import numpy as np
import pytest
from rooms import SIZE, error_px, person_in, plate_of, room, seen, turned

from core.align import NoPlateAligner, PlateAligner, apply_light
from core.align.relocalise import Found
from core.types import Frame, Plate, State, View

STILL = np.eye(3)


def test_the_homography_moves_plate_pixels_to_frame_pixels():
    rgb = room()
    alignment = PlateAligner(plate_of(rgb), SIZE).update(seen(rgb, turned(6.0)))
    assert alignment.H is not None
    centre = alignment.H @ np.array([159.5, 89.5, 1.0])
    assert centre[0] / centre[2] == pytest.approx(159.5 + 6.0, abs=0.3)


def test_locks_a_still_camera_at_once_on_exactly_the_plate():
    rgb = room()
    alignment = PlateAligner(plate_of(rgb), SIZE).update(seen(rgb, STILL))
    assert alignment.state is State.LOCKED
    np.testing.assert_allclose(alignment.H, np.eye(3), atol=1e-12)


def test_the_homography_is_the_same_object_while_the_camera_stands_still():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    held = {id(aligner.update(seen(rgb, STILL, i)).H) for i in range(12)}
    assert len(held) == 1


def test_light_is_the_same_object_while_nothing_changes():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    lights = {id(aligner.update(seen(rgb, STILL, i, gain=1.1)).light) for i in range(12)}
    assert len(lights) <= 2


def test_follows_a_pan_to_a_tenth_of_a_pixel_behind_a_person():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    errors = []
    for i in range(20):
        H = turned(1.5 * i, 0.4 * i, 0.1 * i, 1 + 0.002 * i)
        frame, alpha = person_in(seen(rgb, H, i), left=0.3 + 0.01 * i, width=0.4)
        alignment = aligner.update(frame)
        aligner.learn(frame, alpha)
        assert alignment.H is not None, alignment.reason
        errors.append(error_px(alignment.H, H))
    assert np.median(errors) < 0.12
    assert aligner.update(seen(rgb, H, 20)).state is State.TRACKING


def test_an_unmasked_person_over_half_the_picture_does_not_drag_it():
    rgb = room()
    frame, _ = person_in(seen(rgb, STILL), left=0.25, width=0.5, top=0.0)
    alignment = PlateAligner(plate_of(rgb), SIZE).update(frame)
    assert alignment.H is not None, alignment.reason
    assert error_px(alignment.H, STILL) < 0.2


@pytest.mark.parametrize("left", [-0.05, 0.6])
def test_a_person_at_the_border_is_no_reason_to_move(left: float):
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    first = aligner.update(seen(rgb, STILL))
    for i in range(1, 8):
        frame, alpha = person_in(seen(rgb, STILL, i), left=left, width=0.45, top=0.0)
        alignment = aligner.update(frame)
        aligner.learn(frame, alpha)
    assert alignment.H is first.H


def test_a_bump_of_an_eighth_of_the_picture_is_locked_again_within_three_frames():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    for i in range(4):
        aligner.update(seen(rgb, STILL, i))
    H = turned(38.0, 8.0)
    errors = [
        error_px(a.H, H) if a.H is not None else np.inf
        for a in map(aligner.update, (seen(rgb, H, 10 + i) for i in range(3)))
    ]
    assert errors[-1] < 0.3


def test_settles_after_a_move_and_holds():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    aligner.update(seen(rgb, STILL))
    states = [aligner.update(seen(rgb, turned(3.0), i)).state for i in range(1, 10)]
    assert states[0] is State.TRACKING
    assert states[-1] is State.LOCKED


@pytest.mark.parametrize("value", [0, 90, 255])
def test_is_lost_in_the_very_frame_in_which_the_lens_is_covered(value: int):
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    frame, alpha = person_in(seen(rgb, STILL), left=0.3, width=0.4)
    aligner.update(frame)
    aligner.learn(frame, alpha)
    covered = np.full_like(rgb, value) + np.random.default_rng(0).integers(0, 4, rgb.shape).astype(np.uint8)
    alignment = aligner.update(Frame(covered, 33, 1))
    assert alignment.state is State.LOST
    assert alignment.H is None
    assert alignment.reason


def test_is_lost_in_the_very_frame_in_which_the_camera_looks_elsewhere():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    aligner.update(seen(rgb, STILL))
    assert aligner.update(seen(room(5), STILL, 1)).state is State.LOST


def test_a_mask_over_everything_does_not_excuse_another_room():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    frame = seen(rgb, STILL)
    aligner.update(frame)
    aligner.learn(frame, np.full(SIZE[::-1], 255, np.uint8))
    assert aligner.update(seen(room(5), STILL, 1)).state is State.LOST


def test_comes_back_when_the_lights_do():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    aligner.update(seen(rgb, STILL))
    dark = aligner.update(seen(rgb, STILL, 1, gain=0.01))
    assert "dark" in dark.reason
    assert aligner.update(seen(rgb, STILL, 2)).usable


def test_follows_the_light_through_flicker():
    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE)
    for i, gain in enumerate([1.0, 1.15, 0.9, 1.2, 0.85]):
        alignment = aligner.update(seen(rgb, STILL, i, gain=gain))
        tone = 128 * alignment.light.gain + alignment.light.offset
        np.testing.assert_allclose(tone, 128 * gain, atol=4)


def test_never_locks_another_room():
    aligner = PlateAligner(plate_of(room(1)), SIZE)
    assert not any(aligner.update(seen(room(2), turned(i), i)).usable for i in range(12))


def test_finds_the_plate_from_cold_far_from_where_it_was_taken():
    rgb = room()
    H = turned(90.0, -20.0, 4.0, 1.1)
    alignment = PlateAligner(plate_of(rgb), SIZE).update(seen(rgb, H))
    assert alignment.H is not None, alignment.reason
    assert error_px(alignment.H, H) < 1.0


class Later:
    """A worker that works when it is told to."""

    def __init__(self) -> None:
        self.jobs: list = []

    def submit(self, job):
        future: Future = Future()
        self.jobs.append((job, future))
        return future

    def work(self) -> None:
        for job, future in self.jobs:
            future.set_result(job())
        self.jobs.clear()


def test_a_search_on_a_worker_never_makes_a_frame_wait():
    rgb, later = room(), Later()
    aligner = PlateAligner(plate_of(rgb), SIZE, submit=later.submit)
    H = turned(90.0, -20.0)
    assert aligner.update(seen(rgb, H, 0)).state is State.LOST
    assert aligner.update(seen(rgb, H, 1)).state is State.LOST
    assert len(later.jobs) == 1
    later.work()
    assert aligner.update(seen(rgb, H, 2)).usable


class Blind:
    """A Relocaliser in a room without corners. searches: how often it was asked."""

    searches = 0

    def prepare(self) -> None: ...

    def find(self, grey: np.ndarray, usable: np.ndarray | None = None) -> list[Found]:
        self.searches += 1
        return []


@pytest.mark.parametrize(("pan", "tilt"), [(34.0, 8.0), (-26.0, -12.0), (44.0, 0.0)])
def test_a_camera_that_turned_further_than_a_fit_goes_is_found_without_features(pan: float, tilt: float):
    rgb, H = room(), turned(pan, tilt)
    frame, alpha = person_in(seen(rgb, H), left=0.35, width=0.4)
    aligner = PlateAligner(plate_of(rgb), SIZE, relocaliser=Blind())
    aligner.learn(frame, alpha)
    alignment = aligner.update(frame)
    assert alignment.H is not None, alignment.reason
    assert error_px(alignment.H, H) < 0.5


def test_where_too_little_agreed_is_looked_at_again_once_the_person_is_known():
    """Without another search, though the camera has turned on meanwhile."""
    rgb, blind = room(), Blind()
    aligner = PlateAligner(plate_of(rgb), SIZE, relocaliser=blind)
    frame, alpha = person_in(seen(rgb, turned(30.0)), left=0.2, width=0.62, top=0.0)
    assert aligner.update(frame).state is State.LOST, "most of the picture is another"
    aligner.learn(frame, alpha)
    H = turned(32.0)
    alignment = aligner.update(person_in(seen(rgb, H, 1), left=0.2, width=0.62, top=0.0)[0])
    assert alignment.H is not None, alignment.reason
    assert error_px(alignment.H, H) < 1.0
    assert blind.searches == 1


def test_a_fit_that_went_far_is_no_place_before_a_search_has_been_heard():
    rgb, later, H = room(), Later(), turned(8.0)
    aligner = PlateAligner(plate_of(rgb), SIZE, submit=later.submit)
    assert aligner.update(seen(rgb, H)).state is State.LOST, "it fits, but may have ended anywhere"
    later.work()
    alignment = aligner.update(seen(rgb, H, 1))
    assert alignment.H is not None, alignment.reason
    assert error_px(alignment.H, H) < 0.3


@pytest.mark.parametrize(("a_frame", "known_from"), [(0.0, 0), (0.0, 20), (1.5, 0)])
def test_a_wrong_place_is_left_for_a_better_one(a_frame: float, known_from: int):
    """Shelves that repeat themselves agree in most cells at a place that is one shelf off. While nobody has
    said where the person is, what differs may be the person."""
    shelf = room()[:, :40]
    rgb = np.concatenate([*[shelf] * 6, room()[:, 240:]], 1)
    aligner = PlateAligner(plate_of(rgb), SIZE, relocaliser=Blind())
    errors = []
    for i in range(40):
        H = turned(60.0 + a_frame * i)
        frame = seen(rgb, H, i)
        if i >= known_from:
            aligner.learn(frame, np.zeros(SIZE[::-1], np.uint8))
        alignment = aligner.update(frame)
        assert alignment.H is not None, alignment.reason
        errors.append(error_px(alignment.H, H))
    assert min(errors[:known_from] + errors[:1]) > 30, "there is a wrong place to leave"
    assert max(errors[known_from + 5 :]) < 0.5


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_plate_of_another_resolution_is_scaled(scale: float):
    rgb = room(size=(640, 360))
    small = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    plate, frame = (small, rgb) if scale == 2.0 else (rgb, small)
    size = (frame.shape[1], frame.shape[0])
    alignment = PlateAligner(plate_of(plate), size).update(Frame(frame, 0, 0))
    assert alignment.H is not None, alignment.reason
    assert alignment.H[0, 0] == pytest.approx(scale, rel=1e-3)
    # Pixel centres are at integers, so a resize has half a pixel of shift in it.
    assert alignment.H[0, 2] == pytest.approx((scale - 1) / 2, abs=0.2)


@pytest.mark.parametrize("zoom", [0.8, 1.3])
def test_a_plate_taken_at_another_zoom_is_found_and_followed(zoom: float):
    rgb = room(size=(640, 360))
    plate = plate_of(np.asarray(cv2.resize(rgb, SIZE, interpolation=cv2.INTER_AREA)))
    aligner = PlateAligner(plate, SIZE)
    for i in range(8):
        H = turned(0.8 * i, zoom=zoom)
        alignment = aligner.update(seen(plate.rgb, H, i))
        assert alignment.H is not None, alignment.reason
        assert error_px(alignment.H, H) < 0.5


def test_a_plate_that_is_a_crop_of_what_the_camera_sees_now_is_found_in_it():
    rgb = room(size=(400, 240))
    left, top, width, height = 60, 30, 240, 180  # of another aspect ratio too
    aligner = PlateAligner(plate_of(rgb[top : top + height, left : left + width].copy()), (400, 240))
    for i in range(6):
        alignment = aligner.update(seen(rgb, STILL, i, size=(400, 240)))
    assert alignment.H is not None, alignment.reason
    expected = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
    assert error_px(alignment.H, expected, (width, height)) < 0.3


@pytest.mark.parametrize("way", ["left", "right", "above", "below"])
def test_somebody_who_comes_in_from_a_side_and_fills_the_picture_to_all_borders(way: str):
    """Unmasked at first, in the end over every border and 60 % of the picture: never a wrong place."""
    rgb, shirt = room(), room(9)
    aligner = PlateAligner(plate_of(rgb), SIZE)
    first = aligner.update(seen(rgb, STILL))
    width, height = SIZE
    for i in range(1, 16):
        across, down = round(0.6 * width * min(i / 10, 1)), round(0.6 * height * min(i / 10, 1))
        alpha = np.zeros(SIZE[::-1], np.uint8)
        alpha[{
            "left": np.s_[:, :across],
            "right": np.s_[:, width - across :],
            "above": np.s_[:down],
            "below": np.s_[height - down :],
        }[way]] = 255  # fmt: skip
        if i > 10:  # touches the other three borders as well, by the width of an arm
            alpha[:8], alpha[-8:], alpha[:, :8], alpha[:, -8:] = 255, 255, 255, 255
        frame = Frame(np.where(alpha[..., None] > 0, shirt, seen(rgb, STILL, i).rgb), i, i)
        alignment = aligner.update(frame)
        aligner.learn(frame, alpha)
        assert alignment.usable, (i, alignment.reason)
        assert alignment.H is first.H


def test_frames_that_allow_no_homography_are_a_state_and_no_exception():
    rgb = room()
    rng = np.random.default_rng(0)
    bar = np.full_like(rgb, 60)
    bar[:, 150:170] = rgb[:, 150:170]
    line = np.repeat(rgb[90:91], SIZE[1], 0)
    point = np.broadcast_to(cv2.resize(rgb, (1, 1)), rgb.shape).copy()
    noise = rng.integers(0, 256, rgb.shape, np.uint8)
    for strange in (bar, line, point, noise, rgb[::-1].copy(), rgb[:, ::-1].copy(), 255 - rgb):
        for before in (0, 3):  # from cold, and while following
            aligner = PlateAligner(plate_of(rgb), SIZE)
            for i in range(before):
                aligner.update(seen(rgb, turned(2.0 * i), i))
            for i in range(3):
                alignment = aligner.update(Frame(strange, 10 + i, 10 + i))
                assert alignment.state is State.LOST
                assert alignment.reason


@pytest.mark.parametrize("broken", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.diag([1.0, 1.0, 0.0])])
def test_an_impossible_homography_from_the_search_is_turned_away(broken: np.ndarray):
    class Wrong:
        def prepare(self) -> None: ...

        def find(self, grey: np.ndarray, usable: np.ndarray | None = None) -> list[Found]:
            return [Found(0, broken, 500)]

    rgb = room()
    aligner = PlateAligner(plate_of(rgb), SIZE, relocaliser=Wrong())
    assert aligner.update(seen(room(5), STILL)).state is State.LOST
    assert aligner.update(seen(rgb, STILL, 1)).usable


def test_a_search_that_breaks_once_costs_one_frame_and_not_the_run():
    class BreaksOnce:
        searches = 0

        def submit(self, job):
            done = Future()
            self.searches += 1
            if self.searches == 1:
                done.set_exception(MemoryError("no memory for a moment"))
            else:
                done.set_result(job())
            return done

    rgb, worker = room(), BreaksOnce()
    aligner = PlateAligner(plate_of(rgb), SIZE, submit=worker.submit)
    moved = turned(90.0, 20.0, 4.0)  # too far to be found without a search
    assert aligner.update(seen(rgb, moved, 0)).state is State.LOST
    with pytest.raises(MemoryError):
        aligner.update(seen(rgb, moved, 1))
    states = [aligner.update(seen(rgb, moved, i)).state for i in range(2, 12)]
    assert states[-1] is not State.LOST, "the frames after it are looked at as ever"


def test_a_plate_that_covers_half_of_the_room_still_fits():
    rgb = room()
    coverage = np.zeros(SIZE[::-1], np.uint8)
    coverage[:, :160] = 255
    half = np.where(coverage[..., None] > 0, rgb, 0).astype(np.uint8)
    plate = Plate("half", SIZE, (View(half, coverage),))
    alignment = PlateAligner(plate, SIZE).update(seen(rgb, STILL))
    assert alignment.usable
    assert alignment.score > 0.9


def test_a_blank_wall_is_taken_as_still_and_says_so():
    wall = np.full((180, 320, 3), 150, np.uint8)
    aligner = PlateAligner(plate_of(wall), SIZE)
    alignment = aligner.update(seen(wall, STILL))
    assert alignment.state is State.LOCKED
    assert "no texture" in alignment.reason
    assert aligner.update(Frame(np.full_like(wall, 30), 1, 1)).state is State.LOST


def test_a_faint_wall_follows_its_light_and_is_lost_when_somebody_else_stands_all_over_it():
    shade = np.linspace(140, 165, SIZE[0])[None, :, None]
    wall = np.broadcast_to(shade, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    aligner = PlateAligner(plate_of(wall), SIZE)
    first = aligner.update(seen(wall, STILL, gain=0.85))
    assert first.H is not None
    assert error_px(first.H, STILL) == 0
    np.testing.assert_allclose(apply_light(wall, first.light), wall * 0.85, atol=3)
    assert aligner.update(seen(room(9), STILL, 1)).state is State.LOST
    assert aligner.update(seen(wall, STILL, 2)).usable


@pytest.mark.parametrize("other", [0, 2, 4])
def test_a_faint_room_that_a_knocked_camera_sees_is_not_taken_for_the_blank_wall(other: int):
    wall = np.full((SIZE[1], SIZE[0], 3), (170, 165, 150), np.uint8)
    faint = (150 + 0.3 * (room(other).astype(np.float32) - 120)).astype(np.uint8)
    nobody, somewhere = np.zeros(SIZE[::-1], np.uint8), np.zeros(SIZE[::-1], np.uint8)
    somewhere[60:, 100:200] = 255
    for alpha in (nobody, somewhere):
        aligner = PlateAligner(plate_of(wall), SIZE)
        aligner.update(seen(wall, STILL))
        aligner.learn(seen(wall, STILL), alpha)
        assert aligner.update(seen(wall, STILL, 1)).state is State.LOCKED
        assert aligner.update(seen(faint, STILL, 2)).state is State.LOST


def test_repeated_texture_does_not_let_it_slip_by_a_tile():
    tile = room(3, (40, 30))
    rgb = np.tile(tile, (6, 8, 1))
    # One thing that is not repeated, as in any real room.
    rgb[60:120, 200:280] = room(4, (80, 60))
    aligner = PlateAligner(plate_of(rgb), SIZE)
    for i in range(15):
        H = turned(2.0 * i)
        alignment = aligner.update(seen(rgb, H, i))
        if alignment.H is not None:
            assert error_px(alignment.H, H) < 5.0


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (33, 17), (47, 47)])
def test_pictures_too_small_to_compare_are_lost_with_the_reason(size: tuple[int, int]):
    rgb = np.full((size[1], size[0], 3), 90, np.uint8)
    alignment = PlateAligner(plate_of(rgb), size).update(Frame(rgb, 0, 0))
    assert alignment.state is State.LOST
    assert "too small" in alignment.reason


def test_frames_of_another_size_start_afresh():
    rgb = room(size=(640, 360))
    aligner = PlateAligner(plate_of(rgb), (640, 360))
    aligner.update(Frame(rgb, 0, 0))
    small = cv2.resize(rgb, (320, 180), interpolation=cv2.INTER_AREA)
    alignment = aligner.update(Frame(small, 1, 1))
    assert alignment.H is not None
    assert alignment.H[0, 0] == pytest.approx(0.5, rel=1e-3)


def test_goes_over_to_the_next_view_of_a_sweep():
    rgb = room(size=(960, 180))
    left = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    right = np.array([[1.0, 0, 300], [0, 1, 0], [0, 0, 1]])
    views = (View(rgb[:, 100:420].copy(), None, left), View(rgb[:, 400:720].copy(), None, right))
    aligner = PlateAligner(Plate("sweep", SIZE, views), SIZE)
    for i in range(60):
        x = 5 * i
        alignment = aligner.update(Frame(rgb[:, 100 + x : 420 + x].copy(), i, i))
        assert alignment.H is not None, (i, alignment.reason)
        H_true = np.array([[1.0, 0, -x], [0, 1, 0], [0, 0, 1]])
        assert error_px(alignment.H, H_true) < 0.5, "at the frame's corners: the plate's own are far outside"


def test_a_refreshed_plate_is_taken_over_without_letting_go():
    rgb = room(5)
    aligner = PlateAligner(plate_of(rgb), SIZE)
    H = turned(6.0)
    before = [aligner.update(seen(rgb, H, i)) for i in range(15)][-1]
    darker = rgb.copy()
    darker[:, :150] = (darker[:, :150] * 0.7).astype(np.uint8)
    aligner.prepare(plate_of(darker))()
    after = [aligner.update(seen(darker, H, i)) for i in range(15, 30)]
    assert before.state is State.LOCKED
    assert all(alignment.state is State.LOCKED for alignment in after)
    assert max(error_px(alignment.H, before.H) for alignment in after if alignment.H is not None) < 0.02
    assert after[-1].light.grid is None, "the plate has the shadow now, so the light has not"


def test_without_a_plate_the_state_is_none():
    aligner = NoPlateAligner()
    frame = seen(room(), STILL)
    aligner.learn(frame, None)
    assert aligner.update(frame).state is State.NONE
    aligner.close()
