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
from core.types import U8, Alignment, Plate

SHRINK = 4  # a blur has no detail: it is made at a quarter of the size
WIDEST = 0.06  # sigma of strength 1, as a share of the frame's width


class RoomBlur:
    """Makes blurred rooms."""

    def __init__(self, strength: float, plate: Plate | None) -> None:
        """strength: 0 (hardly) to 1 (nothing to recognise)."""
        self._share = WIDEST * (0.1 + 0.9 * strength)
        self._plate = None if plate is None else self._shrunk(plate.rgb, plate.coverage)
        self._plate_size = (1, 1) if plate is None else plate.size

    def of_plate(self, alignment: Alignment, size: tuple[int, int]) -> U8:
        """The blurred plate as the frame sees it, uint8 HxWx3; unseen parts are filled from around them.

        The plate is blurred once; a frame only warps and relights the small picture.
        """
        assert self._plate is not None
        assert alignment.H is not None
        height, width = self._plate.shape[:2]
        small = (max(1, size[0] // SHRINK), max(1, size[1] // SHRINK))
        plate_from_small = resized_from_original(self._plate_size[0] / width, self._plate_size[1] / height)
        small_from_frame = resized_from_original(small[0] / size[0], small[1] / size[1])
        H = small_from_frame @ alignment.H @ plate_from_small
        warped = cv2.warpPerspective(self._plate, H, small, borderMode=cv2.BORDER_REPLICATE)
        return cv2.resize(apply_light(warped, alignment.light), size)

    def of_frame(self, rgb: U8, alpha: U8) -> U8:
        """The blurred frame without the person, uint8 HxWx3."""
        # eroded: the outermost pixels of a matte are the least sure, and one of them is a halo
        blurred = self._shrunk(rgb, cv2.erode(cv2.bitwise_not(alpha), _AROUND))
        return cv2.resize(blurred, (rgb.shape[1], rgb.shape[0]))

    def _shrunk(self, rgb: U8, weight: U8 | None) -> U8:
        height, width = rgb.shape[:2]
        small = (max(1, width // SHRINK), max(1, height // SHRINK))
        sigma = max(0.5, self._share * small[0])
        if weight is None:
            picture = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA).astype(np.float32)
            blurred = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        else:
            # weighed before shrinking: a small pixel that holds a little of the person is clean then
            weighed = cv2.multiply(rgb, cv2.merge([weight, weight, weight]), scale=1 / 255)
            sums = cv2.resize(weighed, small, interpolation=cv2.INTER_AREA).astype(np.float32)
            mass = cv2.resize(weight, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
            mean = sums.sum((0, 1)) / max(1e-3, float(mass.sum()))
            sums = cv2.GaussianBlur(sums, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            mass = cv2.GaussianBlur(mass, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            blurred = (sums + 1e-3 * mean) / (mass + 1e-3)[..., None]
        return np.clip(blurred, 0, 255).astype(np.uint8)


_AROUND = np.ones((5, 5), np.uint8)
