"""The plate's views and the frames as the aligner sees them: small, grey, in a pyramid."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from core.align.geometry import oriented, resized_from_original
from core.align.leap import corners_to_follow
from core.align.template import LEVELS, MIN_SIDE, Template, blur, build_template, smooth
from core.types import F32, F64, U8, Frame, Plate, View

WORK_SIDE = 640  # px, the longer side of the working picture
_FINER = 2  # sides of the view's light picture over the frame's
LIGHT_SIDE = 128  # px, the longer side of the picture that light is fitted on


def scaled_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """size shrunk so that its longer side is `side`; never enlarged, never empty."""
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def shrunk(picture: U8, size: tuple[int, int]) -> U8:
    """INTER_AREA: LINEAR aliases below one half."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def resize_map(from_size: tuple[int, int], to_size: tuple[int, int]) -> F64:
    return resized_from_original(to_size[0] / from_size[0], to_size[1] / from_size[1])


class Workspace:
    """The arrays of one small frame after the other: new ones a frame cost more than what fills them,
    for the system has to find the pages. size: (width, height) of the frames.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = scaled_size(size, WORK_SIDE)
        self.rgb = np.empty((height, width, 3), np.uint8)
        self.full_grey = np.empty((size[1], size[0]), np.uint8)
        self.grey = np.empty((height, width), np.uint8)
        self.blurred = np.empty((height, width), np.uint8)
        self.picture = np.empty((height, width), np.float32)


class SmallFrame:
    """A frame at working size; the coarser levels are made when a moving camera asks for them.

    work: taken for the arrays, which the next frame with it writes over; None makes new ones.
    colours: whether `light_rgb` will likely be asked for.
    """

    def __init__(self, frame: Frame, work: Workspace | None = None, colours: bool = True) -> None:
        self.size = scaled_size(frame.size, WORK_SIDE)
        w = work if work is not None else Workspace(frame.size)
        self._rgb = frame.rgb
        if colours and self.size != frame.size:
            self._rgb = np.asarray(cv2.resize(frame.rgb, self.size, w.rgb, interpolation=cv2.INTER_AREA))
        # Without them grey comes first: to shrink three channels takes as long as all that is done here.
        grey_size = (self._rgb.shape[1], self._rgb.shape[0])
        into = w.grey if grey_size == self.size else w.full_grey
        self.grey = np.asarray(cv2.cvtColor(self._rgb, cv2.COLOR_RGB2GRAY, into), np.uint8)
        if grey_size != self.size:
            self.grey = np.asarray(cv2.resize(self.grey, self.size, w.grey, interpolation=cv2.INTER_AREA))
        self.blurred = blur(self.grey, w.blurred)
        self._into = w.picture
        self._coarser: list[F32] = []

    @cached_property
    def picture(self) -> F32:
        """`blurred` as float32: a held camera's samples are as good without."""
        np.copyto(self._into, self.blurred)
        return self._into

    def level(self, index: int) -> F32:
        """float32, smoothed; 0 is the working size, each further one half of it."""
        if index == 0:
            return self.picture
        if not self._coarser:
            grey = self.grey
            for _ in range(1, LEVELS):
                grey = shrunk(grey, (max(grey.shape[1] // 2, 1), max(grey.shape[0] // 2, 1)))
                self._coarser.append(smooth(grey))
        return self._coarser[index - 1]

    @cached_property
    def light_rgb(self) -> U8:
        # Halved first, and again: that is fast, and leaves few pixels to the slow general reduction.
        picture = shrunk(self._rgb, self.size)
        picture = shrunk(picture, scaled_size(self.size, max(LIGHT_SIDE, max(self.size) // 2)))
        return shrunk(picture, scaled_size(self.size, LIGHT_SIDE))


class SmallView:
    """One view of the plate at working size, with what is searched for in it."""

    def __init__(self, view: View, plate_size: tuple[int, int], seed: int) -> None:
        self._view, self._seed = view, seed
        self._full_size = (view.rgb.shape[1], view.rgb.shape[0])
        self.size = scaled_size(self._full_size, WORK_SIDE)
        self.work_from_view = resize_map(self._full_size, self.size)
        self.work_from_plate = self.work_from_view @ np.linalg.inv(view.plate_from_view)
        self._seen_from_plate = oriented(self.work_from_plate)
        identity = resize_map(plate_size, self.size)
        self.is_reference = bool(np.allclose(self.work_from_plate, identity, atol=1e-6))

    def off_centre(self, plate_from_there: F64, x: float, y: float) -> float:
        """How far a point of another picture is from this view's centre, in half diagonals; inf behind it.

        plate_from_there: float64 3x3, oriented (core/align/geometry.py).
        """
        x, y, z = self._seen_from_plate @ plate_from_there @ np.array([x, y, 1.0])
        if z <= 1e-6:
            return float("inf")
        centre = (np.array(self.size) - 1) / 2
        return float(np.hypot(x / z - centre[0], y / z - centre[1]) / np.hypot(*centre))

    @cached_property
    def rgb(self) -> U8:
        return shrunk(self._view.rgb, self.size)

    @cached_property
    def grey(self) -> U8:
        return np.asarray(cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY), np.uint8)

    @cached_property
    def coverage(self) -> U8 | None:
        return None if self._view.coverage is None else shrunk(self._view.coverage, self.size)

    @cached_property
    def template(self) -> Template | None:
        """None where the view is too small to have cells."""
        if min(self.size) < MIN_SIDE:
            return None
        return build_template(self.grey, self.coverage, seed=self._seed)

    @cached_property
    def corners(self) -> F32:
        return corners_to_follow(self.grey, self.coverage)

    @cached_property
    def light_picture(self) -> tuple[U8, U8]:
        """The view for fitting light: uint8 hxwx3 and its coverage hxw, 255 where known; finer than a
        frame's, for warping blurs it, and beside a sharp frame that would pass for a change of contrast."""
        size = scaled_size(self.size, _FINER * LIGHT_SIDE)
        full = np.full((size[1], size[0]), 255, np.uint8)
        return shrunk(self.rgb, size), full if self.coverage is None else shrunk(self.coverage, size)

    def light_in_frame(self, frame_from_view: F64, size: tuple[int, int]) -> tuple[U8, U8]:
        """The view warped into the light picture of a frame of this working size, and where it is known."""
        rgb, coverage = self.light_picture
        light_size, fine_size = (scaled_size(size, side) for side in (LIGHT_SIDE, _FINER * LIGHT_SIDE))
        to_light = resize_map(size, fine_size)
        from_light = np.linalg.inv(resize_map(self.size, (rgb.shape[1], rgb.shape[0])))
        H = to_light @ frame_from_view @ from_light
        known = np.asarray(cv2.warpPerspective(coverage, H, fine_size, flags=cv2.INTER_NEAREST), np.uint8)
        warped = np.asarray(cv2.warpPerspective(rgb, H, fine_size), np.uint8)
        return shrunk(warped, light_size), shrunk(known, light_size)


def small_views(plate: Plate, seed: int) -> list[SmallView]:
    return [SmallView(view, plate.size, seed) for view in plate.views]
