"""Pictures and clips on disk: which there are, and what a result keeps of its input."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from core.errors import MediaError
from core.pictures import PICTURES


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Some of a film's frames, by their numbers from 0, both ends included. last: None is to the end."""

    first: int
    last: int | None

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """From 300-499, 300- (to the end) or 300 (one frame).

        Raises:
            MediaError: it is none of these, or ends before it begins.
        """
        read = _RANGE.fullmatch(text.strip())
        first, last = (int(read["first"]), read["last"]) if read else (0, None)
        if read is None or (last and int(last) < first):
            raise MediaError(
                f"frames {text!r} is no range of frames: give the first and the last one, e.g. 300-499, only "
                "the first, 300-, to go on to the end, or a single one, 300; they count from 0"
            )
        to_the_end = read["dash"] and not last
        return cls(first, None if to_the_end else int(last or first))

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)

    def __str__(self) -> str:
        return f"{self.first}-{'' if self.last is None else self.last}"


_RANGE = re.compile(r"(?P<first>\d+)(?P<dash>\s*-\s*(?P<last>\d+)?)?", re.ASCII)


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
    frames: which of the input's frames these are, where not all; the sound is then cut to fit.
    """

    rate: Fraction = Fraction(30)
    time_base: Fraction = Fraction(1, 90000)
    rotation: int = 0
    pixel_aspect: Fraction = Fraction(1)
    starts_s: Fraction = Fraction(0)
    end_s: Fraction | None = None
    sound: Path | None = None
    frames: FrameRange | None = None


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
