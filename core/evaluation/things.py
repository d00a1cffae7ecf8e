"""Things that a person holds, wears or sits on: some drawn here, some from the shared `props`.

All are straight RGBA, uint8 HxWx4. The shared ones are of unknown licence: good for judging, never
trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.training.material import read_rgba
from core.types import U8

_FINE = 4  # drawn this much larger and shrunk, for soft outlines


@dataclass(frozen=True, slots=True)
class Held:
    """A thing, and where it is beside its owner.

    what: name. file: in `props`; empty where it is drawn. size: its long side over the square root of the
    person's area in px. height: of its centre, share of the person's height from the top. out: how far
    its centre lies outside the outline, in widths of the thing. behind: the person hides part of it.
    """

    what: str
    file: str
    size: float
    height: float
    out: float = -0.1
    behind: bool = False


HELD = (
    Held("papers", "", 0.50, 0.55),
    Held("mug", "", 0.28, 0.60),
    Held("bag", "", 0.60, 0.70),
    Held("office chair", "anibe007-amazon-project-003.webp", 1.5, 0.75, -0.6, behind=True),
    Held("flask", "joker316701882-deep-image-matting-005.webp", 0.45, 0.60),
    Held("jacket", "anibe007-amazon-project-002.webp", 0.70, 0.65),
    Held("plush bear", "xiyunyue-harry-potter-and-the-matting-muggle-008.webp", 0.50, 0.60),
    Held("laptop", "learning-zone-website-templates-014.webp", 0.60, 0.75),
)


def picture_of(held: Held, props: Path) -> U8:
    """The thing, trimmed to what is seen of it. MediaError when its file is missing."""
    picture = read_rgba(props / held.file, 400) if held.file else _DRAWN[held.what]()
    x, y, w, h = cv2.boundingRect((picture[..., 3] > 12).astype(np.uint8))
    return picture[y : y + h, x : x + w]


def hold(person: U8, thing: U8, held: Held, right: bool) -> tuple[U8, U8]:
    """The person and the thing, each alone on a canvas of one shape, straight RGBA.

    person: straight RGBA uint8 HxWx4. right: on which side of the picture the thing is held.
    """
    solid = person[..., 3] > 127
    side = held.size * np.sqrt(solid.sum())
    scale = side / max(thing.shape[:2])
    thing = cv2.resize(thing, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    th, tw = thing.shape[:2]
    person = np.pad(person, ((0, 0), (tw, tw), (0, 0)))
    height, width = person.shape[:2]
    rows = np.flatnonzero(solid.any(1))
    row = int(rows[0] + held.height * (rows[-1] - rows[0]))
    columns = np.flatnonzero(person[row, :, 3] > 127)
    if not len(columns):  # a gap between legs, or between two people: the nearest row that has somebody
        row = int(rows[np.abs(rows - row).argmin()])
        columns = np.flatnonzero(person[row, :, 3] > 127)
    outline = columns[-1] if right else columns[0]
    x = int(outline + (1 if right else -1) * held.out * tw - tw / 2)
    y = row - th // 2
    x, y0, y1 = min(max(x, 0), width - tw), max(y, 0), min(y + th, height)
    canvas = np.zeros_like(person)
    canvas[y0:y1, x : x + tw] = thing[y0 - y : y1 - y]
    return person, canvas


def _sheet() -> U8:
    """Two printed sheets of paper, a little turned."""
    w, h = 210 * _FINE, 280 * _FINE
    page = np.full((h, w, 4), (244, 243, 238, 255), np.uint8)
    for line in range(24, 260, 12):
        length = w - (20 + 7 * (line % 60)) * _FINE
        cv2.line(page, (18 * _FINE, line * _FINE), (length, line * _FINE), (90, 90, 96, 255), 3 * _FINE // 2)
    return _over(_turned(page, 9), _turned(page, -6))


def _mug() -> U8:
    """A white mug with a stripe, lit from the left."""
    w, h = 150 * _FINE, 120 * _FINE
    mug = np.zeros((h, w, 4), np.uint8)
    f = _FINE
    cv2.ellipse(mug, (110 * f, 60 * f), (28 * f, 30 * f), 0, -100, 100, (205, 203, 198, 255), 11 * f)
    body = np.zeros((h, w), np.uint8)
    cv2.rectangle(body, (12 * f, 14 * f), (108 * f, 104 * f), 255, -1)
    cv2.ellipse(body, (60 * f, 104 * f), (48 * f, 12 * f), 0, 0, 360, 255, -1)
    shade = np.cos(np.linspace(-0.9, 1.35, 97 * f, dtype=np.float32))[None, :, None]
    colour = np.full((h, w, 3), (228, 226, 220), np.float32)
    colour[50 * f : 74 * f] = (44, 92, 150)
    colour[:, 12 * f : 109 * f] *= 0.35 + 0.65 * shade
    mug[body > 0] = np.dstack([colour, np.full((h, w), 255, np.float32)]).astype(np.uint8)[body > 0]
    cv2.ellipse(mug, (60 * f, 14 * f), (48 * f, 12 * f), 0, 0, 360, (96, 70, 52, 255), -1)
    return _shrunk(mug)


def _bag() -> U8:
    """A canvas bag with two handles."""
    w, h = 220 * _FINE, 280 * _FINE
    f = _FINE
    bag = np.zeros((h, w, 4), np.uint8)
    for x in (100, 116):
        cv2.ellipse(bag, (x * f, 90 * f), (42 * f, 80 * f), 0, 180, 360, (120, 84, 52, 255), 7 * f)
    outline = np.array([[16, 88], [204, 84], [214, 268], [110, 276], [8, 266]], np.int32) * f
    cv2.fillPoly(bag, [outline], (186, 164, 122, 255))
    folds = np.interp(np.arange(w), np.linspace(0, w, 6), (1.0, 0.86, 1.04, 0.9, 1.02, 0.8))
    bag[..., :3] = np.clip(bag[..., :3] * folds[None, :, None], 0, 255).astype(np.uint8)
    return _shrunk(bag)


def _turned(picture: U8, degrees: float) -> U8:
    """Turned about its middle and shrunk to its final size."""
    h, w = picture.shape[:2]
    side = int(np.hypot(h, w)) // _FINE * _FINE
    M = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1)
    M[:, 2] += (side - w) / 2, (side - h) / 2
    return _shrunk(cv2.warpAffine(picture, M, (side, side), flags=cv2.INTER_LINEAR))


def _over(front: U8, back: U8) -> U8:
    """One straight RGBA picture before another of its shape."""
    a, b = front.astype(np.float32) / 255, back.astype(np.float32) / 255
    alpha = a[..., 3:] + b[..., 3:] * (1 - a[..., 3:])
    colour = a[..., :3] * a[..., 3:] + b[..., :3] * b[..., 3:] * (1 - a[..., 3:])
    straight = np.dstack([colour / np.maximum(alpha, np.float32(1e-6)), alpha])
    return (np.clip(straight, 0, 1) * 255 + 0.5).astype(np.uint8)


def _shrunk(picture: U8) -> U8:
    """At its final size; colours weighted by alpha, so that no black comes into the outline."""
    flat = picture.astype(np.float32)
    flat[..., :3] *= flat[..., 3:] / 255
    size = (picture.shape[1] // _FINE, picture.shape[0] // _FINE)
    small = cv2.resize(flat, size, interpolation=cv2.INTER_AREA)
    small[..., :3] /= np.maximum(small[..., 3:], 1) / 255
    return (np.clip(small, 0, 255) + 0.5).astype(np.uint8)


_DRAWN = {"papers": _sheet, "mug": _mug, "bag": _bag}
