"""The idle picture: what leaves the program when nothing of the camera may."""

from __future__ import annotations

import cv2
import numpy as np

from core.types import F32, U8, Picture

WORDMARK = "cleanplate"
_TOP = (38, 42, 54)  # RGB: dusk blue, kind to a viewer's eyes and unlike any error screen
_BOTTOM = (16, 17, 23)
_GLOW = (58, 64, 84)
_WORDMARK_COLOUR = (214, 218, 228)
_REASON_COLOUR = (138, 144, 160)
_SMALLEST_PX = 9
_WIDEST = 0.92  # of the picture's width
_KEEP_REASONS = 8  # a countdown in the reason must not fill the memory


class IdlePicture:
    """Draws idle pictures of one size, each reason once. Used by one thread."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._ground = _ground(size)
        self._drawn: dict[str, U8] = {}

    def picture(self, reason: str, time_ns: int, index: int) -> Picture:
        """An idle picture with the reason in one line, e.g. "camera is paused"."""
        rgb = self._drawn.get(reason)
        if rgb is None:
            if len(self._drawn) >= _KEEP_REASONS:
                self._drawn.clear()
            rgb = self._drawn[reason] = _write(self._ground, reason)
        return Picture(rgb, None, time_ns, index, idle=True)


def _ground(size: tuple[int, int]) -> U8:
    """A soft dark gradient with a faint glow; dithered, or 8 bits show bands in it."""
    width, height = size
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rgb: F32 = _colour(_TOP) * (1 - down) + _colour(_BOTTOM) * down
    x = (np.arange(width, dtype=np.float32) + 0.5) / width - 0.5
    y = (np.arange(height, dtype=np.float32) + 0.5) / height - 0.42
    glow: F32 = np.exp(-(x[None, :] ** 2 * 7 + y[:, None] ** 2 * 9))[..., None] * np.float32(0.55)
    rgb = rgb * (1 - glow) + _colour(_GLOW) * glow
    dither = np.random.default_rng(0).random((height, width, 1), np.float32)
    return np.ascontiguousarray((rgb + dither).astype(np.uint8))


def _colour(rgb: tuple[int, int, int]) -> F32:
    return np.array(rgb, np.float32)


def _write(ground: U8, reason: str) -> U8:
    rgb = ground.copy()
    height, width = rgb.shape[:2]
    unit = min(height, width * 9 // 16)
    if unit < 48:  # no letter would be readable
        return rgb
    _centred(rgb, WORDMARK, 0.47, unit / 11, _WORDMARK_COLOUR, weight=500)
    _centred(rgb, reason, 0.57, unit / 24, _REASON_COLOUR, weight=400)
    return rgb


def _centred(rgb: U8, text: str, y: float, size_px: float, colour: tuple[int, int, int], weight: int) -> None:
    """Smaller, and in the end shorter, where the width does not allow more."""
    height, width = rgb.shape[:2]
    font = cv2.FontFace("sans")
    size = max(int(size_px), _SMALLEST_PX)
    left, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size, weight)
    while wide > width * _WIDEST:
        if size > _SMALLEST_PX:
            size -= 1
        else:
            text = text[:-2] + "…"
        left, _, wide, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size, weight)
    cv2.putText(rgb, text, ((width - wide) // 2 - left, int(height * y)), colour, font, size, weight)
