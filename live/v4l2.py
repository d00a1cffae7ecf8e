"""The little of Video4Linux that OpenCV hides: what a node is, and writing to a virtual camera.

Numbers and layouts: include/uapi/linux/videodev2.h. Linux only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "v4l2 loopback"  # driver name of v4l2loopback

_QUERYCAP = 0x80685600
_G_FMT = 0xC0D05604
_S_FMT = 0xC0D05605
_S_PARM = 0xC0CC5616
_STREAMON = 0x40045612
_CAPTURE, _OUTPUT, _DEVICE_CAPS = 0x1, 0x2, 0x80000000
_TYPE_OUTPUT = 2
_FIELD_NONE = 1
_COLORSPACE_REC709 = 3
YU12 = int.from_bytes(b"YU12", "little")


@dataclass(frozen=True, slots=True)
class Node:
    """A video device. captures: it gives pictures now; outputs: it takes pictures now."""

    path: Path
    driver: str
    card: str
    captures: bool
    outputs: bool

    @property
    def loopback(self) -> bool:
        return self.driver == LOOPBACK


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What a virtual camera takes: (width, height), four-character code, bytes a row of luma."""

    size: tuple[int, int]
    fourcc: int
    stride: int


def query(path: Path) -> Node:
    """What the device is.

    Raises:
        OSError: it does not exist, may not be opened, or is no video device.
    """
    with _opened(path, os.O_RDWR | os.O_NONBLOCK) as device:
        answer = bytearray(104)
        fcntl.ioctl(device, _QUERYCAP, answer)
    driver, card, _, _, all_caps, own_caps = struct.unpack_from("16s32s32sIII", answer)
    caps = own_caps if all_caps & _DEVICE_CAPS else all_caps
    return Node(path, _text(driver), _text(card), bool(caps & _CAPTURE), bool(caps & _OUTPUT))


def nodes() -> list[Node]:
    """All video devices that may be opened, by number."""
    found = []
    for path in sorted(Path("/dev").glob("video*"), key=_number):
        try:
            found.append(query(path))
        except OSError:  # a metadata node, or not ours to open; who names it gets the reason
            continue
    return found


def free_stuck_output(path: Path, *, written: bool = False) -> None:
    """Makes a stuck loopback device an output again; leaves every other device alone.

    written: the caller was its writer and has closed it; then a reader that stayed, which
        makes it look fed, does not count.

    v4l2loopback 0.12.5 to 0.12.7 with exclusive_caps=1: after a writer that used write() the
    node is neither capture nor output (umlaeute/v4l2loopback#442). STREAMON mends it, even
    where it answers EINVAL. Newer versions must not get it (#622), hence the look first.
    """
    node = query(path)
    if not node.loopback or node.outputs or (node.captures and not (written and _sticks())):
        return
    with _opened(path, os.O_RDWR) as device:
        try:
            fcntl.ioctl(device, _STREAMON, struct.pack("i", _TYPE_OUTPUT))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise


def set_output_format(device: int, size: tuple[int, int], fps: float) -> OutputFormat:
    """Asks for planar 4:2:0 of this size and rate; returns what the device takes from now on.

    A device that another program reads keeps its format, which is then returned.
    """
    width, height = size
    wanted = _format(width, height, YU12, width, width * height * 3 // 2)
    try:
        fcntl.ioctl(device, _S_FMT, wanted)
        granted = wanted
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        granted = _format(0, 0, 0, 0, 0)
        fcntl.ioctl(device, _G_FMT, granted)
    _set_rate(device, fps)
    got_width, got_height, fourcc, _, stride = struct.unpack_from("5I", granted, 8)
    return OutputFormat((got_width, got_height), fourcc, stride or got_width)


def _set_rate(device: int, fps: float) -> None:
    """A label only: readers see it as the rate. Not every version of the driver takes it."""
    parameters = bytearray(204)
    struct.pack_into("5I", parameters, 0, _TYPE_OUTPUT, 0, 0, 1000, round(fps * 1000))
    try:
        fcntl.ioctl(device, _S_PARM, parameters)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.EBUSY):
            raise


def _format(width: int, height: int, fourcc: int, stride: int, size_image: int) -> bytearray:
    """A v4l2_format for output; its union starts at byte 8."""
    data = bytearray(208)
    struct.pack_into("I", data, 0, _TYPE_OUTPUT)
    pix = (width, height, fourcc, _FIELD_NONE, stride, size_image, _COLORSPACE_REC709)
    struct.pack_into("7I", data, 8, *pix)
    return data


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    device = os.open(path, flags)
    try:
        yield device
    finally:
        os.close(device)


def _sticks() -> bool:
    """Whether the driver loaded is of the versions that get stuck; those before 0.13 name none."""
    version = Path("/sys/module/v4l2loopback/version")
    return not version.exists() or version.read_text().startswith("0.12.")


def _number(path: Path) -> int:
    digits = re.search(r"\d+$", path.name)
    return int(digits.group()) if digits else -1


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace")
