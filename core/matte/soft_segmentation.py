"""The soft segmentation that the 2020 network takes, made of an alpha matte.

Sengupta et al. 2020, sec. 3: a hard mask, eroded, dilated and blurred, so that the network learns
to find the border itself. Sizes are the authors', for a square of 512x512.
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


def crop_box(alpha: U8) -> Box | None:
    """A square with a margin around the person, cut off at the picture's border; None for nobody.

    The square grows to the right and downwards from the person's upper left corner, as in the
    authors' own program.
    """
    rows = np.flatnonzero((alpha > _PERSON_U8).any(axis=1))
    columns = np.flatnonzero((alpha > _PERSON_U8).any(axis=0))
    if rows.size == 0:
        return None
    top, left = int(rows[0]), int(columns[0])
    side = max(int(rows[-1]) - top, int(columns[-1]) - left) + 1
    margin = round(_MARGIN * side)
    height, width = alpha.shape
    return Box(
        max(left - margin, 0),
        max(top - margin, 0),
        min(left + side + margin, width),
        min(top + side + margin, height),
    )


def soft_segmentation(alpha: U8) -> U8:
    """uint8 HxW: 255 inside, soft towards the border. alpha: uint8 HxW, about 512x512."""
    mask = np.where(alpha > _PERSON_U8, 255, 0).astype(np.uint8)
    mask = cv2.copyMakeBorder(mask, 0, _BORDER_PX, 0, 0, cv2.BORDER_REPLICATE)
    mask = cv2.erode(mask, _ERODE, iterations=_ERODE_TIMES)
    mask = cv2.dilate(mask, _DILATE, iterations=_DILATE_TIMES)
    mask = cv2.GaussianBlur(mask, (_BLUR_PX, _BLUR_PX), 0)
    return np.asarray(mask[: alpha.shape[0]], np.uint8)


def keep_supported(alpha: U8, mask: U8) -> U8:
    """alpha without the parts that nowhere touch the person of the mask.

    The authors keep the largest part alone; that would drop the second of two people.
    """
    count, labels = cv2.connectedComponents((alpha > _VISIBLE_U8).astype(np.uint8))
    supported = np.zeros(count, bool)
    supported[np.unique(labels[mask > _PERSON_U8])] = True
    supported[0] = False
    return np.where(supported[labels], alpha, 0).astype(np.uint8)
