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
    rgba = np.dstack((picture.rgb, alpha))
    outside = alpha == 0
    if not outside.any():
        return rgba
    weight = alpha.astype(np.float32)
    colour = picture.rgb * weight[..., None]
    window = (2 * _SPREAD_PX + 1, 2 * _SPREAD_PX + 1)
    spread = cv2.blur(colour, window) / np.maximum(cv2.blur(weight, window), 1e-3)[..., None]
    rgba[..., :3][outside] = np.clip(spread[outside] + 0.5, 0, 255).astype(np.uint8)
    return rgba


def alpha_of(picture: Picture) -> U8:
    """The matte, uint8 HxW: 0 everywhere for an idle picture, 255 where a picture has none."""
    if picture.alpha_u8 is not None:
        return picture.alpha_u8
    return np.full(picture.rgb.shape[:2], 0 if picture.idle else 255, np.uint8)


def opaque_of(picture: Picture) -> U8:
    """RGB uint8 HxWx3 for readers without alpha: a straight foreground stands before black."""
    if not picture.straight or picture.alpha_u8 is None:
        return picture.rgb
    return cv2.convertScaleAbs(picture.rgb * (picture.alpha_u8[..., None] * np.float32(1 / 255)), alpha=1)
