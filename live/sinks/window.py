"""A window on the desktop, for a look without any other program."""

from __future__ import annotations

import os
import re
import sys

import cv2

from core.errors import DeviceError
from core.types import Picture
from live.writers.straight import opaque_of

TITLE = "cleanplate"
APT_LINE = "sudo apt install libgl1 libglib2.0-0 libsm6 libxext6"  # what Qt inside OpenCV links against


class WindowSink:
    """Shows pictures in a window. One thread calls `push` and `close`; it owns the window.

    Raises:
        DeviceError: no window can be shown here; from `push`: the user has closed it.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        reason = why_no_window()
        if reason is not None:
            raise DeviceError(reason)
        self.name = f"window, {size[0]}x{size[1]}"
        self._open = False

    def push(self, picture: Picture) -> None:
        if self._open and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._open = False
            raise DeviceError("the window was closed")
        if not self._open:  # here, not in __init__: window systems bind a window to its thread
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            self._open = True
        cv2.imshow(TITLE, cv2.cvtColor(opaque_of(picture), cv2.COLOR_RGB2BGR))
        cv2.waitKey(1)  # lets the window draw itself

    def close(self) -> None:
        if self._open:
            cv2.destroyWindow(TITLE)
            self._open = False


def why_no_window() -> str | None:
    """The reason, with its remedy, why no window can be shown; None where one can."""
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        return f"no window: OpenCV is installed without windows (headless); {APT_LINE}; then run `make setup`"
    if sys.platform == "darwin":  # the first call of a window's thread would end the program
        return (
            "no window: macOS has them from a program's main thread alone, which is at work here; use "
            "--output webrtc and a browser"
        )
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "no window: there is no desktop here (DISPLAY is not set); use --output webrtc and a browser"
    return None
