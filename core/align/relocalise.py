"""Finds the plate in a frame from nothing: SIFT features, mutual ratio test, MAGSAC.

What it returns is a guess; the aligner refines and judges it before anything is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from core.align.geometry import plausible
from core.types import F32, F64, U8

MAX_FEATURES = 1200
SEARCH_SIDE = 480  # px, the longer side of what features are searched in: at 640 it takes almost twice as
# long and finds no more places, at 384 it misses one in thirty
RATIO = 0.85
REPROJECTION_PX = 3.0  # of the working picture; parallax in a real room leaves two
LEAST_INLIERS, MANY_INLIERS = 14, 60
_VIEWS_TRIED = 3  # views with the most matches; the others would only cost time


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A guess. view: index of the plate's view. H: float64 3x3, view's working pixels to the frame's.

    inliers: features that say so; 0 where it is not from features, but a turn of the camera.
    """

    view: int
    H: F64
    inliers: int = 0

    @property
    def sure(self) -> bool:
        """Whether so many features say so that no repeated pattern brings them together."""
        return self.inliers >= MANY_INLIERS


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """xy: float32 Nx2 pixels. descriptors: float32 NxD, unit length."""

    xy: F32
    descriptors: F32


class Describer(Protocol):
    """Turns a picture into features; SIFT here, a network in the benchmarks."""

    def describe(self, grey: U8, usable: U8 | None) -> Features:
        """usable: uint8 HxW, 0 where no feature may lie; None means everywhere."""
        ...


class SiftDescriber:
    """RootSIFT (Arandjelovic & Zisserman, CVPR 2012)."""

    def __init__(self, features: int = MAX_FEATURES) -> None:
        # A lower contrast threshold than the default: walls and cupboards have faint corners.
        self._sift = cv2.SIFT.create(features, contrastThreshold=0.02)

    def describe(self, grey: U8, usable: U8 | None) -> Features:
        scale = min(1.0, SEARCH_SIDE / max(grey.shape))
        size = round(grey.shape[1] * scale), round(grey.shape[0] * scale)
        grey_from_small = np.array([grey.shape[1] / size[0], grey.shape[0] / size[1]])
        if scale < 1:
            grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
            if usable is not None:
                usable = np.asarray(cv2.resize(usable, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        keypoints, descriptors = self._sift.detectAndCompute(grey, usable)
        if descriptors is None or not keypoints:
            return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
        root = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
        xy = (np.array([k.pt for k in keypoints]) + 0.5) * grey_from_small - 0.5
        return Features(xy.astype(np.float32), root.astype(np.float32))


class Relocaliser:
    """Looks for a frame among the views of a plate. One caller at a time, any thread."""

    def __init__(self, views: Sequence[tuple[U8, U8 | None]], describer: Describer | None = None) -> None:
        """views: each view's grey working picture and its coverage (None: everywhere)."""
        self._views = views
        self._describer = describer if describer is not None else SiftDescriber()
        self._features: list[Features] | None = None

    def prepare(self) -> list[Features]:
        """The views' features, made once: about 40 ms a view."""
        if self._features is None:
            self._features = [self._describer.describe(*view) for view in self._views]
        return self._features

    def find(self, grey: U8, usable: U8 | None = None) -> list[Found]:
        """Guesses, best first; empty when the plate is not there.

        grey: uint8 HxW, the frame's working picture. usable: uint8 HxW, 0 under the person.
        """
        views = self.prepare()
        here = self._describer.describe(grey, usable)
        size = (grey.shape[1], grey.shape[0])
        pairs = [mutual_matches(there.descriptors, here.descriptors) for there in views]
        likely = sorted(range(len(views)), key=lambda index: -len(pairs[index]))[:_VIEWS_TRIED]
        found = []
        for index in likely:
            if len(pairs[index]) < LEAST_INLIERS:
                continue
            there_xy, here_xy = views[index].xy[pairs[index][:, 0]], here.xy[pairs[index][:, 1]]
            # MAGSAC draws from OpenCV's own fixed seed, so the same frame gives the same answer.
            H, inliers = cv2.findHomography(
                there_xy, here_xy, cv2.USAC_MAGSAC, REPROJECTION_PX, maxIters=3000
            )
            if H is None or int(inliers.sum()) < LEAST_INLIERS:
                continue
            view_grey = self._views[index][0]
            H = np.asarray(H, np.float64)
            if plausible(H, (view_grey.shape[1], view_grey.shape[0]), size):
                found.append(Found(index, H / H[2, 2], int(inliers.sum())))
        return sorted(found, key=lambda guess: -guess.inliers)


def mutual_matches(there: F32, here: F32, ratio: float = RATIO) -> np.ndarray:
    """Pairs (i, j) of unit descriptors that are each other's nearest and clearly so: intp Mx2."""
    if min(len(there), len(here)) < 2:
        return np.zeros((0, 2), np.intp)
    alike = there @ here.T
    rows = np.arange(len(there))
    best, back = alike.argmax(1), alike.argmax(0)
    first = alike[rows, best]
    alike[rows, best] = -1.0
    second = alike.max(1)
    # Distances of unit vectors: d² = 2 - 2 cos.
    clear = 2 - 2 * first < ratio**2 * np.maximum(2 - 2 * second, 1e-9)
    mutual = back[best] == rows
    chosen = np.flatnonzero(clear & mutual)
    return np.stack([chosen, best[chosen]], 1)
