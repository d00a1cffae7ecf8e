"""Whether a plate can be that of a frame, by what a matte would show of it.

Where the plate is wrong (the lamp went out, the frame is torn, the aligner slipped) all of the room is new to
the network. What one holds up before oneself is, too, but that comes bit by bit, and in somebody's hand.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.types import U8

# What may be shown where the segmenter sees nobody near. What somebody holds is at most 0.023 of the picture
# there (props, 24 clips); a lamp that goes out bares 0.75, a torn frame 0.25, a door that opens up to 0.2.
MOST_UNSEEN = 0.1  # of the picture
MOST_UNSEEN_ROW = 0.25  # of the width, in some row: a frame that is torn shows all of its width displaced
MOST_EVER = 0.5  # of the picture, however slowly it came
GROWS = 0.08  # of the height, on all sides, from one frame to the next: two metres a second, before a webcam
LASTS = 15  # frames for which somebody counts whom the segmenter has lost: half a second
_SHOWN = 64  # of 255


class PlateDoubt:
    """Follows the mattes of a run, frame by frame. One thread owns it."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The next frame has nothing to do with the last one."""
        self._before: U8 | None = None  # what was shown last, while that was believed
        self._doubted = False  # the last frame
        self._near, self._unseen_for = np.zeros((1, 1), np.uint8), LASTS

    def of(self, alpha: U8, near: U8) -> bool:
        """Whether this matte shows too much for its plate to be right.

        What is between head, hands and lap does not count: a book that is held up hides the one behind it.
        Nor, after a frame that was believed, does what is in somebody's hand and near to what that showed.
        After one that was not, half as much is too much: a picture that comes and goes shows as much.

        alpha: uint8 hxw, the matte so far. near: uint8 of any size, where somebody is near in the segmenter's
        eyes (see prior.near_people_small).
        """
        size = alpha.shape[::-1]
        near = cv2.resize(self._somebody(near), size, interpolation=cv2.INTER_AREA)
        unseen = cv2.min(alpha, cv2.bitwise_not(_hull(near)))
        doubted = _too_much(unseen, 0.5 if self._doubted else 1.0)
        if doubted and self._before is not None:
            known = cv2.bitwise_and(_grown(self._before, size), _touching(alpha, near))
            doubted = _too_much(cv2.min(unseen, cv2.bitwise_not(known)), 1.0)
            doubted = doubted or float(unseen.mean()) > 255 * MOST_EVER
        self._before, self._doubted = None if doubted else alpha.copy(), doubted
        return doubted

    def _somebody(self, near: U8) -> U8:
        """near, or that of a moment ago where the segmenter has just lost everybody."""
        if near.any():
            self._near, self._unseen_for = near, 0
        elif self._unseen_for < LASTS:
            self._unseen_for += 1
            return self._near
        return near


def _too_much(shown: U8, share: float) -> bool:
    """Whether it is more than this share of what may be."""
    rows = shown.mean(1) / 255
    return float(rows.mean()) > share * MOST_UNSEEN or float(rows.max()) > share * MOST_UNSEEN_ROW


def _hull(near: U8) -> U8:
    """255 in the convex hull of where somebody is near."""
    somebody = cv2.findNonZero(near)
    if somebody is None:
        return near
    return cv2.fillConvexPoly(np.zeros_like(near), cv2.convexHull(somebody), (255,))


def _touching(alpha: U8, near: U8) -> U8:
    """255 in those pieces of a matte that reach to where somebody is near; both uint8 of one size."""
    count, pieces = cv2.connectedComponents(cv2.threshold(alpha, _SHOWN, 255, cv2.THRESH_BINARY)[1])
    table = np.zeros(count, np.uint8)
    table[pieces[near > 127]] = 255
    table[0] = 0
    return table[pieces]


def _grown(alpha: U8, size: tuple[int, int]) -> U8:
    """255 where a matte shows something, and as far around as that may move until the next frame."""
    shown = cv2.threshold(alpha, _SHOWN, 255, cv2.THRESH_BINARY)[1]
    side = 2 * max(1, round(GROWS * len(alpha))) + 1
    grown = cv2.dilate(shown, np.ones((side, side), np.uint8))
    return grown if grown.shape[::-1] == size else cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST)
