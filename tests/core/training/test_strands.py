"""Outlines that are drawn out into strands stay cut-outs, with more in them that is a little transparent."""

import numpy as np

from core.training.strands import fray

COLOUR = np.float32((0.8, 0.3, 0.2))


def somebody() -> np.ndarray:
    """A sharp outline, premultiplied RGBA, HxWx4."""
    layer = np.zeros((240, 320, 4), np.float32)
    layer[60:, 110:210, 3] = 1
    layer[..., :3] = layer[..., 3:] * COLOUR
    return layer


def test_a_frayed_outline_is_a_little_transparent_over_many_pixels() -> None:
    rng, mixed, gone = np.random.default_rng(3), [], []
    for _ in range(40):
        layer = somebody()
        fray(layer, rng)
        alpha = layer[..., 3]
        assert alpha.min() >= 0
        assert alpha.max() <= 1
        assert np.abs(layer[..., :3] - alpha[..., None] * COLOUR).max() < 1e-5, "its own colour"
        mixed.append(((alpha > 0.05) & (alpha < 0.95)).sum())
        gone.append((somebody()[..., 3] - alpha).clip(0).sum() / somebody()[..., 3].sum())
    assert np.mean(mixed) > 250, "none was before, and an outline has 460 pixels"
    assert np.quantile(mixed, 0.9) > 700
    assert np.std(mixed) > 100, "no two alike"
    assert max(gone) < 0.2, "nobody is torn apart"


def test_who_is_hardly_in_the_picture_is_left_alone() -> None:
    rng = np.random.default_rng(1)
    for height in (0, 5):
        layer = somebody() * np.float32(0)
        layer[len(layer) - height :, 100:120] = 1
        before = layer.copy()
        for _ in range(20):
            fray(layer, rng)
        assert (layer == before).all()


def test_fraying_is_repeatable() -> None:
    first, second = somebody(), somebody()
    fray(first, np.random.default_rng(5))
    fray(second, np.random.default_rng(5))
    assert (first == second).all()
    assert (first != somebody()).any()
