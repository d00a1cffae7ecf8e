"""The matter that cleanplate ships: platenet at a working size, refined at full resolution."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from core.matte.prior import SelfieSegmenter
from core.matte.refine import Refiner, snapped
from core.matte.working_size import shrink_into, working_size
from core.runtime.base import PlateNetRuntime
from core.types import F32, U8

UNKNOWN_U8 = 128  # no prior, no previous alpha; as in training
WORKING_PIXELS = 512 * 288


class PlateMatter:
    """Matter (see core.types) made of platenet, a segmenter's prior and a refiner.

    The prior is computed on every frame: it costs a tenth of the network and carries the regime
    without a plate. The network's input for the previous alpha stays unknown: fed back, it bought 4 %
    of error and kept a ghost of whoever left the picture within one frame, which is the room shown.
    So a matte depends on its own frame alone, and frames may change their size.
    """

    def __init__(
        self,
        make_runtime: Callable[[tuple[int, int]], PlateNetRuntime],
        segmenter: SelfieSegmenter | None,
        refiner: Refiner | None,
        working_pixels: int = WORKING_PIXELS,
    ) -> None:
        """make_runtime: takes a working size (width, height). refiner None: bilinear upsampling."""
        self._make_runtime, self._segmenter, self._refiner = make_runtime, segmenter, refiner
        self._working_pixels = working_pixels
        self._frame_size = (0, 0)

    def reset(self) -> None:
        """Nothing to forget: see the class."""

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """Alpha uint8 HxW; see core.types.Matter. The room is taken as unchanged when the same
        array objects come again, so what was made of them is kept."""
        self._prepare((rgb.shape[1], rgb.shape[0]))
        shrink_into(rgb, self._frame)
        self._take_room(plate_rgb, coverage)
        if self._segmenter is not None:
            mask = self._segmenter.mask(self._frame)
            cv2.resize(mask, self._size, dst=self._mask)
            np.multiply(self._mask, 255, out=self._prior, casting="unsafe")
        alpha = self._runtime.alpha(self._frame, self._plate, self._coverage, self._prior, self._unknown)
        if self._refiner is not None:
            return self._refiner.refine(rgb, plate_rgb, coverage, self._frame, alpha)
        return snapped(cv2.resize(alpha, self._frame_size, interpolation=cv2.INTER_LINEAR))

    def _prepare(self, frame_size: tuple[int, int]) -> None:
        if frame_size == self._frame_size:
            return
        self._frame_size = frame_size
        self._size = working_size(frame_size, self._working_pixels)
        self._runtime = self._make_runtime(self._size)
        width, height = self._size
        self._frame = np.empty((height, width, 3), np.uint8)
        self._plate = np.zeros((height, width, 3), np.uint8)
        self._coverage = np.zeros((height, width), np.uint8)
        self._prior = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._unknown = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._mask: F32 = np.empty((height, width), np.float32)
        self._room: tuple[U8 | None, U8 | None] = (None, None)

    def _take_room(self, plate_rgb: U8 | None, coverage: U8 | None) -> None:
        if self._room[0] is plate_rgb and self._room[1] is coverage:
            return
        self._room = (plate_rgb, coverage)
        if plate_rgb is None:
            self._plate.fill(0)
            self._coverage.fill(0)
            return
        shrink_into(plate_rgb, self._plate)
        if coverage is None:
            self._coverage.fill(255)
            return
        cv2.resize(coverage, self._size, dst=self._coverage, interpolation=cv2.INTER_AREA)
        # a working pixel that is half unknown would mix the room with nothing
        cv2.threshold(self._coverage, 254, 255, cv2.THRESH_BINARY, dst=self._coverage)
        self._plate[self._coverage == 0] = 0
