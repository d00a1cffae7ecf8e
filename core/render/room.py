"""The plate as this frame should see it: warped, relit, with its coverage; kept while nothing changed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.align.light import apply_light
from core.plate.compose import compose_views
from core.types import F64, U8, Alignment, Light, Plate


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """rgb: uint8 HxWx3 in the frame's pixels. coverage: uint8 HxW, 255 where known; None is everywhere.

    The arrays of a room are never written to again: another room is another object.
    """

    rgb: U8
    coverage: U8 | None


class RoomWarper:
    """Makes the room of a frame from the plate and an alignment."""

    def __init__(self, plate: Plate) -> None:
        self._plate = plate
        self._H: F64 | None = None
        self._light: Light | None = None
        self._mesh: object = None
        self._size = (0, 0)

    def room(self, alignment: Alignment, size: tuple[int, int]) -> Room:
        """The room at size (width, height). The alignment must be usable."""
        assert alignment.H is not None
        moved = (
            self._H is None
            or size != self._size
            or alignment.mesh is not self._mesh
            or not (alignment.H is self._H or np.array_equal(alignment.H, self._H))
        )
        if moved:
            self._H, self._size, self._mesh = alignment.H, size, alignment.mesh
            self._warped, self._coverage = self._warp(alignment.H, size)
        if moved or alignment.light is not self._light:  # the aligner keeps the object while nothing changed
            self._light = alignment.light
            self._room = Room(apply_light(self._warped, alignment.light), self._coverage)
        return self._room

    def _warp(self, H: F64, size: tuple[int, int]) -> tuple[U8, U8 | None]:
        plate = self._plate
        if len(plate.views) == 1 and size == plate.size and np.allclose(H, np.eye(3), atol=1e-9):
            return plate.rgb, plate.coverage
        if len(plate.views) > 1:
            room, known = compose_views(plate, H, size)
            return room, None if known.all() else known
        warped = cv2.warpPerspective(plate.rgb, H, size, flags=cv2.INTER_LINEAR)
        seen = plate.coverage
        if seen is None:
            seen = np.full(plate.rgb.shape[:2], 255, np.uint8)
        # linear on purpose: a pixel that touches the unseen drops below 255 and counts as unseen
        coverage = cv2.warpPerspective(seen, H, size, flags=cv2.INTER_LINEAR)
        cv2.threshold(coverage, 254, 255, cv2.THRESH_BINARY, dst=coverage)
        return warped, None if coverage.all() else coverage
