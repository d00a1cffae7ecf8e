"""The matter that cleanplate ships: platenet at a working size, refined at full resolution."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from core.matte.prior import SelfieSegmenter
from core.matte.refine import Refiner, snapped
from core.matte.working_size import WORKING_PIXELS, platenet_size, shrink_into, shrunk_room
from core.runtime.base import PlateNetRuntime
from core.types import U8, Coarse, Room, SeenRoom

UNKNOWN_U8 = 128  # no prior, no previous alpha; as in training


class PlateMatter:
    """Matter (see core.types) made of platenet, a segmenter's prior and a refiner.

    The prior is computed on every frame: it costs a twentieth of the network and carries the regime
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
        self._held: _HeldRoom | None = None  # what `matte` was given last

    def reset(self) -> None:
        """Nothing to forget: see the class."""

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """Alpha uint8 HxW; see core.types.Matter. The room is taken as unchanged when the same
        array objects come again, so what was made of them is kept."""
        if plate_rgb is None:
            return self.refined(rgb, None, self.coarse(rgb, None))
        held = self._held
        if held is None or held.whole.rgb is not plate_rgb or held.whole.coverage is not coverage:
            held = self._held = _HeldRoom(Room(plate_rgb, coverage))
        return self.refined(rgb, held, self.coarse(rgb, held))

    def coarse(self, rgb: U8, room: SeenRoom | None) -> Coarse:
        """See core.types.PartwiseMatter."""
        self._prepare((rgb.shape[1], rgb.shape[0]))
        shrink_into(rgb, self._frame)
        plate, coverage = self._nothing, self._nowhere
        if room is not None:
            small = room.small(self._size)
            plate = small.rgb
            coverage = self._everywhere if small.coverage is None else small.coverage
        if self._segmenter is not None:
            mask = cv2.convertScaleAbs(self._segmenter.mask(self._frame), alpha=255)
            cv2.resize(mask, self._size, dst=self._prior)
        rough, finish = self._runtime.begin(self._frame, plate, coverage, self._prior, self._unknown)
        return Coarse(rough, self._frame.copy(), finish)  # the next frame is written over this one

    def refined(self, rgb: U8, room: SeenRoom | None, coarse: Coarse) -> U8:
        """See core.types.PartwiseMatter."""
        alpha = coarse.finish()
        if self._refiner is not None:
            part = None if room is None else room.part
            return self._refiner.refine(rgb, part, coarse.rgb, alpha)
        size = (rgb.shape[1], rgb.shape[0])
        return snapped(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR))

    def _prepare(self, frame_size: tuple[int, int]) -> None:
        if frame_size == self._frame_size:
            return
        self._frame_size = frame_size
        self._size = platenet_size(frame_size, self._working_pixels)
        self._runtime = self._make_runtime(self._size)
        width, height = self._size
        self._frame = np.empty((height, width, 3), np.uint8)
        self._nothing = np.zeros((height, width, 3), np.uint8)
        self._nowhere = np.zeros((height, width), np.uint8)
        self._everywhere = np.full((height, width), 255, np.uint8)
        self._prior = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._unknown = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._held = None


class _HeldRoom:
    """SeenRoom of a room that is given whole."""

    def __init__(self, whole: Room) -> None:
        self.whole, self.part = whole, whole.part
        self._shrunk: Room | None = None

    def small(self, size: tuple[int, int]) -> Room:
        if self._shrunk is None or self._shrunk.rgb.shape[1::-1] != size:
            self._shrunk = shrunk_room(self.whole, size)
        return self._shrunk
