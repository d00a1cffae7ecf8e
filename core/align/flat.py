"""A plate with nothing to hold on to: the camera is taken as still and only the colours are checked."""

from __future__ import annotations

import cv2
import numpy as np

from core.align.light import apply_light, fit_light
from core.align.views import SmallFrame, SmallView
from core.types import F32, F64, Alignment, Light, State

AGREE_LEVELS = 14.0  # after the light is fitted; a plain wall leaves noise and its own blotches
LEAST_SHARE = 0.35  # while nobody has said where the person is, who may fill more than half of it
LEAST_SHARE_KNOWN = 0.6  # of what is nobody's: a faint picture has two fifths of its pixels near any one tone
GAIN_RANGE = (0.5, 2.0)  # beyond it a hand before the lens passes for a wall


class FlatPlate:
    """Judges a blank wall. The camera cannot be followed there, and the reason says so."""

    def __init__(self, view: SmallView) -> None:
        self._view = view
        self._light: Light | None = None

    def update(self, frame: SmallFrame, hidden: F32 | None, H: F64) -> Alignment:
        """H: float64 3x3, the plate to the frame if neither moved, full-size pixels."""
        size = (frame.light_rgb.shape[1], frame.light_rgb.shape[0])
        plate_rgb = np.asarray(cv2.resize(self._view.light_picture[0], size), np.uint8)
        background = np.ones((size[1], size[0]), np.float32)
        if hidden is not None:
            background -= cv2.resize(hidden, size, interpolation=cv2.INTER_NEAREST)
        light = fit_light(plate_rgb, frame.light_rgb, background, self._light)
        lit = apply_light(plate_rgb, light).astype(np.float32)
        near = np.abs(lit - frame.light_rgb).max(2) < AGREE_LEVELS
        score = float((near * background).sum() / max(float(background.sum()), 1.0))
        likely = bool((light.gain > GAIN_RANGE[0]).all() and (light.gain < GAIN_RANGE[1]).all())
        least = LEAST_SHARE if hidden is None else LEAST_SHARE_KNOWN
        share = f"{score:.0%} of the picture has the plate's colour"
        if score < least or not likely or float(background.mean()) < 0.1:
            self._light = None
            return Alignment(None, Light(), State.LOST, score, f"the plate has no texture, and {share}")
        self._light = light
        return Alignment(
            H, light, State.LOCKED, score, f"the plate has no texture, the camera is taken as still: {share}"
        )
