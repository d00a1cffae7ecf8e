"""The metrics equal their definitions on cases that can be worked out by hand."""

import numpy as np
import pytest

from core.evaluation import metrics


def test_mad_and_mse_of_a_constant_error() -> None:
    truth = np.zeros((10, 20), np.float32)
    alpha = truth + np.float32(0.1)
    assert metrics.mad(alpha, truth) == pytest.approx(100, rel=1e-5)
    assert metrics.mse(alpha, truth) == pytest.approx(10, rel=1e-5)


def test_a_perfect_matte_scores_zero_everywhere() -> None:
    truth = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    assert metrics.mad(truth, truth) == metrics.mse(truth, truth) == metrics.grad(truth, truth) == 0
    assert metrics.dtssd(truth, truth, truth, truth) == 0


def test_grad_sees_a_lost_edge_and_not_a_changed_level() -> None:
    truth = np.zeros((60, 60), np.float32)
    truth[:, 30:] = 1
    lost = np.zeros_like(truth)
    assert metrics.grad(lost, truth) > 0.05
    assert metrics.grad(truth * np.float32(0.5), truth) == pytest.approx(
        0, abs=1e-9
    )  # stretched, as published


def test_dtssd_counts_flicker_and_not_motion_that_is_true() -> None:
    truth = np.zeros((10, 10), np.float32)
    moved = truth + 1
    assert metrics.dtssd(moved, moved, truth, truth) == 0
    assert metrics.dtssd(truth + np.float32(0.2), truth, truth, truth) == pytest.approx(20, rel=1e-5)
    assert metrics.dtssd(moved, truth, None, None) == 0


def test_the_edge_band_surrounds_the_outline() -> None:
    truth = np.zeros((60, 60), np.float32)
    truth[20:40, 20:40] = 1
    band = metrics.edge_band(truth, 3)
    assert band[20, 30]
    assert band[17, 30]
    assert not band[10, 30]
    assert not band[30, 30]


def test_recall_counts_the_pixels_of_a_thing_that_are_taken() -> None:
    alpha = np.zeros((10, 10), np.float32)
    alpha[:, 5:] = 0.6
    thing = np.zeros((10, 10), bool)
    thing[2, 2:6] = True  # one of four under alpha
    assert metrics.recall(alpha, thing) == 25
    with pytest.raises(ValueError, match="not in the picture"):
        metrics.recall(alpha, np.zeros((10, 10), bool))


def test_a_room_is_seen_from_a_tenth_of_alpha() -> None:
    alpha = np.zeros((10, 10), np.float32)
    alpha[0, 0], alpha[0, 1], alpha[0, 2] = 0.09, 0.11, 1
    assert metrics.share_seen(alpha) == pytest.approx(2)
    row = np.zeros((10, 10), bool)
    row[0] = True
    assert metrics.share_clear(alpha, row) == pytest.approx(80)
    assert metrics.share_clear(alpha, np.zeros((10, 10), bool)) == 100


def test_precision_looks_at_person_and_shadow_alone() -> None:
    truth = np.zeros((10, 10), np.float32)
    truth[:, :3] = 1
    shadow = np.zeros((10, 10), bool)
    shadow[:, 3:5] = True
    alpha = truth.copy()
    assert metrics.precision(alpha, truth, shadow) == 100
    alpha[:, 3] = 1  # a column of shadow is taken for the person
    alpha[:, 9] = 1  # far from both: not asked for
    assert metrics.precision(alpha, truth, shadow) == pytest.approx(75)
    assert metrics.precision(np.zeros_like(truth), truth, shadow) == 100


def test_band_sad_adds_up_what_is_wrong_near_the_outline_alone() -> None:
    truth = np.zeros((100, 100), np.float32)
    truth[:, 50:] = 1
    alpha = truth.copy()
    alpha[:, 48] = 0.5  # a column of 100 px in the band
    alpha[:, 5] = 1  # far from it
    assert metrics.band_sad(alpha, truth) == pytest.approx(0.05)


def test_colour_mse_of_a_constant_error() -> None:
    truth = np.full((7, 3), 100, np.float32)
    assert metrics.colour_mse(truth + np.float32(25.5), truth) == pytest.approx(10, rel=1e-5)
    assert metrics.colour_mse(truth[:0], truth[:0]) == 0
