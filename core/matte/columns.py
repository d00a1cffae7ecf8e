"""Which columns of a frame platenet looks at: those in which somebody is.

With a plate it is known where nothing changed, and a person at a desk is half as wide as the frame, while
the network costs as much as it is shown. What it is shown stays as large as before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np

from core.matte.working_size import MULTIPLE
from core.types import U8, Room

SHARES = (0.6, 0.8)  # of the frame's width, beside all of it: at a desk, with the arms out
LEAST_CHANGE, MOST_CHANGE = 12, 36  # grey levels by which what counts as changed differs from the room
QUIET_SHARE, CHANGE_OF_QUIET = 0.25, 4  # of a frame there is room at least; times what that differs by
SPECK = 3  # px of half the working size: what is thinner is an edge that alignment left, or noise
PERSON_FROM = 77  # levels of a segmenter's mask
MARGIN = 0.055  # of the height: strands and fingertips change too little to be seen like this
SPARE = 1.5  # margins that new columns have, so that the next frame fits too
PATIENCE = 30  # frames for which fewer columns would have done, before there are fewer
TOUCHING = 64  # grey levels of the rough alpha that may not reach the first or last column
LONGEST_PATIENCE = 1 << 12
FOUND = 8  # levels of alpha: less is no edge that a closer look could move


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of the picture at the working size: `first` to `end`, both multiples of MULTIPLE, so that
    the network's grid lies as in the whole picture."""

    first: int
    end: int

    @property
    def width(self) -> int:
        return self.end - self.first

    @property
    def where(self) -> tuple[slice, slice]:
        """All rows, these columns."""
        return np.s_[:, self.first : self.end]

    def shrunk(self, times: int) -> tuple[slice, slice]:
        """The same in a picture so many times smaller."""
        return np.s_[:, self.first // times : self.end // times]


class ColumnFinder:
    """Follows the people through frames of one working size with columns that seldom change.

    There are more in the frame that needs more, and fewer when fewer would have done for a while.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        """size: (width, height), multiples of MULTIPLE."""
        width, height = size
        self.whole = Columns(0, width)
        narrow = {MULTIPLE * round(share * width / MULTIPLE) for share in SHARES}
        self.widths: tuple[int, ...] = (*sorted(narrow - {0, width}), width)  # at which platenet is asked for
        self._margin = MARGIN * height
        self.forget()

    def forget(self) -> None:
        """The next frame has nothing to do with the last one."""
        self.now, self.wished = self.whole, self.whole.width
        self._needed: tuple[int, int] | None = None  # by the last frames together
        self._frames_fewer, self._patience = PATIENCE, PATIENCE

    def find(self, change: U8, mask: U8 | None, ready: Collection[int] = ()) -> Columns:
        """The columns to look at.

        change: see `change_of`. mask: a segmenter's, uint8 of the working size. ready: widths to which
        the choice is limited, as long as one of them will do; empty for all. The width that would have
        been best is then `wished`.
        """
        changed = _reach(change, mask)
        if changed is None:
            self.wished = self.whole.width
            return self.whole
        self._needed = changed if self._needed is None else _joined(self._needed, changed)
        best = self._around(self._needed, self.widths)
        self.wished = best.width
        if not self._hold(changed):
            self._frames_fewer = self._patience
        elif best.width < self.now.width:
            self._frames_fewer += 1
        else:
            self._begin_waiting()
        if self._frames_fewer >= self._patience:
            self.now = self._around(self._needed, ready) if ready else best
            self._begin_waiting()
        return self.now

    def around(self, alpha: U8, ready: Collection[int] = ()) -> Columns:
        """The columns for a closer look at somebody who is found already, which follows nobody.

        alpha: uint8, of any size. ready: widths to which the choice is limited; empty for all.
        """
        x, _, w, _ = cv2.boundingRect(cv2.threshold(alpha, FOUND - 1, 255, cv2.THRESH_BINARY)[1])
        scale = self.whole.width / alpha.shape[1]
        return self._around((round(x * scale), round((x + w) * scale)), ready or self.widths)

    def too_few(self, columns: Columns, rough: U8) -> bool:
        """Whether somebody reaches beyond the columns found last. The next are then all, for longer each
        time.

        rough: alpha of the frame, uint8, smaller than the working size by a whole number.
        """
        seen = rough[columns.shrunk(self.whole.width // rough.shape[1])]
        beyond_left = columns.first > 0 and seen[:, 0].max() > TOUCHING
        beyond_right = columns.end < self.whole.end and seen[:, -1].max() > TOUCHING
        if not (beyond_left or beyond_right):
            return False
        self.now = self.whole
        self._patience = min(2 * self._patience, LONGEST_PATIENCE)
        self._begin_waiting()
        return True

    def _begin_waiting(self) -> None:
        self._frames_fewer, self._needed = 0, None

    def _hold(self, changed: tuple[int, int]) -> bool:
        first, end = self._widened(changed, self._margin / 2)
        return self.now.first <= first and end <= self.now.end

    def _around(self, needed: tuple[int, int], widths: Collection[int]) -> Columns:
        """The fewest with room to spare, the needed ones in their middle."""
        first, end = self._widened(needed, SPARE * self._margin)
        for width in sorted(widths):
            left = MULTIPLE * round((first + end - width) / 2 / MULTIPLE)
            left = min(max(0, left), self.whole.width - width)
            if left <= first and end <= left + width:
                return Columns(left, left + width)
        return self.whole

    def _widened(self, columns: tuple[int, int], by: float) -> tuple[int, int]:
        return max(0, columns[0] - round(by)), min(self.whole.width, columns[1] + round(by))


def distance_of(frame: U8, room: Room) -> U8:
    """By how many grey levels a frame differs from its room, both at the working size: uint8 of half of it,
    0 where the room is not known."""
    height, width = frame.shape[:2]
    size = width // 2, height // 2
    halves = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (frame, room.rgb))
    # The largest of three channels: a shirt may have the wall's brightness and not its colour.
    r, g, b = cv2.split(cv2.absdiff(*halves))
    apart = cv2.max(cv2.max(r, g), b)
    if room.coverage is not None:
        known = cv2.resize(room.coverage, size, interpolation=cv2.INTER_AREA)
        apart = cv2.bitwise_and(apart, cv2.threshold(known, 254, 255, cv2.THRESH_BINARY)[1])
    return np.asarray(cv2.blur(apart, (3, 3)), np.uint8)


def change_of(apart: U8) -> U8:
    """Where a frame is not as in its room: 255, and else 0, of the size of what `distance_of` gives."""
    levels = apart[::2, ::2].ravel()
    quiet = int(np.partition(levels, int(QUIET_SHARE * len(levels)))[int(QUIET_SHARE * len(levels))])
    least = min(max(LEAST_CHANGE, CHANGE_OF_QUIET * quiet), MOST_CHANGE)
    found = cv2.threshold(apart, least, 255, cv2.THRESH_BINARY)[1]
    return cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((SPECK, SPECK), np.uint8))


def _reach(change: U8, mask: U8 | None) -> tuple[int, int] | None:
    """The first column and the end, at the working size, of all that has changed or that a segmenter takes
    for a person; None where there is nothing."""
    found = change
    if mask is not None:
        person = cv2.resize(mask, change.shape[::-1], interpolation=cv2.INTER_LINEAR)
        found = cv2.max(change, cv2.threshold(person, PERSON_FROM - 1, 255, cv2.THRESH_BINARY)[1])
    x, _, w, _ = cv2.boundingRect(found)
    return (2 * x, 2 * (x + w)) if w else None


def _joined(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return min(a[0], b[0]), max(a[1], b[1])
