"""The bend of a camera's tone curve that gain and offset leave: gamma, a knee in the lights.

A piecewise linear curve per channel, a few knots over 0..255, fitted robustly beside the straight line.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.types import F32

KNOTS = 9
STEP_LEVELS = 255.0 / (KNOTS - 1)

_GATES = (24.0, 12.0)  # Tukey half-width, levels: a strong gamma is ten levels off the line
_LEAST_WEIGHT = 1.0  # one sample's
_EVERY = 2  # sample: nine knots need fewer than the grid
_SMOOTH = 0.1
_PRIOR = 0.005  # ties the curve to the line where the plate has no such tones


def fit_tone(plate: F32, wanted: F32, gain: F32, offset: F32, weight: F32, before: F32 | None) -> F32:
    """Levels to add to gain * plate + offset at each knot, so that it comes near to what is wanted.

    The whole curve never falls. Where the plate has no tones it follows the straight line.
    Args:
        plate, wanted: float32 3xN, 0..255. gain, offset: float32 3x1. weight: float32 N.
        before: float32 3xKNOTS, the last answer; None fits afresh, from further off.
    Returns:
        float32 3xKNOTS.
    """
    near = _nearness(plate[:, ::_EVERY])
    bend = (wanted - (plate * gain + offset))[:, ::_EVERY]
    weight = weight[::_EVERY]
    tone = np.zeros((3, KNOTS), np.float32) if before is None else before
    for gate in _GATES if before is None else _GATES[1:]:
        off = np.abs(bend - (tone[:, None] @ near)[:, 0])
        off = np.maximum(np.maximum(off[0], off[1]), off[2]) * np.float32(1 / gate)
        bell = np.maximum(1 - off * off, 0)
        w = weight * bell * bell
        total = float(w.sum())
        if total < _LEAST_WEIGHT:
            break
        weighted = near * w
        system = weighted @ near.transpose(0, 2, 1) + np.float32(total / KNOTS) * _stiffness()
        tone = np.linalg.solve(system, weighted @ bend[..., None])[..., 0].astype(np.float32)
    line = gain * _knots() + offset
    return np.asarray(np.maximum.accumulate(line + tone, axis=1) - line, np.float32)


def tone_at(tone: F32, plate: F32) -> F32:
    """The tone's levels for values of the plate: both float32 3xN."""
    place = plate * np.float32(1 / STEP_LEVELS)
    left = np.minimum(place.astype(np.intp), KNOTS - 2)
    part = place - left
    left += KNOTS * np.arange(3)[:, None]
    flat = tone.ravel()
    return np.asarray(flat[left] + part * (flat[left + 1] - flat[left]), np.float32)


def tone_curve(tone: F32) -> F32:
    """The tone's levels for every value 0..255: float32 3x256."""
    values = np.arange(256, dtype=np.float32)
    return np.array([np.interp(values, _knots(), channel) for channel in tone], np.float32)


def _nearness(plate: F32) -> F32:
    """Each knot's share in a sample's tone: float32 3xN to 3xKNOTSxN."""
    apart = plate[:, None] * np.float32(1 / STEP_LEVELS) - np.arange(KNOTS, dtype=np.float32)[:, None]
    return np.maximum(1 - np.abs(apart), 0)


@lru_cache(maxsize=1)
def _knots() -> F32:
    return np.linspace(0, 255, KNOTS, dtype=np.float32)


@lru_cache(maxsize=1)
def _stiffness() -> F32:
    """Second differences, and a little of the tone itself."""
    second = np.diff(np.eye(KNOTS), 2, axis=0)
    return np.asarray(_SMOOTH * second.T @ second + _PRIOR * np.eye(KNOTS), np.float32)
