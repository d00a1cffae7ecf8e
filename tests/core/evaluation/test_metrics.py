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
