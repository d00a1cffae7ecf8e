"""Synthetic training pairs: frame, plate, coverage, prior, and the true alpha.

A person (or two, or none) is placed before a view of a room; the plate is the same view seen at
another moment: other light, a small shift, its own noise. The troubles are those of real webcams:
spatially correlated noise, JPEG, exposure and white-balance drift, vignetting, shadows of the
person on the room, misalignment, defocus and motion blur, furniture that was moved or removed,
screens that change, colours close to the room's, clothes of any colour and pattern, exposure that clips
both, missing plate.

Arrays are RGB float32 0..1, HxWx3, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from core.align.light import apply_light, fit_light
from core.training.material import Material
from core.types import F32, F64, U8

Rng = np.random.Generator
Segmenter = Callable[[U8], F32]  # RGB uint8 HxWx3 -> mask 0..1 HxW

MARGIN = 24  # px of room kept around the picture, for misaligned plates
UNKNOWN_U8 = 128  # a prior that is not there
LIGHT_SIZE = (160, 90)  # where the program fits light
VIEW_POOL = 160  # room views held in memory per worker
HELD = 0.04  # share of a thing that covers who holds it, at least
CAMERA_HEIGHTS = (720, 1080)
NOISE_FADES = 0.7  # power of the scale; 1 would be noise without any correlation
NOISE_MARGIN = 384  # px by which the noise fields are larger than the picture, to be cut at random


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training pair, all uint8: frame, plate HxWx3; the rest HxW (255 is 1).

    fgr, room: HxWx3, the person's and the empty room's own colours in the frame's light, without
    noise; only from a Synthesizer that was asked for them.
    """

    frame: U8
    plate: U8
    coverage: U8
    prior: U8
    alpha: U8
    fgr: U8 | None = None
    room: U8 | None = None


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


class Synthesizer:
    """Makes samples of one size from material; one per worker process.

    size: (width, height), multiples of 32. segmenter: what the prior comes from, or None.
    layers: samples as the papers' networks need them, with fgr and room, and a plate everywhere.
    """

    def __init__(
        self,
        material: Material,
        size: tuple[int, int],
        segmenter: Segmenter | None,
        rng: Rng,
        layers: bool = False,
    ) -> None:
        self.material, self.size, self.segmenter, self.rng = material, size, segmenter, rng
        self.layers = layers
        self._people = [_pyramid(p) for p in material.people]
        self._props = [_pyramid(p) for p in material.props]
        self._views: list[U8] = []
        shape = (size[1] + NOISE_MARGIN, size[0] + NOISE_MARGIN, 3)
        white = rng.standard_normal(shape, dtype=np.float32)
        self._noise = [white] + [_unit(cv2.GaussianBlur(white, (0, 0), sigma)) for sigma in (0.5, 0.7, 1.0)]
        # chroma noise of webcams is coarser than luma noise
        coarse = _unit(cv2.GaussianBlur(white[::-1].copy(), (0, 0), 1.8))
        self._noise.append(_unit(self._noise[1].mean(2, keepdims=True) + 0.5 * coarse))

    # ---------------------------------------------------------------- rooms

    def _room(self) -> F32:
        """A view of a room, margin included, from a pool that is renewed slowly."""
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

    # ---------------------------------------------------------------- people and things

    def _person(self) -> F32:
        """A person on an empty canvas: premultiplied RGBA, float32 0..1."""
        rng = self.rng
        levels = self._people[rng.integers(len(self._people))]
        size = rng.choice([rng.uniform(0.55, 1.0), rng.uniform(0.9, 1.7)])
        layer = self._place(levels, size)
        rgb, a = layer[..., :3], layer[..., 3:]
        rgb *= (np.exp(rng.normal(0, 0.22)) * np.exp(rng.normal(0, 0.07, 3))).astype(np.float32)
        if rng.random() < 0.35:  # cloth and skin of renders are smoother than real ones
            texture = self._room()[MARGIN:-MARGIN, MARGIN:-MARGIN]
            detail = texture - cv2.GaussianBlur(texture, (0, 0), 6)
            rgb += detail * rng.uniform(0.1, 0.8) * a
        np.clip(rgb, 0, a, out=rgb)
        if rng.random() < 0.35:
            self._dress(layer)
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
            return self._room()[MARGIN:-MARGIN, MARGIN:-MARGIN]
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

    def _place(self, levels: list[U8], size: float) -> F32:
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
        placed = cv2.warpAffine(picture, M, (w, h), flags=cv2.INTER_LINEAR)
        return np.multiply(placed, 1 / 255, dtype=np.float32)

    def _thing(self, near: F32 | None) -> F32:
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
            texture = self._room()[MARGIN:-MARGIN, MARGIN:-MARGIN]
            body = texture if rng.random() < 0.5 else 0.6 * colour + 0.4 * texture
        return np.dstack([body * mask[..., None], mask]).astype(np.float32)

    # ---------------------------------------------------------------- troubles

    def _drift(self, strength: float) -> Callable[[F32], F32]:
        """Exposure, white balance, gamma and uneven light, as between two moments of one camera."""
        rng = self.rng
        gain = np.exp(rng.normal(0, 0.10 * strength)) * np.exp(rng.normal(0, 0.04 * strength, 3))
        offset = rng.normal(0, 0.012 * strength)
        gamma = float(np.exp(rng.normal(0, 0.08 * strength)))
        levels = np.linspace(0, 1, 256, dtype=np.float32)
        table = (levels[:, None] ** gamma * gain + offset).astype(np.float32)
        grid = None
        if rng.random() < 0.5:
            grid = np.exp(rng.normal(0, 0.07 * strength, (3, 4))).astype(np.float32)

        def apply(picture: F32) -> F32:
            out = np.empty_like(picture)
            for c in range(3):  # a table look-up is far cheaper than a power per pixel
                position = np.clip(picture[..., c], 0, 1) * 255
                low = np.minimum(position.astype(np.int16), 254)
                a = table[:, c][low]
                out[..., c] = a + (table[:, c][low + 1] - a) * (position - low)
            if grid is not None:
                out *= cv2.resize(grid, self.size, interpolation=cv2.INTER_CUBIC)[..., None]
            return np.clip(out, 0, 1, out=out)

        return apply

    def _sensor(self, picture: F32, strength: float) -> U8:
        """What the camera makes of a picture: noise, defocus, JPEG; uint8."""
        rng = self.rng
        # Mostly the camera's picture is larger than what is looked at, and its faults are smaller there.
        camera = rng.choice([picture.shape[0], *CAMERA_HEIGHTS], p=[0.3, 0.5, 0.2])
        shrunk = max(1.0, camera / picture.shape[0])
        sigma = np.exp(rng.uniform(np.log(0.002), np.log(0.030))) * strength * shrunk**-NOISE_FADES
        if rng.random() < 0.06:
            sigma *= 2.0  # a dark room
        field = self._noise[rng.integers(len(self._noise))]
        h, w = picture.shape[:2]
        y, x = rng.integers(0, NOISE_MARGIN, 2)
        noisy = picture + field[y : y + h, x : x + w] * (sigma * np.sqrt(0.3 + picture))
        out = (np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8)
        return _packed(out, int(rng.integers(60, 96)), shrunk) if rng.random() < 0.6 else out

    def _relit(self, plate: U8, frame: U8, alpha: F32) -> U8:
        """The plate under the frame's light as the program finds it, so that what training sees of a
        drift is what correction leaves of it. The aligner knows the matte or, at first, nothing."""
        small = [cv2.resize(p, LIGHT_SIZE, interpolation=cv2.INTER_AREA) for p in (plate, frame)]
        background = None
        if self.rng.random() < 0.7:
            background = 1 - cv2.resize(alpha, LIGHT_SIZE, interpolation=cv2.INTER_AREA)
        return apply_light(plate, fit_light(small[0], small[1], background))

    def _shadow(self, room: F32, alpha: F32) -> F32:
        rng = self.rng
        w, h = self.size
        d = rng.normal(0, 0.07, 2) * w
        M = np.array([[1, 0, d[0]], [0, 1, abs(d[1])]], np.float32)
        half = cv2.resize(alpha, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        M[:, 2] /= 2
        shadow = cv2.GaussianBlur(cv2.warpAffine(half, M, (w // 2, h // 2)), (0, 0), rng.uniform(1.5, 12))
        shadow = cv2.resize(shadow, (w, h))
        strength = rng.uniform(0.05, 0.45) * (1 - 0.15 * rng.random(3))
        return room * (1 - shadow[..., None] * strength.astype(np.float32))

    def _camouflage(self, layer: F32, room: F32) -> None:
        """Pulls the colours of a layer (premultiplied RGBA, written to) to those of the room behind it."""
        w, h = self.size
        k = np.float32(self.rng.uniform(0.2, 0.8))
        blurred = cv2.resize(cv2.resize(room, (w // 8, h // 8), interpolation=cv2.INTER_AREA), (w, h))
        layer[..., :3] += (blurred * layer[..., 3:] - layer[..., :3]) * k

    # ---------------------------------------------------------------- the pair

    def sample(self) -> Sample:
        """One pair, drawn anew."""
        rng = self.rng
        w, h = self.size
        wide = self._room()
        room = np.ascontiguousarray(wide[MARGIN : MARGIN + h, MARGIN : MARGIN + w])
        plate = self._plate_of(wide)

        canvas = np.zeros((h, w, 4), np.float32)
        people = 0 if rng.random() < 0.05 else 1 + (rng.random() < 0.12)
        for _ in range(people):
            layer = self._person()
            if rng.random() < 0.16:
                self._camouflage(layer, room)
            canvas = layer + canvas * (1 - layer[..., 3:])
        if people and rng.random() < 0.22:  # a prop that is held belongs to the person
            layer = self._thing(canvas[..., 3])
            if rng.random() < 0.25:
                self._camouflage(layer, room)
            if (layer[..., 3] * canvas[..., 3]).sum() > HELD * layer[..., 3].sum():
                canvas = layer + canvas * (1 - layer[..., 3:])
        alpha = np.clip(canvas[..., 3], 0, 1)

        if rng.random() < 0.06:  # a thing that stood there when the plate was taken is gone now
            layer = self._thing(None)
            plate = layer[..., :3] + plate * (1 - layer[..., 3:])
        if rng.random() < 0.04:  # a screen or window shows something else now
            layer = self._thing(None)
            room = layer[..., :3] + room * (1 - layer[..., 3:])
        if people and rng.random() < 0.6:
            room = self._shadow(room, alpha)
        if rng.random() < 0.2:  # a camera that exposes for something else: white on white, black on black
            exposure = np.float32(np.exp(rng.uniform(-0.9, 0.9)))
            room, plate = np.minimum(room * exposure, 1), np.minimum(plate * exposure, 1)
            canvas[..., :3] = np.minimum(canvas[..., :3] * exposure, canvas[..., 3:])
        frame = canvas[..., :3] + room * (1 - alpha)[..., None]

        plate = self._drift(rng.choice([0.15, 0.6, 1.3, 2.2], p=[0.3, 0.25, 0.25, 0.2]))(plate)
        layers: list[F32] = []
        if self.layers:
            layers = [(canvas[..., :3] / np.maximum(alpha, 1e-3)[..., None]).astype(np.float32), room]
        if rng.random() < 0.6:
            drift = self._drift(rng.choice([0.3, 1.0, 2.2]))
            frame, layers = drift(frame), [drift(layer) for layer in layers]
        soften: Callable[[F32], F32] | None = None
        if rng.random() < 0.15:
            sigma = rng.uniform(0.4, 1.4)
            soften = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=sigma)
        elif people and rng.random() < 0.1:
            soften = partial(cv2.filter2D, ddepth=-1, kernel=_motion_kernel(rng))
        if soften is not None:
            if layers:  # a colour spreads as far as its alpha does
                fgr = soften(layers[0] * alpha[..., None]) / np.maximum(soften(alpha), 1e-3)[..., None]
                layers = [fgr.astype(np.float32), soften(layers[1])]
            frame, alpha = soften(frame), soften(alpha)

        frame_u8 = self._sensor(frame, 1.0)
        plate_u8 = self._sensor(plate, 0.4)
        if rng.random() < 0.85:
            plate_u8 = self._relit(plate_u8, frame_u8, alpha)
        alpha_u8 = (alpha * 255 + 0.5).astype(np.uint8)
        coverage = np.full((h, w), 255, np.uint8) if self.layers else self._coverage()
        plate_u8 = cv2.bitwise_and(plate_u8, plate_u8, mask=coverage)
        layers_u8 = [(np.clip(layer, 0.0, 1.0) * 255 + 0.5).astype(np.uint8) for layer in layers]
        return Sample(
            frame=frame_u8,
            plate=plate_u8,
            coverage=coverage,
            prior=self._prior(frame_u8, bool(coverage.any())),
            alpha=alpha_u8,
            fgr=layers_u8[0] if layers else None,
            room=layers_u8[1] if layers else None,
        )

    def _plate_of(self, wide: F32) -> F32:
        """The room slightly elsewhere: what alignment leaves, up to a few pixels."""
        rng = self.rng
        w, h = self.size
        near = rng.choice([0.0, 0.25, 1.0], p=[0.3, 0.55, 0.15])  # a tracker leaves 0.1 to 0.3 pixels
        shift = near * rng.gamma(1.2, 0.7) * w / 512
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        moved = (
            corners + rng.normal(0, max(shift, 1e-6), (4, 2)) * 0.6 + rng.normal(0, max(shift, 1e-6), 2) * 0.5
        )
        H: F64 = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        into_margin = np.array([[1, 0, -MARGIN], [0, 1, -MARGIN], [0, 0, 1.0]])
        if shift == 0:
            return np.ascontiguousarray(wide[MARGIN : MARGIN + h, MARGIN : MARGIN + w])
        return cv2.warpPerspective(wide, H @ into_margin, (w, h), flags=cv2.INTER_LINEAR)

    def _coverage(self) -> U8:
        rng = self.rng
        w, h = self.size
        coverage = np.full((h, w), 255, np.uint8)
        kind = rng.random()
        if kind < 0.18:
            coverage[:] = 0
        elif kind < 0.26:
            if rng.random() < 0.6:
                coverage[:, : int(rng.uniform(0.05, 0.7) * w)] = 0
            else:
                coverage[: int(rng.uniform(0.05, 0.7) * h)] = 0
            if rng.random() < 0.5:
                coverage = np.ascontiguousarray(coverage[::-1, ::-1])
        return coverage

    def _prior(self, frame: U8, has_plate: bool) -> U8:
        """The segmenter's mask, often absent; when there is no plate it is nearly always there."""
        w, h = self.size
        if self.segmenter is None or self.rng.random() < (0.12 if has_plate else 0.08):
            return np.full((h, w), UNKNOWN_U8, np.uint8)
        mask = self.segmenter(frame)
        return (mask * 255 + 0.5).astype(np.uint8)


def _packed(picture: U8, quality: int, shrunk: float) -> U8:
    """What JPEG leaves of a picture that was `shrunk` times larger when it was packed."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    h, w = picture.shape[:2]
    large = cv2.resize(picture, (round(w * shrunk), round(h * shrunk)), interpolation=cv2.INTER_CUBIC)
    _, packed = cv2.imencode(".jpg", large, options)
    unpacked = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    # only the change: there and back again the picture itself would lose its sharpness
    before, after = (cv2.resize(a, (w, h), interpolation=cv2.INTER_AREA) for a in (large, unpacked))
    changed = picture + after.astype(np.int16) - before
    return np.clip(changed, 0, 255).astype(np.uint8)


def _turned_hue(angle: float) -> F32:
    """The 3x3 matrix that turns colours (in rows) about the axis of greys."""
    k = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    turn = np.eye(3) * np.cos(angle) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(k, k)
    return turn.T.astype(np.float32)


def _unit(field: F32) -> F32:
    """A noise field scaled to standard deviation 1."""
    return field / field.std()


def _pyramid(rgba: U8) -> list[U8]:
    """The cut-out premultiplied, and halved until it is tiny."""
    levels = [rgba.copy()]
    levels[0][..., :3] = (rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255).astype(np.uint8)
    while min(levels[-1].shape[:2]) > 96:
        previous = levels[-1]
        half = (previous.shape[1] // 2, previous.shape[0] // 2)
        levels.append(cv2.resize(previous, half, interpolation=cv2.INTER_AREA))
    return levels


def _motion_kernel(rng: Rng) -> F32:
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    c, a = (length - 1) / 2, rng.uniform(0, np.pi)
    p, q = (c - c * np.cos(a), c - c * np.sin(a)), (c + c * np.cos(a), c + c * np.sin(a))
    cv2.line(kernel, (round(p[0]), round(p[1])), (round(q[0]), round(q[1])), 1.0)
    return kernel / max(1e-6, kernel.sum())
