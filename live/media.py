"""Pictures and clips on disk: which there are, and what a result keeps of its input."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from core.errors import MediaError
from core.pictures import PICTURES


@dataclass(frozen=True, slots=True)
class Clip:
    """What a result keeps of its input besides the pixels.

    rate: frames per second as the container names it; the pictures' own times rule, this is a label.
    time_base: unit of the pictures' times, s; exact times come out of time_ns by it.
    rotation: degrees anticlockwise by which a player turns the stored pictures to show them
        upright (0, 90, 180, 270). Frames in this program are upright always.
    pixel_aspect: width over height of one pixel.
    starts_s: what the sound's file calls the time that the pictures count from, s.
    end_s: when the last picture ends, s; None where that is not known.
    sound: file whose sound goes with the pictures; None for silence.
    """

    rate: Fraction = Fraction(30)
    time_base: Fraction = Fraction(1, 90000)
    rotation: int = 0
    pixel_aspect: Fraction = Fraction(1)
    starts_s: Fraction = Fraction(0)
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
