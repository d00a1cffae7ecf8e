"""Composites of a known person, room and alpha: each way's error follows from its formula."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.clips import LEAD_IN, Clip
from core.evaluation.colour import ESTIMATED, HELD, OPEN, OWN, PLAIN, foreground_errors
from core.evaluation.methods import Matted, known_alpha
from core.types import Room
from tests.core.evaluation.made_clips import PERSON, made_clip


def hair() -> Clip:
    clip = made_clip("hair", scored=2)
    clip.fgrs.extend([np.full((40, 60, 3), PERSON, np.float32)] * len(clip.frames))
    return clip


def test_the_room_is_taken_out_exactly_where_it_is_known():
    clip = hair()
    room = Room(clip.plate, None)
    errors = foreground_errors([Matted(alpha, room) for alpha in clip.alphas], clip)
    assert max(errors[OPEN].values()) < 1e-6
    assert max(errors[HELD].values()) < 0.02  # rounded to whole levels


def test_without_the_room_half_of_it_stays_in():
    clip = hair()
    errors = foreground_errors([Matted(alpha) for alpha in clip.alphas], clip)
    # 0.5 * 150 is shown where 0.5 * 200 is right, over any backdrop
    assert list(errors[PLAIN].values()) == pytest.approx([(25 / 255) ** 2 * 1e3] * 4, rel=1e-4)
    assert set(errors) == {PLAIN, ESTIMATED}


def test_a_colour_of_its_own_is_used_as_it_is():
    clip = hair()
    mattes = [Matted(a, fgr=f) for a, f in zip(clip.alphas, clip.fgrs, strict=True)]
    assert max(foreground_errors(mattes, clip)[OWN].values()) < 1e-6


def test_the_plate_is_not_asked_where_it_does_not_reach():
    clip = hair()
    coverage = np.zeros((40, 60), np.uint8)
    errors = foreground_errors([Matted(a, Room(clip.plate * 0, coverage)) for a in clip.alphas], clip)
    assert errors[OPEN] == pytest.approx(errors[PLAIN], rel=1e-4)


def test_the_true_alpha_comes_with_the_room_in_its_place():
    clip = hair()
    mattes = list(known_alpha(clip))
    assert len(mattes) == LEAD_IN + 2
    assert mattes[-1].room is not None
    assert np.abs(mattes[-1].alpha - clip.alphas[-1]).max() < 0.003
