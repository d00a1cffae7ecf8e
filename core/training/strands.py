"""Outlines drawn out into strands, as wind does with hair.

The cut-outs' edges are mostly sharp, so what is a little transparent over many pixels is taken for solid.
A layer is premultiplied RGBA, float32 0..1, HxWx4.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.training.rooms import Rng
from core.types import F32

FINER = 4  # strands that a pixel is the mean of


def fray(layer: F32, rng: Rng) -> None:
    """Draws a part of somebody's outline (a layer, written to) out; mostly of the head, mostly outwards."""
    h = len(layer)
    inside = layer[..., 3] > 0.5
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if len(rows) < h // 8 or len(columns) < h // 8:
        return
    tall = min(float(rows[-1] - rows[0]), 1.6 * float(columns[-1] - columns[0]))
    y = float(rows[0] + tall * rng.uniform(-0.02, 0.45) * rng.random())
    across = columns if y < rows[0] else np.flatnonzero(inside[int(y)])
    if not len(across):
        return
    x = float(rng.choice([across[0], across[-1], rng.uniform(across[0], across[-1])]))
    outwards = float(np.arctan2(y - rows[0] - 0.3 * tall, x - columns.mean()))
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.3 else outwards + rng.normal(0, 0.7)
    reach = tall * rng.uniform(0.1, 0.35)
    _draw_out(layer, (x, y), reach, angle, reach * rng.uniform(0.2, 1.1), rng)


def _draw_out(
    layer: F32, centre: tuple[float, float], reach: float, angle: float, length: float, rng: Rng
) -> None:
    """Moves what is about `reach` px around a centre (x, y) along an angle, every strand by a length of its
    own, `length` px at most: more than 1.16 `reach` would tear it."""
    h, w = layer.shape[:2]
    (left, right), (top, bottom) = (
        (int(np.clip(at + k * 2.4 * reach, 0, end)) for k in (-1, 1))
        for at, end in zip(centre, (w, h), strict=True)
    )
    if min(bottom - top, right - left) < 8:
        return
    x = np.arange(left, right, dtype=np.float32)[None]
    y = np.arange(top, bottom, dtype=np.float32)[:, None]
    off_x, off_y = ((at - np.float32(c)) / np.float32(reach) for at, c in zip((x, y), centre, strict=True))
    share = np.exp(-(off_x**2 + off_y**2))
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    waves = rng.standard_normal((int(rng.integers(3, 6)),) * 2, dtype=np.float32)
    waves = cv2.resize(waves, share.shape[::-1], interpolation=cv2.INTER_CUBIC)
    strand = y * cos - x * sin + waves * np.float32(reach * rng.uniform(0, 0.15))
    strand -= strand.min()
    count, nowhere = int(strand.max()) + 2, np.zeros_like(strand)
    thick, locks = rng.uniform(0.7, 3.0), _noise(rng, count, int(rng.integers(6, 40)))
    fine, power, curl = rng.uniform(0.3, 1.0), rng.uniform(0.7, 3.0), rng.normal(0, 0.3)
    drawn = np.zeros((*share.shape, 4), np.float32)
    for _ in range(FINER):
        lengths = (fine * _noise(rng, count, thick) + (1 - fine) * locks) ** power * length
        row = np.asarray(lengths, np.float32)[None]
        along = cv2.remap(row, strand, nowhere, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * share
        aside = along * along * np.float32(curl / length)
        from_x, from_y = x - along * cos + aside * sin, y - along * sin - aside * cos
        drawn += cv2.remap(layer, from_x, from_y, cv2.INTER_LINEAR)
    layer[top:bottom, left:right] = drawn / FINER


def _noise(rng: Rng, count: int, width: float) -> F32:
    """Random numbers 0..1 in a row, alike over `width`."""
    coarse = rng.random((1, 2 + int(count / width)), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (count, 1), interpolation=cv2.INTER_LINEAR)[0], np.float32)
