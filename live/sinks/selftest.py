"""Writes a picture to a virtual camera and reads it back, as a meeting would: for `doctor`. Linux only."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import cv2
import numpy as np

from core.errors import DeviceError
from core.types import U8, Picture
from live.sinks.virtualcam import VirtualCameraSink

SIZE = (640, 360)
FPS = 20
PATIENCE_S = 10.0
SETTLE = 3  # pictures left aside: the first may be those of the stop before
COLOURS_OFF = 6  # levels of 255 that I420 and back may change a flat colour by
BANDS = ((200, 40, 40), (40, 180, 60), (40, 70, 200), (220, 220, 220))


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What came back. size: (width, height); colours_off: largest difference in levels of 255."""

    name: str
    size: tuple[int, int]
    colours_off: int

    def __str__(self) -> str:
        width, height = self.size
        return f"{width}x{height} comes back, colours off by {self.colours_off} of 255"


def read_back(path: str) -> ReadBack:
    """Feeds the virtual camera for a moment and reads it with OpenCV.

    Raises:
        DeviceError: it cannot be written to, not be read, or something else comes back.
    """
    sink = VirtualCameraSink(SIZE, FPS, path)
    stop = threading.Event()
    picture = Picture(_bands(), None, 0, 0)
    failed: list[DeviceError] = []

    def feed() -> None:
        while not stop.wait(1 / FPS):
            try:
                sink.push(picture)
            except DeviceError as error:
                failed.append(error)
                return

    feeder = threading.Thread(target=feed, name="virtual camera self-test")
    feeder.start()
    try:
        rgb = _read(path)
    finally:
        stop.set()
        feeder.join()
        sink.close()
    if failed:
        raise failed[0]
    size = (rgb.shape[1], rgb.shape[0])
    off = _colours_off(rgb) if size == SIZE else 0
    if off > COLOURS_OFF:
        raise DeviceError(
            f"{sink.name} gives other colours back than it was given (off by {off} of 255): another program "
            "writes to it too; stop that one"
        )
    return ReadBack(sink.name, size, off)


def _read(path: str) -> U8:
    camera = cv2.VideoCapture(path, cv2.CAP_V4L2)
    try:
        if not camera.isOpened():
            raise DeviceError(
                f"virtual camera {path} cannot be read while it is written to: close the program that reads "
                "it, since v4l2loopback 0.14 one device serves one program"
            )
        deadline = time.monotonic() + PATIENCE_S
        count = 0
        while time.monotonic() < deadline:
            done, frame_bgr = camera.read()
            count += done
            if count > SETTLE:
                return np.asarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        camera.release()
    raise DeviceError(
        f"virtual camera {path} gives no picture back: reload it with: sudo modprobe -r v4l2loopback"
    )


def _bands() -> U8:
    bands = np.repeat(np.array(BANDS, np.uint8), SIZE[0] // len(BANDS), axis=0)
    return np.ascontiguousarray(np.broadcast_to(bands, (SIZE[1], SIZE[0], 3)))


def _colours_off(rgb: U8) -> int:
    """Largest difference away from the bands' edges, where 4:2:0 mixes colours."""
    width = SIZE[0] // len(BANDS)
    middles = rgb[20:-20, width // 2 :: width].astype(int)
    return int(np.abs(middles - np.array(BANDS)).max())
