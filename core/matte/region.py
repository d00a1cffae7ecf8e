"""Where in the frame platenet looks: around whoever is there, so that its pixels are spent on them.

With a plate it is known where nothing changed. A person at a desk fills less than half of the frame,
so the same network sees them up to 1.3 times as large, on no more pixels.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np

from core.matte.working_size import platenet_size, working_size
from core.types import F32, U8, Room

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the frame
Size = tuple[int, int]  # (width, height)

GLANCE_PIXELS = 320 * 180  # area at which a frame is compared with its room
LEAST_CHANGE, MOST_CHANGE = 12, 36  # grey levels by which what counts as changed differs from the room
QUIET_SHARE, CHANGE_OF_QUIET = 0.25, 4  # of a frame there is room at least; times what that differs by
SPECK = 3  # px of a glance: what is thinner is an edge that alignment left, or noise
PERSON_FROM = 0.3  # of a segmenter's mask
MARGIN = 0.055  # of the frame's height: strands and fingertips change too little to be seen at a glance
SPARE = 1.5  # margins that a new region has, so that the next frame fits too
# of what platenet sees, and the share of its pixels: arms and gestures; a head and shoulders
SHAPES = (((640, 480), 1.0), ((448, 544), 0.8))
LARGEST = 1.3  # enlargement against the whole frame: beyond it nothing is gained, and large things are lost
WORTH_IT = 1.1  # enlargement below which the frame is looked at whole
WORTH_A_CHANGE, PATIENCE = 1.1, 30  # enlargement that a smaller region must bring, for so many frames
LARGEST_STRETCH = 1.14  # of a region's height against its width
TOUCHING = 64  # grey levels of the rough alpha that may not reach a region's border
LONGEST_PATIENCE = 1 << 12


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the frame, and the size (width, height) at which platenet sees it."""

    box: Box
    size: Size

    @property
    def where(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        x0, y0, x1, y1 = self.box
        return slice(y0, y1), slice(x0, x1)

    @property
    def scale(self) -> float:
        """Pixels of the network per pixel of the frame, along the side that has fewer."""
        x0, y0, x1, y1 = self.box
        return min(self.size[0] / (x1 - x0), self.size[1] / (y1 - y0))

    def holds(self, box: Box) -> bool:
        return _joined(self.box, box) == self.box


class RegionFinder:
    """Follows the person through the frames of one size with a region that seldom changes.

    It grows in the frame that needs it, and shrinks when a smaller one would have done for a while.
    """

    def __init__(self, frame_size: Size, working_pixels: int) -> None:
        width, height = self._frame_size = frame_size
        self.whole = Region((0, 0, width, height), platenet_size(frame_size, working_pixels))
        self.sizes: tuple[Size, ...] = (self.whole.size,)  # at which platenet is asked for
        if self.whole.scale * WORTH_IT < 1:  # else there is nothing to enlarge
            self.sizes += tuple(
                working_size(aspect, round(share * working_pixels)) for aspect, share in SHAPES
            )
        shrink = min(1.0, (GLANCE_PIXELS / (width * height)) ** 0.5)
        self.glance_size: Size = max(1, round(width * shrink)), max(1, round(height * shrink))
        self._margin = MARGIN * height
        self.forget()

    def forget(self) -> None:
        """The next frame has nothing to do with the last one."""
        self._now, self.wished = self.whole, self.whole.size
        self._could_be: Box | None = None  # what the last frames, together, needed
        self._frames_smaller, self._patience = PATIENCE, PATIENCE

    def find(self, glance: U8, room: Room, mask: F32 | None, ready: Collection[Size] = ()) -> Region:
        """The region to look at.

        glance: the frame, uint8 RGB of `glance_size`. room: that size. mask: a segmenter's, float32 of
        any size, 0..1. ready: sizes to which the choice is limited, as long as one of them will do;
        empty for all. The size that would have been best is then `wished`.
        """
        if len(self.sizes) == 1:
            return self.whole
        box = _changed(glance, room, mask)
        if box is None:
            self.wished = self.whole.size
            return self.whole
        width, height = self._frame_size
        sx, sy = width / glance.shape[1], height / glance.shape[0]
        needed = (int(box[0] * sx), int(box[1] * sy), int(np.ceil(box[2] * sx)), int(np.ceil(box[3] * sy)))
        self._could_be = needed if self._could_be is None else _joined(self._could_be, needed)
        best = self.around(self._could_be)
        self.wished = best.size
        if not self._now.holds(self._widened(needed, self._margin / 2)):
            self._frames_smaller = self._patience
        elif best.scale >= WORTH_A_CHANGE * self._now.scale:
            self._frames_smaller += 1
        else:
            self._begin_waiting()
        if self._frames_smaller >= self._patience:
            if ready and best.size not in ready:
                best = self._around(self._could_be, ready) or best
            self._now = best
            self._begin_waiting()
        return self._now

    def around(self, box: Box) -> Region:
        """The region with the largest picture of a box and what may surround it."""
        return self._around(box, self.sizes) or self.whole

    def too_small(self, region: Region, rough: U8) -> bool:
        """Whether somebody reaches beyond the region found last. The next is then the whole frame, for
        longer each time.

        rough: alpha in that region, uint8 HxW of any size.
        """
        (x0, y0, x1, y1), (width, height) = region.box, self._frame_size
        sides = (
            rough[:, 0] if x0 > 0 else None,
            rough[:, -1] if x1 < width else None,
            rough[0] if y0 > 0 else None,
            rough[-1] if y1 < height else None,
        )
        if not any(side is not None and side.max() > TOUCHING for side in sides):
            return False
        self._now = self.whole
        self._patience = min(2 * self._patience, LONGEST_PATIENCE)
        self._begin_waiting()
        return True

    def _begin_waiting(self) -> None:
        self._frames_smaller, self._could_be = 0, None

    def _around(self, box: Box, sizes: Collection[Size]) -> Region | None:
        """The same of one of the sizes; None where none of them has one."""
        x0, y0, x1, y1 = self._widened(box, SPARE * self._margin)
        width, height = self._frame_size
        least = WORTH_IT * self.whole.scale
        best = self.whole if self.whole.size in sizes else None
        for across, down in sizes:
            scale = min(1.0, LARGEST * self.whole.scale, across / (x1 - x0), down / (y1 - y0))
            w, h = min(width, round(across / scale)), min(height, round(down / scale))
            stretch = (down / h) / (across / w)
            left = min(max(0, (x0 + x1 - w) // 2), width - w)
            top = min(max(0, (y0 + y1 - h) // 2), height - h)
            region = Region((left, top, left + w, top + h), (across, down))
            if 1 / LARGEST_STRETCH < stretch < LARGEST_STRETCH and region.scale > least:
                best, least = region, region.scale
        return best

    def _widened(self, box: Box, by: float) -> Box:
        (x0, y0, x1, y1), (width, height), by = box, self._frame_size, round(by)
        return max(0, x0 - by), max(0, y0 - by), min(width, x1 + by), min(height, y1 + by)


def _changed(glance: U8, room: Room, mask: F32 | None) -> Box | None:
    """The box around all that is not as in the room, or that a segmenter takes for a person; None where
    there is nothing."""
    # The largest of three channels: a shirt may have the wall's brightness and not its colour.
    r, g, b = cv2.split(cv2.absdiff(glance, room.rgb))
    apart = cv2.max(cv2.max(r, g), b)
    if room.coverage is not None:
        apart = cv2.bitwise_and(apart, room.coverage)
    apart = cv2.blur(apart, (3, 3))
    levels = apart[::2, ::2].ravel()
    quiet = int(np.partition(levels, int(QUIET_SHARE * len(levels)))[int(QUIET_SHARE * len(levels))])
    least = min(max(LEAST_CHANGE, CHANGE_OF_QUIET * quiet), MOST_CHANGE)
    found = cv2.threshold(apart, least, 255, cv2.THRESH_BINARY)[1]
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((SPECK, SPECK), np.uint8))
    if mask is not None:
        person = cv2.resize(mask, (glance.shape[1], glance.shape[0]), interpolation=cv2.INTER_LINEAR)
        found |= (person > PERSON_FROM).view(np.uint8)
    x, y, w, h = cv2.boundingRect(found)
    return (x, y, x + w, y + h) if w else None


def _joined(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
