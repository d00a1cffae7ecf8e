"""Others' ways to find the plate, for the alignment table: Howard's recipe, a flow sketch, XFeat."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from core.align.relocalise import Features
from core.nets.weights import load_weights
from core.nets.xfeat import XFeat, keypoints
from core.types import F32, F64, U8


class HowardRecipe:
    """ORB 1000, ratio 0.8, the 25 best matches, RANSAC at 10 px, for each frame anew.

    Source: the recipe published at nomoregreenscreen.com for aligning a plate video to a take.
    """

    def __init__(self, plate_grey: U8) -> None:
        self._orb = cv2.ORB.create(1000)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._there = self._orb.detectAndCompute(plate_grey, np.empty(0, np.uint8))

    def update(self, grey: U8) -> F64 | None:
        """float64 3x3 plate to frame, or None. grey: uint8 HxW."""
        points, descriptors = self._orb.detectAndCompute(grey, np.empty(0, np.uint8))
        if descriptors is None or self._there[1] is None or len(points) < 2:
            return None
        pairs = self._matcher.knnMatch(self._there[1], descriptors, k=2)
        clear = [p[0] for p in pairs if len(p) == 2 and p[0].distance < 0.8 * p[1].distance]
        best = sorted(clear, key=lambda match: match.distance)[:25]
        if len(best) < 4:
            return None
        there = np.array([self._there[0][m.queryIdx].pt for m in best], np.float32)
        here = np.array([points[m.trainIdx].pt for m in best], np.float32)
        H, _ = cv2.findHomography(there, here, cv2.RANSAC, 10.0)
        return None if H is None else np.asarray(H, np.float64)


class FlowSketch:
    """Pyramidal LK from the warped plate, forward and back, MAGSAC, least squares on its inliers."""

    def __init__(self, plate_grey: U8) -> None:
        self._plate = plate_grey
        corners = cv2.goodFeaturesToTrack(plate_grey, 220, 0.01, 12)
        self._corners = np.zeros((0, 1, 2), np.float32) if corners is None else corners
        self._H = np.eye(3)

    def update(self, grey: U8, hidden: U8 | None) -> F64 | None:
        """float64 3x3 plate to frame, or None. hidden: uint8 HxW, over 0 under the person."""
        size = (grey.shape[1], grey.shape[0])
        expected = cv2.warpPerspective(self._plate, self._H, size)
        before = cv2.perspectiveTransform(self._corners, self._H).astype(np.float32)
        x, y = before[:, 0].T
        inside = (x > 4) & (x < size[0] - 5) & (y > 4) & (y < size[1] - 5)
        if hidden is not None:
            row, column = np.clip(y, 0, size[1] - 1).astype(int), np.clip(x, 0, size[0] - 1).astype(int)
            inside &= hidden[row, column] == 0
        corners, before = self._corners[inside], before[inside]
        if len(before) < 8:
            return None
        after, ok, _ = cv2.calcOpticalFlowPyrLK(expected, grey, before, before.copy(), maxLevel=3)
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, expected, after, after.copy(), maxLevel=3)
        good = (np.linalg.norm(back - before, axis=2) < 0.7) & (ok > 0) & (ok_back > 0)
        corners, after = corners[good[:, 0]], after[good[:, 0]]
        if len(after) < 8:
            return None
        H, inliers = cv2.findHomography(corners, after, cv2.USAC_MAGSAC, 1.0)
        if H is None or int(inliers.sum()) < 8:
            return None
        keep = inliers[:, 0] > 0
        polished, _ = cv2.findHomography(corners[keep], after[keep], 0)
        if polished is None:
            return None
        self._H = np.asarray(polished, np.float64)
        return self._H


class XFeatDescriber:
    """XFeat's keypoints and descriptors behind the relocaliser's protocol; runs on the CPU."""

    def __init__(self, weights: Path, count: int = 1200) -> None:
        self._net = XFeat().eval()
        load_weights(self._net, weights)
        self._count = count

    def describe(self, grey: U8, usable: U8 | None) -> Features:
        height, width = grey.shape
        # The network takes multiples of 32; a black border has no corners but its own edge.
        padded = np.pad(grey, ((0, -height % 32), (0, -width % 32)), mode="edge")
        with torch.inference_mode():
            unit = torch.from_numpy(padded.astype(np.float32) / 255)[None, None]
            features, logits, reliability = self._net(unit)
            found = keypoints(features, logits, reliability, self._count)
            xy, descriptors = found[0].numpy(), found[1].numpy()
        inside = (xy[:, 0] < width) & (xy[:, 1] < height)
        if usable is not None:
            column, row = np.minimum(xy, np.array([width - 1, height - 1])).astype(int).T
            inside &= usable[row, column] > 0
        return Features(_f32(xy[inside]), _f32(descriptors[inside]))


def _f32(values: np.ndarray) -> F32:
    return np.ascontiguousarray(values, np.float32)
