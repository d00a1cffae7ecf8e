"""The segmenter finds a person in lying, square and upright pictures, and nobody in an empty room."""

import cv2
import numpy as np
import pytest

from core.matte.prior import (
    Part,
    SelfieSegmenter,
    inside_people,
    near_people,
    parts_with_people,
)
from core.render.build import MatterOptions, build_platenet
from live.sources.demo import DemoSource


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The demo's picture, its empty room, and where the person is by comparison of the two."""
    demo = DemoSource((1280, 720))
    rgb, room = demo.picture(0.0), demo.plate().rgb
    return rgb, room, build_platenet(MatterOptions("cpu", threads=1))[0].matte(rgb, room, None) > 127


@pytest.fixture(scope="module")
def segmenter() -> SelfieSegmenter:
    """One for all that ask it for a `mask`, which forgets what was before."""
    return SelfieSegmenter()


@pytest.mark.parametrize("aspect", [16 / 9, 4 / 3, 1.0, 9 / 16])
def test_a_person_is_found_at_any_aspect(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], segmenter: SelfieSegmenter, aspect: float
) -> None:
    rgb, _, person = scene
    middle = round(float(np.nonzero(person.any(0))[0].mean()))
    width = min(1280, round(720 * aspect))
    left = int(np.clip(middle - width // 2, 0, 1280 - width))
    seen = segmenter(np.ascontiguousarray(rgb[:, left : left + width])) > 0.5
    truth = person[:, left : left + width]
    assert (seen & truth).sum() / (seen | truth).sum() > 0.85


def test_an_empty_room_holds_nobody(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], segmenter: SelfieSegmenter
) -> None:
    assert (segmenter(scene[1]) > 0.5).mean() < 0.005


def test_a_narrow_picture_leaves_nothing_behind_for_the_next_one(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    rgb = scene[0]
    upright = np.ascontiguousarray(rgb[:, 400:805])
    fresh, used = SelfieSegmenter(), SelfieSegmenter()
    lying = used.mask(rgb).copy()
    assert (used.mask(upright) == fresh.mask(upright)).all()
    assert (used.mask(rgb) == lying).all()


def test_who_stands_far_away_is_looked_at_closely(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], segmenter: SelfieSegmenter
) -> None:
    """The demo's picture in a corner of a larger one."""
    rgb, room, person = scene
    far = cv2.resize(cv2.GaussianBlur(room, (0, 0), 30), (1920, 1080))
    truth = np.zeros((1080, 1920), np.uint8)
    there = np.s_[1080 - 405 :, 300 : 300 + 720]
    far[there] = cv2.resize(rgb, (720, 405), interpolation=cv2.INTER_AREA)
    truth[there] = cv2.resize(person.astype(np.uint8), (720, 405))
    close = segmenter(far) > 0.5
    wide = cv2.resize(segmenter._wide.mask(), (1920, 1080)) > 0.5  # of the same picture
    assert (close != truth).mean() < 0.3 * (wide != truth).mean()


def test_the_close_look_begins_at_once_where_people_keep_their_place(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
    segmenter: SelfieSegmenter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rgb, fresh = scene[0], segmenter
    followed = SelfieSegmenter()
    begun: list[np.ndarray] = []
    look = followed._close.begin

    def spied(part: np.ndarray) -> None:
        begun.append(part)
        look(part)

    monkeypatch.setattr(followed._close, "begin", spied)

    def early(picture: np.ndarray) -> bool:
        """Whether the close look began before the wide one had ended; the mask is that of a first picture."""
        before = len(begun)
        finish = followed.begin(picture)
        at_once = len(begun) > before
        assert (finish() == fresh.mask(picture)).all()
        return at_once

    assert [early(rgb) for _ in range(4)] == [False, False, True, True]
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    assert [early(mirrored) for _ in range(3)] == [True, False, True], "the first in vain, and made good"
    nobody = np.zeros_like(rgb)
    assert [early(nobody) for _ in range(3)] == [True, False, False]
    assert [early(rgb) for _ in range(3)] == [False, False, True]


def test_a_person_who_sways_is_followed(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    rgb, _, person = scene
    segmenter = SelfieSegmenter()
    for x in range(0, 60, 4):
        moved, truth = np.roll(rgb, x, axis=1), np.roll(person, x, axis=1)
        seen = segmenter.begin(moved)() > 127
        assert (seen & truth).sum() / (seen | truth).sum() > 0.85


def mask_of(*people: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((144, 256), np.float32)
    for where in people:
        mask[where] = 0.8
    return mask


def parts_of(*people: tuple[slice, slice]) -> tuple[Part, Part | None]:
    parts = parts_with_people(mask_of(*people), (1280, 720))
    assert parts is not None
    return parts


@pytest.mark.parametrize(
    "people",
    [
        [np.s_[60:144, 100:160]],
        [np.s_[60:144, 10:40], np.s_[80:144, 200:250]],
        [np.s_[0:144, 0:256]],
        [np.s_[130:144, 250:256]],
    ],
)
def test_the_part_looked_at_closely_holds_all_people(people: list[tuple[slice, slice]]) -> None:
    seen = np.zeros((720, 1280), bool)
    seen[parts_of(*people)[0]] = True
    for rows, columns in people:
        assert seen[rows.start * 5 : rows.stop * 5, columns.start * 5 : columns.stop * 5].all()


def test_the_part_looked_at_closely_is_a_square_where_there_is_room() -> None:
    rows, columns = parts_of(np.s_[20:100, 60:90])[0]
    assert rows.stop - rows.start == columns.stop - columns.start < 80 * 5 * 1.2


def test_a_thing_is_not_looked_at_so_closely_that_it_fills_the_view() -> None:
    rows, columns = parts_of(np.s_[130:144, 60:70])[0]
    assert (rows.stop - rows.start, columns.stop - columns.start) == (360, 360)


def test_specks_and_an_empty_mask_ask_for_no_second_look() -> None:
    assert parts_of(np.s_[40:140, 100:180], np.s_[4:10, 4:10]) == parts_of(np.s_[40:140, 100:180])
    assert parts_with_people(mask_of(), (1280, 720)) is None


def test_the_head_of_the_largest_person_is_looked_at_once_more() -> None:
    """Shoulders from 100 to 200 with a head on their left, somebody smaller further back."""
    _, head = parts_of(np.s_[20:70, 110:140], np.s_[70:144, 100:200], np.s_[60:100, 20:40])
    assert head is not None
    rows, columns = head
    assert rows.stop - rows.start == columns.stop - columns.start < 0.65 * 124 * 5
    assert rows.start < 20 * 5 < 70 * 5 < rows.stop
    assert columns.start < 110 * 5 < 140 * 5 < columns.stop


def test_who_is_seen_to_the_shoulders_only_is_looked_at_twice_and_not_thrice() -> None:
    assert parts_of(np.s_[90:144, 100:150])[1] is None


def test_a_look_at_the_head_leaves_the_rest_as_it_is_and_no_seam(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], segmenter: SelfieSegmenter
) -> None:
    rgb = scene[0]
    twice = SelfieSegmenter(threads=2)
    with_head = twice.begin(rgb, at_head=True)().copy()
    _, head = parts_with_people(twice._wide.mask(), (1280, 720)) or (None, None)
    assert head is not None
    changed = cv2.absdiff(with_head, segmenter.mask(rgb))
    assert changed[head].max() > 60, "it saw something"
    rest = changed.copy()
    rest[head] = 0
    assert not rest.any()
    rows, columns = head
    at_the_end = (
        changed[rows.stop - 1, columns],
        changed[rows, columns.start],
        changed[rows, columns.stop - 1],
    )
    assert max(side.max() for side in at_the_end) <= 8


@pytest.mark.parametrize("size", [(1, 1), (3, 4000), (4000, 3), (641, 359)])
def test_every_size_is_taken(size: tuple[int, int], segmenter: SelfieSegmenter) -> None:
    width, height = size
    picture = cv2.resize(np.zeros((2, 2, 3), np.uint8), size)
    assert segmenter.mask(picture).shape == (height, width)
    assert segmenter(picture).shape == (height, width)


def test_what_is_near_to_people_reaches_past_the_mask_and_not_far() -> None:
    mask = np.zeros((480, 832), np.uint8)
    mask[200:480, 300:500] = 200
    near = near_people(mask)
    assert near.shape == mask.shape
    assert (near[190:, 290:510] == 255).all()
    assert not near[:170].any()
    assert not near[:, :270].any()
    assert not near[:, 530:].any()
    assert not near_people(mask * 0).any()


def test_well_inside_people_is_not_where_the_mask_ends_nor_where_it_is_unsure() -> None:
    mask = np.zeros((480, 832), np.uint8)
    mask[200:480, 300:500], mask[:100, 600:700] = 250, 200
    inside = inside_people(mask)
    assert inside.shape == mask.shape
    assert (inside[220:, 320:480] == 255).all(), "down to the picture's border"
    assert not inside[:204].any()
    assert not inside[:, :304].any()
    assert not inside[:, 496:].any()
