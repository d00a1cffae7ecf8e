"""Which view of a sweep shows which part of the room: shares that fade into each other, made once a plate.

A place belongs to the view whose middle is nearest, and between two views it fades from one to the
other, narrower where they disagree. The shares lie on the room, not on the frame, so nothing pops
while the camera turns, and a frame warps of each view only the part that is the view's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from core.align.geometry import halvings, inverse, oriented, resized_from_original
from core.types import F32, F64, U8, Plate, View

FEATHER = 0.05  # of a view's width: how far from its border it gives way to others
FADE = 0.12  # difference of the distances, in widths, over which one view becomes the other: 77 px at 1280
_DISAGREE_LEVELS = 8.0  # at which a fade becomes half as wide: a step is better than a ghost
_GIVE_WAY = 2.0  # widths of distance that a place on the very border counts as
_UNKNOWN = 1e3
_APART = 1.2  # widths between the middles of two views that cannot overlap
_SMALL = 4  # seams are found at this part of the size: they are smooth
_HALVES = 3


@dataclass(frozen=True, eq=False)
class Part:
    """The part of a view that is shown, cut out.

    packed: uint8 hxwx4, RGB and the view's share (0 none, 255 alone). Four channels warp in half the
        time of three. plate_from_part: float64 3x3.
    """

    packed: U8
    plate_from_part: F64

    @cached_property
    def halves(self) -> list[tuple[U8, F64]]:
        """The part and its reductions, each half of the one before, with where their pixels lie."""
        levels = [(self.packed, self.plate_from_part)]
        for _ in range(_HALVES):
            packed, plate_from_this = levels[-1]
            height, width = packed.shape[:2]
            size = (max(1, width // 2), max(1, height // 2))
            half = np.asarray(cv2.resize(packed, size, interpolation=cv2.INTER_AREA), np.uint8)
            back = inverse(resized_from_original(size[0] / width, size[1] / height))
            levels.append((half, plate_from_this @ back))
        return levels

    def at_scale(self, scale: float) -> tuple[U8, F64]:
        """The reduction to warp from when a pixel of the part becomes `scale` pixels.

        The smallest that is not enlarged, just as `shrink_into` makes a frame small for the network: else
        the room would be softer than the frame.
        """
        level = halvings(scale, _HALVES)
        return self.halves[level] if level else (self.packed, self.plate_from_part)


@lru_cache(maxsize=2)
def parts_of(plate: Plate) -> tuple[Part, ...]:
    """What to show of each view; views that others show better everywhere are left out."""
    smalls = [_Small(view) for view in plate.views]
    found = []
    for index, view in enumerate(plate.views):
        share = smalls[index].share(smalls[:index] + smalls[index + 1 :])
        height, width = view.rgb.shape[:2]
        alpha = np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        # Without the outermost pixels: a bilinear look at the last one that counts finds known colour.
        framed = cv2.copyMakeBorder(_known(view), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        alpha = np.asarray(cv2.min(alpha, cv2.erode(framed, np.ones((3, 3), np.uint8))[1:-1, 1:-1]), np.uint8)
        x, y, w, h = cv2.boundingRect(alpha)
        if w == 0:
            continue
        x0, y0, x1, y1 = max(0, x - 1), max(0, y - 1), min(width, x + w + 1), min(height, y + h + 1)
        packed = np.ascontiguousarray(np.dstack([view.rgb, alpha])[y0:y1, x0:x1])
        cut = np.array([[1.0, 0, x0], [0, 1, y0], [0, 0, 1]])
        found.append(Part(packed, view.plate_from_view @ cut))
    return tuple(found)


def _known(view: View) -> U8:
    if view.coverage is None:
        return np.full(view.rgb.shape[:2], 255, np.uint8)
    return np.asarray(cv2.threshold(view.coverage, 254, 255, cv2.THRESH_BINARY)[1], np.uint8)


class _Small:
    """A view at a quarter of its size, with how far each pixel counts as being from the view's middle."""

    def __init__(self, view: View) -> None:
        height, width = view.rgb.shape[:2]
        self._size = (max(1, width // _SMALL), max(1, height // _SMALL))
        self._grey = cv2.cvtColor(
            cv2.resize(view.rgb, self._size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
        )
        back = inverse(resized_from_original(self._size[0] / width, self._size[1] / height))
        self._plate_from_small = view.plate_from_view @ back
        known = cv2.resize(_known(view), self._size, interpolation=cv2.INTER_AREA) == 255
        framed = cv2.copyMakeBorder(known.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        inside = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1] / self._size[0]
        self._middle = (np.array(self._size) - 1) / 2
        x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in self._size))
        distance = np.hypot(x - self._middle[0], y - self._middle[1]) / self._size[0]
        distance += _GIVE_WAY * np.maximum(0, 1 - inside / FEATHER)
        self.distance: F32 = np.where(known, distance, _UNKNOWN).astype(np.float32)

    def share(self, others: list[_Small]) -> U8:
        """This view's share, uint8 of the small size, beside those of the others."""
        share = (self.distance < _UNKNOWN).astype(np.float32)
        for other in others:
            H = self._from(other)
            if H is None:
                continue
            there = cv2.warpPerspective(
                other.distance, H, self._size, borderMode=cv2.BORDER_CONSTANT, borderValue=(_UNKNOWN,) * 4
            )
            grey = cv2.warpPerspective(other._grey, H, self._size, borderMode=cv2.BORDER_REPLICATE)
            apart = cv2.blur(cv2.absdiff(self._grey, grey), (7, 7))
            steep = (1 + apart * np.float32(1 / _DISAGREE_LEVELS)) / np.float32(FADE)
            share *= np.clip(0.5 + (there - self.distance) * steep, 0, 1)
        return np.asarray(share * 255 + 0.5, np.uint8)

    def _from(self, other: _Small) -> F64 | None:
        """The other's small pixels to this one's; None where they look elsewhere."""
        H = oriented(np.linalg.inv(self._plate_from_small) @ other._plate_from_small)
        x, y, depth = H @ np.array([*other._middle, 1.0])
        if depth <= 1e-6:
            return None
        off = np.hypot(x / depth - self._middle[0], y / depth - self._middle[1]) / self._size[0]
        return H if off < _APART else None
