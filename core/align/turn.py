"""Where a camera that turned would see the plate: turns of up to some degrees are tried, coarsely.

A fit finds its way over a few pixels only, and from further it may end anywhere; features need corners, of
which a plain room beside a person shows few.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.align.refine import compare, in_sight, sample_places
from core.align.template import LEVELS, RESIZES, Template, motion_matrix
from core.types import F32, F64

FURTHEST = (0.15, 0.075)  # of the picture's width, sideways and up or down: a camera that was bumped or held
STEP = 0.019  # of that width: a fit goes half as far by itself
BEST = 3  # turns that are worth a fit
_ALIKE = (0.3, 0.8)  # correlation for weight 0 and 1: there is no place on the grid where all is alike
_COARSEST = LEVELS - 1


def likely_turns(template: Template, picture: F32, H: F64, hidden: F32 | None) -> list[F64]:
    """The best of many turns from H (float64 3x3, view's to frame's working pixels), as other H, best first.

    No two are neighbours: what repeats itself is as much alike one further on.

    picture: the frame at the coarsest level. hidden: where the person is, 0..1, of any size.
    """
    level = replace(template.levels[_COARSEST], slopes=None)  # nothing is fitted here
    if not len(level.value):  # what is fine is smoothed away in it
        return []
    shrink, enlarge = RESIZES[_COARSEST]
    here = shrink @ H @ enlarge
    size = (picture.shape[1], picture.shape[0])
    across, down = (round(furthest / STEP) for furthest in FURTHEST)
    alike = np.zeros((2 * down + 1, 2 * across + 1), np.float32)
    places = {}
    for spot in np.ndindex(alike.shape):
        turn = np.zeros(8)
        turn[:2] = (np.array(spot[::-1]) - (across, down)) * STEP * level.size[0]
        there = places[spot] = here @ np.linalg.inv(motion_matrix(turn, level.size, template.focal))
        xy = sample_places(level, there)
        look = compare(picture, in_sight(level, xy, size, hidden), xy, _COARSEST)
        share = (look.correlation[look.judged] - _ALIKE[0]) / (_ALIKE[1] - _ALIKE[0])
        alike[spot] = np.clip(share, 0, 1).sum()
    found: list[F64] = []
    while len(found) < BEST and (best := float(alike.max())) > 0:
        row, column = map(int, np.argwhere(alike == best)[0])
        back = enlarge @ places[row, column] @ shrink
        found.append(np.asarray(back / back[2, 2]))
        alike[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 0
    return found
