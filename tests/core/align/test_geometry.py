"""Homographies: the pixel convention, and those that no camera can have."""

import numpy as np
import pytest
from rooms import SIZE, error_px, turned

from core.align.geometry import corner_shift_px, inverse, nearest_turn, plausible, resized_from_original

SINGULAR = np.array([[1.0, 2, 3], [2, 4, 6], [0, 0, 1]])
FLIPPED = np.diag([-1.0, 1.0, 1.0])
HORIZON_INSIDE = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])


def test_halving_a_picture_moves_the_first_pixel_centre_by_a_quarter():
    np.testing.assert_allclose(resized_from_original(0.5, 0.5) @ [0, 0, 1], [-0.25, -0.25, 1])


@pytest.mark.parametrize("H", [SINGULAR, FLIPPED, HORIZON_INSIDE, np.full((3, 3), np.nan), np.zeros((3, 3))])
def test_what_no_camera_can_show_is_not_plausible(H: np.ndarray):
    assert not plausible(H, SIZE, SIZE)


def test_a_turned_and_zoomed_camera_is_plausible():
    assert plausible(turned(60, -20, 5, 1.4), SIZE, SIZE)


def test_the_nearest_turn_of_a_turned_camera_is_itself():
    H = turned(40, 10, 3, 1.1)
    # 0.8 of the width is the focal length `turned` uses: 1.6 of its half.
    assert error_px(nearest_turn(H, SIZE, SIZE, 1.6), H) < 1e-6


def test_the_nearest_turn_of_a_bent_homography_is_a_turn():
    bent = turned(40, 10, 3, 1.1)
    bent[2, 0] += 2e-4
    turn = nearest_turn(bent, SIZE, SIZE, 1.6)
    assert error_px(nearest_turn(turn, SIZE, SIZE, 1.6), turn) < 1e-6


def test_the_inverse_undoes_and_is_scaled():
    H = turned(20, 5)
    assert inverse(H)[2, 2] == 1
    assert corner_shift_px(inverse(H) @ H, np.eye(3), SIZE) < 1e-9
