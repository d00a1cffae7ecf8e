"""A real recording, whole, through the command: a fixed camera whose exposure follows the people.

Intel's one-by-one clip (CC BY 4.0) from the shared captures; the empty ranges are its README's.
"""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

EMPTY = ((0, 58), (204, 225), (454, 500), (706, 743), (875, 919), (1208, 1232), (1368, 1393))
SHADOWS_ALONE = (
    (200, 203),
    (450, 453),
    (701, 705),
    (870, 874),
    (1201, 1207),
    (1361, 1367),
)  # who cast it has left
FRAMES = 1394


@pytest.fixture(scope="module")
def result(one_by_one: Path) -> tuple[list[np.ndarray], list[dict]]:
    """Alpha of every frame (uint8 HxW), and the report's lines."""
    files = sorted((one_by_one / "out").glob("*.png"))
    alphas = [cv2.imread(str(f), cv2.IMREAD_UNCHANGED)[..., 3] for f in files]
    lines = [json.loads(line) for line in (one_by_one / "report.jsonl").read_text().splitlines()]
    return alphas, lines


def test_every_frame_comes_out_in_order_and_locked_to_the_plate(result) -> None:
    alphas, lines = result
    assert len(alphas) == len(lines) == FRAMES
    assert [line["index"] for line in lines] == list(range(FRAMES))
    states = [line["state"] for line in lines]
    assert "lost" not in states
    assert states.count("locked") > 0.98 * FRAMES


def test_the_empty_room_stays_empty(result) -> None:
    alphas, _ = result
    empty = [alphas[i] for first, last in EMPTY for i in range(first, last + 1)]
    assert len(empty) == 262
    share = np.mean([(a > 25).mean() for a in empty])
    print(f"one-by-one, empty stretches: alpha over 0.1 on {share:.4%} of all pixels")
    assert share < 0.003


def test_the_shadow_of_whoever_has_left_is_not_shown(result) -> None:
    """It lies on a patterned floor; up to a tenth of the picture was shown, and all of that is the room."""
    alphas, _ = result
    shares = [(alphas[i] > 25).mean() for first, last in SHADOWS_ALONE for i in range(first, last + 1)]
    print(f"one-by-one, shadows alone: alpha over 0.1 on {np.mean(shares):.3%}, at most {max(shares):.2%}")
    assert np.mean(shares) < 0.002
    assert max(shares) < 0.01


def test_who_stands_still_for_two_hundred_frames_stays_in_front(result) -> None:
    alphas, _ = result
    for (_, before), (after, _) in pairwise(EMPTY):
        third = (after - before) // 4
        areas = np.array([(a > 128).mean() for a in alphas[before + third : after - third]])
        assert np.median(areas) > 0.03, f"somebody stands there between {before} and {after}"
        assert areas.min() > 0.6 * np.median(areas), f"and does not fade between {before} and {after}"
