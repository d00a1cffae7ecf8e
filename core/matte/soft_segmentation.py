"""What the 2020 network takes beside the pictures: a square around the person, a soft segmentation.

Sengupta et al. 2020, sec. 3: a hard mask, eroded, dilated and blurred, so that the network learns
to find the border itself. Square, steps and sizes are those of the authors' own program, number by
number: their weights know no others. Sizes are for a square of 512x512.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.types import U8

_PERSON_U8 = 51  # a fifth: what counts as person in the mask
_ERODE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
_ERODE_TIMES = 10
_DILATE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
_DILATE_TIMES = 5
_BLUR_PX = 31
_BORDER_PX = 25  # rows repeated below, so that a person cut by the lower border is not eroded there
_UPPER_ROWS = 250  # empty rows beyond it are filled from above
_MARGIN = 0.1  # room left around the person, of the square's side
_VISIBLE_U8 = 13  # a twentieth: alpha above it belongs to a part


@dataclass(frozen=True, slots=True)
class Box:
    """Part of a picture, in pixels; right and bottom are one beyond the last."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def person_mask(alpha: U8) -> U8:
    """uint8 HxW: 255 for person, 0 elsewhere, as a segmenter of classes would give it."""
    return np.where(alpha > _PERSON_U8, 255, 0).astype(np.uint8)


def crop_box(mask: U8) -> Box | None:
    """A square with a margin around the person, cut off at the picture's border; None for nobody.

    The square grows to the right and downwards from the person's upper left corner. The picture's
    last row and column are never inside where it is cut off there. None also for a person of a few
    pixels, of whom no square is left.

    Args:
        mask: uint8 HxW of 0 and 255, as person_mask gives it.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    top, left = int(rows[0]), int(columns[0])
    side = max(int(rows[-1]) - top, int(columns[-1]) - left)
    y, height = _span(top, side, mask.shape[0])
    x, width = _span(left, side, mask.shape[1])
    return Box(x, y, x + width, y + height) if width and height else None


def soft_segmentation(mask: U8) -> U8:
    """uint8 HxW: 255 inside, soft towards the border.

    A person that ends above the lower border goes on to it, from the lower half on: the authors'
    people are cut by it, and their network was taught with segmentations like that.

    Args:
        mask: uint8 HxW, about 512x512: 255 for person, 0 elsewhere, between them where it was resized.
    """
    height = mask.shape[0]
    person = np.where(mask > _PERSON_U8, 1, mask / 255).astype(np.float32)
    empty = np.flatnonzero(~mask.any(axis=1))
    empty = empty[empty > _UPPER_ROWS]
    if empty.size:  # and two rows more, which a resize may have mixed with what is below
        person = np.delete(person, [empty[0] - 2, empty[0] - 1, *empty], axis=0)
    below = height - person.shape[0] + _BORDER_PX
    person = cv2.copyMakeBorder(person, 0, below, 0, 0, cv2.BORDER_REPLICATE)
    person = cv2.erode(person, _ERODE, iterations=_ERODE_TIMES)
    person = cv2.dilate(person, _DILATE, iterations=_DILATE_TIMES)
    person = cv2.GaussianBlur(person, (_BLUR_PX, _BLUR_PX), 0)
    return (255 * person[:height]).astype(np.uint8)


def keep_supported(alpha: U8, mask: U8) -> U8:
    """alpha without the parts that nowhere touch the person of the mask.

    The authors keep the largest part alone; that would drop the second of two people.
    """
    count, labels = cv2.connectedComponents((alpha > _VISIBLE_U8).astype(np.uint8))
    supported = np.zeros(count, bool)
    supported[np.unique(labels[mask > _PERSON_U8])] = True
    supported[0] = False
    return np.where(supported[labels], alpha, 0).astype(np.uint8)


def _span(first: int, side: int, length: int) -> tuple[int, int]:
    """(first, count) of the square's pixels in one direction of a picture of that length."""
    start = max(first - _MARGIN * side, 0)
    end = first + (1 + _MARGIN) * side
    return round(start), round((length - 1 if end >= length else end) - start)
