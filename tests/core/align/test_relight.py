"""When the light is fitted anew."""

import numpy as np
import pytest

from core.align.refine import Comparison
from core.align.relight import LIGHT_EVERY, RoomLight
from core.align.template import Level

CELLS = 40


def look(mean: np.ndarray, agrees: bool = True) -> Comparison:
    """Cells of that brightness, all of which show the plate, or none."""
    nothing = np.zeros(0, np.float32)
    level = Level(np.zeros((3, 0), np.float32), np.zeros((CELLS, 0), np.float32), nothing, (640, 360))
    alike = np.full(CELLS, 0.95 if agrees else 0.1, np.float32)
    ones = np.ones(CELLS, np.float32)
    return Comparison(level, alike, ones > 0, mean.astype(np.float32), ones, nothing, nothing, 1.0)


def fitted(mean: np.ndarray) -> RoomLight:
    light = RoomLight()
    picture = np.random.default_rng(0).integers(40, 200, (72, 128, 3), dtype=np.uint8)
    light.fit((picture, np.full((72, 128), 255, np.uint8)), picture, None, look(mean))
    return light


STEADY = np.full(CELLS, 100.0)
ONE_SIDE = np.where(np.arange(CELLS) < CELLS // 2, 1.05, 0.95)  # and the other: together as bright as before


@pytest.mark.parametrize(
    ("factor", "due"),
    [(1.0, False), (1.004, False), (1.01, True), (ONE_SIDE, True), (1 + (ONE_SIDE - 1) / 5, False)],
    ids=["nothing", "noise", "brighter", "a lamp on one side", "noise on one side"],
)
def test_a_change_that_is_seen_is_fitted_at_once(factor: float | np.ndarray, due: bool):
    assert fitted(STEADY).due(look(STEADY * factor), LIGHT_EVERY) is due


def test_without_a_change_it_is_fitted_now_and_then():
    light = fitted(STEADY)
    assert [light.due(look(STEADY), LIGHT_EVERY) for _ in range(LIGHT_EVERY)] == [False] * 9 + [True]


def test_it_is_fitted_where_there_was_none_or_nothing_is_left_of_what_it_was_fitted_on():
    assert RoomLight().due(look(STEADY), LIGHT_EVERY)
    assert fitted(STEADY).due(look(STEADY, agrees=False), LIGHT_EVERY)
