"""What counts in a comparison with the plate: edges and texture, and coarsely nothing of what slopes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rooms import SIZE, error_px, plate_of, room, seen, turned

from core.align import PlateAligner, template
from core.align.refine import compare, in_sight, sample_places
from core.align.template import build_template, smooth
from core.types import Frame


def test_ramps_over_coarse_cells_are_orthonormal_and_without_mean():
    grey = np.asarray(cv2.cvtColor(room(), cv2.COLOR_RGB2GRAY), np.uint8)
    finest, *coarse = build_template(grey).levels
    assert finest.slopes is None
    assert len(coarse) == 2
    for level in coarse:
        assert level.slopes is not None
        across, down = level.slopes
        assert np.abs(level.slopes.mean(2)).max() < 1e-5
        assert np.abs((across * down).sum(1)).max() < 1e-5
        for ramp in (across, down):
            lengths = np.linalg.norm(ramp, axis=1)
            assert ((np.abs(lengths - 1) < 1e-5) | (lengths == 0)).all()
            assert (lengths > 0).mean() > 0.9


def test_samples_in_a_line_have_no_ramp_across_it():
    down = np.arange(24.0).reshape(1, -1)
    for across in (np.full((1, 24), 7.0), 2 * down):
        lengths = np.linalg.norm(template._slopes(across, down), axis=2)
        assert sorted(lengths[:, 0]) == pytest.approx([0, 1])


@pytest.mark.parametrize("hidden", [False, True])
def test_coarsely_nothing_is_left_of_a_plane_over_a_cell_and_all_of_an_edge(hidden: bool):
    grey = np.asarray(cv2.cvtColor(room(), cv2.COLOR_RGB2GRAY), np.uint8)
    half = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    level, picture = build_template(grey).levels[1], smooth(half)
    mask = np.zeros((18, 32), np.float32)
    mask[::2] = hidden  # half of every cell
    places = sample_places(level, np.eye(3))
    sight = in_sight(level, places, (half.shape[1], half.shape[0]), mask)
    assert sight.judged.sum() > 40

    def rms(picture: np.ndarray, by_px: float = 0.0) -> float:
        """Of the residual, where the camera has turned by so much."""
        look = compare(picture, sight, (places[0] + np.float32(by_px), places[1]))
        return float(np.sqrt(np.square(look.residual.reshape(level.value.shape)[sight.judged]).mean()))

    x, y = np.meshgrid(np.linspace(0, 40, half.shape[1]), np.linspace(0, -20, half.shape[0]))
    plane = np.sqrt((40 / 16) ** 2 / 12 + (20 / 9) ** 2 / 12)  # standard deviation over one cell, levels
    assert rms(picture) < 1e-3
    assert rms((picture + x + y).astype(np.float32)) < 0.35 * plane, "of the contrast, which changes, too"
    assert rms(picture, by_px=0.25) > 0.6


@pytest.mark.parametrize("seed", [0, 1])
def test_a_shadow_along_a_plain_wall_does_not_pull(seed: int):
    rgb = np.full((SIZE[1], SIZE[0], 3), 170, np.uint8)
    rgb[120:, :90] = room(seed)[120:, :90]  # furniture in one corner, and little in another
    rgb[140:165, 262:290] = room(seed + 3)[140:165, 262:290]
    lamp = np.linspace(0.9, 1.1, SIZE[0])[None] * np.linspace(1, 0.85, SIZE[1])[:, None]
    rgb = (rgb * lamp[..., None]).astype(np.uint8)  # it gives the wall its slopes
    shade = cv2.ellipse(np.zeros(SIZE[::-1], np.float32), (230, 100), (70, 80), 0, 0, 360, 1.0, -1)
    light = 1 - 0.3 * cv2.GaussianBlur(shade, (0, 0), 12)[..., None]
    there = turned(3.0, 1.0)
    aligner = PlateAligner(plate_of(rgb), SIZE)
    for index in range(6):
        frame = seen(rgb, there, index, noise=1.0)
        shaded = Frame((frame.rgb * light).astype(np.uint8), frame.time_ns, frame.index)
        alignment = aligner.update(shaded)
        assert alignment.H is not None
        assert error_px(alignment.H, there) < 1.0
