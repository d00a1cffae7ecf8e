"""A clip whose every figure can be worked out by hand."""

from __future__ import annotations

import numpy as np

from core.evaluation.clips import LEAD_IN, Clip

PERSON, ROOM = 200, 100  # grey levels


def made_clip(kind: str, scored: int = 1) -> Clip:
    """60x40: room to the left of x=20, person to the right of x=40, half of each between, no noise."""
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, 20:40], alpha[:, 40:] = 0.5, 1
    rgb = np.rint(alpha * PERSON + (1 - alpha) * ROOM).astype(np.uint8)
    count = LEAD_IN + scored
    return Clip(
        kind,
        "made",
        frames=[np.dstack([rgb] * 3)] * count,
        alphas=[alpha] * count,
        plate=np.full((40, 60, 3), ROOM, np.uint8),
        H_true=[np.eye(3)] * count,
    )
