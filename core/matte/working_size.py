"""The size at which a network looks at a frame."""

from __future__ import annotations

import math

MULTIPLE = 32  # platenet halves five times
LONGEST = 1024  # a sliver of a picture is not blown up without end


def working_size(frame_size: tuple[int, int], working_pixels: int) -> tuple[int, int]:
    """(width, height) near working_pixels in area and the frame's aspect, multiples of 32.

    >>> working_size((1280, 720), 512 * 288)
    (512, 288)
    """
    width, height = frame_size
    scale = math.sqrt(working_pixels / (width * height))
    return _fit(width * scale), _fit(height * scale)


def _fit(length: float) -> int:
    return min(LONGEST, max(MULTIPLE, round(length / MULTIPLE) * MULTIPLE))
