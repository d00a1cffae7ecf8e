"""Pictures as their readers need them: with alpha beside the colour, or flattened."""

from __future__ import annotations

import cv2
import numpy as np

from core.types import U8, Picture

_SPREAD_PX = 4  # reach of chroma subsampling and of a bilinear resize by a later program


def rgba_of(picture: Picture) -> U8:
    """Straight-alpha RGBA uint8 HxWx4 in which nothing of the room is left.

    Where alpha is 0 the colour is that of the person's edge nearby, so that codecs and resizing
    draw no dark seam, and black further away: a reader that drops the alpha must not see the room.
    """
    alpha = alpha_of(picture)
    window = (2 * _SPREAD_PX + 1, 2 * _SPREAD_PX + 1)
    inside = np.asarray(cv2.compare(alpha, 0, cv2.CMP_GT), np.uint8)
    rgb = np.asarray(cv2.bitwise_and(picture.rgb, picture.rgb, mask=inside), np.uint8)
    spread = np.asarray(cv2.blur(_premultiplied(rgb, alpha), window), np.uint8)
    weight = np.asarray(cv2.blur(alpha, window), np.uint8)
    seam = (weight > 0) & (inside == 0)
    rgb[seam] = np.minimum(spread[seam] * np.float32(255) / weight[seam][:, None], 255).astype(np.uint8)
    return np.dstack((rgb, alpha))


def alpha_of(picture: Picture) -> U8:
    """The matte, uint8 HxW: 0 everywhere for an idle picture, 255 where a picture has none."""
    if picture.alpha_u8 is not None:
        return picture.alpha_u8
    return np.full(picture.rgb.shape[:2], 0 if picture.idle else 255, np.uint8)


def opaque_of(picture: Picture) -> U8:
    """RGB uint8 HxWx3 for readers without alpha: a straight foreground stands before black."""
    if not picture.straight or picture.alpha_u8 is None:
        return picture.rgb
    return _premultiplied(picture.rgb, picture.alpha_u8)


def _premultiplied(rgb: U8, alpha: U8) -> U8:
    return np.asarray(cv2.multiply(rgb, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), scale=1 / 255), np.uint8)
