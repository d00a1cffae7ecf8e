"""Views of rooms to train on: of panoramas, of pictures, and drawn ones."""

from __future__ import annotations

import cv2
import numpy as np

from core.training.material import Material
from core.types import F32, U8

Rng = np.random.Generator

MARGIN = 24  # px of room kept around the picture, for misaligned plates
VIEW_POOL = 160  # room views held in memory per worker


def panorama_map(
    size: tuple[int, int], yaw: float, pitch: float, roll: float, fov: float, panorama_size: tuple[int, int]
) -> tuple[F32, F32]:
    """Sampling maps (x, y) of an exact pinhole view into an equirectangular picture.

    Args:
        size, panorama_size: (width, height) in px. yaw, pitch, roll: radians. fov: horizontal, radians.
    """
    w, h = size
    f = 0.5 * w / np.tan(0.5 * fov)
    x, y = np.meshgrid(np.arange(w) - (w - 1) / 2, np.arange(h) - (h - 1) / 2)
    rays = np.stack([x / f, y / f, np.ones_like(x)], -1)
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll),
    )  # fmt: skip
    rotation = (
        np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    )
    rays = rays @ rotation.T
    lon = np.arctan2(rays[..., 0], rays[..., 2])
    lat = np.arctan2(rays[..., 1], np.hypot(rays[..., 0], rays[..., 2]))
    pw, ph = panorama_size
    return ((lon / (2 * np.pi) + 0.5) * pw).astype(np.float32), ((lat / np.pi + 0.5) * ph).astype(np.float32)


class Rooms:
    """Draws views of rooms for pictures of one size, (width, height)."""

    def __init__(self, material: Material, size: tuple[int, int], rng: Rng) -> None:
        self.material, self.size, self.rng = material, size, rng
        self._views: list[U8] = []

    def wide(self) -> F32:
        """A view of a room, RGB 0..1, with MARGIN px around it; from a pool that is renewed slowly."""
        rng = self.rng
        if len(self._views) < VIEW_POOL:
            self._views.append(self._new_view())
            view = self._views[-1]
        else:
            k = int(rng.integers(VIEW_POOL))
            if rng.random() < 0.08:
                self._views[k] = self._new_view()
            view = self._views[k]
        if rng.random() < 0.5:
            view = view[:, ::-1]
        w, h = self.size[0] + 2 * MARGIN, self.size[1] + 2 * MARGIN
        if rng.random() < 0.5:  # another crop of the same view is another room to the network
            s = rng.uniform(0.55, 0.95)
            cw, ch = int(w * s), int(h * s)
            x, y = rng.integers(0, w - cw + 1), rng.integers(0, h - ch + 1)
            view = cv2.resize(np.ascontiguousarray(view[y : y + ch, x : x + cw]), (w, h))
        room = np.multiply(view, 1 / 255, dtype=np.float32)
        room *= np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
        return np.clip(room, 0, 1, out=room)

    def view(self) -> F32:
        """The same without the margin."""
        return self.wide()[MARGIN:-MARGIN, MARGIN:-MARGIN]

    def _new_view(self) -> U8:
        rng, m = self.rng, self.material
        w, h = self.size[0] + 2 * MARGIN, self.size[1] + 2 * MARGIN
        kind = rng.random()
        if kind < 0.12 or not (m.panoramas or m.rooms):
            return self._drawn_room(w, h)
        if m.panoramas and (kind < 0.80 or not m.rooms):
            p = m.panoramas[rng.integers(len(m.panoramas))]
            mx, my = panorama_map(
                (w, h), rng.uniform(-np.pi, np.pi), rng.uniform(-0.35, 0.35), rng.normal(0, 0.05),
                np.radians(rng.uniform(40, 85)), (p.shape[1], p.shape[0]),
            )  # fmt: skip
            return cv2.remap(p, mx, my, cv2.INTER_AREA, borderMode=cv2.BORDER_WRAP)
        p = m.rooms[rng.integers(len(m.rooms))]
        s = max(w / p.shape[1], h / p.shape[0]) * rng.uniform(1, 1.6)
        size = max(w, round(p.shape[1] * s)), max(h, round(p.shape[0] * s))
        q = cv2.resize(p, size, interpolation=cv2.INTER_AREA if s < 1 else cv2.INTER_LINEAR)
        y, x = rng.integers(0, q.shape[0] - h + 1), rng.integers(0, q.shape[1] - w + 1)
        return np.ascontiguousarray(q[y : y + h, x : x + w])

    def _drawn_room(self, w: int, h: int) -> U8:
        """Walls, shelves and textures that no camera saw: keeps the network from learning one building."""
        rng = self.rng
        corners = rng.uniform(20, 235, (2, 2, 3)).astype(np.float32)
        mean = corners.mean((0, 1), keepdims=True)
        room = cv2.resize(mean + (corners - mean) * rng.uniform(0, 0.7), (w, h))
        for _ in range(rng.integers(0, 28)):
            x, y = int(rng.integers(-w // 8, w)), int(rng.integers(-h // 8, h))
            dx, dy = int(rng.integers(3, max(4, w // 3))), int(rng.integers(3, max(4, h // 3)))
            colour = tuple(float(c) for c in rng.uniform(0, 255, 3))
            if rng.random() < 0.8:
                cv2.rectangle(room, (x, y), (x + dx, y + dy), colour, -1 if rng.random() < 0.8 else 2)
            else:
                cv2.ellipse(room, (x, y), (dx // 2, dy // 2), float(rng.uniform(0, 180)), 0, 360, colour, -1)
        if rng.random() < 0.6:
            grain = cv2.resize(
                rng.standard_normal((h // 2, w // 2, 1), dtype=np.float32),
                (w, h),
                interpolation=cv2.INTER_CUBIC,
            )
            room += cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 4))[..., None] * rng.uniform(3, 30)
        return np.clip(room, 0, 255).astype(np.uint8)
