"""Pictures and clips on disk: reading them with clear errors, and what a result keeps of its input."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from core.errors import MediaError
from core.types import U8

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
MAX_SIDE = 16384  # 768 MiB as RGB; far above any camera, below what brings a laptop down


@dataclass(frozen=True, slots=True)
class Clip:
    """What a result keeps of its input besides the pixels.

    rate: frames per second as the container names it; the pictures' own times rule, this is a label.
    time_base: unit of the pictures' times, s; exact times come out of time_ns by it.
    rotation: degrees anticlockwise by which a player turns the stored pictures to show them
        upright (0, 90, 180, 270). Frames in this program are upright always.
    pixel_aspect: width over height of one pixel.
    end_s: when the last picture ends, s; None where that is not known.
    sound: file whose sound goes with the pictures; None for silence.
    """

    rate: Fraction = Fraction(30)
    time_base: Fraction = Fraction(1, 90000)
    rotation: int = 0
    pixel_aspect: Fraction = Fraction(1)
    end_s: Fraction | None = None
    sound: Path | None = None


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES


def pictures_in(folder: Path) -> list[Path]:
    """The folder's pictures in plain name order; hidden files are left out.

    Raises:
        MediaError: the folder cannot be read or has no pictures.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if is_picture(p) and not p.name.startswith("."))
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not paths:
        kinds = " ".join(sorted(PICTURES))
        raise MediaError(f"the folder {folder} has no pictures ({kinds})")
    return paths


def read_picture(path: Path) -> U8:
    """The picture as RGB uint8 HxWx3, upright (EXIF applied), transparency left away.

    Raises:
        MediaError: missing, unreadable, empty, not a picture, cut off, or larger than MAX_SIDE.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read the picture {path}: {error.strerror}") from error
    if not data:
        raise MediaError(f"the picture {path} is empty (0 bytes)")
    _refuse_huge(path, data)
    if not _whole(data):
        raise MediaError(f"the picture {path} is cut off; copy or export it again")
    try:
        rgb = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise MediaError(f"the picture {path} cannot be decoded: {error.err}") from error
    if rgb is None:
        raise MediaError(f"{path} is not a picture that can be read ({' '.join(sorted(PICTURES))})")
    return np.asarray(rgb, np.uint8)


def _whole(data: bytes) -> bool:
    """Whether the file has its end mark: OpenCV fills what is missing with grey and says nothing."""
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in data[-65536:]  # phones append a film or padding after the mark
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data[-65536:]
    if data.startswith(b"RIFF") and len(data) >= 8:
        return len(data) >= int(struct.unpack("<I", data[4:8])[0]) + 8
    return True


def _refuse_huge(path: Path, data: bytes) -> None:
    """Looks at the size in a PNG's head before 100 GB are unpacked from 100 kB."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
    else:
        width, height = _jpeg_size(data)
    if max(width, height) > MAX_SIDE:
        raise MediaError(f"the picture {path} is {width}x{height}; at most {MAX_SIDE} a side can be used")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """(width, height) of a JPEG's frame header; (0, 0) for anything else."""
    at = 2
    while data.startswith(b"\xff\xd8") and at + 9 <= len(data) and data[at] == 0xFF:
        mark, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= mark <= 0xCF and mark not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length
    return 0, 0
