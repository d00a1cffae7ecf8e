"""A v4l2loopback node as an output: healing it, writing pictures to it, telling who holds it.

pyvirtualcam can do this too, but it only prints write errors, takes no picture with alpha, and does not
revive the nodes of v4l2loopback 0.12.x. Facts about the driver are from its source, 0.12.7 to 0.15.0.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from linuxpy.video import raw
from numpy.typing import NDArray

from core.errors import DeviceError
from live import v4l2
from live.loopback_setup import LOAD
from live.v4l2 import by, fourcc, fourcc_name, holders, lockers

CLIENT_USAGE = 0x08000000 + 0x08E00000 + 1  # V4L2_EVENT_PRI_CLIENT_USAGE
SLOWEST_WRITER_S = 0.5
CID_TIMEOUT, CID_TIMEOUT_IMAGE_IO = 0x0098F902, 0x0098F903  # V4L2_CID_USER_BASE | 0xf000, + 2, + 3
Layout = Literal["I420", "RGBA"]
FOURCC = {"I420": "YU12", "RGBA": "AR24"}  # AR24: bytes B, G, R, A; OBS reads it with straight alpha


def heal(path: str) -> bool:
    """Revives a node that 0.12.x left unusable; True when there was something to revive.

    With exclusive_caps=1, after a writer that used write() without streaming has closed, those versions
    announce nothing, or capture alone while a reader stays. A request to stream output sets the node back
    when it is closed, whatever the request is answered. Later versions are left alone.
    """
    node = query(path)
    if not node.loopback or node.outputs:
        return False
    with opened(path) as fd:
        if tells_of_readers(fd):
            return False
        with suppress(OSError):
            _stream_output(fd)
    # Where somebody does write, the next picture takes the node away again.
    deadline = time.monotonic() + SLOWEST_WRITER_S
    while time.monotonic() < deadline:
        if not query(path).outputs:
            return False
        time.sleep(0.02)
    return True


def tells_of_readers(fd: int) -> bool:
    """Asks for events of readers that come and go, and tells whether the driver has them (from 0.13.0)."""
    request = raw.v4l2_event_subscription()
    request.type, request.flags = CLIENT_USAGE, raw.EventSubscriptionFlag.SEND_INITIAL
    try:
        fcntl.ioctl(fd, raw.IOC.SUBSCRIBE_EVENT, request)
    except OSError:
        return False
    return True


class LoopbackOutput:
    """Writes pictures to one loopback node. One thread calls everything.

    size: (width, height) as granted; a program that is reading may have frozen another one than asked.
    layout: "I420" (uint8 H*3/2 x W) or "RGBA" (uint8 HxWx4, in the order B, G, R, A).
    Raises DeviceError, on opening: no such node, no permission, not a loopback, in use (and by whom).
    """

    def __init__(self, path: str, size: tuple[int, int], fps: float, layout: Layout = "I420") -> None:
        self.path = path
        self.layout = layout
        node = query(path)
        if not node.loopback:
            raise DeviceError(f"{path} ({node.card}) is a camera, not a virtual one; make one with: {LOAD}")
        self.card = node.card
        self._fd = open_node(path)
        try:
            self._lock()  # before the healing, which would take the node from one of ours that pauses
            self.healed = heal(path)
            if not query(path).outputs:
                raise self._taken(holders(Path(path)))
            self.size = self._set_format(size)
            self._rate = rate_of(fps)
            self._set_rate()
            if not tells_of_readers(self._fd):
                # 0.12.x: makes it known as the writer, so that closing it, or its death, frees the node.
                _stream_output(self._fd)
        except BaseException:
            self.close()
            raise

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array that `write` takes."""
        width, height = self.size
        return (height * 3 // 2, width) if self.layout == "I420" else (height, width, 4)

    def write(self, pixels: NDArray[np.uint8]) -> None:
        """One picture, C-contiguous, of `shape`. DeviceError: the node is gone or taken away."""
        if pixels.shape != self.shape or pixels.dtype != np.uint8:
            raise ValueError(f"{pixels.dtype} {pixels.shape} for a node of {self.shape}")
        if self._fd < 0:
            raise DeviceError(f"virtual camera {self.path} is closed: open the output again")
        try:
            written = os.write(self._fd, pixels.data)
        except OSError as error:
            raise DeviceError(
                f"virtual camera {self.path} takes no more pictures ({error.strerror}): "
                "it was unloaded or another program has taken it"
            ) from error
        self._set_rate()  # a reader may have set another one for all: OpenCV does so on opening
        if written != pixels.nbytes:
            raise DeviceError(
                f"virtual camera {self.path} took {written} of {pixels.nbytes} bytes: its format was "
                "changed by another program; stop that one"
            )

    def set_timeout_picture(self, pixels: NDArray[np.uint8], timeout_ms: int) -> bool:
        """What readers get when no picture has come for timeout_ms: also after this process was killed.

        timeout_ms: 1 to 100000; 0 switches it off. Call after the first `write`, which is what makes the
        driver reserve its memory. False where the driver does not do it.
        """
        try:
            self._set_control(CID_TIMEOUT, timeout_ms)
            if timeout_ms > 0:
                for value in (0, 1):  # 0.12.x ignores a 1 after a 1, though opening the node has used it up
                    self._set_control(CID_TIMEOUT_IMAGE_IO, value)
                self._fill_timeout_picture(pixels)
        except OSError:
            return False
        return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _fill_timeout_picture(self, pixels: NDArray[np.uint8]) -> None:
        """The next one who opens the node gets the timeout picture in place of the buffers: this."""
        with opened(self.path) as fd:
            request = raw.v4l2_requestbuffers()
            request.count, request.memory = 1, raw.Memory.MMAP
            request.type = raw.BufType.VIDEO_OUTPUT
            fcntl.ioctl(fd, raw.IOC.REQBUFS, request)
            buffer = raw.v4l2_buffer()
            buffer.index, buffer.memory, buffer.type = 0, raw.Memory.MMAP, raw.BufType.VIDEO_OUTPUT
            fcntl.ioctl(fd, raw.IOC.QUERYBUF, buffer)
            with mmap.mmap(fd, buffer.length, offset=buffer.m.offset) as memory:
                memory[: pixels.nbytes] = pixels.tobytes()

    def _lock(self) -> None:
        """One cleanplate a node. The lock is the node's own, so that it holds for all users."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise self._taken(lockers(Path(self.path)) or holders(Path(self.path))) from error

    def _taken(self, processes: list[tuple[int, str]]) -> DeviceError:
        return DeviceError(
            f"virtual camera {self.path} is written to already{by(processes)}: stop that program first"
        )

    def _set_format(self, size: tuple[int, int]) -> tuple[int, int]:
        wanted = raw.v4l2_format()
        wanted.type = raw.BufType.VIDEO_OUTPUT
        picture = wanted.fmt.pix
        picture.width, picture.height = size
        picture.pixelformat = fourcc(FOURCC[self.layout])
        picture.field = raw.Field.NONE
        picture.colorspace = raw.Colorspace.SMPTE170M if self.layout == "I420" else raw.Colorspace.SRGB
        try:
            fcntl.ioctl(self._fd, raw.IOC.S_FMT, wanted)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise unusable(self.path, error) from error
            fcntl.ioctl(self._fd, raw.IOC.G_FMT, wanted)  # what a program that reads it holds it to
        granted = fourcc_name(picture.pixelformat)
        if granted != FOURCC[self.layout] and self.layout == "RGBA" and not tells_of_readers(self._fd):
            raise DeviceError(
                f"virtual camera {self.path} is of a v4l2loopback before 0.13, which takes no picture with "
                "alpha: update it, or send a green backdrop and key it out"
            )
        odd_rows = self.layout == "I420" and (picture.bytesperline != picture.width or picture.height % 2)
        if granted != FOURCC[self.layout] or odd_rows:
            held = by(holders(Path(self.path)), ", held")
            raise DeviceError(
                f"virtual camera {self.path} keeps its format {granted}{held}: close the programs that read "
                "it and start again"
            )
        return int(picture.width), int(picture.height)

    def _set_rate(self) -> None:
        """What readers are told; the pictures come when they come."""
        with suppress(OSError):  # not every version takes it while a program reads
            fcntl.ioctl(self._fd, raw.IOC.S_PARM, bytes(self._rate))

    def _set_control(self, number: int, value: int) -> None:
        control = raw.v4l2_control()
        control.id, control.value = number, value
        fcntl.ioctl(self._fd, raw.IOC.S_CTRL, control)


@contextmanager
def opened(path: str) -> Iterator[int]:
    fd = open_node(path)
    try:
        yield fd
    finally:
        os.close(fd)


def open_node(path: str) -> int:
    """A file descriptor of the node, not blocking. DeviceError with what to do."""
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unusable(path, error) from error


def query(path: str) -> v4l2.Node:
    """What the node says of itself. DeviceError with what to do."""
    try:
        return v4l2.query(Path(path))
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: str, error: OSError) -> DeviceError:
    """Why a node cannot be opened, and what to do."""
    if isinstance(error, PermissionError):
        return DeviceError(f"no permission for {path}: {v4l2.JOIN}")
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return DeviceError(f"no virtual camera {path}; make one with: {LOAD}")
    if error.errno == errno.ENOTTY:
        return DeviceError(f"{path} is not a video device; `cleanplate devices` lists those there are")
    return DeviceError(f"{path} cannot be opened ({error.strerror}){by(holders(Path(path)), ', held')}")


def rate_of(fps: float) -> raw.v4l2_streamparm:
    """What announces a rate to readers, as time per frame."""
    rate = raw.v4l2_streamparm()
    rate.type = raw.BufType.VIDEO_OUTPUT
    per_frame = 1 / Fraction(max(fps, 0.001)).limit_denominator(1001)  # of 30000/1001, too
    frame_time = rate.parm.output.timeperframe
    frame_time.numerator, frame_time.denominator = per_frame.numerator, per_frame.denominator
    return rate


def _stream_output(fd: int) -> None:
    fcntl.ioctl(fd, raw.IOC.STREAMON, ctypes.c_int(raw.BufType.VIDEO_OUTPUT))
