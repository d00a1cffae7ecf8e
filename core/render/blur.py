"""The blurred room behind the person, without a halo.

With a plate it is the plate that is blurred. Where no plate is known the frame is blurred with the
person left out (normalised convolution, Knutsson & Westin 1993), so that nothing of the person
bleeds into the room.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.align.geometry import resized_from_original
from core.align.light import apply_light
from core.plate.compose import compose_views
from core.types import F32, F64, U8, Alignment, Plate

SHRINK = 4  # a blur has no detail: it is made at a quarter of the size
LEAST_SIGMA = (
    3.5  # px: of a wider blur every other pixel is enough, and a quarter of them a sixth of the time
)
UNSURE_PX, UNSURE_SHARE = 2, 1 / 640  # by which a matte may be too small: px at least, and of the longer side
WIDEST = 0.06  # sigma of strength 1, as a share of the frame's longer side: a camera may be set upright


class RoomBlur:
    """Makes blurred rooms. One thread owns it."""

    def __init__(self, strength: float, plate: Plate | None) -> None:
        """strength: 0 (hardly) to 1 (nothing to recognise)."""
        self.strength = strength
        self._share = WIDEST * (0.1 + 0.9 * strength)
        self._plate = plate
        single = plate is not None and len(plate.views) == 1
        self._blurred_plate = (
            self._shrunk(plate.rgb, plate.coverage) if plate is not None and single else None
        )
        self._composed: tuple[F64, tuple[int, int], U8] | None = None  # the last of a sweep, and for what

    def of_plate(self, alignment: Alignment, size: tuple[int, int]) -> U8:
        """The blurred plate as the frame sees it, uint8 HxWx3; unseen parts are filled from around them.

        A single picture is blurred once, and a frame only warps and relights it. The views of a sweep are
        composed for the frame and then blurred, unless it sees them as the last one did.
        """
        assert alignment.H is not None
        small = (max(1, size[0] // SHRINK), max(1, size[1] // SHRINK))
        H = resized_from_original(small[0] / size[0], small[1] / size[1]) @ alignment.H
        seen = self._of_views(H, small) if self._blurred_plate is None else self._of_single(H, small)
        return cv2.resize(apply_light(seen, alignment.light), size)

    def _of_single(self, H: F64, small: tuple[int, int]) -> U8:
        assert self._plate is not None
        assert self._blurred_plate is not None
        height, width = self._blurred_plate.shape[:2]
        plate_from_this = resized_from_original(self._plate.size[0] / width, self._plate.size[1] / height)
        return cv2.warpPerspective(
            self._blurred_plate, H @ plate_from_this, small, borderMode=cv2.BORDER_REPLICATE
        )

    def _of_views(self, H: F64, small: tuple[int, int]) -> U8:
        assert self._plate is not None
        held = self._composed
        if held is None or held[1] != small or not np.array_equal(held[0], H):
            rgb, coverage = compose_views(self._plate, H, small)
            known = cv2.bitwise_and(rgb, rgb, mask=coverage)
            blurred = self._blurred(known.astype(np.float32), coverage.astype(np.float32) / np.float32(255))
            self._composed = held = H, small, blurred
        return held[2]

    def of_frame(self, rgb: U8, alpha: U8) -> U8:
        """The blurred frame without the person, uint8 HxWx3."""
        # eroded: the outermost pixels of a matte are the least sure, and one of them is a halo
        side = 2 * max(UNSURE_PX, round(UNSURE_SHARE * max(alpha.shape))) + 1
        blurred = self._shrunk(rgb, cv2.erode(cv2.bitwise_not(alpha), np.ones((side, side), np.uint8)))
        return cv2.resize(blurred, (rgb.shape[1], rgb.shape[0]))

    def _shrunk(self, rgb: U8, weight: U8 | None) -> U8:
        height, width = rgb.shape[:2]
        small = (max(1, width // SHRINK), max(1, height // SHRINK))
        if weight is None:
            return self._blurred(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA).astype(np.float32))
        # weighed before shrinking: a small pixel that holds a little of the person is clean then
        weighed = cv2.multiply(rgb, cv2.merge([weight, weight, weight]), scale=1 / 255)
        sums = cv2.resize(weighed, small, interpolation=cv2.INTER_AREA).astype(np.float32)
        mass = cv2.resize(weight, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return self._blurred(sums, mass)

    def _blurred(self, sums: F32, mass: F32 | None = None) -> U8:
        """A small picture, float32 HxWx3, blurred, and smaller where the blur is wide.

        mass: HxW 0..1, by which it was multiplied; None is 1.
        """
        sigma = max(0.5, self._share * max(sums.shape[:2]))
        while sigma >= 2 * LEAST_SIGMA:
            half = (max(1, sums.shape[1] // 2), max(1, sums.shape[0] // 2))
            sums = cv2.resize(sums, half, interpolation=cv2.INTER_AREA)
            mass = None if mass is None else cv2.resize(mass, half, interpolation=cv2.INTER_AREA)
            sigma /= 2
        blurred = cv2.GaussianBlur(sums, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        if mass is not None:
            mean = sums.sum((0, 1)) / max(1e-3, float(mass.sum()))
            mass = cv2.GaussianBlur(mass, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            blurred = (blurred + 1e-3 * mean) / (mass + 1e-3)[..., None]
        return np.clip(blurred, 0, 255).astype(np.uint8)
