"""What stands behind the person: the words a user may say, and the pictures that come of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from core.errors import SettingsError
from core.pictures import PICTURES, read_picture
from core.types import U8

COLOURS = {
    "black": "#000000", "white": "#ffffff", "grey": "#808080", "gray": "#808080", "green": "#00b140",
    "blue": "#0047bb", "magenta": "#ff00ff", "navy": "#1b2a41", "beige": "#e8dfd0",
}  # fmt: skip
VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
DEFAULT_BLUR = 0.5
WORDS = ("blur", "blur:0.5", "none", "transparent", "#00b140", "green")


class Kind(str, Enum):
    BLUR = "blur"
    COLOUR = "colour"
    PICTURE = "picture"
    VIDEO = "video"
    NONE = "none"  # the camera as it is
    TRANSPARENT = "transparent"


@dataclass(frozen=True, slots=True)
class Background:
    """What the user asked to see behind the person.

    strength: of BLUR, 0..1. rgb: of COLOUR. path: of PICTURE and VIDEO.
    """

    kind: Kind
    strength: float = DEFAULT_BLUR
    rgb: tuple[int, int, int] = (0, 0, 0)
    path: Path | None = None

    def __str__(self) -> str:
        if self.kind is Kind.COLOUR:
            return "colour #{:02x}{:02x}{:02x}".format(*self.rgb)
        if self.kind is Kind.BLUR:
            return f"the room, blurred ({self.strength:g})"
        if self.path is not None:
            return f"{self.kind.value} {self.path}"
        return {Kind.NONE: "the camera as it is (nothing is hidden)", Kind.TRANSPARENT: "transparent"}[
            self.kind
        ]


def parse_background(spec: str) -> Background:
    """The background that a spec asks for.

    spec: `blur[:0..1]`, a colour name or `#rrggbb`, a picture, a video, `none`, `transparent`.
    Raises SettingsError for anything else, also for a file that is not there.
    """
    word = spec.strip()
    lower = word.lower()
    if lower == "none":
        return Background(Kind.NONE)
    if lower == "transparent":
        return Background(Kind.TRANSPARENT)
    if lower == "blur" or lower.startswith("blur:"):
        return Background(Kind.BLUR, strength=_strength(lower))
    if lower in COLOURS:
        lower = COLOURS[lower]
    if lower.startswith("#"):
        try:
            r, g, b = bytes.fromhex(lower[1:])
        except ValueError:
            raise SettingsError(
                f"background {spec!r} is no colour: write # and six hexadecimal digits, like #00b140"
            ) from None
        return Background(Kind.COLOUR, rgb=(r, g, b))
    path = Path(word).expanduser()
    suffix = path.suffix.lower()
    if suffix in PICTURES | VIDEOS:
        if not path.is_file():
            raise SettingsError(f"background {spec!r} is not there: give a picture or video file that exists")
        return Background(Kind.PICTURE if suffix in PICTURES else Kind.VIDEO, path=path)
    if path.is_file():
        kinds = " ".join(sorted(PICTURES | VIDEOS))
        raise SettingsError(
            f"background {spec!r} is a file of a kind that cannot be shown: convert it to one of {kinds}"
        )
    near = difflib.get_close_matches(lower, [*COLOURS, "blur", "none", "transparent"], 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SettingsError(
        f"background {spec!r} is unknown{hint}: give one of {', '.join(WORDS)}, a picture or a video file"
    )


def _strength(word: str) -> float:
    text = word.partition(":")[2] or str(DEFAULT_BLUR)
    try:
        strength = float(text)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise SettingsError(
            f"blur strength {text!r} is not a number from 0 to 1: write blur:0.5, for example"
        )
    return strength


class Backdrop(Protocol):
    """A picture to stand behind the person, of any size and moment."""

    def picture(self, size: tuple[int, int], time_ns: int) -> U8:
        """uint8 HxWx3 of exactly size (width, height), not to be written to. MediaError when broken."""
        ...

    def close(self) -> None:
        """When nothing stands behind any more. Safe to call twice."""
        ...


class ColourBackdrop:
    """One colour everywhere."""

    def __init__(self, rgb: tuple[int, int, int]) -> None:
        self._rgb = rgb
        self._made = np.empty((0, 0, 3), np.uint8)

    def picture(self, size: tuple[int, int], time_ns: int) -> U8:
        if self._made.shape[:2] != (size[1], size[0]):
            self._made = np.full((size[1], size[0], 3), self._rgb, np.uint8)
        return self._made

    def close(self) -> None: ...


class PictureBackdrop:
    """A picture, scaled to cover the frame and cropped in the middle."""

    def __init__(self, rgb: U8) -> None:
        self._rgb = rgb
        self._made = np.empty((0, 0, 3), np.uint8)

    @classmethod
    def read(cls, path: Path) -> PictureBackdrop:
        """From a file; MediaError when it cannot be read whole."""
        return cls(read_picture(path))

    def picture(self, size: tuple[int, int], time_ns: int) -> U8:
        if self._made.shape[:2] != (size[1], size[0]):
            self._made = cover(self._rgb, size)
        return self._made

    def close(self) -> None: ...


def cover(rgb: U8, size: tuple[int, int]) -> U8:
    """The picture scaled so that it covers size (width, height), cropped in the middle."""
    width, height = size
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    # What is cropped is not scaled before: of an upright film it is two thirds, of a sliver it would be
    # gigabytes.
    y, x = (int((length - n / scale) / 2) for length, n in zip(rgb.shape, (height, width), strict=False))
    rgb = rgb[y : rgb.shape[0] - y, x : rgb.shape[1] - x]
    w, h = max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale))
    big = cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    y, x = (h - height) // 2, (w - width) // 2
    return np.ascontiguousarray(big[y : y + height, x : x + width])
