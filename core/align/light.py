"""Light: how the frame's exposure and colour differ from the plate's, and the plate relit by it.

One gain and one offset per channel, the bend of the tone curve, then a coarse grid of multipliers
for lamps, blinds and vignetting. Fitted on what agrees in structure, so that a person nobody has
masked yet does not pull it.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from core.align.tone import KNOTS, fit_tone, tone_at, tone_curve
from core.types import F32, F64, U8, Light

GRID_SHAPE = (4, 6)  # rows, columns: a lamp or a window changes a quarter of the picture, not a pixel
GAIN_RANGE = (0.3, 3.0)  # beyond it is another room or a covered lens
OFFSET_RANGE = (-40.0, 40.0)
GRID_RANGE = (0.6, 1.6)
HOLD_LEVELS = 0.3  # a change below this is invisible; the same object lets the renderer keep its plate
JUMP_LEVELS = 1.0  # a change of this size is followed at once (exposure steps, lamps)

_COMPARED_TONES = (40.0, 128.0, 215.0)  # dark, middle and bright, without the ends that few pixels have
_SAMPLES = 1800
_MIN_WEIGHT = 0.006  # mean weight below which nothing can be said
_STRUCTURE_FLOOR = 30.0  # variance, levels²: what noise alone gives in a 7x7 window
_TEXTURE_FLOOR = 60.0
_CLIPPED = 250
_OFFSET_RIDGE = 0.002  # ties the offset to zero where the plate has too few tones to tell it from gain
_GATE_LEVELS = (30.0, 18.0, 12.0, 8.0)  # Tukey half-width of each reweighting round
_SEARCH_GATE = 18.0
_STILL_EXPLAINED = 0.6
_RATIO_BINS = 56
_GRID_GATES = (0.3, 0.12)  # a lamp changes its corner by at most this share of what is already known
_GRID_MIN_SHARE = 0.25
_GRID_PRIOR = 0.004
_GRID_SMOOTH = 0.02
_GRID_WORTH = 0.012  # a grid flatter than this costs more than it mends
_GRID_FOLLOW = 0.35
_TONE_FOLLOW = 0.1
_TONE_WORTH = 1.5  # levels; a flatter one is not worth the slower look-up


def fit_light(
    plate_rgb: U8,
    frame_rgb: U8,
    background: F32 | NDArray[np.bool_] | None = None,
    previous: Light | None = None,
) -> Light:
    """The light that takes the plate to the frame.

    Robust: right with up to 60 % of the picture covered by a person that is not masked, as long
    as the room has some texture. Pure; about half a millisecond at 160x90.

    Args:
        plate_rgb, frame_rgb: uint8 HxWx3 of one shape, small (about 160x90), the plate already
            warped into the frame.
        background: HxW weights 0..1 or bool, 0 where the person is or the plate is unknown;
            None when nothing is known.
        previous: the last frame's light. Small changes are smoothed, and the same object comes
            back while nothing visible changed. None fits afresh.
    Returns:
        Light; `previous` (or no change) where fewer than 2 % of the pixels can be used.
    Raises:
        ValueError: the shapes differ.
    """
    if plate_rgb.shape != frame_rgb.shape or plate_rgb.ndim != 3:
        raise ValueError(f"plate {plate_rgb.shape} and frame {frame_rgb.shape} must be one HxWx3 shape")
    height, width = plate_rgb.shape[:2]
    weight = _structure_weight(plate_rgb, frame_rgb)
    if background is not None:
        if background.shape != (height, width):
            raise ValueError(f"background {background.shape} must be {(height, width)}")
        weight = weight * background
    step = max(1, round(np.sqrt(height * width / _SAMPLES)))
    plate, frame = _samples(plate_rgb, step), _samples(frame_rgb, step)
    weight = np.ascontiguousarray(weight[::step, ::step], np.float32).reshape(-1)
    brightest = _worst(np.maximum(plate, frame))
    weight = weight * ((brightest < _CLIPPED) & (_worst(plate) > 3))
    if float(weight.sum()) < _MIN_WEIGHT * weight.size:
        return previous if previous is not None else Light()

    shape = plate_rgb[::step, ::step].shape[:2]
    gain, offset = _fit_global(plate, frame, weight, previous)
    grid = _fit_grid(plate * gain + offset, frame, weight, shape)
    # Once more with the lamps taken out: a slope across the room hides half of it from a global fit.
    unlit = frame / _spread(grid, shape)
    gain, offset = _reweight(plate, unlit, weight, gain, offset, _GATE_LEVELS[-2:])
    before = None if previous is None else _tone_or_zero(previous)
    tone = fit_tone(plate, unlit, gain, offset, weight, before)
    grid = _fit_grid(plate * gain + offset + tone_at(tone, plate), frame, weight, shape)
    if previous is None:
        return Light(
            gain[:, 0],
            offset[:, 0],
            grid if _worth(grid, had_grid=False) else None,
            tone if _bent(tone, was_bent=False) else None,
        )
    return _follow(previous, gain[:, 0], offset[:, 0], grid, tone)


def apply_light(
    rgb: U8, light: Light, out: U8 | None = None, part_of: tuple[float, float, float, float] | None = None
) -> U8:
    """The plate under the frame's light, uint8 HxWx3.

    Args:
        rgb: uint8 HxWx3, the plate warped into the frame (the grid is spread over this picture).
        out: written and returned when given; same shape and dtype; may be `rgb`.
        part_of: (x, y, width, height) where rgb is the part of a picture of that size that begins at
            (x, y): the grid is spread over that picture then.
    """
    # Before a grid that darkens again, values over 255 must not be cut off: they are kept scaled down.
    room = np.float32(1) if light.grid is None else np.float32(min(1.0, 255.0 / _brightest(light)))
    if light.tone is None:
        rows = np.zeros((3, 4), np.float32)
        rows[[0, 1, 2], [0, 1, 2]] = light.gain
        rows[:, 3] = light.offset
        lit = cv2.transform(rgb, rows * room, dst=out)
    else:
        values = np.arange(256, dtype=np.float32)
        curve = light.gain[:, None] * values + light.offset[:, None] + tone_curve(light.tone)
        table = np.clip(curve * room + np.float32(0.5), 0, 255).astype(np.uint8)
        lit = cv2.LUT(rgb, np.ascontiguousarray(table.T[None]), dst=out)
    if light.grid is not None:
        size = (rgb.shape[1], rgb.shape[0])
        factors = cv2.merge([light.grid / room] * 3)
        if part_of is None:
            factors = cv2.resize(factors, size, interpolation=cv2.INTER_LINEAR)
        else:
            x, y, width, height = part_of
            sx, sy = light.grid.shape[1] / width, light.grid.shape[0] / height
            grid_from_part = np.array([[sx, 0, (x + 0.5) * sx - 0.5], [0, sy, (y + 0.5) * sy - 0.5]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            edge = cv2.BORDER_REPLICATE
            factors = cv2.warpAffine(factors, grid_from_part, size, flags=flags, borderMode=edge)
        lit = cv2.multiply(lit, factors, dst=out, dtype=cv2.CV_8U)
    return lit


def light_distance(a: Light, b: Light) -> float:
    """How far two lights move a dark, a middle or a bright pixel apart, in grey levels."""
    apart = _curves_apart(a, b)
    if a.grid is None and b.grid is None:
        return apart
    return apart + 128.0 * float(np.abs(_grid_or_ones(a) - _grid_or_ones(b)).max())


def _curves_apart(a: Light, b: Light) -> float:
    """The largest difference of two lights' curves at three tones, grids left out."""
    tones = np.array(_COMPARED_TONES, np.float32)
    apart = (a.gain - b.gain)[:, None] * tones + (a.offset - b.offset)[:, None]
    if a.tone is not None or b.tone is not None:
        bend = _tone_or_zero(a) - _tone_or_zero(b)
        apart = apart + tone_at(bend, np.broadcast_to(tones, apart.shape))
    return float(np.abs(apart).max())


def _brightest(light: Light) -> float:
    """What the curve makes of white, the brightest channel; at least 255."""
    last = light.gain * 255 + light.offset + (0 if light.tone is None else light.tone[:, -1])
    return max(255.0, float(last.max()))


def _structure_weight(plate_rgb: U8, frame_rgb: U8) -> F32:
    """Where the two pictures have the same structure: HxW, 0..about 1.3, low on a new object."""
    plate = cv2.cvtColor(plate_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    frame = cv2.cvtColor(frame_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = (7, 7)
    mean_p, mean_f = cv2.blur(plate, window), cv2.blur(frame, window)
    var_p = np.maximum(cv2.sqrBoxFilter(plate, -1, window) - mean_p * mean_p, 0)
    var_f = np.maximum(cv2.sqrBoxFilter(frame, -1, window) - mean_f * mean_f, 0)
    cov = cv2.blur(plate * frame, window) - mean_p * mean_f
    # The contrast-structure term of SSIM (Wang et al. 2004, eq. 13): flat on flat counts as equal.
    alike = np.clip((2 * cov + _STRUCTURE_FLOOR) / (var_p + var_f + _STRUCTURE_FLOOR), 0, 1)
    # Flat on flat is weak evidence: a plain shirt before a plain wall looks the same.
    return np.asarray(alike * alike * (0.3 + var_p / (var_p + _TEXTURE_FLOOR)), np.float32)


def _samples(rgb: U8, step: int) -> F32:
    """Every step-th pixel, float32 3xN (channels first: numpy reduces the long axis fast)."""
    return np.ascontiguousarray(rgb[::step, ::step].reshape(-1, 3).T, np.float32)


def _worst(channels: F32) -> F32:
    """The largest of the three channels: 3xN to N."""
    return np.maximum(np.maximum(channels[0], channels[1]), channels[2])


def _fit_global(plate: F32, frame: F32, weight: F32, previous: Light | None) -> tuple[F32, F32]:
    """Gain and offset (3x1 each) by reweighting from the start that most samples agree with."""
    if previous is not None:
        start = previous.gain[:, None], previous.offset[:, None]
        if _agreement(plate, frame, weight, *start) > _STILL_EXPLAINED:
            return _reweight(plate, frame, weight, *start, _GATE_LEVELS[-2:])
    starts = [(np.ones((3, 1), np.float32), np.zeros((3, 1), np.float32))]
    starts.extend(_ratio_modes(plate, frame, weight))
    tried = [_reweight(plate, frame, weight, *start, _GATE_LEVELS[:2]) for start in starts]
    best = max(tried, key=lambda light: _agreement(plate, frame, weight, *light))
    return _reweight(plate, frame, weight, *best, _GATE_LEVELS[1:])


def _agreement(plate: F32, frame: F32, weight: F32, gain: F32, offset: F32) -> float:
    """Share of the weight that a light explains, 0..1."""
    residual = _worst(np.abs(frame - plate * gain - offset)) / _SEARCH_GATE
    return float(weight @ np.maximum(1 - residual * residual, 0) / weight.sum())


def _ratio_modes(plate: F32, frame: F32, weight: F32) -> list[tuple[F32, F32]]:
    """Starts from the two highest peaks of the brightness ratio: the room votes for one value."""
    dark = 6.0  # keeps the ratio of near-black pixels from scattering
    low, high = np.log(GAIN_RANGE[0]), np.log(GAIN_RANGE[1])
    place = (np.log((frame[1] + dark) / (plate[1] + dark)) - low) * (_RATIO_BINS / (high - low))
    inside = (place >= 0) & (place < _RATIO_BINS)
    counts = np.bincount(place[inside].astype(np.intp), weight[inside], _RATIO_BINS)
    votes = np.convolve(counts, (0.25, 0.5, 1.0, 0.5, 0.25), "same")
    starts: list[tuple[F32, F32]] = []
    for _ in range(2):
        peak = int(votes.argmax())
        if votes[peak] <= 0:
            break
        near = weight * (np.abs(place - peak - 0.5) < 2.5)
        gain = np.clip((frame @ near) / np.maximum(plate @ near, 1e-3), *GAIN_RANGE)
        starts.append((gain[:, None].astype(np.float32), np.zeros((3, 1), np.float32)))
        votes[max(0, peak - 4) : peak + 5] = 0
    return starts


def _reweight(
    plate: F32, frame: F32, weight: F32, gain: F32, offset: F32, gates: tuple[float, ...]
) -> tuple[F32, F32]:
    """Iteratively reweighted least squares, Tukey's biweight on the worst channel; 3x1 each."""
    keep = 1 + _OFFSET_RIDGE
    for gate in gates:
        residual = _worst(np.abs(frame - plate * gain - offset)) / gate
        bell = np.maximum(1 - residual * residual, 0)
        w = weight * bell * bell
        total = float(w.sum())
        if total < 0.5 * _MIN_WEIGHT * w.size:
            break
        w /= total
        mean_p, mean_f = plate @ w, frame @ w
        var_p, cov = (plate * plate) @ w, (plate * frame) @ w
        # Normal equations of sum w (f - g p - o)² + ridge o²; g by Schur complement.
        slope = (cov - mean_p * mean_f / keep) / np.maximum(var_p - mean_p * mean_p / keep, 1e-3)
        slope = np.clip(slope, *GAIN_RANGE)
        gain = slope[:, None].astype(np.float32)
        offset = np.clip((mean_f - slope * mean_p) / keep, *OFFSET_RANGE)[:, None].astype(np.float32)
    return gain, offset


def _fit_grid(lit: F32, frame: F32, weight: F32, shape: tuple[int, int]) -> F32:
    """Multipliers left after the global light: float32 GRID_SHAPE, pulled to 1 and to each other."""
    ratio = (frame.sum(0) + 6) / (np.maximum(lit, 0).sum(0) + 6)
    cell = _cell_of_sample(shape)
    count = GRID_SHAPE[0] * GRID_SHAPE[1]
    mass = np.maximum(np.bincount(cell, minlength=count), 1)
    grid = np.ones(GRID_SHAPE, np.float32)
    for gate in _GRID_GATES:
        departure = (ratio / _spread(grid, shape) - 1) / gate
        bell = np.maximum(1 - departure * departure, 0)
        w = weight * bell * bell
        held = np.bincount(cell, w, count)
        seen = np.bincount(cell, w > 0.05, count) / mass
        value = np.bincount(cell, w * ratio, count) / np.maximum(held, 1e-6)
        trust = np.where(seen > _GRID_MIN_SHARE, held / mass, 0)
        system = np.diag(trust + _GRID_PRIOR) + _GRID_SMOOTH * _laplacian()
        solved = np.linalg.solve(system, trust * value + _GRID_PRIOR)
        grid = np.clip(solved.reshape(GRID_SHAPE), *GRID_RANGE).astype(np.float32)
    return grid


def _spread(grid: F32, shape: tuple[int, int]) -> F32:
    """The grid at every sample, as `apply_light` spreads it: float32 N."""
    spread = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(spread.reshape(-1))


@lru_cache(maxsize=8)
def _cell_of_sample(shape: tuple[int, int]) -> NDArray[np.intp]:
    rows = np.arange(shape[0]) * GRID_SHAPE[0] // shape[0]
    columns = np.arange(shape[1]) * GRID_SHAPE[1] // shape[1]
    return np.asarray(rows[:, None] * GRID_SHAPE[1] + columns[None, :]).reshape(-1)


@lru_cache(maxsize=1)
def _laplacian() -> F64:
    """Graph Laplacian of the grid's cells with their four neighbours."""
    rows, columns = GRID_SHAPE
    index = np.arange(rows * columns).reshape(rows, columns)
    pairs = np.concatenate(
        [
            np.stack([index[:, 1:].ravel(), index[:, :-1].ravel()], 1),
            np.stack([index[1:].ravel(), index[:-1].ravel()], 1),
        ]
    )
    matrix = np.zeros((rows * columns, rows * columns))
    for a, b in pairs:
        matrix[[a, b], [a, b]] += 1
        matrix[[a, b], [b, a]] -= 1
    return matrix


def _follow(previous: Light, gain: F32, offset: F32, grid: F32, tone: F32) -> Light:
    """`previous` moved towards the new fit: at once for a visible change, slowly for noise."""
    was_bent = previous.tone is not None
    visible = tone if was_bent or _bent(tone, was_bent) else None
    step = _curves_apart(Light(gain, offset, None, visible), previous)
    share = np.float32(min(1.0, 0.3 + 0.7 * step / JUMP_LEVELS))
    gain = previous.gain + share * (gain - previous.gain)
    offset = previous.offset + share * (offset - previous.offset)
    had_grid = previous.grid is not None
    blended = _grid_or_ones(previous)
    blended = blended + np.float32(_GRID_FOLLOW) * (grid - blended)
    bend = _tone_or_zero(previous)
    bend = bend + (share if step > JUMP_LEVELS else np.float32(_TONE_FOLLOW)) * (tone - bend)
    light = Light(
        gain,
        offset,
        blended if _worth(blended, had_grid) else None,
        bend if _bent(bend, was_bent) else None,
    )
    return previous if light_distance(previous, light) < HOLD_LEVELS else light


def _worth(grid: F32, had_grid: bool) -> bool:
    return float(np.abs(grid - 1).max()) > (_GRID_WORTH * 0.5 if had_grid else _GRID_WORTH)


def _bent(tone: F32, was_bent: bool) -> bool:
    tones = np.broadcast_to(np.array(_COMPARED_TONES, np.float32), (3, len(_COMPARED_TONES)))
    return float(np.abs(tone_at(tone, tones)).max()) > (_TONE_WORTH * 0.5 if was_bent else _TONE_WORTH)


def _tone_or_zero(light: Light) -> F32:
    return light.tone if light.tone is not None else np.zeros((3, KNOTS), np.float32)


def _grid_or_ones(light: Light) -> F32:
    return light.grid if light.grid is not None else np.ones(GRID_SHAPE, np.float32)
