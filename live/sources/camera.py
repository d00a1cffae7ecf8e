"""A webcam as a source, through OpenCV."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from core.errors import AbsentDeviceError, DeviceError
from core.types import U8, Frame
from live.modes import Mode, best_mode, modes_of

log = logging.getLogger(__name__)

ASKED_SIZE = (1280, 720)
ASKED_FPS = 30.0
FIRST_FRAME_S = 5.0  # cameras that warm up, or expose long in the dark
PATIENCE_S = 1.5  # without a frame from a running camera
_RETRY_S = 0.02
ALLOW = {  # where the systems that ask their user keep the answer
    "darwin": " (System Settings, Privacy & Security, Camera: allow your terminal, then start again)",
    "win32": " (Settings, Privacy & security, Camera: let desktop apps access your camera)",
}


class CameraSource:
    """The newest frames of a webcam. Implements Source; `size` and `fps` are as granted.

    Args:
        device: its number or, on Linux, its path; a link to it, as in /dev/v4l/by-id, is looked up anew at
            each opening.
        size, fps: to ask for; None asks for 1280x720 at 30. Cameras grant what they can: of the modes that
            the driver lists the nearest, MJPG rather than raw.
    Raises:
        DeviceError: there is none, it is busy, not allowed, gives no picture; from `read`: it
            is gone, or gives nothing for 1.5 s.
    """

    live = True

    def __init__(
        self, device: int | str, size: tuple[int, int] | None = None, fps: float | None = None
    ) -> None:
        self._path = Path(f"/dev/video{device}" if isinstance(device, int) else device)
        self._label = str(self._path.resolve()) if sys.platform == "linux" else str(device)
        asked = Mode("MJPG", size or ASKED_SIZE, fps or ASKED_FPS)
        self._index = 0
        self._first: tuple[U8, int] | None = None  # taken on opening, for the first read
        self._capture = _open(device, self._path, self._label)
        try:
            _hand_back(self._path)  # first: the automatics need time to settle
            _ask(self._capture, _nearest(self._path, asked))
            self._first = self._first_picture()
        except BaseException:
            self._capture.release()
            raise
        height, width = self._first[0].shape[:2]
        self.size = (width, height)  # what was granted in words may not be what comes
        self.fps = max(float(self._capture.get(cv2.CAP_PROP_FPS)), 0.0)  # some answer -1: they do not tell
        granted = Mode(_code(self._capture), self.size, self.fps)
        self.name = f"camera {self._label}{_card(self._path)}, {_in_words(granted, asked)}"

    def read(self) -> Frame:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            taken = self._fresh_first() or self._take()
            if taken is not None:
                break
            self._index += 1  # a torn picture is a lost one
            if self._vanished():
                raise DeviceError(f"camera {self._label} is gone; plug it in again")
            if time.monotonic() > deadline:
                raise DeviceError(f"camera {self._label} gives no more pictures")
            time.sleep(_RETRY_S)
        rgb, time_ns = taken
        if (rgb.shape[1], rgb.shape[0]) != self.size:
            (width, height), (was_width, was_height) = rgb.shape[1::-1], self.size
            raise DeviceError(
                f"camera {self._label} has changed from {was_width}x{was_height} to {width}x{height}"
            )
        rgb.flags.writeable = False
        frame = Frame(rgb, time_ns, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        self._capture.release()

    def _fresh_first(self) -> tuple[U8, int] | None:
        """The picture taken on opening, while the next one is still to come: somebody may wait for it."""
        first, self._first = self._first, None
        if first is None or time.monotonic_ns() - first[1] > 1e9 / (self.fps or ASKED_FPS):
            return None
        return first

    def _first_picture(self) -> tuple[U8, int]:
        deadline = time.monotonic() + FIRST_FRAME_S
        while time.monotonic() < deadline:
            taken = self._take()
            if taken is not None:
                return taken
            time.sleep(_RETRY_S)
        raise DeviceError(
            f"camera {self._label} opens but gives no picture{_used(self._path)}; "
            "is another program using it, or is its hub short of bandwidth?"
        )

    def _take(self) -> tuple[U8, int] | None:
        """A picture and its time of capture; None for one that did not come, or came torn."""
        if not self._capture.grab():
            return None
        now_ns = time.monotonic_ns()
        # V4L2 stamps with the monotonic clock; other systems, and some drivers, with something else
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        time_ns = stamp_ns if 0 <= now_ns - stamp_ns < 1_000_000_000 else now_ns
        done, frame_bgr = self._capture.retrieve()
        if not done or frame_bgr is None or frame_bgr.size == 0:
            return None
        return np.asarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB), np.uint8), time_ns

    def _vanished(self) -> bool:
        return sys.platform == "linux" and not self._path.exists()


def _open(device: int | str, path: Path, label: str) -> cv2.VideoCapture:
    if sys.platform != "linux":
        capture = cv2.VideoCapture(device)
        if not capture.isOpened():
            raise AbsentDeviceError(
                f"camera {label} cannot be opened: is it plugged in, free, and allowed for this program?"
                + ALLOW.get(sys.platform, "")
            )
        return capture
    _refuse(path)
    # By default a camera that hangs holds a thread for 10 s; OpenCV reads this once, at its first use.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise _busy(path)
    return capture


def _hand_back(path: Path) -> None:
    if sys.platform == "linux":
        from live.controls import hand_back

        hand_back(path)


def _nearest(path: Path, asked: Mode) -> Mode:
    if sys.platform != "linux":
        return asked  # the other systems choose by themselves
    try:
        modes = modes_of(path, readable=True)
    except OSError as error:
        log.info("%s does not list its modes: %s", path, error.strerror)
        modes = []
    return best_mode(modes, asked.size, asked.fps)


def _ask(capture: cv2.VideoCapture, mode: Mode) -> None:
    """The format first: the sizes and rates that are granted depend on it."""
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.code))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # four queue by default: 100 ms of delay
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, mode.size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, mode.size[1])
    capture.set(cv2.CAP_PROP_FPS, mode.fps)


def _code(capture: cv2.VideoCapture) -> str:
    """ "MJPG"; "" where the system tells none, or a number of its own."""
    number = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    code = number.to_bytes(4, "little").decode("ascii", "replace")
    return code if code.isascii() and code.isprintable() else ""


def _in_words(granted: Mode, asked: Mode) -> str:
    """What the camera does, and what was asked where that is another size or a lower rate."""
    (width, height), (asked_width, asked_height) = granted.size, asked.size
    words = f"{width}x{height}{f' {granted.code}' * bool(granted.code)}"
    words += f" at {granted.fps:g}" * (granted.fps > 0)  # some systems do not tell it
    if granted.size == asked.size and not 0 < granted.fps < 0.95 * asked.fps:
        return words
    return f"{words} (asked for {asked_width}x{asked_height} at {asked.fps:g})"


def _refuse(path: Path) -> None:
    """Raises DeviceError, with the reason, for what OpenCV would only fail to open."""
    from live import v4l2

    try:
        node = v4l2.query(path)
    except PermissionError as error:
        raise DeviceError(f"no permission for camera {path}: {v4l2.JOIN}") from error
    except FileNotFoundError as error:
        found = [str(node.path) for node in v4l2.nodes() if node.captures]
        others = f"there are {', '.join(found)}" if found else "none is plugged in; --camera demo needs none"
        raise DeviceError(f"no camera {path}: {others}") from error
    except OSError as error:
        raise DeviceError(f"camera {path} cannot be opened: {error.strerror}{_used(path)}") from error
    if not node.captures:
        what = "a virtual camera that no program feeds" if node.loopback else "no camera"
        raise DeviceError(f"{path} ({node.card}) is {what}; `cleanplate devices` lists the cameras")
    if not node.loopback and v4l2.is_busy(path):
        raise _busy(path)


def _busy(path: Path) -> DeviceError:
    return DeviceError(f"camera {path} is busy{_used(path)}; close the program that uses it")


def _used(path: Path) -> str:
    """ ", used by NAME (process N)" for the other programs that hold the device open."""
    if sys.platform != "linux":
        return ""
    from live import v4l2

    return v4l2.by(v4l2.holders(path), ", used")


def _card(path: Path) -> str:
    if sys.platform != "linux":
        return ""
    from live import v4l2

    return f" ({v4l2.query(path).card})"
