"""The soft segmentation of the 2020 network."""

from __future__ import annotations

import numpy as np
import pytest

from core.matte.soft_segmentation import crop_box, keep_supported, person_mask, soft_segmentation


def body() -> np.ndarray:
    alpha = np.zeros((512, 512), np.uint8)
    alpha[150:, 150:360] = 255
    return alpha


def test_is_sure_inside_soft_at_the_border_and_nothing_outside():
    soft = soft_segmentation(body())
    assert soft.shape == (512, 512)
    assert soft[350, 255] == 255
    assert soft[350, 100] == 0
    border = soft[350, 130:180].astype(int)
    assert ((border > 0) & (border < 255)).sum() > 15
    assert (np.diff(border) >= 0).all()


def test_does_not_erode_a_person_cut_by_the_lower_border():
    assert soft_segmentation(body())[511, 255] == 255


def resized(end: int) -> np.ndarray:
    """A mask of head and body that ends at a row, with the faint edge there that a resize leaves."""
    mask = np.zeros((512, 512), np.uint8)
    mask[60:, 180:340] = 255
    mask[180:, 120:400] = 255
    mask[100:160, 430:480] = 40  # too faint for a person, and no background
    mask[end:] = 0
    mask[end : end + 1, 120:400] = 40
    return mask


def test_gives_the_numbers_of_the_authors_program():
    soft = soft_segmentation(resized(512)).astype(int)
    # as their test script makes them of the same mask; a last bit may differ from processor to processor
    down = [0, 188, 250, 250, 250, 254, 255, 255, 255, 255, 255, 255, 255, 255, 255]
    across = [0, 0, 2, 16, 61, 137, 208, 243, 253, 255, 255, 255, 255, 255]
    faint = [5, 18, 32, 38, 39, 40, 40, 40, 40, 39, 34, 21, 7, 1]
    assert np.abs(soft[32::32, 190] - down).max() <= 1
    assert np.abs(soft[410, 100:156:4] - across).max() <= 1
    assert np.abs(soft[130, 424:492:5] - faint).max() <= 1


@pytest.mark.parametrize("end", [468, 400, 251])
def test_a_person_that_ends_above_the_lower_border_goes_on_to_it(end):
    assert np.array_equal(soft_segmentation(resized(end)), soft_segmentation(resized(512)))


def test_a_person_that_ends_in_the_upper_half_ends_there():
    assert soft_segmentation(resized(240))[300:].max() == 0


def test_a_faint_alpha_is_no_person():
    assert person_mask(np.full((64, 64), 51, np.uint8)).max() == 0
    assert person_mask(np.full((64, 64), 52, np.uint8)).min() == 255


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),  # left, top, right, bottom, by the authors' program
    [
        ((200, 400), (600, 700), (580, 180, 819, 419)),
        ((0, 720), (600, 700), (528, 0, 1279, 719)),
        ((300, 720), (0, 200), (0, 258, 461, 719)),
        ((100, 105), (1000, 1280), (972, 72, 1279, 407)),
    ],
)
def test_the_box_is_the_authors_square_with_a_margin_inside_the_picture(rows, columns, expected):
    mask = np.zeros((720, 1280), np.uint8)
    mask[slice(*rows), slice(*columns)] = 255
    box = crop_box(mask)
    assert (box.left, box.top, box.right, box.bottom) == expected


@pytest.mark.parametrize("place", [(300, 300), (719, 1279), (719, 3)])
def test_nobody_and_a_single_pixel_have_no_box(place):
    mask = np.zeros((720, 1280), np.uint8)
    assert crop_box(mask) is None
    mask[place] = 255
    assert crop_box(mask) is None


def test_keeps_each_person_and_drops_what_no_person_touches():
    alpha = np.zeros((50, 100), np.uint8)
    alpha[10:40, 5:25] = 255
    alpha[10:40, 40:60] = 200
    alpha[10:40, 80:95] = 255  # a moved chair
    mask = np.zeros_like(alpha)
    mask[20:30, 10:20] = 255
    mask[20:30, 45:55] = 255
    kept = keep_supported(alpha, mask)
    assert np.array_equal(kept[:, :70], alpha[:, :70])
    assert kept[:, 70:].max() == 0
