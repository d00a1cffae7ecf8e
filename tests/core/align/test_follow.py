"""From a start to the best homography: how long it goes on."""

from __future__ import annotations

import cv2
import numpy as np
from rooms import error_px, plate_of, seen, turned

from core.align.follow import COARSE_TO_FINE, follow
from core.align.refine import Belief
from core.align.views import SmallFrame, Workspace, small_views

SIZE = (640, 360)


def bare_room() -> np.ndarray:
    """Six boards on a plain wall, uint8 HxWx3."""
    rng = np.random.default_rng(5)
    picture = np.full((SIZE[1], SIZE[0], 3), 150, np.uint8)
    for _ in range(6):
        centre = rng.uniform(0, SIZE[0]), rng.uniform(0, SIZE[1])
        sides = rng.uniform(20, 120), rng.uniform(16, 80)
        corners = cv2.boxPoints((centre, sides, rng.uniform(0, 90))).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, rng.uniform(60, 220, 3).tolist(), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.uint8)


def test_where_little_is_left_to_see_a_fit_is_not_ended_on_its_way():
    rgb, H = bare_room(), turned(7.0, 4.0, 0.6, size=SIZE)
    frame = SmallFrame(seen(rgb, H, size=SIZE), Workspace(SIZE))
    template = small_views(plate_of(rgb), 0)[0].template
    assert template is not None
    person = np.zeros((45, 80), np.float32)
    person[5:, 30:] = 1
    *coarse, _ = COARSE_TO_FINE
    ended_early = follow(template, frame, np.eye(3), Belief.fresh(), person, (*coarse, (0, 6)))
    assert error_px(ended_early.H, H, SIZE) > 2, "else there is nothing to show here"
    fit = follow(template, frame, np.eye(3), Belief.fresh(), person)
    assert error_px(fit.H, H, SIZE) < 1
