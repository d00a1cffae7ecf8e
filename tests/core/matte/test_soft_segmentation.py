"""The soft segmentation of the 2020 network."""

from __future__ import annotations

import numpy as np

from core.matte.soft_segmentation import crop_box, keep_supported, soft_segmentation


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


def test_a_faint_alpha_is_no_person():
    assert soft_segmentation(np.full((64, 64), 40, np.uint8)).max() == 0


def test_the_box_is_a_square_with_a_margin_inside_the_picture():
    alpha = np.zeros((720, 1280), np.uint8)
    alpha[200:400, 600:700] = 255
    box = crop_box(alpha)
    assert (box.left, box.top, box.right, box.bottom) == (580, 180, 820, 420)
    assert box.size == (240, 240)
    alpha[:, 600:700] = 255
    box = crop_box(alpha)
    assert (box.left, box.top, box.right, box.bottom) == (528, 0, 1280, 720)
    assert crop_box(np.zeros((720, 1280), np.uint8)) is None


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
