"""Clips that each ask one question: does it flicker, is what one holds kept, is an empty room empty, do
shadows stay out, is hair exact, is the room shown when somebody leaves.

The people and rooms are those of `clips`: nothing of them was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import MediaError
from core.evaluation.clips import (
    CLASSES,
    LEAD_IN,
    SCORED,
    TALL_ENOUGH,
    TROUBLE,
    Clip,
    Stock,
    film,
    person_layers,
    place,
)
from core.evaluation.things import HELD, hold, picture_of
from core.training.material import read_rgba
from core.types import F32, U8

SCORED_STILL = 3  # frames scored where nothing but noise and a swaying person changes
SHADOW = (0.25, 0.40)  # share of the room's light that a shadow takes
DEEPEST = 0.40  # where two shadows meet
HAIRY = 4  # people
LEAVING = 6  # people
OUT = (0.3, 1.05)  # share of their width that is beyond the border, in the first and last frame scored
FIRST_DRAW = 100  # apart from the draws of the classes, whatever is added to either

Rng = np.random.Generator


def make_trials(
    stock: Stock, size: tuple[int, int], seed: int, kinds: tuple[str, ...] | None = None
) -> Iterator[Clip]:
    """The clips of the trials in `kinds` (None: all), at size (width, height).

    The same for the same seed, whichever other trials are asked for.
    """
    for index, (kind, (count, make)) in enumerate(_TRIALS.items()):
        for k in range(count if kinds is None or kind in kinds else 0):
            yield make(stock, k, size, np.random.default_rng([seed, FIRST_DRAW + index, k]))


def require_for_trials(stock: Stock, kinds: tuple[str, ...]) -> None:
    """Raises MediaError where the stock lacks what the trials in `kinds` show besides people and rooms."""
    missing = [held.file for held in HELD if held.file and not (stock.props / held.file).is_file()]
    if "props" in kinds and missing:
        raise MediaError(
            f"{stock.props} lacks {', '.join(missing)}, which the trial props shows: add what is missing, or "
            "name the other classes with --class"
        )
    hairy = len(stock.hairiest(HAIRY)) if "hair" in kinds else HAIRY
    if hairy < HAIRY:
        raise MediaError(
            f"{stock.data} has {hairy} held-out people in people_rendered whose picture is {TALL_ENOUGH} px "
            f"high or more, the trial hair shows {HAIRY}: add some, or name the other classes with --class"
        )


def trial_count(kinds: tuple[str, ...]) -> int:
    """How many clips make_trials gives for `kinds`."""
    return sum(_TRIALS[kind][0] for kind in kinds if kind in _TRIALS)


def _moving(stock: Stock, k: int, size: tuple[int, int], rng: Rng) -> Clip:
    """Rendered people in motion; the camera stands still once and is held by hand twice."""
    layers, person = person_layers(stock, 3 * k + 2, size, LEAD_IN + SCORED, rng)
    return film(stock, "moving", person, layers, TROUBLE["handheld" if k else "webcam"], rng)


def _props(stock: Stock, k: int, size: tuple[int, int], rng: Rng) -> Clip:
    """Somebody with a thing that the plate does not have."""
    held = HELD[k]
    pool = stock.real if k % 2 else stock.rendered
    path = pool[rng.integers(len(pool))]
    right = bool(rng.random() < 0.5)
    pictures = hold(read_rgba(path), picture_of(held, stock.props), held, right)
    placing = rng.integers(2**32)
    person, thing = (
        place([picture] * (LEAD_IN + SCORED_STILL), size, np.random.default_rng(placing), sways=True)
        for picture in pictures
    )
    layers, visible = [], []
    for mine, its in zip(person, thing, strict=True):
        front, back = (mine, its) if held.behind else (its, mine)
        layers.append(front + back * (1 - front[..., 3:]))
        visible.append(its[..., 3] * (1 - mine[..., 3] if held.behind else np.float32(1)) > 0.5)
    clip = film(stock, "props", f"{path.stem} with {held.what}", layers, TROUBLE["webcam"], rng)
    clip.things.extend(visible)
    return clip


def _empty(stock: Stock, k: int, size: tuple[int, int], rng: Rng) -> Clip:
    """Nobody, under each class of trouble."""
    nobody = [np.zeros((size[1], size[0], 4), np.float32)] * (LEAD_IN + SCORED_STILL)
    return film(stock, "empty", f"nobody, {CLASSES[k]}", nobody, TROUBLE[CLASSES[k]], rng)


def _shadows(stock: Stock, k: int, size: tuple[int, int], rng: Rng) -> Clip:
    """Somebody whose shadow falls on the wall behind and on the desk."""
    layers, person = person_layers(stock, k, size, LEAD_IN + SCORED_STILL, rng)
    wall, desk, side = rng.uniform(*SHADOW), rng.uniform(*SHADOW), float(rng.choice([-1, 1]))
    shades = [shadow(layer[..., 3], wall, desk, side) for layer in layers]
    return film(stock, "shadows", person, layers, TROUBLE["webcam"], rng, shades)


def shadow(alpha: F32, wall: float, desk: float, side: float) -> F32:
    """Share of the room's light that somebody's shadow takes, float32 HxW, at most DEEPEST.

    Args:
        alpha: float32 HxW of the person.
        wall, desk: share at the darkest of each shadow. side: -1 falls to the left, 1 to the right.
    """
    h, w = alpha.shape
    on_wall = np.array([[1.06, 0, side * 0.07 * w - 0.03 * w], [0, 1.06, -0.04 * h]])
    # the desk foreshortens: a quarter as high as the person, leaning away from the light
    on_desk = np.array([[1, -side * 0.5, side * 0.5 * h], [0, 0.25, 0.75 * h]])
    falls = [
        strength * cv2.GaussianBlur(cv2.warpAffine(alpha, M, (w, h)), (0, 0), w / softness)
        for strength, M, softness in ((wall, on_wall, 70), (desk, on_desk, 140))
    ]
    return np.minimum(1 - (1 - falls[0]) * (1 - falls[1]), np.float32(DEEPEST))


def _hair(stock: Stock, k: int, size: tuple[int, int], rng: Rng) -> Clip:
    """Rendered strand hair, whose alpha is exact."""
    path = stock.hairiest(HAIRY)[k]
    pictures: list[U8] = [read_rgba(path)] * (LEAD_IN + SCORED_STILL)
    layers = place(pictures, size, rng, sways=True)
    return film(stock, "hair", path.stem, layers, TROUBLE["webcam"], rng, colours=True)


def _leaving(stock: Stock, k: int, size: tuple[int, int], rng: Rng) -> Clip:
    """Somebody who walks out on the right; their shadow falls to the left, and leaves last."""
    width, height = size
    (wide, *_), person = person_layers(stock, k % 2, (2 * width, height), 1, rng)
    left = min(max(0, _across(wide)[0] - width // 4), width)  # no border cuts them or their shadow off
    still = np.ascontiguousarray(wide[:, left : left + width])
    across = _across(still)
    wall, desk = rng.uniform(*SHADOW, 2)
    shade = shadow(np.ascontiguousarray(still[..., 3]), wall, desk, side=-1)
    inside_px = np.ptp(across) * (1 - np.linspace(*OUT, SCORED))
    steps = [0.0] * LEAD_IN + list(width - across[0] - inside_px)

    def moved(picture: F32, by_px: float) -> F32:
        return np.asarray(cv2.warpAffine(picture, np.array([[1, 0, by_px], [0, 1, 0]]), size), np.float32)

    layers, shades = ([moved(one, step) for step in steps] for one in (still, shade))
    return film(stock, "leaving", person, layers, TROUBLE["webcam"], rng, shades)


def _across(layer: F32) -> NDArray[np.intp]:
    """The columns in which somebody is."""
    return np.flatnonzero((layer[..., 3] > 0.5).any(0))


_Make = Callable[[Stock, int, tuple[int, int], Rng], Clip]
_TRIALS: dict[str, tuple[int, _Make]] = {
    "moving": (3, _moving),
    "props": (len(HELD), _props),
    "empty": (len(CLASSES), _empty),
    "shadows": (3, _shadows),
    "hair": (HAIRY, _hair),
    "leaving": (LEAVING, _leaving),
}
TRIALS = tuple(_TRIALS)
