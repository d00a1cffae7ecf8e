"""The modes of a camera (format, size, rate), and the best for what was asked. Only Linux lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2
from pathlib import Path

# What OpenCV turns into colour pictures, the first the dearest: raw 1280x720 is 5 to 10 frames per second
# on USB 2, and two raw cameras do not fit on one hub.
READABLE = ("MJPG", "JPEG", "YUYV", "NV12", "UYVY", "YU12", "YVYU", "NV21", "BGR3", "RGB3")
RATE_WEIGHT = 2.0  # half the rate is as bad as a quarter of the pixels
SHAPE_WEIGHT = 2.0  # another shape crops the room, or shows more of it than the plate has


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to run a camera. code: four letters; size: (width, height); fps: the highest, 0 unknown."""

    code: str
    size: tuple[int, int]
    fps: float


def best_mode(modes: Iterable[Mode], size: tuple[int, int], fps: float) -> Mode:
    """The mode nearest to what is asked; of equals the one that a USB cable carries most easily.

    Its rate is at most the one asked for. Where no readable mode is listed it is MJPG just as asked.
    """
    usable = [mode for mode in modes if mode.code in READABLE]
    if not usable:
        return Mode("MJPG", size, fps)
    best = min(usable, key=lambda mode: (round(_distance(mode, size, fps), 3), READABLE.index(mode.code)))
    return Mode(best.code, best.size, min(best.fps or fps, fps))


def modes_of(path: Path, *, readable: bool = False) -> list[Mode]:
    """All that the driver lists, each size with its highest rate; empty where it lists none.

    readable: those alone that OpenCV reads. A driver may list dozens of formats, by thousands of calls, and
        whoever opens a camera is waited for.

    Raises: OSError when the device cannot be opened.
    """
    from linuxpy.video.device import (
        BufferType,
        Device,
        iter_read_formats,
        iter_read_pixel_formats_frame_intervals,
    )

    from live.v4l2 import fourcc_name

    with Device(path) as device:
        # Not device.info.formats: linuxpy 0.25 fails there for nodes that also have VBI formats.
        formats = [fmt.pixel_format for fmt in iter_read_formats(device, BufferType.VIDEO_CAPTURE)]
        if readable:
            formats = [code for code in formats if fourcc_name(code) in READABLE]
        rates: dict[tuple[str, tuple[int, int]], float] = {}
        for kind in iter_read_pixel_formats_frame_intervals(device, formats):
            key = (fourcc_name(kind.pixel_format), (kind.width, kind.height))
            # linuxpy swaps the two ends of a stepwise range.
            rates[key] = max(rates.get(key, 0.0), float(kind.min_fps), float(kind.max_fps))
    return [Mode(code, size, fps) for (code, size), fps in rates.items()]


def _distance(mode: Mode, size: tuple[int, int], fps: float) -> float:
    """Doublings between this and what was asked, in pixels, shape and missing rate."""
    (w, h), (asked_w, asked_h) = mode.size, size
    pixels = abs(log2((w * h) / (asked_w * asked_h)))
    shape = abs(log2((w * asked_h) / (h * asked_w)))
    rate = max(0.0, log2(fps / mode.fps)) if mode.fps > 0 else 0.0
    return pixels + SHAPE_WEIGHT * shape + RATE_WEIGHT * rate
