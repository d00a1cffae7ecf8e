"""What speaks against a recording as a plate: each a finding with its reason and its cure.

Limits were set on 150 pictures of rooms, sharp and blurred, and on people put into every fourth of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np

from core.plate.recording import Recorder, Recording
from core.types import F32, U8, Plate

Segmenter = Callable[[U8], F32]  # RGB uint8 HxWx3 -> probability of a person, float32 HxW 0..1

BLACK_P95 = 24.0  # grey level that 95 % of the pixels stay under when the lens is covered or the light off
DIM_MEAN = 45.0  # mean grey level; below, noise is as large as what a dark jacket differs by
CLIPPED_WARN, CLIPPED_REFUSE = 0.15, 0.5  # share of pixels at 254 or more in a channel
BLURRED_WARN, BLURRED_REFUSE = 0.80, 0.90  # `_softness`: sharp rooms reach 0.75, blur of 8 px at 720p 0.86
MIN_POINTS, MIN_FIELDS = 40, 10  # corners to track, and fields (of 40) that have one: 99 % of rooms have more
CORNER_STRENGTH = 5e-4  # OpenCV's least eigenvalue: a gradient of 3 grey levels a pixel both ways
UNREST = 2.5  # grey levels; a cell where nothing moves has at most 1.3, at a camera noise of 8
MOVED_WARN, MOVED_REFUSE = 0.004, 0.03  # share of cells; a clock or a screen, a person
SHIFT_WARN_PX, SHIFT_REFUSE_PX = 0.5, 2.0  # at the plate's size; noise alone gives up to 0.3
LIGHT_WARN = 0.04  # 4 % brighter or darker while recording: automatic exposure, a cloud
PERSON_SURE = 0.9  # probability from which a pixel counts as a person's
PERSON_WARN, PERSON_REFUSE = 0.015, 0.08  # share of pixels; someone at a desk fills 0.1 to 0.3
WORK_WIDTH_PX = 640  # at which sharpness and corners are measured


class Severity(str, Enum):
    REFUSE = "refuse"  # a matte with this plate would be wrong
    WARN = "warn"  # it will do, but could be better


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against a plate.

    what: one word for programs: black, dim, clipped, blurred, features, moved, shifted, light, person.
    sentence: for people: what was seen, and what to do.
    """

    severity: Severity
    what: str
    sentence: str


def check_plate(recording: Recording, segmenter: Segmenter | None = None) -> list[Finding]:
    """All findings, the refusing ones first.

    segmenter: guesses who is a person from looks alone; without it only movement gives somebody away.
    """
    rgb = recording.rgb
    black = _black(rgb)
    if black is not None:  # nothing else can be said about a black picture
        return [black]
    found = [
        _clipped(rgb),
        _blurred(rgb),
        _shifted(recording),
        _person(recording, segmenter) or _moved(recording),
        _light(recording),
        _dim(rgb),
        _features(rgb),
    ]
    return sorted((f for f in found if f is not None), key=lambda f: f.severity is Severity.WARN)


def check_views(plate: Plate, segmenter: Segmenter | None = None) -> list[Finding]:
    """All findings on the pictures of a plate, the refusing ones first; of a sweep, the worst of each kind.

    A sweep is refused for a person alone: where one view is dark or blown out, others may do.
    """
    worst: dict[str, Finding] = {}
    for number, view in enumerate(plate.views, 1):
        recorder = Recorder()
        recorder.add(view.rgb)
        for finding in check_plate(recorder.finish(), segmenter):
            if len(plate.views) > 1:
                grave = finding.severity is Severity.REFUSE and finding.what == "person"
                finding = replace(
                    finding,
                    severity=Severity.REFUSE if grave else Severity.WARN,
                    sentence=f"view {number} of {len(plate.views)}: {finding.sentence}",
                )
            known = worst.get(finding.what)
            if known is None or (known.severity, finding.severity) == (Severity.WARN, Severity.REFUSE):
                worst[finding.what] = finding
    return sorted(worst.values(), key=lambda f: f.severity is Severity.WARN)


def _black(rgb: U8) -> Finding | None:
    p95 = float(np.percentile(_grey(rgb), 95))
    if p95 >= BLACK_P95:
        return None
    return _refuse(
        "black",
        f"the picture is black (95 % of it below grey level {p95:.0f} of 255): open the camera's cover, "
        "switch the light on",
    )


def _dim(rgb: U8) -> Finding | None:
    mean = float(_grey(rgb).mean())
    if mean >= DIM_MEAN:
        return None
    return _warn(
        "dim", f"the room is dark (mean grey level {mean:.0f} of 255): more light gives a better edge"
    )


def _clipped(rgb: U8) -> Finding | None:
    share = float((rgb.max(axis=2) >= 254).mean())
    if share < CLIPPED_WARN:
        return None
    say = _refuse if share >= CLIPPED_REFUSE else _warn
    return say(
        "clipped",
        f"{share:.0%} of the picture is blown out to white, where nothing tells a person from the room: "
        "lower the exposure or close the blind",
    )


def _blurred(rgb: U8) -> Finding | None:
    softness = _softness(rgb)
    if softness < BLURRED_WARN:
        return None
    say = _refuse if softness >= BLURRED_REFUSE else _warn
    return say("blurred", "the picture is blurred: clean the lens, let the camera focus on the room")


def _features(rgb: U8) -> Finding | None:
    grey = _work(rgb)
    corners = cv2.goodFeaturesToTrack(grey, 400, 1e-6, 8, blockSize=5)
    points = [] if corners is None else corners.reshape(-1, 2)
    strength = cv2.cornerMinEigenVal(grey, 5, ksize=3)
    good = [(x, y) for x, y in points if strength[int(y), int(x)] > CORNER_STRENGTH]
    height, width = grey.shape
    fields = {(int(x * 8 / width), int(y * 5 / height)) for x, y in good}
    if len(good) >= MIN_POINTS and len(fields) >= MIN_FIELDS:
        return None
    return _warn(
        "features",
        f"the room has few corners and edges ({len(good)} points in {len(fields)} of 40 fields; "
        f"{MIN_POINTS} in {MIN_FIELDS} are needed to follow a moving camera): keep the camera fixed, or put "
        "something with a pattern into the room",
    )


def _shifted(recording: Recording) -> Finding | None:
    if recording.shift_px < SHIFT_WARN_PX:
        return None
    say = _refuse if recording.shift_px >= SHIFT_REFUSE_PX else _warn
    return say(
        "shifted",
        f"the camera moved by {recording.shift_px:.1f} pixels while recording: put it on something firm and "
        "keep off the table",
    )


def _moved(recording: Recording) -> Finding | None:
    share = float(_moving(recording).mean())
    if share < MOVED_WARN:
        return None
    if share >= MOVED_REFUSE:
        return _refuse(
            "moved",
            f"something moved in {share:.0%} of the picture while recording: leave the room empty and still "
            "(people, pets, curtains, screens)",
        )
    return _warn(
        "moved",
        f"something small moved ({share:.1%} of the picture): a screen, a clock or a curtain may show up in "
        "front of the new background",
    )


def _person(recording: Recording, segmenter: Segmenter | None) -> Finding | None:
    if segmenter is None:
        return None
    person = segmenter(recording.rgb) > PERSON_SURE
    share = float(person.mean())
    if share < PERSON_WARN:
        return None
    if share >= PERSON_REFUSE and (recording.frames < 2 or _stirs(recording, person)):
        return _refuse(
            "person",
            f"somebody seems to be in the picture ({share:.0%} of it): the plate must show the EMPTY room, "
            "so step out and record again",
        )
    return _warn(
        "person",
        f"{share:.0%} of the picture looks like a person: a poster or a doll is fine, a real person is not",
    )


def _stirs(recording: Recording, person: np.ndarray) -> bool:
    """Whether that person is alive: breathing and swaying make their cells restless, posters stay still."""
    moving = _moving(recording, more_than=UNREST / 2)
    height, width = moving.shape
    cells = cv2.resize(person.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.25
    return bool(moving[cells].mean() > 0.05) if cells.any() else False


def _light(recording: Recording) -> Finding | None:
    if recording.light_drift < LIGHT_WARN:
        return None
    return _warn(
        "light",
        f"the brightness changed by {recording.light_drift:.0%} while recording: lock the exposure, or wait "
        "until the camera has settled",
    )


def _moving(recording: Recording, more_than: float = UNREST) -> np.ndarray:
    """bool, a cell each: what was restless beyond noise and beyond an uneven change of light."""
    limit = max(more_than, 100 * recording.light_drift)
    return recording.unrest > limit


def _softness(rgb: U8) -> float:
    """How little the strongest edges lose by one more blur, 0..1: what is soft already loses nothing."""
    grey = _work(rgb).astype(np.float32)
    edges = _gradient(grey)
    strongest = edges >= np.percentile(edges, 98)
    before = float(edges[strongest].mean())
    if before < 1.0:  # a flat wall has no edges to judge by
        return 0.0
    blurred = np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.5), np.float32)
    return float(_gradient(blurred)[strongest].mean()) / before


def _gradient(grey: F32) -> F32:
    dx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    dy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(np.hypot(dx, dy), np.float32)


def _work(rgb: U8) -> U8:
    """Grey at working width, uint8."""
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_WIDTH_PX / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _grey(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8))


def _grey(rgb: U8) -> U8:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _refuse(what: str, sentence: str) -> Finding:
    return Finding(Severity.REFUSE, what, sentence)


def _warn(what: str, sentence: str) -> Finding:
    return Finding(Severity.WARN, what, sentence)
