"""The virtual camera: what Zoom, Meet and OBS list as a webcam."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from core.errors import DeviceError
from core.types import U8, Picture
from live.writers.straight import opaque_of

log = logging.getLogger(__name__)

CARD = "cleanplate"  # label of a device made for us; others are taken only where there is none
_LOAD = f"sudo modprobe v4l2loopback exclusive_caps=1 video_nr=10 card_label={CARD}"


class _Device(Protocol):
    """A system's virtual camera. name: for people; size: what it takes, even."""

    name: str
    size: tuple[int, int]

    def write(self, i420: U8) -> None:
        """uint8 (height * 3 / 2) x width. DeviceError: it is gone."""
        ...

    def close(self) -> None: ...


class VirtualCameraSink:
    """Shows pictures as a webcam, as planar 4:2:0, which all readers take.

    Args:
        size: of the pictures to come; an odd last row or column is left away.
        device: /dev/video10, or the name that OBS gives its camera; None: the one labelled
            "cleanplate", else the first that nobody writes to.
    Raises:
        DeviceError: there is none, it is in use or may not be opened; from `push`: it is gone.
    """

    def __init__(self, size: tuple[int, int], fps: float, device: str | None = None) -> None:
        even = (max(size[0] & ~1, 2), max(size[1] & ~1, 2))  # Chrome refuses odd sizes
        opener = _Loopback if sys.platform == "linux" else _ObsCamera
        self._device: _Device = opener(even, fps, device)
        self.name = f"virtual camera {self._device.name}"

    def push(self, picture: Picture) -> None:
        width, height = self._device.size
        rgb = opaque_of(picture)
        if rgb.shape[0] & ~1 == height and rgb.shape[1] & ~1 == width:
            rgb = rgb[:height, :width]
        else:
            rgb = np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        self._device.write(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8))

    def close(self) -> None:
        self._device.close()


class _Loopback:
    """A v4l2loopback device, written to directly: unlike pyvirtualcam's, its errors can be seen."""

    def __init__(self, size: tuple[int, int], fps: float, device: str | None) -> None:
        from live import v4l2

        self._path = _chosen(device)
        self._file: int | None = None
        try:
            v4l2.free_stuck_output(self._path)
            if not v4l2.query(self._path).outputs:
                raise DeviceError(
                    f"virtual camera {self._path} is fed by another program; close that, or load a second "
                    "device (v4l2loopback devices=2 exclusive_caps=1,1)"
                )
            self._file = os.open(self._path, os.O_WRONLY)
            granted = v4l2.set_output_format(self._file, size, fps)
        except OSError as error:
            self.close()
            raise DeviceError(_why_not(self._path, error)) from error
        if (
            granted.fourcc != v4l2.YU12
            or granted.stride != granted.size[0]
            or any(n % 2 for n in granted.size)
        ):
            self.close()
            raise DeviceError(
                f"virtual camera {self._path} is held in another format by a program that reads it; "
                "close that program first"
            )
        self.size = granted.size
        width, height = granted.size
        if granted.size != size:
            log.warning(
                "%s stays at %dx%d while a program reads it; pictures of %dx%d are scaled",
                *(self._path, width, height, *size),
            )
        self.name = f"{self._path} ({v4l2.query(self._path).card}), {width}x{height} I420"

    def write(self, i420: U8) -> None:
        if self._file is None:
            raise DeviceError(f"virtual camera {self._path} is closed")
        try:
            os.write(self._file, i420.data)
        except OSError as error:
            raise DeviceError(
                f"virtual camera {self._path} takes no more pictures: {error.strerror}"
            ) from error

    def close(self) -> None:
        if self._file is None:
            return
        from live import v4l2

        os.close(self._file)
        self._file = None
        try:
            v4l2.free_stuck_output(self._path, written=True)  # or nobody could write after us
        except OSError as error:
            log.info("%s is gone: %s", self._path, error.strerror)


class _ObsCamera:
    """The camera of OBS Studio on Windows and macOS, by pyvirtualcam."""

    def __init__(self, size: tuple[int, int], fps: float, device: str | None) -> None:
        import pyvirtualcam

        try:
            self._camera = pyvirtualcam.Camera(
                *size, max(fps, 1), device=device, fmt=pyvirtualcam.PixelFormat.I420, print_fps=False
            )
        except (RuntimeError, ValueError) as error:
            raise DeviceError(f"no virtual camera: {error}; install OBS Studio 30 or newer") from error
        self.size = size
        self.name = f"{self._camera.device}, {size[0]}x{size[1]} I420"

    def write(self, i420: U8) -> None:
        self._camera.send(i420.ravel())

    def close(self) -> None:
        self._camera.close()


def _chosen(device: str | None) -> Path:
    """The loopback device to write to."""
    from live import v4l2

    if device is not None:
        path = Path(f"/dev/video{device}" if device.isdecimal() else device)
        try:
            node = v4l2.query(path)
        except OSError as error:
            raise DeviceError(_why_not(path, error)) from error
        if not node.loopback and not node.outputs:
            raise DeviceError(f"{path} ({node.card}) is a camera, not a virtual one; make one with: {_LOAD}")
        return path
    loopbacks = [node for node in v4l2.nodes() if node.loopback]
    ours = [node for node in loopbacks if node.card == CARD]
    # capture alone means that somebody writes; neither of the two is the stuck state, which can be mended
    free = [node for node in ours or loopbacks if node.outputs or not node.captures]
    if free:
        return free[0].path
    if loopbacks:
        names = ", ".join(str(node.path) for node in ours or loopbacks)
        raise DeviceError(f"every virtual camera is in use ({names}); close the program that feeds it")
    raise DeviceError(f"no virtual camera; make one with: sudo apt install v4l2loopback-dkms; {_LOAD}")


def _why_not(path: Path, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return (
            f"no permission for {path}: join the group video (sudo usermod -aG video $USER) and log in anew"
        )
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"no virtual camera {path}; make one with: {_LOAD}"
    if error.errno == errno.EBUSY:
        return f"virtual camera {path} is in use by another program; close that first"
    return f"virtual camera {path} cannot be opened: {error.strerror}"
