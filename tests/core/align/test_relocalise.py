"""The search from nothing: where features lie, and what matches."""

import cv2
import numpy as np
import pytest
from rooms import error_px, room, turned

from core.align.relocalise import SEARCH_SIDE, Relocaliser, SiftDescriber, mutual_matches


@pytest.mark.parametrize("side", [SEARCH_SIDE, 2 * SEARCH_SIDE])
def test_features_lie_at_pixels_of_the_picture_whatever_it_is_searched_at(side: int):
    picture = np.full((side // 2, side), 90, np.uint8)
    centres = [(60.0, 50.0), (side - 80.0, 70.0), (120.0, side / 2 - 60.0), (side / 2, side / 4)]
    for x, y in centres:
        cv2.circle(picture, (round(16 * x), round(16 * y)), 16 * 12, 200, -1, cv2.LINE_AA, 4)
    found = SiftDescriber().describe(picture, None).xy
    for centre in centres:
        # SIFT itself is up to half a pixel off, alike in both pictures.
        assert np.linalg.norm(found - centre, axis=1).min() < 0.8


def test_no_feature_lies_under_the_person():
    picture = cv2.cvtColor(room(size=(640, 360)), cv2.COLOR_RGB2GRAY)
    usable = np.full_like(picture, 255)
    usable[:, :400] = 0
    assert SiftDescriber().describe(picture, usable).xy[:, 0].min() > 398


def test_the_view_and_its_place_are_found():
    size = (640, 360)
    views = [cv2.cvtColor(room(seed, size), cv2.COLOR_RGB2GRAY) for seed in (1, 2, 3)]
    H = turned(70.0, -20.0, 5.0, 1.1, size)
    found = Relocaliser([(view, None) for view in views]).find(cv2.warpPerspective(views[1], H, size))
    assert found[0].view == 1
    assert error_px(found[0].H, H, size) < 1.0


def test_a_picture_without_features_finds_nothing():
    blank = np.full((360, 640), 120, np.uint8)
    assert Relocaliser([(cv2.cvtColor(room(), cv2.COLOR_RGB2GRAY), None)]).find(blank) == []
    assert mutual_matches(np.zeros((0, 128), np.float32), np.zeros((9, 128), np.float32)).shape == (0, 2)


def test_two_features_that_look_like_one_do_not_both_match_it():
    here = np.eye(4, 128, dtype=np.float32)
    there = here[[0, 0, 1, 2]].copy()
    there[1, 5] = 0.3  # nearly the first one, and nearest to the same
    there /= np.linalg.norm(there, axis=1, keepdims=True)
    assert mutual_matches(there, here).tolist() == [[0, 0], [2, 1], [3, 2]]
