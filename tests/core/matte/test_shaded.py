"""The room in somebody's shadow is not shown; all that is not surely the room stays as the network has it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.matte.shaded import shaded_room, without_shaded

SIZE = (480, 832)
PLACE = np.s_[100:380, 300:600]  # what the matte wrongly shows


def pattern(seed: int, contrast: float = 25.0) -> np.ndarray:
    """Boards, books, carpets: something that differs from place to place."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(
        rng.normal(0, 1, (60, 104, 3)).astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_CUBIC
    )
    return np.clip(120 + contrast * coarse, 0, 255).astype(np.uint8)


def shadowed(room: np.ndarray, light: float = 0.6, noise: float = 2.0) -> np.ndarray:
    """A frame of the room with a soft-edged shadow in the middle."""
    shade = np.ones(SIZE, np.float32)
    shade[PLACE] = light
    shade = cv2.GaussianBlur(shade, (0, 0), 12)
    noisy = room * shade[..., None] + np.random.default_rng(9).normal(0, noise, room.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def shown() -> np.ndarray:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[PLACE] = 230
    return alpha


NOBODY = np.zeros(SIZE, np.uint8)


def left_of(alpha: np.ndarray, frame: np.ndarray, room: np.ndarray, **more: np.ndarray) -> np.ndarray:
    found = shaded_room(frame, room, more.get("coverage"), more.get("near", NOBODY), alpha)
    return alpha if found is None else without_shaded(alpha, found)


@pytest.mark.parametrize("light", [0.6, 0.7, 0.85])
def test_a_shadow_on_a_patterned_room_is_taken_out(light: float) -> None:
    room = pattern(0)
    left = left_of(shown(), shadowed(room, light), room)
    assert (left[PLACE] > 25).mean() < 0.05, "all but some of a dark shadow's edge"


@pytest.mark.parametrize("shape", [(480, 832), (120, 208), (60, 104)])
def test_it_is_so_at_any_size_of_the_matte(shape: tuple[int, int]) -> None:
    room = pattern(0)
    alpha = cv2.resize(shown(), shape[::-1], interpolation=cv2.INTER_AREA)
    left = left_of(alpha, shadowed(room), room)
    assert left.shape == shape
    assert left.mean() < 0.05 * alpha.mean()


def test_who_stands_in_their_own_shadow_stays_and_keeps_their_outline() -> None:
    room = pattern(0)
    frame = shadowed(room)
    cv2.circle(frame, (450, 240), 70, (40, 30, 90), -1)
    person = np.zeros(SIZE, np.uint8)
    cv2.circle(person, (450, 240), 70, (255,), -1)
    alpha = shown()
    left = left_of(alpha, frame, room)
    well_within = cv2.erode(person, np.ones((13, 13), np.uint8)) > 0
    assert (left[well_within] == alpha[well_within]).all()
    assert (left[person > 0] > 127).mean() > 0.99
    around = cv2.dilate(person, np.ones((41, 41), np.uint8)) == 0
    assert (left[around & (alpha > 0)] > 25).mean() < 0.05, "and the shadow goes, up to close by"


@pytest.mark.parametrize(
    ("what", "room_seed", "contrast"),
    [("another pattern, as of a shirt", 1, 25.0), ("a pattern half as strong, as through a veil", 0, 10.0)],
)
def test_what_is_not_the_rooms_pattern_stays(what: str, room_seed: int, contrast: float) -> None:
    alpha = shown()
    assert left_of(alpha, shadowed(pattern(room_seed, contrast), 0.8), pattern(0)) is alpha, what


def test_a_plain_wall_proves_nothing() -> None:
    room = np.full((*SIZE, 3), 120, np.uint8)
    alpha = shown()
    assert left_of(alpha, shadowed(room), room) is alpha, "a shirt may be as grey as the wall"


def test_a_plain_wall_beside_a_patterned_floor_goes_with_it() -> None:
    room = pattern(0)
    room[:240] = (180, 175, 160)
    left = left_of(shown(), shadowed(room), room)
    assert (left[PLACE] > 25).mean() < 0.05


def test_but_not_a_shirt_before_that_wall() -> None:
    room = pattern(0)
    room[:240] = (180, 175, 160)
    frame = shadowed(room)
    frame[120:230, 400:500] = (60, 105, 140)
    alpha = shown()
    left = left_of(alpha, frame, room)
    assert (left[128:222, 408:492] >= 220).all()


def test_nor_black_hair_that_lets_a_little_of_the_room_through() -> None:
    """Whom the segmenter misses, as it does who is nearly out of the picture, and in their own shadow."""
    room = pattern(0)
    frame = shadowed(room)
    hair = np.s_[140:340, 380:520]
    frame[hair] = (0.2 * frame[hair] + np.array((18, 15, 14))).astype(np.uint8)
    alpha = shown()
    left = left_of(alpha, frame, room)
    assert (left[150:330, 390:510] > 127).mean() > 0.99
    assert (left[PLACE][:, :60] > 25).mean() < 0.05, "and the shadow goes"


def test_a_plate_that_lies_elsewhere_proves_nothing() -> None:
    room = pattern(0)
    alpha = shown()
    assert left_of(alpha, np.roll(shadowed(room), 12, 1), room) is alpha


def test_whoever_the_segmenter_sees_stays_and_what_is_near_to_them() -> None:
    room = pattern(0)
    near = NOBODY.copy()
    near[PLACE] = 255
    alpha = shown()
    assert left_of(alpha, shadowed(room), room, near=near) is alpha


def test_the_head_of_a_body_that_the_segmenter_sees_stays() -> None:
    room = pattern(0)
    near = NOBODY.copy()
    near[370:, 320:580] = 255
    alpha = shown()
    left = left_of(alpha, shadowed(room), room, near=near)
    assert (left[:, 330:570] == alpha[:, 330:570]).all()


def test_where_the_plate_is_not_known_it_says_nothing() -> None:
    room = pattern(0)
    coverage = np.full(SIZE, 255, np.uint8)
    coverage[:, 450:] = 0
    alpha = shown()
    left = left_of(alpha, shadowed(room), room * (coverage[..., None] > 0), coverage=coverage)
    assert (left[:, 460:] == alpha[:, 460:]).all()
    assert (left[PLACE][:, :130] > 25).mean() < 0.03


def test_strands_with_the_room_between_them_stay() -> None:
    """In hair most of a window is room; but what is shown there is in narrow pieces."""
    room = pattern(0)
    frame, alpha = shadowed(room, 1.0), np.zeros(SIZE, np.uint8)
    for x in range(300, 600, 24):
        frame[100:380, x : x + 8] = (30, 20, 15)
        alpha[100:380, x : x + 12] = 200
    assert left_of(alpha, frame, room) is alpha


def test_nothing_is_compared_where_the_segmenter_sees_all_that_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compare(*_: object) -> None:
        raise AssertionError("milliseconds of every frame")

    monkeypatch.setattr("core.matte.shaded._compared", compare)
    near = np.where(shown() > 0, np.uint8(255), np.uint8(0))
    assert shaded_room(shadowed(pattern(0)), pattern(0), None, near, shown()) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (32, 32), (3, 400)])
def test_tiny_pictures_go_through(size: tuple[int, int]) -> None:
    rgb, alpha = np.full((*size, 3), 90, np.uint8), np.full(size, 255, np.uint8)
    found = shaded_room(rgb, rgb, None, np.zeros(size, np.uint8), alpha)
    assert found is None or found.shape == size
