"""From alpha to picture. All arrays uint8: RGB HxWx3, alpha HxW with 255 for the person.

`fgr_premultiplied` is alpha times the foreground's own colour: what the person adds to any picture
behind. With the room known it needs no estimate: I = alpha F + (1 - alpha) B gives
alpha F = I - (1 - alpha) B, the known-background composite of Background Matting (Sengupta et al.
2020, eq. 1), here held between 0 and alpha, so that a plate that is wrong by some levels cannot put
more of the room into the picture than alpha allows.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.types import U8

BLUR_SHARE = 40  # the colour spread of fgr_without_room reaches a fortieth of the width


def three(alpha: U8) -> U8:
    """alpha on three channels, HxWx3."""
    return cv2.merge([alpha, alpha, alpha])


def fgr_with_room(rgb: U8, alpha3: U8, room: U8) -> U8:
    """Premultiplied foreground where the room (aligned, light-corrected) is known, HxWx3."""
    behind = cv2.multiply(room, cv2.bitwise_not(alpha3), scale=1 / 255)
    fgr = cv2.subtract(rgb, behind, dst=behind)
    return cv2.min(fgr, alpha3, dst=fgr)


def fgr_without_room(rgb: U8, alpha: U8, of_width: int | None = None) -> U8:
    """Premultiplied foreground with the colours estimated, HxWx3.

    of_width: width of the picture that rgb and alpha are a part of; None: the whole.
    Source: Forte, "Approximate fast foreground colour estimation", 2021, eq. 4 and 5 (blur fusion,
    one pass), with the blurs taken at a quarter of the size.
    """
    height, width = alpha.shape
    fgr = cv2.min(rgb, three(alpha))  # right where alpha is 0 or 255; the band between is mended below
    band = np.flatnonzero(cv2.inRange(alpha, 1, 254))
    if not len(band):
        return fgr
    small = (max(1, width // 4), max(1, height // 4))
    i = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    a = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    side = 2 * _reach(of_width or width) + 1
    spread = cv2.blur(a, (side, side))[..., None]
    person = cv2.blur(i * a, (side, side)) / (spread + 1e-4)
    room = cv2.blur(i * (1 - a), (side, side)) / (1 - spread + 1e-4)
    f, b = (
        cv2.resize(colour.astype(np.uint8), (width, height)).reshape(-1, 3)[band].astype(np.float32)
        for colour in (person, room)
    )
    a_band = alpha.reshape(-1)[band].astype(np.float32)[:, None] / 255
    colour = f + a_band * (rgb.reshape(-1, 3)[band] - a_band * f - (1 - a_band) * b)
    fgr.reshape(-1, 3)[band] = np.clip(colour, 0, 255) * a_band + 0.5
    return fgr


def looked_around_px(of_width: int) -> int:
    """How far from a pixel fgr_without_room looks for its colours, in a picture of that width."""
    return 4 * (_reach(of_width) + 1)


def _reach(of_width: int) -> int:
    """The same in pixels of the quarter size."""
    return max(1, of_width // 4 // BLUR_SHARE)


def over(fgr: U8, alpha3: U8, backdrop: U8, out: U8 | None = None) -> U8:
    """The premultiplied foreground over a backdrop, HxWx3."""
    behind = cv2.multiply(backdrop, cv2.bitwise_not(alpha3), dst=out, scale=1 / 255)
    return cv2.add(fgr, behind, dst=behind)


def unmultiplied(fgr: U8, alpha3: U8) -> U8:
    """Straight foreground colour from premultiplied, HxWx3; black where alpha is 0."""
    return cv2.divide(fgr, alpha3, scale=255)


def bounds(alpha: U8) -> tuple[slice, slice]:
    """(rows, columns) of the smallest rectangle that holds all of alpha > 0; empty when there is none."""
    x, y, w, h = cv2.boundingRect(alpha)
    return slice(y, y + h), slice(x, x + w)
