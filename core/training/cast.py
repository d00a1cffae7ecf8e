"""Who and what stands in front of a room in training: people in any clothes, and things.

A layer is premultiplied RGBA, float32 0..1, HxWx4.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.training.material import Material
from core.training.rooms import Rng, Rooms
from core.training.strands import fray
from core.types import F32, U8


class Cast:
    """Draws people and things for pictures of one size, (width, height)."""

    def __init__(self, material: Material, size: tuple[int, int], rooms: Rooms, rng: Rng) -> None:
        """rooms: where textures of cloth and things come from."""
        self.size, self.rooms, self.rng = size, rooms, rng
        self._people = [_pyramid(p) for p in material.people]
        self._props = [_pyramid(p) for p in material.props]

    def person(self) -> F32:
        """A person on an empty canvas: premultiplied RGBA, float32 0..1."""
        rng = self.rng
        levels = self._people[rng.integers(len(self._people))]
        size = rng.choice([rng.uniform(0.55, 1.0), rng.uniform(0.9, 1.7)])
        layer = self._place(levels, size, self._bend() if rng.random() < 0.5 else None)
        rgb, a = layer[..., :3], layer[..., 3:]
        rgb *= (np.exp(rng.normal(0, 0.22)) * np.exp(rng.normal(0, 0.07, 3))).astype(np.float32)
        if rng.random() < 0.35:  # cloth and skin of renders are smoother than real ones
            texture = self.rooms.view()
            detail = texture - cv2.GaussianBlur(texture, (0, 0), 6)
            rgb += detail * rng.uniform(0.1, 0.8) * a
        np.clip(rgb, 0, a, out=rgb)
        if rng.random() < 0.35:
            self._dress(layer)
        if rng.random() < 0.35:
            fray(layer, rng)
        return layer

    def _dress(self, layer: F32) -> None:
        """Puts other colours or a pattern on somebody (premultiplied RGBA, written to), folds and shading
        kept: the cut-outs wear less than people do, and what nobody wore in training is taken for a thing
        of the room or for a shadow."""
        rng = self.rng
        alpha = layer[..., 3]
        inside = np.flatnonzero(alpha.max(1) > 0.5)
        if not len(inside):
            return
        where = self._worn(int(inside[0]), int(inside[-1]) + 1)
        rgb = layer[..., :3]
        if rng.random() < 0.4:
            fresh = rgb @ _turned_hue(rng.uniform(0, 2 * np.pi))
        else:
            light = rgb.mean(2)
            usual = np.float32(max(0.05, (light * where).sum() / max(1.0, float((alpha * where).sum()))))
            # of a pixel that hardly belongs to the person the brightness is not known
            shade = (light / usual + np.float32(0.1)) / (alpha + np.float32(0.1))
            shade = np.clip(shade, 0.3, 1.8) ** np.float32(rng.uniform(0.2, 1.0))
            fresh = self._cloth() * (shade * alpha)[..., None]
        rgb += (np.clip(fresh, 0, layer[..., 3:]) - rgb) * where[..., None]

    def _worn(self, top: int, bottom: int) -> F32:
        """Which pixels a cloth covers, HxW 0..1: mostly what is below a line, of rows top to bottom."""
        rng = self.rng
        w, h = self.size
        kind = rng.random()
        if kind < 0.15:
            return np.ones((h, w), np.float32)
        y = np.arange(h, dtype=np.float32)[:, None] + np.float32(rng.normal(0, 0.15)) * (
            np.arange(w, dtype=np.float32)[None] - w / 2
        )
        y = (y - top) / max(1, bottom - top)
        soft = np.float32(max(1, bottom - top))
        where = np.clip((y - np.float32(rng.uniform(0.15, 0.7))) * soft, 0, 1)
        if kind < 0.35:  # a band: a scarf, a hat, a sleeve
            where *= np.clip((np.float32(rng.uniform(0.3, 0.9)) - y) * soft, 0, 1)
        return where.astype(np.float32)

    def _cloth(self) -> F32:
        """A woven, printed or plain cloth, HxWx3 0..1."""
        rng = self.rng
        w, h = self.size
        colours = rng.uniform(0, 1, (2, 3)).astype(np.float32)
        if rng.random() < 0.3:  # black, white, grey
            colours[0] = rng.uniform(0, 1)
        kind = rng.random()
        if kind < 0.25:
            return np.broadcast_to(colours[0], (h, w, 3))
        if kind < 0.4:
            return self.rooms.view()
        if kind < 0.6:  # blotches
            coarse = rng.standard_normal((2 + h // int(rng.integers(8, 60)),) * 2, dtype=np.float32)
            mix = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) * 4
        else:  # stripes, checks
            mix = self._stripes()
            if kind > 0.85:
                mix = mix * self._stripes() if rng.random() < 0.5 else np.maximum(mix, self._stripes())
        mix = np.clip(mix + 0.5, 0, 1)[..., None]
        return colours[0] * mix + colours[1] * (1 - mix)

    def _stripes(self) -> F32:
        """Waves of a random direction and width, -1..1 with steep flanks, HxW."""
        rng = self.rng
        w, h = self.size
        period = h * np.exp(rng.uniform(np.log(0.015), np.log(0.16)))
        angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)]) + rng.normal(0, 0.1)
        x, y = np.arange(w, dtype=np.float32)[None], np.arange(h, dtype=np.float32)[:, None]
        bend = period * rng.uniform(0, 0.5) * np.sin(x * np.float32(rng.uniform(4, 12) / w))
        phase = (x * np.cos(angle) + (y + bend) * np.sin(angle)) * (2 * np.pi / period)
        return np.clip(np.sin(phase) * (period / 6) + rng.normal(0, 0.2), -1, 1).astype(np.float32)

    def _bend(self) -> F32:
        """A smooth shift of every pixel, HxWx2, in heights of a cut-out: nobody stands twice in quite the
        same shape, however few there are."""
        rng = self.rng
        w, h = self.size
        knots = (int(rng.integers(3, 7)), int(rng.integers(4, 9)), 2)
        coarse = rng.standard_normal(knots, dtype=np.float32) * np.float32(rng.uniform(0, 0.04))
        return cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)

    def _place(self, levels: list[U8], size: float, bend: F32 | None = None) -> F32:
        """Pastes a cut-out by a random affine; levels are halved copies, so nothing aliases."""
        rng = self.rng
        w, h = self.size
        ph, pw = levels[0].shape[:2]
        scale = size * min(h / max(ph, 0.75 * pw), 1.33 * w / pw)
        k = 0
        while scale * 2**k < 0.6 and k + 1 < len(levels):
            k += 1
        picture = levels[k]
        kh, kw = picture.shape[:2]
        s = scale * ph / kh
        cx = rng.uniform(0.12, 0.88) * w
        bottom = h * (1.0 if rng.random() < 0.7 else rng.uniform(0.75, 1.35)) + 0.02 * h
        M = cv2.getRotationMatrix2D((kw / 2, kh), rng.normal(0, 5), s)
        if rng.random() < 0.5:
            M = M @ np.array([[-1, 0, kw], [0, 1, 0], [0, 0, 1.0]])
        M[:, 2] += [cx - kw / 2, bottom - kh]
        if bend is None:
            placed = cv2.warpAffine(picture, M, (w, h), flags=cv2.INTER_LINEAR)
        else:
            (a, b, c), (d, e, f) = cv2.invertAffineTransform(M).astype(np.float32)
            x, y = np.arange(w, dtype=np.float32)[None], np.arange(h, dtype=np.float32)[:, None]
            from_x, from_y = a * x + (b * y + c), d * x + (e * y + f)
            from_x += bend[..., 0] * np.float32(kh)
            from_y += bend[..., 1] * np.float32(kh)
            placed = cv2.remap(picture, from_x, from_y, cv2.INTER_LINEAR)
        return np.multiply(placed, 1 / 255, dtype=np.float32)

    def thing(self, near: F32 | None) -> F32:
        """A thing with a texture (drawn, or a prop of the material), premultiplied RGBA.

        near: alpha of the person, HxW; the thing then touches the person. None: anywhere.
        """
        rng = self.rng
        w, h = self.size
        if self._props and rng.random() < 0.5:
            return self._place(self._props[rng.integers(len(self._props))], rng.uniform(0.12, 0.5))
        mask = np.zeros((h, w), np.float32)
        x, y = int(rng.integers(0, w)), int(rng.integers(h // 4, h))
        if near is not None:
            ys, xs = np.nonzero(near[::4, ::4] > 0.8)
            if len(ys):
                j = rng.integers(len(ys))
                x, y = int(xs[j]) * 4, int(ys[j]) * 4
        r = h * rng.uniform(0.04, 0.24)
        n = int(rng.integers(4, 11))
        angles = np.sort(rng.uniform(0, 2 * np.pi, n))
        radii = r * rng.uniform(0.5, 1.2, n)
        aspect = rng.uniform(0.5, 2.0)
        if near is not None and rng.random() < 0.5:  # held by its edge, as a laptop or a sheet is
            away, angle = r * rng.uniform(0.4, 1.0), rng.uniform(0, 2 * np.pi)
            x, y = int(x + aspect * away * np.cos(angle)), int(y + away * np.sin(angle))
        points = np.stack([x + aspect * radii * np.cos(angles), y + radii * np.sin(angles)], 1)
        kind = rng.random()
        if kind < 0.5:
            box = cv2.boxPoints(((x, y), (2 * r * aspect, 1.6 * r), float(rng.uniform(-25, 25))))
            cv2.fillPoly(mask, [np.int32(box * 16)], 1.0, cv2.LINE_AA, 4)
        elif kind < 0.8:
            cv2.fillPoly(mask, [np.int32(points * 16)], 1.0, cv2.LINE_AA, 4)
        else:
            cv2.ellipse(
                mask, (x, y), (int(r * aspect) + 1, int(r) + 1), float(rng.uniform(0, 180)), 0, 360, 1.0, -1
            )
            if rng.random() < 0.4:  # a ring: handles, headphones, chair backs
                inner = (int(r * aspect * 0.7), int(r * 0.7))
                cv2.ellipse(mask, (x, y), inner, 0.0, 0, 360, 0.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.6)
        colour = rng.uniform(0, 1, 3).astype(np.float32)
        body = np.broadcast_to(colour, (h, w, 3))
        if rng.random() < 0.6:
            texture = self.rooms.view()
            body = texture if rng.random() < 0.5 else 0.6 * colour + 0.4 * texture
        return np.dstack([body * mask[..., None], mask]).astype(np.float32)

    def camouflage(self, layer: F32, room: F32) -> None:
        """Pulls the colours of a layer (premultiplied RGBA, written to) to those of the room behind it."""
        w, h = self.size
        k = np.float32(self.rng.uniform(0.2, 0.8))
        blurred = cv2.resize(cv2.resize(room, (w // 8, h // 8), interpolation=cv2.INTER_AREA), (w, h))
        layer[..., :3] += (blurred * layer[..., 3:] - layer[..., :3]) * k


def _turned_hue(angle: float) -> F32:
    """The 3x3 matrix that turns colours (in rows) about the axis of greys."""
    k = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    turn = np.eye(3) * np.cos(angle) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(k, k)
    return turn.T.astype(np.float32)


def _pyramid(rgba: U8) -> list[U8]:
    """The cut-out premultiplied, and halved until it is tiny."""
    levels = [rgba.copy()]
    levels[0][..., :3] = (rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255).astype(np.uint8)
    while min(levels[-1].shape[:2]) > 96:
        previous = levels[-1]
        half = (previous.shape[1] // 2, previous.shape[0] // 2)
        levels.append(cv2.resize(previous, half, interpolation=cv2.INTER_AREA))
    return levels
