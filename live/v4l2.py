"""The little of Video4Linux that OpenCV hides: what a node is. (sinks/loopback.py writes to nodes.)

Numbers and layouts: include/uapi/linux/videodev2.h. Linux only.
"""

from __future__ import annotations

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
_CAPTURE, _OUTPUT, _DEVICE_CAPS = 0x1, 0x2, 0x80000000


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


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    device = os.open(path, flags)
    try:
        yield device
    finally:
        os.close(device)


def _number(path: Path) -> int:
    digits = re.search(r"\d+$", path.name)
    return int(digits.group()) if digits else -1


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace")
