"""Pictures on disk: read whole, or refused with a clear error."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from core.errors import MediaError
from core.types import U8

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
MAX_SIDE = 16384  # 768 MiB as RGB; far above any camera, below what brings a laptop down
_SCAN = 0xDA  # a JPEG's pixels follow


def read_picture(path: Path) -> U8:
    """The picture as RGB uint8 HxWx3, upright (EXIF applied), transparency left away.

    Raises:
        MediaError: missing, unreadable, empty, not a picture, cut off, or larger than MAX_SIDE.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read the picture {path}: {error.strerror}") from error
    return picture_of(data, path)


def picture_of(data: bytes, name: Path | str) -> U8:
    """The same from a file's contents. name: of the picture, for the error."""
    if not data:
        raise MediaError(f"the picture {name} is empty (0 bytes)")
    _refuse_huge(name, data)
    if not _whole(data):
        raise MediaError(f"the picture {name} is cut off; copy or export it again")
    try:
        rgb = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise MediaError(f"the picture {name} cannot be decoded: {error.err}") from error
    if rgb is None:
        raise MediaError(f"{name} is not a picture that can be read ({' '.join(sorted(PICTURES))})")
    return np.asarray(rgb, np.uint8)


def decoded(path: Path, mode: int) -> np.ndarray | None:
    """A file's picture in OpenCV's order of colours, as `cv2.imread` gives it; None where it gives none.

    That one cannot be used: on Windows it does not find files whose path has letters of another alphabet.
    """
    try:
        data = np.fromfile(path, np.uint8)
        return cv2.imdecode(data, mode) if data.size else None
    except (OSError, cv2.error):
        return None


def _whole(data: bytes) -> bool:
    """Whether the file has its end mark: OpenCV fills what is missing with grey and says nothing."""
    if data.startswith(b"\xff\xd8"):
        # Behind the head, which may hold a small picture with an end mark of its own; phones append a film.
        return data.find(b"\xff\xd9", max((at for _, at in _jpeg_marks(data)), default=0)) >= 0
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data[-65536:]
    if data.startswith(b"RIFF") and len(data) >= 8:
        return len(data) >= int(struct.unpack("<I", data[4:8])[0]) + 8
    return True


def _refuse_huge(name: Path | str, data: bytes) -> None:
    """Looks at the size in a PNG's head before 100 GB are unpacked from 100 kB."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
    else:
        width, height = _jpeg_size(data)
    if max(width, height) > MAX_SIDE:
        raise MediaError(f"the picture {name} is {width}x{height}; at most {MAX_SIDE} a side can be used")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """(width, height) of a JPEG's frame header; (0, 0) for anything else."""
    for mark, at in _jpeg_marks(data):
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
    return 0, 0


def _jpeg_marks(data: bytes) -> Iterator[tuple[int, int]]:
    """What each part of a JPEG's head is and where it begins, up to the pixels; nothing for anything else."""
    at, mark = 2, 0
    while mark != _SCAN and data.startswith(b"\xff\xd8") and at + 9 <= len(data) and data[at] == 0xFF:
        mark = data[at + 1]
        yield mark, at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
