"""The bundled matter copes with every size and regime, and with its own frame alone."""

import time
from collections.abc import Callable
from threading import Event, current_thread

import cv2
import numpy as np
import pytest

from core.errors import WeightsError
from core.matte.desks import UNKNOWN_U8
from core.matte.platenet import PlateMatter
from core.matte.working_size import FILM_PIXELS, platenet_size, working_size
from core.render.build import MatterOptions, build_platenet
from core.render.room import RoomWarper
from core.types import Alignment, Light, Plate, State, View


class Recorder:
    """A runtime that keeps what it was given and answers with a fixed alpha."""

    name = "recorder"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.seen = size, []

    def show(self, *shown: np.ndarray) -> None:
        self.shown = [a.copy() for a in shown]

    def begin(self, prior: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        self.seen.append([*self.shown, prior.copy()])
        alpha = np.full((self.size[1], self.size[0]), 200, np.uint8)
        return alpha, lambda: alpha


def matter() -> tuple[PlateMatter, list[Recorder]]:
    made: list[Recorder] = []

    def make(size: tuple[int, int]) -> Recorder:
        made.append(Recorder(size))
        return made[-1]

    return PlateMatter(make, None, None, working_pixels=512 * 288), made


@pytest.mark.parametrize(
    ("frame", "expected"),
    [((1280, 720), (512, 288)), ((720, 1280), (288, 512)), ((640, 480), (448, 320)), ((1, 1), (384, 384))],
)
def test_working_size_keeps_aspect_and_area(frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert working_size(frame, 512 * 288) == expected


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((1920, 1080), (832, 480)),
        ((1280, 720), (832, 480)),
        ((640, 360), (640, 352)),
        ((160, 90), (512, 288)),
    ],
)
def test_platenet_looks_at_no_more_pixels_than_a_frame_has_unless_it_is_tiny(
    frame: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert platenet_size(frame) == expected


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((3840, 2160), (1920, 1088)),
        ((1920, 1080), (1920, 1088)),
        ((1080, 1920), (1088, 1920)),
        ((2560, 1080), (2240, 928)),  # the aspect of a wide film is kept
        ((1280, 720), (1280, 704)),
        ((640, 360), (640, 352)),
    ],
)
def test_a_film_has_its_second_look_at_its_own_size_but_for_very_large_ones(
    frame: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert platenet_size(frame, FILM_PIXELS) == expected


@pytest.mark.parametrize("size", [(1, 1), (33, 17), (721, 1281), (4000, 3), (3, 4000)])
def test_alpha_has_the_frames_size_whatever_it_is(size: tuple[int, int]) -> None:
    alpha = matter()[0].matte(np.zeros((size[1], size[0], 3), np.uint8), None, None)
    assert alpha.shape == (size[1], size[0])
    assert alpha.dtype == np.uint8


def test_the_network_sees_frame_plate_and_coverage_and_no_earlier_frame() -> None:
    m, made = matter()
    rgb, plate = np.full((720, 1280, 3), 50, np.uint8), np.full((720, 1280, 3), 90, np.uint8)
    m.matte(rgb, plate, None)
    m.matte(rgb, plate, None)
    first, (frame, seen_plate, coverage, prior) = made[0].seen
    assert (frame == 50).all()
    assert (seen_plate == 90).all()
    assert (coverage == 255).all()
    assert (prior == UNKNOWN_U8).all(), "no segmenter, no prior"
    for before, now in zip(first, (frame, seen_plate, coverage, prior), strict=True):
        assert np.array_equal(before, now), "an alpha that is fed back keeps ghosts of who left"


def test_unseen_parts_of_the_plate_are_no_plate() -> None:
    m, made = matter()
    plate = np.full((288, 512, 3), 90, np.uint8)
    coverage = np.full((288, 512), 255, np.uint8)
    coverage[:, :256] = 0
    m.matte(plate, plate, coverage)
    m.matte(plate, None, None)
    with_half, without = made[0].seen
    assert (with_half[1][:, :256] == 0).all()
    assert (with_half[1][:, 256:] == 90).all()
    assert (with_half[2][:, :256] == 0).all()
    assert (without[1] == 0).all()
    assert (without[2] == 0).all()


class Stepped(Recorder):
    """Sees a person in the right half; at a larger size than 512x288 with a hole, and an island in the room,
    and the edge 1 px further to the right."""

    def begin(self, prior: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        super().begin(prior)
        width, height = self.size
        alpha = np.zeros((height, width), np.uint8)
        if width == 512:
            alpha[:, width // 2 :] = 255
        else:
            alpha[:, -639:] = 255
            alpha[100:160, -200:-100], alpha[100:160, :60] = 0, 255
        return alpha, lambda: alpha


def test_a_closer_look_moves_edges_and_nothing_else() -> None:
    made: list[Stepped] = []

    def make(size: tuple[int, int]) -> Stepped:
        made.append(Stepped(size))
        return made[-1]

    m = PlateMatter(make, None, None, 512 * 288, closer_pixels=1280 * 704)
    rgb, plate = np.full((704, 1280, 3), 50, np.uint8), np.full((704, 1280, 3), 90, np.uint8)
    alpha = m.matte(rgb, plate, None)
    expected = np.zeros((704, 1280), np.uint8)
    expected[:, 641:] = 255
    assert (alpha == expected).all(), "no hole, no island, and the edge where the closer look has it"
    assert [r.size for r in made] == [(512, 288), (768, 704)], "of the columns in which somebody was found"
    frame, seen_plate, coverage, _ = made[1].seen[0]
    assert (frame == 50).all()
    assert (seen_plate == 90).all()
    assert (coverage == 255).all()
    m.matte(rgb, None, None)
    assert len(made[1].seen) == 1, "without a plate one look is better"
    small = np.zeros((288, 512, 3), np.uint8)
    m.matte(small, small, None)
    assert len(made) == 2, "what is seen whole is not looked at again"


def test_a_new_size_gets_a_network_of_its_own() -> None:
    m, made = matter()
    for size in ((288, 512), (288, 512), (512, 288)):
        m.matte(np.zeros((*size, 3), np.uint8), None, None)
    assert [r.size for r in made] == [(512, 288), (288, 512)]


def test_another_working_size_is_taken_at_once_where_frames_may_wait() -> None:
    m, made = matter()
    rgb = np.zeros((720, 1280, 3), np.uint8)
    assert m.working_size == (0, 0)
    m.matte(rgb, None, None)
    m.work_at(1024 * 576)
    assert m.matte(rgb, None, None).shape == (720, 1280)
    assert m.working_size == (1024, 576)
    m.work_at(1024 * 576)
    m.matte(rgb, None, None)
    assert [r.size for r in made] == [(512, 288), (1024, 576)]


def test_a_working_size_that_is_chosen_before_the_first_frame_is_the_first_ones() -> None:
    m, made = matter()
    m.work_at(832 * 480)
    m.matte(np.zeros((720, 1280, 3), np.uint8), None, None)
    assert [r.size for r in made] == [(832, 480)]


def test_no_live_frame_waits_for_another_working_size() -> None:
    may_go_on, made = Event(), []

    def make(size: tuple[int, int]) -> Recorder:
        if size[1] != 288:
            assert may_go_on.wait(10)
        made.append(size)
        return Recorder(size)

    m = PlateMatter(make, None, None, 512 * 288, impatient=True)
    rgb, plate = np.zeros((720, 1280, 3), np.uint8), np.full((720, 1280, 3), 9, np.uint8)

    def look() -> tuple[int, int]:
        assert (m.matte(rgb, plate, None) == 200).all()
        return m.working_size

    assert look() == (512, 288)
    m.work_at(832 * 480)
    assert m.changing_size
    assert look() == (512, 288)
    may_go_on.set()
    assert eventually(lambda: look() == (832, 480))
    assert not m.changing_size
    count = len(made)
    look()
    assert len(made) == count, "what the first frame asks for was made beforehand"


def test_a_working_size_that_is_taken_back_is_not_taken() -> None:
    m = PlateMatter(Recorder, None, None, 512 * 288, impatient=True)
    rgb = np.zeros((720, 1280, 3), np.uint8)
    m.matte(rgb, None, None)
    m.work_at(832 * 480)
    m.work_at(512 * 288)
    assert not m.changing_size
    for _ in range(3):
        m.matte(rgb, None, None)
        assert m.working_size == (512, 288)


def test_a_second_look_begins_when_its_network_is_ready_and_ends_at_once() -> None:
    may_go_on, made = Event(), []

    def make(size: tuple[int, int]) -> Stepped:
        if size[1] != 288:
            assert may_go_on.wait(10)
        made.append(size)
        return Stepped(size)

    m = PlateMatter(make, None, None, 512 * 288, impatient=True)
    rgb, plate = np.full((704, 1280, 3), 50, np.uint8), np.full((704, 1280, 3), 90, np.uint8)

    def edge() -> int:
        return int(np.argmax(m.matte(rgb, plate, None)[0] > 127))

    once = edge()
    m.work_at(512 * 288, 1280 * 704)
    assert m.changing_size
    assert (edge(), m.closer_size) == (once, None)
    may_go_on.set()
    assert eventually(lambda: edge() == 641)
    assert (m.working_size, m.closer_size, m.changing_size) == ((512, 288), (1280, 704), False)
    count = len(made)
    assert edge() == 641
    assert len(made) == count, "what the first frame asks for was made beforehand"
    m.work_at(512 * 288)
    assert eventually(lambda: edge() == once)
    assert m.closer_size is None


def test_a_second_look_that_would_see_no_more_is_none() -> None:
    m, made = matter()
    small = np.zeros((288, 512, 3), np.uint8)
    m.matte(small, small, None)
    m.work_at(512 * 288, 1280 * 704)
    assert (m.closer_size, m.changing_size) == (None, False)
    m.matte(small, small, None)
    assert [r.size for r in made] == [(512, 288)]


def test_a_network_that_is_made_twice_does_not_take_the_place_of_the_one_that_saw_the_frame() -> None:
    asked, too_late, late = [], Event(), []

    def make(size: tuple[int, int]) -> Recorder:
        asked.append(size)
        if asked.count((832, 480)) == 1 and size == (832, 480):
            late.append(current_thread())
            assert too_late.wait(10)
        return Overtaken(size)

    class Overtaken(Recorder):
        def show(self, *shown: np.ndarray) -> None:
            super().show(*shown)
            if self.size == (832, 480):
                too_late.set()
                late[0].join(10)

    m = PlateMatter(make, None, None, 512 * 288, impatient=True)
    rgb = np.zeros((720, 1280, 3), np.uint8)
    m.matte(rgb, None, None)
    m.work_at(832 * 480)
    assert eventually(lambda: bool(late))
    m.work_at(512 * 288)
    m.work_at(832 * 480)

    def looked_closer() -> bool:
        assert (m.matte(rgb, None, None) == 200).all()
        return m.working_size == (832, 480)

    assert eventually(looked_closer)
    assert too_late.is_set()


def test_a_working_size_that_cannot_be_made_is_said_once_and_the_old_one_goes_on() -> None:
    def make(size: tuple[int, int]) -> Recorder:
        if size[1] != 288:
            raise WeightsError("gone")
        return Recorder(size)

    m = PlateMatter(make, None, None, 512 * 288, impatient=True)
    rgb = np.zeros((720, 1280, 3), np.uint8)
    m.matte(rgb, None, None)
    m.work_at(832 * 480)

    def said() -> bool:
        try:
            m.matte(rgb, None, None)
        except WeightsError:
            return True
        return False

    assert eventually(said)
    assert not m.changing_size
    m.matte(rgb, None, None)
    assert m.working_size == (512, 288)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.005)
    return False


def test_who_left_within_one_frame_leaves_no_ghost() -> None:
    plate = np.kron(np.random.default_rng(0).integers(30, 220, (9, 16, 3)), np.ones((40, 40, 1))).astype(
        np.uint8
    )
    frame = plate.copy()
    cv2.ellipse(frame, (320, 260), (90, 160), 0, 0, 360, (200, 60, 40), -1)
    bundled, _ = build_platenet(MatterOptions(device="cpu", threads=1))
    for _ in range(3):
        assert (bundled.matte(frame, plate, None) > 128).mean() > 0.05
    assert (bundled.matte(plate, plate, None) > 25).mean() < 0.001


def test_the_next_frame_may_be_begun_before_this_one_is_refined() -> None:
    matter, _ = build_platenet(MatterOptions("cpu", threads=1))
    rng = np.random.default_rng(3)
    size = (320, 180)
    room = cv2.resize(rng.integers(40, 200, (9, 16, 3), dtype=np.uint8), size)
    frames = []
    for x in (60, 160):
        rgb = room.copy()
        cv2.circle(rgb, (x, 100), 60, (230, 60, 40), -1)
        frames.append(rgb)
    alone = [matter.matte(rgb, room, None) for rgb in frames]
    seen = RoomWarper(Plate("room", size, (View(room),))).room(
        Alignment(np.eye(3), Light(), State.LOCKED, 1.0, ""), size
    )
    begun = [matter.coarse(rgb, seen) for rgb in frames]
    for rgb, coarse, expected in zip(frames, begun, alone, strict=True):
        assert (matter.refined(rgb, seen, coarse) == expected).all()


class Mask:
    """A segmenter that sees somebody on the left."""

    def begin(self, rgb: np.ndarray, at_head: bool) -> Callable[[], np.ndarray]:
        mask = np.zeros(rgb.shape[:2], np.uint8)
        mask[:, : rgb.shape[1] // 4] = 255
        return lambda: mask


def test_without_a_plate_nobody_is_where_the_segmenter_sees_nobody_near() -> None:
    m = PlateMatter(Recorder, Mask(), None, working_pixels=512 * 288)  # type: ignore[arg-type]
    rgb = np.zeros((288, 512, 3), np.uint8)
    rough, alpha = m.coarse(rgb, None).alpha_u8, m.matte(rgb, None, None)
    assert (alpha[:, :130] >= 200).all()
    assert (alpha[:, 160:] == 0).all()
    assert (rough[:, rough.shape[1] // 3 :] == 0).all()


class Blind(Recorder):
    """Sees hardly anybody."""

    def begin(self, prior: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        super().begin(prior)
        alpha = np.full((self.size[1], self.size[0]), 40, np.uint8)
        return alpha[::2, ::2], lambda: alpha


def test_where_no_plate_is_known_who_is_well_inside_the_segmenters_mask_is_shown() -> None:
    m = PlateMatter(Blind, Mask(), None, working_pixels=512 * 288)  # type: ignore[arg-type]
    rgb, coverage = np.zeros((288, 512, 3), np.uint8), np.full((288, 512), 255, np.uint8)
    alpha, rough = m.matte(rgb, None, None), m.coarse(rgb, None).alpha_u8
    for seen, scale in ((alpha, 1), (rough, 2)):
        assert (seen[:, : 118 // scale] == 255).all()
        assert (seen[:, 128 // scale : 136 // scale] == 40).all(), "at its edge the network has the word"
        assert (seen[:, 160 // scale :] == 0).all()
    coverage[:, :64] = 0
    alpha = m.matte(rgb, rgb + 40, coverage)
    assert (alpha[:, :64] == 255).all()
    assert (alpha[:, 64:] == 40).all(), "and where the plate is known"


def test_whom_the_network_overlooks_in_the_segmenters_mask_and_before_another_room_is_shown() -> None:
    m = PlateMatter(Blind, Mask(), None, working_pixels=512 * 288)  # type: ignore[arg-type]
    rgb = np.zeros((288, 512, 3), np.uint8)
    plate = rgb + 20
    plate[100:] = (20, 99, 20)
    alpha, rough = m.matte(rgb, plate, None), m.coarse(rgb, m._held).alpha_u8
    for seen, scale in ((alpha, 1), (rough, 2)):
        assert (seen[124 // scale :, : 110 // scale] >= 254).all()
        assert (seen[: 92 // scale] == 40).all(), "like the room"
        assert (seen[:, 140 // scale :] == 40).all(), "not in the mask"


@pytest.mark.parametrize(("closer", "expected"), [(None, False), (1280 * 704, True)])
def test_a_film_with_a_plate_has_a_look_at_the_head(closer: int | None, expected: bool) -> None:
    asked: list[bool] = []

    class Asked(Mask):
        def begin(self, rgb: np.ndarray, at_head: bool) -> Callable[[], np.ndarray]:
            asked.append(at_head)
            return super().begin(rgb, at_head)

    m = PlateMatter(Recorder, Asked(), None, 512 * 288, closer_pixels=closer)  # type: ignore[arg-type]
    rgb = np.zeros((704, 1280, 3), np.uint8)
    m.matte(rgb, rgb + 9, None)
    m.matte(rgb, None, None)
    assert asked == [expected, False]


class OneLook(Mask):
    """A segmenter that looks at one picture at a time, and says how often it began."""

    def __init__(self) -> None:
        self.begun, self.open = 0, False

    def begin(self, rgb: np.ndarray, at_head: bool) -> Callable[[], np.ndarray]:
        assert not self.open, "the look before has not ended"
        self.begun, self.open = self.begun + 1, True
        mask = np.full(rgb.shape[:2], int(rgb[0, 0, 0]), np.uint8)

        def end() -> np.ndarray:
            self.open = False
            return mask

        return end

    def forget(self) -> None:
        pass


@pytest.mark.parametrize(
    ("expected", "forgets", "closer", "looks"),
    [
        (None, False, None, 1),
        ("the same", False, None, 1),
        ("another", False, None, 2),
        ("another size", False, None, 2),
        ("the same", True, None, 2),
        ("the same", False, 1280 * 704, 1),
    ],
    ids=["nothing expected", "as expected", "another came", "of another size", "reset between", "a film"],
)
def test_an_expected_picture_is_looked_at_once_and_any_other_anew(
    expected: str | None, forgets: bool, closer: int | None, looks: int
) -> None:
    runtimes: list[Recorder] = []

    def make(size: tuple[int, int]) -> Recorder:
        runtimes.append(Recorder(size))
        return runtimes[-1]

    look = OneLook()
    m = PlateMatter(make, look, None, 512 * 288, closer_pixels=closer)  # type: ignore[arg-type]
    rgb = np.full((704, 1280, 3), 90, np.uint8)
    others = {"the same": rgb, "another": rgb + 1, "another size": np.zeros((480, 640, 3), np.uint8)}
    if expected is not None:
        m.expect(others[expected])
        assert look.open == (closer is None), "a film's look waits until it is known whether there is a room"
    if forgets:
        m.reset()
    m.matte(rgb, rgb + 9, None)
    assert look.begun == looks
    assert not look.open
    shown = next(seen for runtime in runtimes for seen in runtime.seen)
    assert (shown[0] == 90).all(), "the network saw another picture"
    assert (shown[-1] == 90).all(), "the mask is another picture's"


def test_where_the_plate_is_known_the_segmenter_limits_nothing() -> None:
    m = PlateMatter(Recorder, Mask(), None, working_pixels=512 * 288)  # type: ignore[arg-type]
    rgb, coverage = np.zeros((288, 512, 3), np.uint8), np.full((288, 512), 255, np.uint8)
    assert (m.matte(rgb, rgb + 99, None) == 200).all()
    coverage[:, 400:] = 0
    alpha = m.matte(rgb, rgb + 99, coverage)
    assert (alpha[:, :390] == 200).all()
    assert (alpha[:, 410:] == 0).all()


class Window(Recorder):
    """Finds somebody in one part of the picture, shares of its (left, top, right, bottom); nobody without a
    plate."""

    part = (0.0, 0.0, 1.0, 1.0)

    def begin(self, prior: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        super().begin(prior)
        width, height = self.size
        left, top, right, bottom = self.part
        alpha = np.zeros((height, width), np.uint8)
        if self.shown[2].any():
            alpha[
                round(top * height) : round(bottom * height), round(left * width) : round(right * width)
            ] = 255
        return alpha, lambda: alpha


@pytest.mark.parametrize(
    ("part", "doubted"),
    [
        ((0.0, 0.0, 0.25, 1.0), False),
        ((0.6, 0.4, 0.8, 0.8), False),
        ((0.6, 0.1, 0.8, 1.0), True),
        ((0.0, 0.9, 1.0, 1.0), True),
        ((0.0, 0.0, 1.0, 1.0), True),
    ],
    ids=["somebody", "a thing", "a door", "a torn frame", "a lamp that went out"],
)
def test_a_plate_that_would_show_much_where_nobody_is_seen_is_not_used_for_that_frame(
    part: tuple[float, float, float, float], doubted: bool
) -> None:
    class There(Window):
        pass

    There.part = part
    m = PlateMatter(There, Mask(), None, 512 * 288, doubting=True)  # type: ignore[arg-type]
    rgb, room = np.full((288, 512, 3), 90, np.uint8), np.full((288, 512, 3), 30, np.uint8)
    seen = RoomWarper(Plate("room", (512, 288), (View(room),))).room(
        Alignment(np.eye(3), Light(), State.LOCKED, 1.0, ""), (512, 288)
    )
    for _ in range(2):
        coarse = m.coarse(rgb, seen)
        assert coarse.doubted == doubted
        shown = m.refined(rgb, seen, coarse)
        assert shown.any()
        assert not (doubted and shown[:, 160:].any()), "by looks alone nobody was found there"


def test_what_is_hidden_beyond_the_plate_is_no_reason_to_doubt_it() -> None:
    m = PlateMatter(Window, Mask(), None, 512 * 288, doubting=True)  # type: ignore[arg-type]
    rgb, coverage = np.full((288, 512, 3), 90, np.uint8), np.zeros((288, 512), np.uint8)
    coverage[:, :170] = 255
    alpha = m.matte(rgb, rgb, coverage)
    assert (alpha[:, :160] == 255).all()
    assert (alpha[:, 180:] == 0).all()


def test_the_room_stays_hidden_when_the_lamp_goes_out() -> None:
    cells = np.random.default_rng(0).integers(30, 220, (9, 16, 3))
    room = np.kron(cells, np.ones((40, 40, 1))).astype(np.uint8)
    dark = (room * 0.12).astype(np.uint8)  # darker than any light that the plate is corrected for
    bared = {}
    for doubting in (False, True):
        bundled, _ = build_platenet(MatterOptions("cpu", 1, refiner_weights=None, doubting=doubting))
        bared[doubting] = float((bundled.matte(dark, room, None) > 25).mean())
    assert bared[False] > 0.5, "else this room shows nothing"
    assert bared[True] == 0


class Near:
    """A runtime that sees everybody from afar, and loses the left half of the picture otherwise."""

    name = "near"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.looks = size, 0

    def show(self, *shown: np.ndarray) -> None:
        pass

    def begin(self, prior: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        self.looks += 1
        alpha = np.full((self.size[1], self.size[0]), 255, np.uint8)
        if self.size[1] > 288:
            alpha[:, : self.size[0] // 2] = 0
        return alpha, lambda: alpha


class Sure:
    """A segmenter that is sure of somebody from a column on."""

    def __init__(self) -> None:
        self.first = 0

    def begin(self, rgb: np.ndarray, at_head: bool) -> Callable[[], np.ndarray]:
        mask = np.zeros(rgb.shape[:2], np.uint8)
        mask[:, self.first :] = 255
        return lambda: mask

    def forget(self) -> None:
        pass


def far_and_near(impatient: bool) -> tuple[PlateMatter, Sure, dict[tuple[int, int], Near]]:
    made: dict[tuple[int, int], Near] = {}

    def make(size: tuple[int, int]) -> Near:
        return made.setdefault(size, Near(size))

    segmenter = Sure()
    return PlateMatter(make, segmenter, None, impatient=impatient), segmenter, made  # type: ignore[arg-type]


def test_a_look_from_afar_is_taken_where_somebody_may_be_lost() -> None:
    m, segmenter, made = far_and_near(impatient=False)
    rgb, plate = np.full((720, 1280, 3), 50, np.uint8), np.full((720, 1280, 3), 90, np.uint8)
    segmenter.first = 500
    alpha = m.matte(rgb, plate, None)
    assert (512, 288) not in made, "the mask is sure of nobody in the other half"
    assert (alpha[:, :600] == 0).all()
    segmenter.first = 300
    alpha = m.matte(rgb, plate, None)
    assert made[(512, 288)].looks == 1
    assert (alpha[:, 480:] == 255).all()
    assert (alpha[:, :400] == 0).all(), "the mask is of nobody there"
    m.matte(rgb, None, None)
    assert made[(512, 288)].looks == 1, "without a plate nobody is compared with a room"


def test_a_live_frame_does_not_wait_for_that_look_s_network() -> None:
    m, _, made = far_and_near(impatient=True)
    rgb, plate = np.full((720, 1280, 3), 50, np.uint8), np.full((720, 1280, 3), 90, np.uint8)
    first = m.matte(rgb, plate, None)
    assert (first[:, :600] == 0).all()
    assert eventually(lambda: bool(m.matte(rgb, plate, None)[:, 100:].all())), "it was made beside the frames"
    assert made[(512, 288)].looks >= 1
