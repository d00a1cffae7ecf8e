"""platenet looks at the columns in which somebody is: nobody is cut off, and a still person keeps them."""

import math
import subprocess
import sys
import time
from threading import Event

import cv2
import numpy as np
import pytest

from core.errors import WeightsError
from core.matte.columns import PATIENCE, ColumnFinder, Columns, change_of, distance_of
from core.matte.platenet import PlateMatter
from core.matte.working_size import MULTIPLE, platenet_size
from core.render.room import RoomWarper
from core.types import Alignment, Light, Plate, Room, State, View

FRAME, WORKING = (1280, 720), (736, 416)
NARROW, WIDE = 448, 576
Size = tuple[int, int]
Span = tuple[int, int]  # columns of the frame


def room(size: Size = FRAME) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(60, 190, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


def with_people(plate: np.ndarray, *spans: Span, top: int = 100) -> np.ndarray:
    rgb = plate.copy()
    for first, end in spans:
        rgb[top:, first:end] ^= 0x80  # nowhere nearer to the room than half of the scale
    return rgb


class Watched:
    """A finder on pictures of the working size."""

    def __init__(self, size: Size = WORKING) -> None:
        self.finder, self.plate = ColumnFinder(size), room(size)

    def find(self, *spans: Span, mask: np.ndarray | None = None, noise: float = 0) -> Columns:
        rgb = with_people(self.plate, *spans)
        if noise:
            seen = rgb + np.random.default_rng(2).normal(0, noise, rgb.shape)
            rgb = np.clip(seen, 0, 255).astype(np.uint8)
        return self.finder.find(change_of(distance_of(rgb, Room(self.plate, None))), mask)

    @property
    def whole(self) -> Columns:
        return self.finder.whole


def hold(columns: Columns, span: Span) -> bool:
    return columns.first <= span[0] and span[1] <= columns.end


@pytest.mark.parametrize("noise", [0, 10])
@pytest.mark.parametrize(
    ("span", "width"), [((250, 520), NARROW), ((0, 170), NARROW), ((500, 736), NARROW), ((100, 560), WIDE)]
)
def test_the_fewest_columns_with_all_of_a_person_are_looked_at(span: Span, width: int, noise: float) -> None:
    columns = Watched().find(span, noise=noise)
    assert hold(columns, span)
    assert columns.width == width
    assert columns.first % MULTIPLE == columns.end % MULTIPLE == 0


def test_a_closer_look_has_the_columns_of_the_matte_that_it_is_to_mend() -> None:
    finder = ColumnFinder((1280, 704))
    alpha = np.zeros((120, 208), np.uint8)
    alpha[60:, 70:110] = 255
    alpha[70, 64:70] = 8  # strands
    narrow = finder.around(alpha)
    assert hold(narrow, (64 * 1280 // 208 - 20, 110 * 1280 // 208 + 20)), "with a margin"
    assert narrow.width == finder.widths[0]
    assert finder.around(alpha, [1280]) == Columns(0, 1280), "no other is ready"
    alpha[40, :] = 7
    assert finder.around(alpha) == narrow, "less is no edge"
    alpha[:, 190] = 255
    assert finder.around(alpha).width > narrow.width
    assert finder.now == Columns(0, 1280), "it follows nobody"


def test_a_margin_is_kept_for_what_is_too_thin_to_count() -> None:
    assert hold(Watched().find((250, 520)), (227, 543))


@pytest.mark.parametrize("span", [(60, 690), (0, 736)])
def test_who_fills_the_frame_is_seen_with_all_of_it(span: Span) -> None:
    assert Watched().find(span) == Columns(0, 736)


def test_a_pale_person_who_fills_most_of_the_frame_is_seen_with_all_of_it() -> None:
    """What is like the room is measured where it is the room, not on the person."""
    watched = Watched()
    rgb = watched.plate.copy()
    rgb[:, 115:604] += 24
    rgb[115:288, 288:403] ^= 0x80
    assert hold(watched.finder.find(change_of(distance_of(rgb, Room(watched.plate, None))), None), (115, 604))


def test_where_all_of_the_light_is_wrong_the_frame_is_seen_whole() -> None:
    watched = Watched()
    bright = cv2.add(watched.plate, (60, 60, 60, 0))
    assert (
        watched.finder.find(change_of(distance_of(bright, Room(watched.plate, None))), None) == watched.whole
    )


def test_an_empty_room_is_looked_at_whole() -> None:
    watched = Watched()
    watched.find((250, 520))
    assert watched.find() == watched.whole


def test_what_the_plate_does_not_show_counts_only_by_the_mask() -> None:
    watched = Watched()
    coverage = np.full(WORKING[::-1], 255, np.uint8)
    coverage[:, :200] = 0
    plate = cv2.bitwise_and(watched.plate, watched.plate, mask=coverage)
    rgb = with_people(watched.plate, (20, 120), (300, 600))
    assert not hold(watched.finder.find(change_of(distance_of(rgb, Room(plate, coverage))), None), (20, 600))
    mask = np.zeros(WORKING[::-1], np.uint8)
    mask[115:, 20:121] = 230
    assert hold(watched.finder.find(change_of(distance_of(rgb, Room(plate, coverage))), mask), (20, 600))


def test_who_comes_in_is_in_the_columns_of_the_same_frame() -> None:
    watched = Watched()
    first, second = (288, 460), (34, 115)
    assert not hold(watched.find(first), second)
    assert hold(watched.find(first, second), second)


def test_a_mask_counts_where_somebody_looks_like_the_wall() -> None:
    watched, mask = Watched(), np.zeros(WORKING[::-1], np.uint8)
    mask[231:, 58:115] = 230
    assert hold(watched.find((288, 460), mask=mask), (58, 460))


def test_small_moves_change_nothing_and_fewer_have_to_be_enough_for_a_while() -> None:
    watched = Watched()
    first = watched.find((150, 560))
    assert first.width == WIDE
    assert all(watched.find((150 + d, 560 + d)) == first for d in (0, 7, -7, 10, 0))
    seen = [watched.find((300, 420)) for _ in range(PATIENCE + 5)]
    assert seen[PATIENCE // 2] == first
    assert seen[-1].width == NARROW
    assert len(set(seen)) == 2, "one change, not many"


def test_an_arm_that_comes_and_goes_makes_no_columns_jump() -> None:
    watched = Watched()
    body, arm = (180, 460), (460, 640)
    watched.find(body)
    seen = [watched.find(body, *([arm] if k // 10 % 2 else [])) for k in range(100)]
    assert len(set(seen[10:])) == 1


def test_who_reaches_beyond_gets_the_whole_frame_for_longer_each_time() -> None:
    watched, span = Watched(), (288, 460)
    columns = watched.find(span)
    rough = np.zeros((52, 92), np.uint8)
    rough[-1] = 255  # up to its own border nothing is cut off
    rough[:, columns.first // 8 + 1 : columns.end // 8 - 1] = 255
    assert watched.finder.too_few(columns, rough)
    rough[-1], waited = 0, []
    assert not watched.finder.too_few(columns, rough)
    for side in (columns.first // 8, columns.end // 8 - 1):
        touched = rough.copy()
        touched[20:25, side] = 255
        assert watched.finder.too_few(columns, touched)
        waited.append(next(k for k in range(1000) if watched.find(span) != watched.whole))
    assert 2 * waited[0] <= waited[1] + 2
    assert waited[0] >= PATIENCE


def test_the_frame_s_own_border_is_no_end_of_the_columns() -> None:
    watched = Watched()
    columns = watched.find((0, 170))
    rough = np.zeros((52, 92), np.uint8)
    rough[:, :20] = 255
    assert columns.first == 0
    assert not watched.finder.too_few(columns, rough)


@pytest.mark.parametrize(
    "size", [(1, 1), (33, 17), (160, 90), (640, 360), (720, 1280), (4000, 60), (3840, 2160)]
)
def test_every_frame_has_its_columns(size: Size) -> None:
    watched = Watched(platenet_size(size))
    width = watched.whole.width
    columns = watched.find((width // 3, width // 3 + max(1, width // 8)))
    assert 0 <= columns.first < columns.end <= width
    assert columns.width in watched.finder.widths
    assert all(w % MULTIPLE == 0 for w in watched.finder.widths)


class Threshold:
    """A runtime that takes for the person what is far from the plate."""

    name = "threshold"

    def __init__(self, size: Size) -> None:
        self.size, self.looks = size, 0

    def show(self, frame: np.ndarray, plate: np.ndarray, coverage: np.ndarray) -> None:
        assert frame.shape[1::-1] == plate.shape[1::-1] == coverage.shape[::-1] == self.size
        self.changed = np.abs(frame.astype(int) - plate).max(2) > 20

    def begin(self, prior: np.ndarray):
        assert prior.shape[::-1] == self.size
        self.looks += 1
        self.prior = prior.copy()
        alpha = self.changed.astype(np.uint8) * np.uint8(255)
        return cv2.resize(alpha, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA), lambda: alpha


def matter_of_threshold(
    segmenter: object = None, impatient: bool = False
) -> tuple[PlateMatter, dict[Size, Threshold]]:
    made: dict[Size, Threshold] = {}

    def make(size: Size) -> Threshold:
        return made.setdefault(size, Threshold(size))

    return PlateMatter(make, segmenter, None, math.prod(WORKING), impatient), made  # type: ignore[arg-type]


def looks(made: dict[Size, Threshold]) -> dict[int, int]:
    return {size[0]: runtime.looks for size, runtime in made.items()}


def test_the_matte_of_some_columns_lies_where_the_person_is() -> None:
    matter, made = matter_of_threshold()
    plate, (first, end) = room(), (500, 801)
    rgb = with_people(plate, (first, end), top=200)
    alpha = matter.matte(rgb, plate, None)
    true = np.zeros((720, 1280), np.uint8)
    true[200:, first:end] = 255
    assert looks(made) == {NARROW: 1}
    assert (np.abs(alpha.astype(int) - true) > 100).sum() < 4 * 520
    assert matter.matte(rgb, None, None).shape == (720, 1280)
    assert looks(made) == {NARROW: 1, 736: 1}, "without a plate, the whole frame"


@pytest.mark.parametrize(("left", "looked"), [(160, 736), (400, WIDE), (800, NARROW)])
def test_the_rough_matte_is_that_of_the_whole_frame(left: int, looked: int) -> None:
    matter, made = matter_of_threshold()
    plate = room()
    seen = RoomWarper(Plate("room", FRAME, (View(plate),))).room(
        Alignment(np.eye(3), Light(), State.LOCKED, 1.0, ""), FRAME
    )
    rough = matter.coarse(with_people(plate, (left, 1280), top=0), seen).alpha_u8
    assert looks(made) == {looked: 1}
    assert rough.shape == (52, 92)
    column = left * 92 // 1280
    assert (rough[:, : column - 2] == 0).all()
    assert (rough[:, column + 2 :] == 255).all()


def test_nobody_is_cut_off_where_an_arm_was_too_pale_to_count() -> None:
    """The network sees it in the last column, and looks at the whole frame at once."""
    matter, made = matter_of_threshold()
    plate = room()
    rgb = with_people(plate, (500, 800))
    rgb[405:410, 100:500] += 30
    alpha = matter.matte(rgb, plate, None)
    assert looks(made) == {NARROW: 1, 736: 1}
    assert (alpha[406:409, 120:480] > 100).mean() > 0.9


def test_who_comes_in_beside_the_columns_of_the_last_frame_is_in_the_matte_at_once() -> None:
    """The network is shown those of the last frame before it is known that they will not do."""
    matter, made = matter_of_threshold()
    plate = room()
    matter.matte(with_people(plate, (500, 800)), plate, None)
    alpha = matter.matte(with_people(plate, (500, 800), (100, 200)), plate, None)
    assert looks(made) == {NARROW: 1, WIDE: 1}
    assert (alpha[120:, 110:190] > 250).all()
    assert (alpha[120:, 510:790] > 250).all()
    assert (alpha[:, 210:490] < 5).all()


def test_what_was_seen_of_a_frame_is_still_there_when_the_next_one_is_begun() -> None:
    """The refiner takes its colours, while the network looks at the next frame."""
    matter, _ = matter_of_threshold()
    first = matter.coarse(with_people(room(), (500, 800)), None)
    expected = first.rgb.copy()
    matter.coarse(with_people(room(), (100, 200)), None)
    assert (first.rgb == expected).all()


class Ramp:
    """A segmenter whose mask is how far to the right a pixel is, and nobody left of the middle."""

    def begin(self, rgb: np.ndarray, at_head: bool):
        assert not at_head
        height, width = rgb.shape[:2]
        across = (np.arange(width) + 0.5) / width
        mask = np.tile(np.where(across > 0.5, 255 * across * 0.29, 0).round().astype(np.uint8), (height, 1))
        return lambda: mask


def test_the_prior_of_some_columns_is_their_part_of_the_mask() -> None:
    matter, made = matter_of_threshold(Ramp())
    plate = room()
    matter.matte(with_people(plate, (800, 1100)), plate, None)
    prior = made[NARROW, 416].prior
    columns = matter._desk.finder.now
    expected = 255 * 0.29 * (columns.first + np.arange(NARROW) + 0.5) / 736
    assert columns.first > 0
    assert np.abs(prior[300].astype(float) - expected)[expected > 255 * 0.15].max() < 1


def test_no_frame_waits_for_fewer_columns_to_be_made_ready() -> None:
    """The whole frame is looked at until they are."""
    may_go_on, made = Event(), []

    def make(size: Size) -> Threshold:
        if made:
            assert may_go_on.wait(10)
        made.append(size)
        return Threshold(size)

    matter = PlateMatter(make, None, None, math.prod(WORKING), impatient=True)
    plate = room()
    person = with_people(plate, (500, 800))
    expected = matter_of_threshold()[0].matte(person, plate, None)
    seen = [matter.matte(person, plate, None) for _ in range(3)]
    assert made == [WORKING]
    assert all(((alpha > 128) == (expected > 128)).mean() > 0.99 for alpha in seen)
    may_go_on.set()
    begin = time.monotonic()
    while len(made) < 2 and time.monotonic() - begin < 10:
        time.sleep(0.01)
    alphas = [matter.matte(person, plate, None) for _ in range(PATIENCE + 2)]
    assert made == [WORKING, (NARROW, 416)]
    assert (alphas[-1] == expected).all()


def test_a_width_that_cannot_be_made_is_said_and_tried_again() -> None:
    tries = []

    def make(size: Size) -> Threshold:
        tries.append(size)
        if len(tries) == 2:
            raise WeightsError("gone")
        return Threshold(size)

    matter = PlateMatter(make, None, None, math.prod(WORKING), impatient=True)
    plate = room()
    person = with_people(plate, (500, 800))

    def until_it_is_said() -> None:
        for _ in range(1000):
            matter.matte(person, plate, None)
            time.sleep(0.001)

    with pytest.raises(WeightsError, match="gone"):
        until_it_is_said()
    matter.matte(person, plate, None)
    assert tries[1:] == [(NARROW, 416)] * 2


def test_another_frame_size_begins_anew() -> None:
    matter, made = matter_of_threshold()
    for size in ((1280, 720), (720, 1280)):
        plate = room(size)
        rgb = with_people(plate, (0, 100), top=0)
        assert ((matter.matte(rgb, plate, None) > 128) == (np.arange(size[0]) < 100)).mean() > 0.99
    assert len(made) == 2


ENDS_EARLY = """
import numpy as np
from core.render.build import MatterOptions, build_platenet
matter, _ = build_platenet(MatterOptions(device="cpu", threads=1, impatient=True))
plate = np.full((720, 1280, 3), 90, np.uint8)
person = plate.copy()
person[100:, 500:800] = 220
matter.matte(person, plate, None)
print(matter._desks._opening is not None)
"""


def test_a_program_that_ends_while_a_width_is_made_ends_in_good_order() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDS_EARLY], capture_output=True, text=True, timeout=600)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr
