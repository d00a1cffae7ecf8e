"""From a prediction to the best homography, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.align.geometry import plausible
from core.align.judge import NOTHING_SEEN, Verdict, judge
from core.align.refine import SIGHT_PX, Belief, Comparison, compare, in_sight, sample_places, solve, stepped
from core.align.template import RESIZES, Template
from core.align.views import SmallFrame
from core.types import F32, F64

Plan = tuple[tuple[int, int], ...]  # (level, most steps), coarse to fine

COARSE_TO_FINE: Plan = ((2, 3), (1, 2), (0, 12))  # where few cells agree the last level takes long
SLOW: Plan = ((1, 2), (0, 12))  # for motion of a pixel or two
_SAME_SIGHT_PX = SIGHT_PX / 4  # up to four of the eight motions add up in a corner
_ENOUGH_PX = (0.03, 0.1, 0.1)  # a step this small ends its level


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """H: float64 3x3, view's to frame's working pixels. error_px: its corners' standard deviation."""

    H: F64
    belief: Belief
    verdict: Verdict
    look: Comparison | None
    error_px: float


def follow(
    template: Template,
    frame: SmallFrame,
    H: F64,
    belief: Belief,
    hidden: F32 | None,
    plan: Plan = COARSE_TO_FINE,
) -> Fit:
    """The fit that starts at H (view's to frame's working pixels). Never raises: a bad start ends in
    a verdict of nothing agreeing."""
    start = H
    belief = belief.next_frame()
    error, final = np.inf, None
    for index, steps in plan:
        level, picture, scale = template.levels[index], frame.level(index), 0.5**index
        if not len(level.value):
            continue
        shrink, enlarge = RESIZES[index]
        there = shrink @ H @ enlarge
        size = (picture.shape[1], picture.shape[0])
        sight, gone_px = None, 0.0
        for _ in range(steps):
            places = sample_places(level, there)
            if sight is None or gone_px > _SAME_SIGHT_PX:
                sight, gone_px = in_sight(level, places, size, hidden), 0.0
            look = compare(picture, sight, places, index)
            step = solve(look, belief, scale)
            if step is None:
                break
            error = step.error_px / scale
            largest_px = float(np.abs(step.motion).max())
            if index == 0 and largest_px < _ENOUGH_PX[0]:
                final = look  # such a step is within the noise: not worth another look
                break
            there = stepped(there, step, level, template.focal)
            belief = belief.after(step.motion / scale)
            gone_px += largest_px
            if largest_px < _ENOUGH_PX[index]:
                break
        H = enlarge @ there @ shrink
        H = H / H[2, 2]
        if not plausible(H, template.size, frame.size):
            return Fit(start, belief, NOTHING_SEEN, None, np.inf)
    if final is None:
        final = look_at(template, frame, H, hidden)
    return Fit(H, belief, judge(final), final, error)


def look_at(template: Template, frame: SmallFrame, H: F64, hidden: F32 | None) -> Comparison:
    """The comparison at working size under H."""
    level = template.levels[0]
    places = sample_places(level, H)
    return compare(frame.picture, in_sight(level, places, frame.size, hidden), places)
