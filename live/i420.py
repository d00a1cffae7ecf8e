"""Pictures as planar 4:2:0, which virtual cameras and encoders take."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from core.types import U8, Picture
from live.writers.straight import opaque_of


def i420_of(picture: Picture, size: tuple[int, int]) -> U8:
    """The picture without alpha as uint8 H*3/2 x W (BT.601, limited range); size: even (width, height)."""
    return cast(U8, cv2.cvtColor(fitted(opaque_of(picture), size), cv2.COLOR_RGB2YUV_I420))


def fitted(pixels: U8, size: tuple[int, int]) -> U8:
    """Brought to an even size (width, height); an odd last row or column is cut off, not squeezed."""
    height, width = pixels.shape[:2]
    if (width & ~1, height & ~1) == size:
        return np.ascontiguousarray(pixels[: size[1], : size[0]])
    shrinks = width > size[0]
    return cast(U8, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
