"""The matter that cleanplate ships: platenet at a working size, refined at full resolution."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from core.matte.prior import SelfieSegmenter
from core.matte.refine import Refiner, RoomPart, snapped
from core.matte.working_size import shrink_into, shrunk_room, working_size
from core.runtime.base import PlateNetRuntime
from core.types import F32, U8, Room, SeenRoom

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
        self._whole: Room | None = None  # given last, and shrunk, kept while the same comes again

    def reset(self) -> None:
        """Nothing to forget: see the class."""

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """Alpha uint8 HxW; see core.types.Matter. The room is taken as unchanged when the same
        array objects come again, so what was made of them is kept."""
        self._prepare((rgb.shape[1], rgb.shape[0]))
        if plate_rgb is None:
            return self._alpha(rgb, None, None)
        if self._whole is None or self._whole.rgb is not plate_rgb or self._whole.coverage is not coverage:
            self._whole = Room(plate_rgb, coverage)
            self._shrunk = shrunk_room(self._whole, self._size)
        return self._alpha(rgb, self._shrunk, self._whole.part)

    def matte_in(self, rgb: U8, room: SeenRoom) -> U8:
        """Alpha uint8 HxW; see core.types.PartwiseMatter."""
        self._prepare((rgb.shape[1], rgb.shape[0]))
        return self._alpha(rgb, room.small(self._size), room.part)

    def _alpha(self, rgb: U8, small: Room | None, part: RoomPart | None) -> U8:
        shrink_into(rgb, self._frame)
        plate, coverage = self._nothing, self._nowhere
        if small is not None:
            plate = small.rgb
            coverage = self._everywhere if small.coverage is None else small.coverage
        if self._segmenter is not None:
            mask = self._segmenter.mask(self._frame)
            cv2.resize(mask, self._size, dst=self._mask)
            np.multiply(self._mask, 255, out=self._prior, casting="unsafe")
        alpha = self._runtime.alpha(self._frame, plate, coverage, self._prior, self._unknown)
        if self._refiner is not None:
            return self._refiner.refine(rgb, part, self._frame, alpha)
        return snapped(cv2.resize(alpha, self._frame_size, interpolation=cv2.INTER_LINEAR))

    def _prepare(self, frame_size: tuple[int, int]) -> None:
        if frame_size == self._frame_size:
            return
        self._frame_size = frame_size
        self._size = working_size(frame_size, self._working_pixels)
        self._runtime = self._make_runtime(self._size)
        width, height = self._size
        self._frame = np.empty((height, width, 3), np.uint8)
        self._nothing = np.zeros((height, width, 3), np.uint8)
        self._nowhere = np.zeros((height, width), np.uint8)
        self._everywhere = np.full((height, width), 255, np.uint8)
        self._prior = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._unknown = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._mask: F32 = np.empty((height, width), np.float32)
        self._whole = None
