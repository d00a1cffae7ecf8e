"""The size at which a network looks at a frame."""

from __future__ import annotations

import math

import cv2
import numpy as np

from core.types import U8, Room

MULTIPLE = 32  # platenet halves five times
LONGEST = 2560  # a sliver of a picture is not blown up without end
STEPS = (512 * 288, 672 * 384, 832 * 480)  # of platenet, where the machine decides
WORKING_PIXELS = STEPS[-1]  # of platenet
CLOSER_PIXELS = 1280 * 704  # of platenet's second look, live
FILM_PIXELS = 1920 * 1088  # of that look at a film, where no camera waits
AFAR_PIXELS = STEPS[0]  # of one more, where somebody may have been lost
LEAST_PIXELS = 512 * 288  # a frame smaller than that is enlarged to it


def working_size(frame_size: tuple[int, int], working_pixels: int) -> tuple[int, int]:
    """(width, height) near working_pixels in area and the frame's aspect, multiples of 32.

    >>> working_size((1280, 720), 512 * 288)
    (512, 288)
    """
    width, height = frame_size
    scale = math.sqrt(working_pixels / (width * height))
    return _fit(width * scale), _fit(height * scale)


def platenet_size(frame_size: tuple[int, int], working_pixels: int = WORKING_PIXELS) -> tuple[int, int]:
    """working_size for platenet: no larger than the frame itself, unless that is tiny.

    >>> platenet_size((1280, 720)), platenet_size((640, 360)), platenet_size((320, 180))
    ((832, 480), (640, 352), (512, 288))
    """
    return working_size(frame_size, min(working_pixels, max(LEAST_PIXELS, frame_size[0] * frame_size[1])))


def _fit(length: float) -> int:
    return min(LONGEST, max(MULTIPLE, round(length / MULTIPLE) * MULTIPLE))


def shrink_into(picture: U8, out: U8) -> None:
    """Resizes a picture into `out` (uint8, same channels), averaging where it gets smaller.

    Halves first: that is a quarter of the cost of averaging over a fractional number of pixels.
    """
    height, width = out.shape[:2]
    while picture.shape[1] >= 2 * width and picture.shape[0] >= 2 * height:
        half = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = cv2.resize(picture, half, interpolation=cv2.INTER_AREA)
    cv2.resize(picture, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)


def shrunk_room(room: Room, size: tuple[int, int]) -> Room:
    """A room at a smaller size (width, height); black where it is not wholly known."""
    rgb = np.empty((size[1], size[0], 3), np.uint8)
    shrink_into(room.rgb, rgb)
    if room.coverage is None:
        return Room(rgb, None)
    coverage = cv2.resize(room.coverage, size, interpolation=cv2.INTER_AREA)
    # a working pixel that is half unknown would mix the room with nothing
    cv2.threshold(coverage, 254, 255, cv2.THRESH_BINARY, dst=coverage)
    return Room(cv2.bitwise_and(rgb, rgb, mask=coverage), coverage)
