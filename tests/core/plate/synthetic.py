"""A drawn room and recordings of it, for the plate's tests."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from core.plate import Recorder, Recording
from core.types import U8

SIZE = (640, 360)


def drawn_room(seed: int = 1, size: tuple[int, int] = SIZE) -> U8:
    """Shelves, boxes and a few lines with sharp edges on a wall that is a little uneven."""
    rng = np.random.default_rng(seed)
    width, height = size
    slope = np.linspace(95, 135, width, dtype=np.float32)[None, :, None]
    room = np.broadcast_to(slope, (height, width, 3)).copy()
    for _ in range(90):
        x, y = rng.integers(0, width - 20), rng.integers(0, height - 20)
        w, h = rng.integers(8, width // 6), rng.integers(8, height // 5)
        cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), rng.uniform(30, 220, 3).tolist(), -1)
    return room.astype(np.uint8)


def noisy(rgb: U8, sigma: float, rng: np.random.Generator) -> U8:
    shot = rgb + np.float32(sigma) * rng.standard_normal(rgb.shape, np.float32)
    return np.clip(np.rint(shot), 0, 255).astype(np.uint8)


def shots(room: U8, count: int = 16, sigma: float = 3.0, seed: int = 0) -> Iterator[U8]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield noisy(room, sigma, rng)


def with_person(rgb: U8, x: int, colour: tuple[int, int, int] = (200, 40, 40)) -> U8:
    """The picture with a body that covers a fifth of its height's square at column x."""
    height = rgb.shape[0]
    out = rgb.copy()
    cv2.ellipse(out, (x, height), (height // 4, int(height * 0.6)), 0, 180, 360, colour, -1)
    cv2.circle(out, (x, int(height * 0.3)), height // 8, colour, -1)
    return out


def person_mask(rgb: U8, x: int) -> np.ndarray:
    """Where with_person drew, as a segmenter's answer: float32 HxW, 0 or 1."""
    black = with_person(np.zeros_like(rgb), x, (255, 255, 255))
    return (black[..., 0] > 0).astype(np.float32)


def recorded(frames: Iterator[U8] | list[U8]) -> Recording:
    recorder = Recorder()
    for rgb in frames:
        recorder.add(rgb)
    return recorder.finish()
