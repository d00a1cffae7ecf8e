"""Whether the plate fits, from how its cells compare."""

from __future__ import annotations

import numpy as np
import pytest

from core.align.judge import Verdict, judge
from core.align.refine import Comparison
from core.align.template import Level


def look(correlation: list[float], contrast: list[float], judged: list[bool] | None = None) -> Comparison:
    """What was seen of cells that correlate so much with the plate's and have so many times its contrast."""
    count = len(correlation)
    nothing = np.zeros(0, np.float32)
    level = Level(np.zeros((3, 0), np.float32), np.zeros((count, 0), np.float32), nothing, (640, 360))
    return Comparison(
        level,
        np.array(correlation, np.float32),
        np.array(judged if judged is not None else [True] * count),
        np.full(count, 100, np.float32),
        np.array(contrast, np.float32),
        nothing,
        nothing,
        1.0,
    )


def test_cells_that_correlate_agree_and_those_that_could_not_be_judged_do_not_count():
    verdict = judge(look([0.9, 0.8, 0.3, 0.9], [1.0] * 4, [True, True, True, False]))
    assert (verdict.agree, verdict.differ) == (2, 1)
    assert verdict.score == pytest.approx(2 / 3)


@pytest.mark.parametrize("usual", [0.4, 1.0, 2.0])
def test_an_edge_on_one_of_another_contrast_than_all_the_others_is_another_edge(usual: float):
    """All of them fainter or stronger are the room in another light."""
    contrast = [usual] * 8 + [3 * usual, usual / 3]
    verdict = judge(look([0.95] * 10, contrast))
    assert (verdict.agree, verdict.differ) == (8, 2)


def test_nothing_that_can_be_judged_is_no_agreement():
    verdict = judge(look([0.9] * 4, [1.0] * 4, [False] * 4))
    assert (verdict.agree, verdict.differ, verdict.score) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("agree", "textured", "fits"),
    [
        (14, 144, False),  # under a mask that hides nearly all, the rest may agree by chance
        (15, 144, True),
        (5, 40, False),  # six at least
        (6, 40, True),
        (4, 4, True),  # where the plate has no more than that
        (3, 4, False),
    ],
)
def test_a_few_cells_do_not_speak_for_the_whole_plate(agree: int, textured: int, fits: bool):
    assert Verdict(agree, 0, 1.0).fits(0.5, textured) is fits
    assert not Verdict(agree, agree, 0.49).fits(0.5, textured), "nor where too many differ"
