"""Follows a jump of many pixels between two frames: sparse optical flow from the plate.

Slower and coarser than the template, so only used where that has lost its footing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.align.geometry import moved, plausible
from core.types import F32, F64, U8

MAX_POINTS = 160
_WINDOW = (21, 21)
_PYRAMID = 4  # levels: a jump of 40 px at 640x360 is 2.5 px in the coarsest
_BACK_PX = 1.5
_REPROJECTION_PX = 2.5
_LEAST_POINTS = 10


def corners_to_follow(grey: U8, coverage: U8 | None = None) -> F32:
    """Corners of a view spread over it, float32 Nx2."""
    mask = None if coverage is None else cv2.erode(coverage, np.ones((15, 15), np.uint8))
    corners = cv2.goodFeaturesToTrack(grey, MAX_POINTS, 0.01, 14, mask=mask)
    return np.zeros((0, 2), np.float32) if corners is None else np.asarray(corners[:, 0], np.float32)


def leap(view_grey: U8, corners: F32, frame_grey: U8, H: F64, hidden: F32 | None) -> F64 | None:
    """The homography after a jump, view to frame in working pixels; None when it cannot be told.

    H: float64 3x3, where the view was in the last frame. hidden: float32 of any size, 1 under the person.
    """
    size = (frame_grey.shape[1], frame_grey.shape[0])
    before = moved(H, corners.astype(np.float64)).astype(np.float32) if len(corners) else corners
    inside = (before > 4).all(1) & (before < np.array(size) - 5).all(1)
    if hidden is not None:
        scale = np.array([hidden.shape[1] / size[0], hidden.shape[0] / size[1]])
        x, y = (np.clip(before, 0, np.array(size) - 1) * scale).astype(np.intp).T
        inside &= hidden[np.minimum(y, hidden.shape[0] - 1), np.minimum(x, hidden.shape[1] - 1)] < 0.5
    before = before[inside]
    if len(before) < _LEAST_POINTS:
        return None
    expected = np.asarray(cv2.warpPerspective(view_grey, H, size), np.uint8)
    after, ok = _flow(expected, frame_grey, before)
    back, ok_back = _flow(frame_grey, expected, after)
    good = (np.linalg.norm(back - before, axis=1) < _BACK_PX) & ok & ok_back
    if int(good.sum()) < _LEAST_POINTS:
        return None
    jump, inliers = cv2.findHomography(before[good], after[good], cv2.USAC_MAGSAC, _REPROJECTION_PX)
    if jump is None or int(inliers.sum()) < _LEAST_POINTS:
        return None
    there = np.asarray(jump, np.float64) @ H
    if not plausible(there, (view_grey.shape[1], view_grey.shape[0]), size):
        return None
    return np.asarray(there / there[2, 2])


def _flow(start: U8, end: U8, points: F32) -> tuple[F32, NDArray[np.bool_]]:
    """Where each point went (float32 Nx2), and whether it was found."""
    nowhere = np.zeros((len(points), 1, 2), np.float32)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        start, end, np.ascontiguousarray(points[:, None]), nowhere, winSize=_WINDOW, maxLevel=_PYRAMID
    )
    return np.asarray(there[:, 0], np.float32), np.asarray(found[:, 0] > 0)
