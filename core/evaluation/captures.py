"""The aligner on real captures, for the alignment table: what fits must fit, what cannot must say so.

A carried camera comes back to where it was: a plate that is said to fit a picture from later on is asked
for there by matched features alone, and a fit that they share is none of the false ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.align.light import apply_light
from core.align.tracker import PlateAligner
from core.errors import MediaError
from core.types import F32, F64, U8, Alignment, Frame, Plate, View

SAME_PLACE = 3  # pictures, a second apart, within which a camera in the hand may still see the plate
SHARED_FEATURES = 30  # from which on two pictures show the same
SHARED_PX = 10.0  # where a fit puts these, at the median: the room is not flat, and the camera was carried
_RATIO, _RANSAC_PX = 0.75, 5.0


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
    """How often a plate was wrongly said to fit a picture taken later or earlier, and of how many it was
    asked."""
    asked = false = 0
    for reference in references:
        for index, alignment in enumerate(states(pictures, reference)):
            if abs(index - reference) > SAME_PLACE:
                asked += 1
                false += alignment.usable and not came_back(pictures[reference], pictures[index], alignment.H)
    return false, asked


def came_back(plate_rgb: U8, rgb: U8, H: F64 | None) -> bool:
    """Whether features that both pictures share, matched without the aligner, lie where H says."""
    there, here = shared_features(plate_rgb, rgb)
    if H is None or len(there) < SHARED_FEATURES:
        return False
    said = cv2.perspectiveTransform(there[:, None].astype(np.float64), H)[:, 0]
    return float(np.median(np.linalg.norm(said - here, axis=1))) <= SHARED_PX


def shared_features(plate_rgb: U8, rgb: U8) -> tuple[F32, F32]:
    """SIFT features of the plate and of the picture that one homography joins, float32 Nx2 each, px."""
    sift = cv2.SIFT.create(3000)
    (there, of_plate), (here, of_picture) = (
        sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.empty(0, np.uint8))
        for picture in (plate_rgb, rgb)
    )
    none = np.zeros((0, 2), np.float32)
    if of_plate is None or of_picture is None or len(here) < 2:
        return none, none
    pairs = cv2.BFMatcher().knnMatch(of_plate, of_picture, k=2)
    clear = [first for first, second in pairs if first.distance < _RATIO * second.distance]
    # Many that match one feature are joined by a homography that takes all to a point.
    clear = list({m.trainIdx: m for m in sorted(clear, key=lambda m: -m.distance)}.values())
    if len(clear) < 4:
        return none, none
    plate_xy = np.array([there[match.queryIdx].pt for match in clear], np.float32)
    frame_xy = np.array([here[match.trainIdx].pt for match in clear], np.float32)
    found, inliers = cv2.findHomography(plate_xy, frame_xy, cv2.USAC_MAGSAC, _RANSAC_PX)
    if found is None:
        return none, none
    keep = inliers[:, 0] > 0
    return plate_xy[keep], frame_xy[keep]


def desk(folder: Path) -> list[U8]:
    return [read(file) for file in sorted(folder.glob("*.jpg"))]


def frames_of(clip: Path) -> list[U8]:
    """Every frame of a short clip, uint8 HxWx3; none of a file that is not there."""
    if not clip.is_file():
        return []  # OpenCV would say so once for each of its backends
    video, frames = cv2.VideoCapture(str(clip)), []
    while (read_one := video.read())[0]:
        frames.append(np.ascontiguousarray(read_one[1][..., ::-1]))
    return frames


def read(path: Path) -> U8:
    """uint8 HxWx3. Raises MediaError."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise MediaError(f"no readable picture at {path}")
    return np.ascontiguousarray(bgr[..., ::-1])


def _plate(rgb: U8) -> Plate:
    return Plate("capture", (rgb.shape[1], rgb.shape[0]), (View(rgb),))


def _apart(a: U8, b: U8) -> float:
    return float(np.median(cv2.absdiff(a, b).max(2)))
