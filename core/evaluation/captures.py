"""The aligner on real captures, for the alignment table: what fits must fit, what cannot must say so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.align.light import apply_light
from core.align.tracker import PlateAligner
from core.types import U8, Alignment, Frame, Plate, View

SAME_PLACE = 3  # pictures, a second apart, within which a camera in the hand may still see the plate


@dataclass(frozen=True, slots=True)
class Residual:
    """Median over the picture of the largest channel's difference to the plate, grey levels."""

    before: float
    after: float


def handheld(folder: Path) -> dict[str, Residual]:
    """Each handheld picture beside its plate as it lies, and aligned and relit; nan where it is lost.

    folder: back.jpg is the plate, NAME_img.jpg the pictures.
    """
    plate_rgb = read(folder / "back.jpg")
    found = {}
    for file in sorted(folder.glob("*_img.jpg")):
        frame = read(file)
        size = (frame.shape[1], frame.shape[0])
        alignment = PlateAligner(_plate(plate_rgb), size).update(Frame(frame, 0, 0))
        after = float("nan")
        if alignment.H is not None:
            seen = np.asarray(cv2.warpPerspective(plate_rgb, alignment.H, size), np.uint8)
            after = _apart(apply_light(seen, alignment.light), frame)
        found[file.name.removesuffix("_img.jpg")] = Residual(_apart(plate_rgb, frame), after)
    return found


def states(pictures: list[U8], reference: int) -> list[Alignment]:
    """What is said of every picture of a sequence when one of them is the plate."""
    size = (pictures[0].shape[1], pictures[0].shape[0])
    aligner = PlateAligner(_plate(pictures[reference]), size)
    return [aligner.update(Frame(rgb, i, i)) for i, rgb in enumerate(pictures)]


def usable_elsewhere(pictures: list[U8], references: range) -> tuple[int, int]:
    """How often a plate was said to fit a picture taken from elsewhere, and of how many it was asked."""
    asked = claimed = 0
    for reference in references:
        for index, alignment in enumerate(states(pictures, reference)):
            if abs(index - reference) > SAME_PLACE:
                asked, claimed = asked + 1, claimed + alignment.usable
    return claimed, asked


def desk(folder: Path) -> list[U8]:
    return [read(file) for file in sorted(folder.glob("*.jpg"))]


def frames_of(clip: Path) -> list[U8]:
    """Every frame of a short clip, uint8 HxWx3."""
    video, frames = cv2.VideoCapture(str(clip)), []
    while (read_one := video.read())[0]:
        frames.append(np.ascontiguousarray(read_one[1][..., ::-1]))
    return frames


def read(path: Path) -> U8:
    """uint8 HxWx3. Raises FileNotFoundError."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(f"no readable picture at {path}")
    return np.ascontiguousarray(bgr[..., ::-1])


def _plate(rgb: U8) -> Plate:
    return Plate("capture", (rgb.shape[1], rgb.shape[0]), (View(rgb),))


def _apart(a: U8, b: U8) -> float:
    return float(np.median(cv2.absdiff(a, b).max(2)))
