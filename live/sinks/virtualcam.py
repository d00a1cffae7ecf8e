"""The virtual camera: what Zoom, Meet and OBS list as a webcam."""

from __future__ import annotations

import logging
import sys
from typing import Protocol, cast

import cv2

from core.errors import DeviceError, SettingsError
from core.types import U8, Picture
from live.i420 import fitted, i420_of
from live.idle import IdlePicture
from live.loopback_setup import CARD, INSTALL, LOAD
from live.writers.straight import rgba_of

log = logging.getLogger(__name__)

TIMEOUT_MS = 1000  # without pictures for this long readers get the idle picture from the driver
STOPPED = "the camera is off"
FORMATS = ("i420", "rgba")


class _Device(Protocol):
    """A system's virtual camera. name: for people."""

    name: str

    def show(self, picture: Picture) -> None:
        """DeviceError: it is gone."""
        ...

    def close(self) -> None: ...


class VirtualCameraSink:
    """Shows pictures as a webcam, as planar 4:2:0, which all readers take.

    Args:
        size: of the pictures to come; an odd last row or column is left away.
        device: /dev/video10, or the name that OBS gives its camera; None: the one labelled
            "cleanplate", else the first that nobody writes to. On Linux "?format=rgba" behind
            it asks for AR24 with straight alpha, which OBS reads and meetings do not.
    node: the device's path on Linux, else None.
    Raises:
        SettingsError: the device's options are wrong.
        DeviceError: there is none, it is in use or may not be opened; from `push`: it is gone.
    """

    def __init__(self, size: tuple[int, int], fps: float, device: str | None = None) -> None:
        even = (max(size[0] & ~1, 2), max(size[1] & ~1, 2))  # Chrome refuses odd sizes
        path, transparent = parsed(device)
        self._device: _Device
        self.node: str | None = None
        if sys.platform == "linux":
            loopback = _Loopback(even, fps, path, transparent=transparent)
            self._device, self.node = loopback, loopback.path
        elif transparent:
            raise SettingsError("virtualcam: format=rgba needs v4l2loopback, which only Linux has")
        else:
            self._device = _ObsCamera(even, fps, path)
        self.name = f"virtual camera {self._device.name}"

    def push(self, picture: Picture) -> None:
        self._device.show(picture)

    def close(self) -> None:
        self._device.close()


class _Loopback:
    """A v4l2loopback device. It never shows the room: not before, not after, not when we are killed."""

    def __init__(self, size: tuple[int, int], fps: float, path: str | None, *, transparent: bool) -> None:
        from live.sinks.loopback import Layout, LoopbackOutput

        self._transparent = transparent
        layout: Layout = "RGBA" if transparent else "I420"
        self._output: LoopbackOutput | None = None
        refused: list[DeviceError] = []
        for candidate in [path] if path is not None else _candidates():
            try:
                self._output = LoopbackOutput(candidate, size, fps, layout)
                break
            except DeviceError as error:
                refused.append(error)
        if self._output is None:
            raise refused[0]
        self.path, self.size = self._output.path, self._output.size
        if self.size != size:
            log.warning(
                "%s stays at %dx%d while a program reads it; pictures of %dx%d are scaled",
                *(self._output.path, *self.size, *size),
            )
        if self._output.healed:
            log.info(
                "%s was left unusable by the program before (v4l2loopback 0.12.x): mended", self._output.path
            )
        self.name = f"{self._output.path} ({self._output.card}), {self.size[0]}x{self.size[1]} {layout}"
        self._stopped = IdlePicture(self.size).picture(STOPPED, 0, 0)
        try:
            self.show(self._stopped)  # it is a camera from the first picture on
            if not self._output.set_timeout_picture(self._pixels(self._stopped), TIMEOUT_MS):
                log.info("%s: this driver has no picture for when we are killed", self._output.path)
        except BaseException:
            self._output.close()
            raise

    def show(self, picture: Picture) -> None:
        if self._output is None:
            raise DeviceError("the virtual camera is closed: open the output again")
        self._output.write(self._pixels(picture))

    def close(self) -> None:
        output, self._output = self._output, None
        if output is None:
            return
        try:
            output.write(self._pixels(self._stopped))  # stays before the eyes of those who go on reading
            output.set_timeout_picture(self._pixels(self._stopped), 0)
        except DeviceError as error:
            log.info("%s", error)
        output.close()

    def _pixels(self, picture: Picture) -> U8:
        if not self._transparent:
            return i420_of(picture, self.size)
        rgba = fitted(rgba_of(picture), self.size)
        return cast(U8, cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))


class _ObsCamera:
    """The camera of OBS Studio on Windows and macOS, by pyvirtualcam."""

    def __init__(self, size: tuple[int, int], fps: float, device: str | None) -> None:
        import pyvirtualcam

        try:
            self._camera = pyvirtualcam.Camera(
                *size, max(fps, 1), device=device, fmt=pyvirtualcam.PixelFormat.I420, print_fps=False
            )
        except (RuntimeError, ValueError) as error:
            reasons = "; ".join(str(error).splitlines())  # one of each backend that it tried
            raise DeviceError(
                f"no virtual camera: {reasons}; install OBS Studio 30 or newer and start its virtual camera "
                "once, or stop it there"
            ) from error
        self._size = size
        self.name = f"{self._camera.device}, {size[0]}x{size[1]} I420"

    def show(self, picture: Picture) -> None:
        try:
            self._camera.send(i420_of(picture, self._size).ravel())
        except RuntimeError as error:
            raise DeviceError(f"the virtual camera {self._camera.device} is gone: {error}") from error

    def close(self) -> None:
        self._camera.close()


def parsed(device: str | None) -> tuple[str | None, bool]:
    """The device's path (None: choose one) and whether it is to be transparent."""
    path, question, options = (device or "").partition("?")
    transparent = False
    if question:
        key, _, value = options.partition("=")
        if key != "format" or value not in FORMATS:
            raise SettingsError(f"virtualcam: {options!r} behind the ? must be format=i420 or format=rgba")
        transparent = value == "rgba"
    return (
        f"/dev/video{path}" if path.isdecimal() and sys.platform == "linux" else path
    ) or None, transparent


def _candidates() -> list[str]:
    """The loopback devices to try, ours alone where there are any."""
    from live import v4l2

    loopbacks = [node for node in v4l2.nodes() if node.loopback]
    # Others are taken only where there is none made for us.
    ours = [node for node in loopbacks if node.card == CARD]
    if not loopbacks:
        raise DeviceError(f"no virtual camera; make one with: {INSTALL}; {LOAD}")
    return [str(node.path) for node in ours or loopbacks]
