"""When to fit the light anew: where cells that show the plate have changed, else seldom."""

from __future__ import annotations

import cv2
import numpy as np

from core.align.light import fit_light
from core.align.refine import Comparison
from core.types import F32, U8, Light

LIGHT_EVERY = 10  # frames between fits while still and nothing changed
LIGHT_EVERY_MOVING = 3
_CHANGE = 0.006  # change of the cells' brightness that asks for a new fit at once
_CHANGE_OF_A_CELL = 0.025  # the same, cell by cell: a lamp in a corner


class RoomLight:
    """The light of the frames since the plate was found. light: None before the first fit."""

    def __init__(self) -> None:
        self.light: Light | None = None
        self._age = 0
        self._brightness: F32 | None = None  # of each cell at the last fit; 0 where it did not agree

    def due(self, look: Comparison, every: int) -> bool:
        """Whether this frame needs a fit: the first, one in `every`, or a visible change."""
        self._age += 1
        return self.light is None or self._age >= every or self._changed(look)

    def fit(self, plate: tuple[U8, U8], frame_rgb: U8, hidden: F32 | None, look: Comparison) -> None:
        """Fits the light of this frame.

        plate: uint8 hxwx3 warped into the small frame, and its coverage hxw. frame_rgb: uint8 hxwx3.
        hidden: float32 of any size, 1 under the person.
        """
        plate_rgb, known = plate
        background = (known > 254).astype(np.float32)
        if hidden is not None:
            size = (known.shape[1], known.shape[0])
            background *= 1 - cv2.resize(hidden, size, interpolation=cv2.INTER_NEAREST)
        self.light = fit_light(plate_rgb, frame_rgb, background, self.light)
        self._age, self._brightness = 0, np.where(look.agrees, look.mean, 0).astype(np.float32)

    def _changed(self, look: Comparison) -> bool:
        """Whether cells that show the plate, then and now, have another brightness than at the last fit."""
        before = self._brightness
        if before is None or before.shape != look.mean.shape:  # another view of the sweep
            return True
        both = look.agrees & (before > 0)
        if not both.any():
            return True
        change = look.mean[both] / before[both] - 1
        # Sums: a mean costs numpy thrice as much.
        overall, per_cell = abs(float(change.sum())), float(np.abs(change).sum())
        return overall > _CHANGE * len(change) or per_cell > _CHANGE_OF_A_CELL * len(change)
