"""The composite is exact where the room is known, and leaks no more room than alpha allows."""

import cv2
import numpy as np
import pytest

from core.render.composite import bounds, fgr_with_room, fgr_without_room, over, three, unmultiplied
from core.render.renderer import premultiplied_fgr
from core.types import Room


def scene(seed: int = 0) -> tuple[np.ndarray, ...]:
    """Person colour, room, backdrop, alpha and the frame made of them (120x160)."""
    rng = np.random.default_rng(seed)
    smooth = [cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120)) for _ in range(3)]
    alpha = np.zeros((120, 160), np.uint8)
    cv2.circle(alpha, (80, 70), 35, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 4)
    a = alpha[..., None] / 255
    frame = np.round(smooth[0] * a + smooth[1] * (1 - a)).astype(np.uint8)
    return smooth[0], smooth[1], smooth[2], alpha, frame


def test_with_the_true_alpha_and_room_the_old_room_is_gone_to_two_grey_levels() -> None:
    fgr, room, backdrop, alpha, frame = scene()
    a = alpha[..., None] / 255
    expected = fgr * a + backdrop * (1 - a)
    alpha3 = three(alpha)
    got = over(fgr_with_room(frame, alpha3, room), alpha3, backdrop)
    assert np.abs(got - expected).max() <= 2  # three roundings to uint8


def test_a_wrong_plate_cannot_put_more_of_the_room_into_the_picture_than_alpha() -> None:
    _, room, _, alpha, frame = scene()
    wrong = np.zeros_like(room)
    alpha3 = three(alpha)
    black = np.zeros_like(frame)
    got = over(fgr_with_room(frame, alpha3, wrong), alpha3, black)
    assert (got <= alpha3).all()
    assert (got[alpha == 0] == 0).all()


def test_without_a_plate_the_colours_at_the_edge_come_near_the_persons_own() -> None:
    alpha = np.zeros((480, 640), np.uint8)
    cv2.circle(alpha, (320, 280), 140, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 4)
    fgr, room = np.full((480, 640, 3), (200, 60, 40)), np.full((480, 640, 3), (20, 180, 220))
    a = alpha[..., None] / 255
    frame = np.round(fgr * a + room * (1 - a)).astype(np.uint8)
    expected = fgr * a
    error = np.abs(fgr_without_room(frame, alpha) - expected)
    naive = np.abs(frame * a - expected)
    band = (alpha > 0) & (alpha < 255)
    assert error[band].mean() < 0.5 * naive[band].mean()


def test_straight_colour_is_the_persons_and_black_where_nobody_is() -> None:
    fgr, room, _, alpha, frame = scene()
    alpha3 = three(alpha)
    straight = unmultiplied(fgr_with_room(frame, alpha3, room), alpha3)
    solid = alpha > 128
    assert np.abs(straight[solid].astype(int) - fgr[solid]).max() <= 4  # rounding, divided by alpha
    assert (straight[alpha == 0] == 0).all()


@pytest.mark.parametrize("point", [(0, 0), (159, 119), (80, 3)])
def test_bounds_hold_every_pixel_of_the_person(point: tuple[int, int]) -> None:
    alpha = np.zeros((120, 160), np.uint8)
    alpha[point[1], point[0]] = 1
    rows, columns = bounds(alpha)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (
        point[1], point[1] + 1, point[0], point[0] + 1,
    )  # fmt: skip


def test_bounds_of_nobody_are_empty() -> None:
    assert np.zeros((4, 5), np.uint8)[bounds(np.zeros((4, 5), np.uint8))].size == 0


def test_where_the_room_is_unknown_mixed_pixels_have_their_colours_estimated() -> None:
    rng = np.random.default_rng(4)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (180, 320, 3), dtype=np.uint8), (0, 0), 3)
    alpha = np.zeros((180, 320), np.uint8)
    alpha[:, 100:], alpha[:, 110:] = 90, 255
    coverage = np.full_like(alpha, 255)
    coverage[:60] = 0
    room = cv2.bitwise_and(cv2.flip(rgb, 1), cv2.merge([coverage] * 3))
    fgr = premultiplied_fgr(rgb, alpha, three(alpha), Room(room, coverage))
    known, strip = np.s_[60:], np.s_[:60, 100:110]
    assert (fgr[known] == fgr_with_room(rgb, three(alpha), room)[known]).all()
    assert np.abs(fgr[strip].astype(int) - fgr_without_room(rgb, alpha)[strip]).max() <= 3
    assert (fgr[:, :100] == 0).all()
    assert (fgr[:, 110:] == rgb[:, 110:]).all()


@pytest.mark.parametrize("width", [640, 3840])
def test_colours_that_are_estimated_for_a_few_pixels_are_those_of_the_whole_frame(width: int) -> None:
    """Of a soft upright edge, with the surely red and the surely blue beside it left out."""
    ramp = np.clip((np.arange(width) - 300) * 10, 0, 255).astype(np.uint8)
    alpha = np.ascontiguousarray(np.broadcast_to(ramp, (360, width)))
    share = alpha[..., None] / 255
    rgb = np.round(np.array((230, 40, 30)) * share + np.array((20, 60, 220)) * (1 - share)).astype(np.uint8)
    coverage = np.full_like(alpha, 255)
    coverage[:40] = 0
    fgr = premultiplied_fgr(rgb, alpha, three(alpha), Room(np.zeros_like(rgb), coverage))
    mixed = np.s_[:40, 301:325]
    assert np.abs(fgr[mixed].astype(int) - fgr_without_room(rgb, alpha)[mixed]).max() <= 3
