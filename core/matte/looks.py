"""What several looks at one frame say together.

The more closely a network looks, the better it draws edges, and the less it sees of what is around: so it
loses what is large and has the colour of the room, a laptop or half a dress. So a look is believed in where
edges are, and the coarser one in what is large.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.matte.prior import disc, surely_people
from core.types import F32, U8

MOVES = 0.007  # of the height: as far as a closer look moves an edge; half and twice as much measure the same
AREA = 0.0125  # of the height, sigma: over as much a closer look may not take away what a coarser one has,
WIDE_AREA = 0.04  # nor the usual look what the one from afar has: that one draws no edges
FROM, WHOLLY = 0.05, 0.15  # of alpha, on average there: from which, and from which wholly
LACKS = 0.0125  # of the height: the radius of a place that is worth another look
ASKED_AT = 4  # times smaller
BESIDE = 0.06  # of the height: as near to what the usual look has is what the one from afar may add


def with_edges_of(alpha: U8, closer: U8) -> U8:
    """A matte whose edges are where a closer look has them: uint8, of the size of the closer one.

    It is nowhere above or below all that the coarser one has near by, and over no area less than that: so a
    long edge moves in by a pixel or two in 700, out by MOVES.
    """
    height = len(closer)
    coarse = _as_large(alpha, closer)
    side = 2 * max(1, round(MOVES * height)) + 1
    near = np.ones((side, side), np.uint8)
    moved = cv2.min(cv2.max(closer, cv2.erode(coarse, near)), cv2.dilate(coarse, near))
    lost = _lost(moved, coarse, AREA)
    return moved if lost is None else _laid(coarse, moved, lost)


def with_large_of(alpha: U8, afar: U8, near: U8) -> U8:
    """A matte, uint8 of any size, with what is large and only a look from afar has, near to people or beside
    what it has itself: the array itself where there is nothing.

    near: of people in a mask, as `near_people_small` gives it.
    """
    lost = _lost(alpha, afar, WIDE_AREA)
    if lost is None:
        return alpha
    size = lost.shape[::-1]
    side = 2 * max(1, round(BESIDE * len(lost))) + 1
    seen = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    seen = cv2.threshold(seen, 127, 255, cv2.THRESH_BINARY)[1]
    allowed = cv2.max(
        cv2.dilate(seen, np.ones((side, side), np.uint8)),
        cv2.resize(near, size, interpolation=cv2.INTER_AREA),
    )
    lost *= cv2.blur(allowed, (5, 5)).astype(np.float32) * np.float32(1 / 255)
    return _laid(cv2.max(_as_large(afar, alpha), alpha), alpha, lost)


def may_lack(alpha: U8, mask: U8) -> bool:
    """Whether a matte has nobody in a place of some size where a mask, of SelfieSegmenter, is sure of
    somebody. Both uint8 of any size."""
    people = surely_people(mask)
    seen = cv2.resize(alpha, people.shape[::-1], interpolation=cv2.INTER_AREA)
    lacking = cv2.bitwise_and(people, cv2.threshold(seen, 127, 255, cv2.THRESH_BINARY_INV)[1])
    return bool(cv2.erode(lacking, disc(LACKS * len(people))).any())


def _lost(alpha: U8, other: U8, area: float) -> F32 | None:
    """How much of the other matte is lost in this one over an area of that sigma, 0..1, ASKED_AT times
    smaller than this one; None where nothing is."""
    height, width = alpha.shape
    small = (max(1, width // ASKED_AT), max(1, height // ASKED_AT))
    mine, others = (
        cv2.resize(m, small, interpolation=cv2.INTER_AREA).astype(np.float32) for m in (alpha, other)
    )
    less = cv2.GaussianBlur(others - mine, (0, 0), area * small[1]) * np.float32(1 / 255)
    if less.max() <= FROM:
        return None
    return np.clip((less - FROM) * np.float32(1 / (WHOLLY - FROM)), 0, 1)


def _laid(over: U8, under: U8, share: F32) -> U8:
    """Both mixed, by the share of the first, which is smaller."""
    weight = cv2.resize(share, under.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(over, under, weight, 1 - weight), np.uint8)


def _as_large(alpha: U8, other: U8) -> U8:
    return np.asarray(cv2.resize(alpha, other.shape[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
