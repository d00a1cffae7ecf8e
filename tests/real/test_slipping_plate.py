"""A pan along bare walls, where a fit from the last place stops half-way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.align import PlateAligner
from core.align.geometry import corner_shift_px
from core.evaluation.clips import Stock
from core.evaluation.trials import make_trials
from core.types import Frame, Plate, View

SIZE = (1280, 720)


def test_a_plate_that_begins_to_slip_is_found_again(shared: Path) -> None:
    _, clip, _ = make_trials(Stock(shared / "data"), SIZE, seed=1, kinds=("moving",))
    aligner = PlateAligner(Plate("corridor", SIZE, (View(clip.plate),)), SIZE)
    off = []
    for index, (rgb, alpha, H) in enumerate(zip(clip.frames, clip.alphas, clip.H_true, strict=True)):
        frame = Frame(rgb, index * 33_000_000, index)
        alignment = aligner.update(frame)
        assert alignment.H is not None
        off.append(corner_shift_px(alignment.H, H, SIZE))
        aligner.learn(frame, (alpha * 255).astype(np.uint8))
    assert max(off) < 1.5
