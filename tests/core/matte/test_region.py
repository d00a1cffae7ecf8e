"""platenet looks around whoever is there: nobody is cut off, and a still person keeps a still region."""

import time
from threading import Event

import cv2
import numpy as np
import pytest

from core.errors import WeightsError
from core.matte.platenet import PlateMatter
from core.matte.region import PATIENCE, Region, RegionFinder
from core.matte.working_size import WORKING_PIXELS, platenet_size
from core.render.room import RoomWarper
from core.types import Alignment, Light, Plate, Room, State, View

FRAME = (1280, 720)
Box = tuple[int, int, int, int]
Size = tuple[int, int]


def room(size: tuple[int, int] = FRAME) -> np.ndarray:
    coarse = np.random.default_rng(1).integers(60, 190, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


def with_people(plate: np.ndarray, *boxes: Box) -> np.ndarray:
    rgb = plate.copy()
    for x0, y0, x1, y1 in boxes:
        rgb[y0:y1, x0:x1] ^= 0x80  # nowhere nearer to the room than half of the scale
    return rgb


class Watched:
    """A finder on frames of full size."""

    def __init__(self, size: tuple[int, int] = FRAME) -> None:
        self.finder, self.plate = RegionFinder(size, WORKING_PIXELS), room(size)

    def find(self, *boxes: Box, mask: np.ndarray | None = None, noise: float = 0) -> Region:
        rgb = with_people(self.plate, *boxes)
        if noise:
            seen = rgb + np.random.default_rng(2).normal(0, noise, rgb.shape)
            rgb = np.clip(seen, 0, 255).astype(np.uint8)
        glance, small = (
            cv2.resize(p, self.finder.glance_size, interpolation=cv2.INTER_AREA) for p in (rgb, self.plate)
        )
        return self.finder.find(glance, Room(small, None), mask)


@pytest.mark.parametrize("noise", [0, 12])
@pytest.mark.parametrize("box", [(400, 60, 900, 720), (0, 200, 300, 720), (900, 0, 1280, 500)])
def test_a_person_is_looked_at_more_closely_and_whole(box: Box, noise: float) -> None:
    region = Watched().find(box, noise=noise)
    assert region.holds(box)
    assert region.scale > 1.2 * 736 / 1280
    assert region.scale <= 1, "no more pixels than the camera has"


def test_a_margin_is_kept_for_what_a_glance_does_not_see() -> None:
    x0, y0, x1, y1 = box = (500, 200, 800, 560)
    assert Watched().find(box).holds((x0 - 40, y0 - 40, x1 + 40, y1 + 40))


@pytest.mark.parametrize("box", [(100, 100, 1200, 720), (0, 0, 1280, 720)])
def test_who_fills_the_frame_is_seen_with_all_of_it(box: Box) -> None:
    watched = Watched()
    assert watched.find(box) == watched.finder.whole == Region((0, 0, 1280, 720), (736, 416))


def test_a_pale_person_who_fills_most_of_the_frame_is_seen_with_all_of_it() -> None:
    """What is like the room is measured where it is the room, not on the person."""
    watched = Watched()
    rgb = watched.plate.copy()
    rgb[:, 200:1050] += 24
    rgb[200:500, 500:700] ^= 0x80
    glance, small = (
        cv2.resize(p, watched.finder.glance_size, interpolation=cv2.INTER_AREA) for p in (rgb, watched.plate)
    )
    assert watched.finder.find(glance, Room(small, None), None).holds((200, 0, 1050, 720))


def test_where_all_of_the_light_is_wrong_the_frame_is_seen_whole() -> None:
    watched = Watched()
    small = cv2.resize(watched.plate, watched.finder.glance_size, interpolation=cv2.INTER_AREA)
    bright = cv2.add(small, (60, 60, 60, 0))
    assert watched.finder.find(bright, Room(small, None), None) == watched.finder.whole


def test_an_empty_room_is_looked_at_whole() -> None:
    watched = Watched()
    watched.find((400, 60, 900, 720))
    assert watched.find() == watched.finder.whole


def test_who_comes_in_is_in_the_region_of_the_same_frame() -> None:
    watched = Watched()
    first, second = (500, 100, 800, 720), (60, 300, 200, 720)
    assert not watched.find(first).holds(second)
    assert watched.find(first, second).holds(second)


def test_a_mask_counts_where_somebody_looks_like_the_wall() -> None:
    watched, mask = Watched(), np.zeros((144, 256), np.float32)
    mask[80:144, 20:40] = 0.9
    region = watched.find((500, 100, 800, 720), mask=mask)
    assert region.holds((100, 400, 800, 720))


def test_small_moves_change_nothing_and_a_smaller_region_has_to_be_enough_for_a_while() -> None:
    watched = Watched()
    large, small = (220, 20, 980, 720), (500, 360, 700, 720)
    first = watched.find(large)
    assert all(watched.find((220 + d, 20, 980 + d, 720)) == first for d in (0, 12, -12, 18, 0))
    seen = [watched.find(small) for _ in range(PATIENCE + 5)]
    assert seen[PATIENCE // 2] == first
    assert seen[-1].scale > first.scale
    assert len(set(seen)) == 2, "one change, not many"


def test_an_arm_that_comes_and_goes_makes_no_region_jump() -> None:
    watched = Watched()
    body, arm = (500, 200, 800, 720), (800, 300, 1000, 400)
    watched.find(body)
    seen = [watched.find(body, *([arm] if k // 10 % 2 else [])) for k in range(100)]
    assert len(set(seen[10:])) == 1


def test_who_reaches_the_border_gets_the_whole_frame_for_longer_each_time() -> None:
    watched, box = Watched(), (500, 200, 800, 720)
    rough = np.zeros((90, 80), np.uint8)
    rough[-1, 10:70] = 255  # the lower border is the frame's: nothing is cut off there
    assert not watched.finder.too_small(watched.find(box), rough)
    rough[40:50, 0] = 255
    waited = []
    for _ in range(2):
        assert watched.finder.too_small(watched.find(box), rough)
        waited.append(next(k for k in range(1000) if watched.find(box) != watched.finder.whole))
    assert 2 * waited[0] <= waited[1] + 2
    assert waited[0] >= PATIENCE


@pytest.mark.parametrize(
    "size", [(1, 1), (33, 17), (160, 90), (640, 360), (720, 1280), (4000, 60), (3840, 2160)]
)
def test_every_frame_has_its_region(size: tuple[int, int]) -> None:
    watched = Watched(size)
    w, h = size
    region = watched.find((w // 3, h // 3, max(1, w // 2), h))
    x0, y0, x1, y1 = region.box
    assert 0 <= x0 < x1 <= w
    assert 0 <= y0 < y1 <= h
    assert region.size in watched.finder.sizes
    if w * h <= 640 * 360:
        assert region == Region((0, 0, w, h), platenet_size(size)), "there is nothing to enlarge"


class Threshold:
    """A runtime that takes for the person what is far from the plate."""

    name = "threshold"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.looks = size, 0

    def begin(self, frame: np.ndarray, plate: np.ndarray, *_: np.ndarray):
        self.looks += 1
        self.prior = _[1].copy()
        alpha = (np.abs(frame.astype(int) - plate).max(2) > 20).astype(np.uint8) * np.uint8(255)
        return cv2.resize(alpha, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA), lambda: alpha


def matter_of_threshold(segmenter: object = None) -> tuple[PlateMatter, dict[Size, Threshold]]:
    made: dict[Size, Threshold] = {}

    def make(size: Size) -> Threshold:
        return made.setdefault(size, Threshold(size))

    return PlateMatter(make, segmenter, None, closer=True), made  # type: ignore[arg-type]


def test_the_matte_of_a_region_lies_where_the_person_is() -> None:
    matter, made = matter_of_threshold()
    plate, (x0, y0, x1, y1) = room(), (500, 200, 801, 720)
    rgb = with_people(plate, (x0, y0, x1, y1))
    alpha = matter.matte(rgb, plate, None)
    true = np.zeros((720, 1280), np.uint8)
    true[y0:y1, x0:x1] = 255
    assert {size: runtime.looks for size, runtime in made.items()} == {(448, 544): 1}
    assert (np.abs(alpha.astype(int) - true) > 100).sum() < 4 * (y1 - y0)
    whole = matter.matte(rgb, None, None)
    assert whole.shape == (720, 1280)
    assert made[736, 416].looks == 1, "without a plate, the whole frame"


@pytest.mark.parametrize(("left", "looked"), [(160, (736, 416)), (640, (640, 480)), (800, (448, 544))])
def test_the_rough_matte_is_that_of_the_whole_frame(left: int, looked: tuple[int, int]) -> None:
    matter, made = matter_of_threshold()
    plate = room()
    seen = RoomWarper(Plate("room", FRAME, (View(plate),))).room(
        Alignment(np.eye(3), Light(), State.LOCKED, 1.0, ""), FRAME
    )
    rough = matter.coarse(with_people(plate, (left, 0, 1280, 720)), seen).alpha_u8
    assert [size for size, runtime in made.items() if runtime.looks] == [looked]
    column = left * rough.shape[1] // 1280
    assert (rough[:, : column - 2] == 0).all()
    assert (rough[:, column + 2 :] == 255).all()


def test_nobody_is_cut_off_where_a_glance_missed_an_arm() -> None:
    """A thin and pale one is too little for a glance; the network sees it at the region's border."""
    matter, made = matter_of_threshold()
    plate = room()
    rgb = with_people(plate, (500, 40, 800, 720))
    rgb[405:410, 100:500] += 30
    alpha = matter.matte(rgb, plate, None)
    assert {size: runtime.looks for size, runtime in made.items()} == {(448, 544): 1, (736, 416): 1}
    assert (alpha[406:409, 120:480] > 100).mean() > 0.9


class Ramp:
    """A segmenter whose mask is how far to the right a pixel is, and nobody left of the middle."""

    def mask(self, rgb: np.ndarray) -> np.ndarray:
        across = (np.arange(256, dtype=np.float32) + 0.5) / 256
        return np.tile(np.where(across > 0.5, across * 0.29, 0).astype(np.float32), (144, 1))


def test_the_prior_of_a_region_is_its_part_of_the_mask() -> None:
    matter, made = matter_of_threshold(Ramp())
    plate, box = room(), (800, 200, 1100, 720)
    matter.matte(with_people(plate, box), plate, None)
    region = matter._finder.find(
        cv2.resize(with_people(plate, box), (320, 180)), Room(cv2.resize(plate, (320, 180)), None), None
    )
    x0, _, x1, _ = region.box
    prior = made[region.size].prior
    expected = 255 * 0.29 * (x0 + (np.arange(448) + 0.5) / 448 * (x1 - x0)) / 1280
    assert np.abs(prior[300].astype(float) - expected)[expected > 255 * 0.15].max() < 1


def test_no_frame_waits_for_a_size_to_be_made_while_another_will_do() -> None:
    """The first has to be made. Then the whole frame is looked at until its better size is there."""
    may_go_on, made = Event(), []

    def make(size: Size) -> Threshold:
        if made:
            assert may_go_on.wait(10)
        made.append(size)
        return Threshold(size)

    matter = PlateMatter(make, None, None, closer=True, impatient=True)
    plate = room()
    person = with_people(plate, (500, 40, 800, 720))
    expected = matter_of_threshold()[0].matte(person, plate, None)
    matter.matte(plate, plate, None)  # nobody: the whole frame
    seen = [matter.matte(person, plate, None) for _ in range(3)]
    assert made == [(736, 416)]
    assert all(((alpha > 128) == (expected > 128)).mean() > 0.99 for alpha in seen)
    may_go_on.set()
    begin = time.monotonic()
    while len(made) < 2 and time.monotonic() - begin < 10:
        time.sleep(0.01)
    alphas = [matter.matte(person, plate, None) for _ in range(PATIENCE + 2)]
    assert made == [(736, 416), (448, 544)]
    assert (alphas[-1] == expected).all()


def test_a_size_that_cannot_be_made_is_said_and_tried_again() -> None:
    tries = []

    def make(size: Size) -> Threshold:
        tries.append(size)
        if len(tries) == 2:
            raise WeightsError("gone")
        return Threshold(size)

    matter = PlateMatter(make, None, None, closer=True, impatient=True)
    plate = room()
    person = with_people(plate, (500, 40, 800, 720))
    matter.matte(plate, plate, None)

    def until_it_is_said() -> None:
        for _ in range(1000):
            matter.matte(person, plate, None)
            time.sleep(0.001)

    with pytest.raises(WeightsError, match="gone"):
        until_it_is_said()
    matter.matte(person, plate, None)
    assert tries[1:] == [(448, 544)] * 2


def test_unless_asked_the_frame_is_looked_at_whole() -> None:
    made: dict[Size, Threshold] = {}
    matter = PlateMatter(lambda size: made.setdefault(size, Threshold(size)), None, None)
    plate = room()
    matter.matte(with_people(plate, (500, 200, 800, 720)), plate, None)
    assert {size: runtime.looks for size, runtime in made.items()} == {(736, 416): 1}
