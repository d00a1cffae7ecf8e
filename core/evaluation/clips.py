"""Short clips with known alpha, from people and rooms that training never saw.

People: real cut-outs of the quality that can be trusted, held-out rendered identities, and the
rendered clips (people in motion). Rooms: panoramas and pictures of other buildings than the one
training draws from. Every clip has a lead-in that is shown to a method but not scored, so that
recurrent networks are judged warm.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.training.material import allowed, held_out_identity, read_rgb, read_rgba
from core.training.synthesis import panorama_map
from core.types import F32, F64, U8

LEAD_IN = 4
SCORED = 6
CLASSES = ("clean", "webcam", "drift", "noisy", "shifted", "handheld")
WIDE = 3500  # px of panorama below which a view at 720p is blurred
TRUSTED_QUALITY = 4  # of `people`: below it alpha is hard-edged or guessed


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """frames: uint8 HxWx3. alphas: float32 HxW 0..1. fgrs: float32 HxWx3 0..255, colour of the person.

    plate: uint8 HxWx3, the empty room at another moment. H_true: float64 3x3 per frame, plate -> frame.
    name says person and room. props: bool HxW or None, pixels of a held thing, per frame.
    """

    kind: str
    name: str
    frames: list[U8]
    alphas: list[F32]
    plate: U8
    H_true: list[F64]


def make_clips(data: Path, size: tuple[int, int], per_class: int, seed: int) -> Iterator[Clip]:
    """Clips of every class, per_class of each, at size (width, height); the same for the same seed.

    data: the shared data folder (people, people_rendered, panoramas, rooms).
    """
    stock = _Stock(data)
    for kind_index, kind in enumerate(CLASSES):
        for k in range(per_class):
            rng = np.random.default_rng([seed, kind_index, k])
            yield _make(stock, kind, k, size, rng)


class _Stock:
    """What may be shown: nothing of it was trained on."""

    def __init__(self, data: Path) -> None:
        trained = set(allowed(data / "people", frozenset({"yes"})))
        with (data / "people" / "SOURCES.tsv").open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        good = [data / "people" / r["file"] for r in rows if (r["quality"] or "0") >= str(TRUSTED_QUALITY)]
        self.real = sorted(p for p in good if p.is_file() and p not in trained)
        rendered = sorted((data / "people_rendered").glob("*.webp"))
        self.rendered = [p for p in rendered if held_out_identity(p)]
        self.moving = sorted(p for p in (data / "people_rendered" / "clips").iterdir() if p.is_dir())
        seen = set(allowed(data / "panoramas", frozenset({"yes"})))
        self.panoramas = [p for p in sorted((data / "panoramas").glob("*.jpg")) if p not in seen]
        self.wide = [p for p in self.panoramas if read_rgb(p, 10**6).shape[1] >= WIDE]


def _make(stock: _Stock, kind: str, k: int, size: tuple[int, int], rng: np.random.Generator) -> Clip:
    w, h = size
    count = LEAD_IN + SCORED
    layers, person_name = _person_layers(stock, k, size, count, rng)
    path = stock.wide[rng.integers(len(stock.wide))]
    panorama = read_rgb(path, 4096)
    yaw, pitch = rng.uniform(-np.pi, np.pi), rng.uniform(-0.2, 0.15)
    fov = np.radians(rng.uniform(55, 75))
    trouble = _TROUBLE[kind]
    turns = _camera_turns(rng, count, trouble.motion_deg)
    f = 0.5 * w / np.tan(0.5 * fov)
    K = np.array([[f, 0, (w - 1) / 2], [0, f, (h - 1) / 2], [0, 0, 1.0]])
    plate_turn = np.zeros(3)
    if trouble.shift_px:
        plate_turn[:2] = rng.normal(0, trouble.shift_px / f, 2)
    shaded = rng.uniform(0.1, 0.35) if rng.random() < 0.6 else 0.0

    def view(turn: F64) -> U8:
        mx, my = panorama_map(
            size, yaw + turn[0], pitch + turn[1], turn[2], fov, (panorama.shape[1], panorama.shape[0])
        )
        return cv2.remap(panorama, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    still = view(turns[0]) if trouble.motion_deg == 0 else None
    frame_light, plate_light = _light(rng, trouble.drift), _light(rng, 0.2)
    tone = _light(rng, 0.5)
    plate = _camera(view(plate_turn), plate_light, trouble.noise * 0.3, None, rng)
    frames, alphas, homographies = [], [], []
    base = _rotation(yaw, pitch, 0) if trouble.motion_deg or trouble.shift_px else None
    for turn, layer in zip(turns, layers, strict=True):
        room = (still if still is not None else view(turn)).astype(np.float32)
        alpha = layer[..., 3]
        if shaded:
            room *= 1 - shaded * cv2.GaussianBlur(np.roll(alpha, w // 16, 1), (0, 0), w / 60)[..., None]
        straight = layer[..., :3] / np.maximum(alpha, np.float32(1e-6))[..., None] * np.float32(255)
        person = np.clip(tone(straight.astype(np.float32)), 0, 255)
        picture = person * alpha[..., None] + room * (1 - alpha[..., None])
        frames.append(_camera(picture, frame_light, trouble.noise, trouble.jpeg, rng))
        alphas.append(alpha)
        if base is None:
            homographies.append(np.eye(3))
        else:
            here = _rotation(yaw + turn[0], pitch + turn[1], turn[2])
            there = _rotation(yaw + plate_turn[0], pitch + plate_turn[1], plate_turn[2])
            H = K @ here.T @ there @ np.linalg.inv(K)
            homographies.append(H / H[2, 2])
    return Clip(kind, f"{person_name} / {path.stem}", frames, alphas, plate, homographies)


@dataclass(frozen=True, slots=True)
class _Trouble:
    """drift: light between plate and frame (1 is about 10 % of gain). noise: sigma in grey levels at
    mid-grey. jpeg: quality. shift_px: rms shift of the plate. motion_deg: camera movement a clip."""

    drift: float
    noise: float
    jpeg: int | None = None
    shift_px: float = 0.0
    motion_deg: float = 0.0


_TROUBLE = {
    "clean": _Trouble(drift=0.1, noise=0.8),
    "webcam": _Trouble(drift=0.5, noise=2.0, jpeg=90),
    "drift": _Trouble(drift=2.2, noise=2.5, jpeg=80),
    "noisy": _Trouble(drift=0.5, noise=6.0, jpeg=75),
    "shifted": _Trouble(drift=0.5, noise=2.0, jpeg=90, shift_px=3.0),
    "handheld": _Trouble(drift=0.5, noise=2.0, jpeg=90, motion_deg=4.0),
}


def _person_layers(
    stock: _Stock, k: int, size: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[list[F32], str]:
    """Premultiplied RGBA float32 HxWx4 per frame, and the person's name."""
    w, h = size
    turn = k % 3  # real, rendered, moving: a third each
    if turn == 2:
        folder = stock.moving[(k // 3 + int(rng.integers(len(stock.moving)))) % len(stock.moving)]
        files = sorted(folder.glob("*.webp"))
        start = int(rng.integers(max(1, len(files) - count)))
        pictures = [read_rgba(files[min(start + i, len(files) - 1)], 720) for i in range(count)]
        name = folder.name
    else:
        pool = stock.rendered if turn else stock.real
        path = pool[rng.integers(len(pool))]
        pictures, name = [read_rgba(path, 720)] * count, path.stem
    ph, pw = pictures[0].shape[:2]
    scale = rng.uniform(0.75, 1.15) * h / max(ph, 0.75 * pw)
    cx = rng.uniform(0.3, 0.7) * w
    flip = rng.random() < 0.5
    velocity = rng.normal(0, 0.004, 2) * w * (0.3 if turn == 2 else 1.0)
    layers = []
    for i, picture in enumerate(pictures):
        phase = 2 * np.pi * i / 20 + rng.uniform(0, 0.1)
        angle = 2.0 * np.sin(phase) if turn != 2 else 0.0
        M = cv2.getRotationMatrix2D((pw / 2, ph), angle, scale)
        if flip:
            M = M @ np.array([[-1, 0, pw], [0, 1, 0], [0, 0, 1.0]])
        M[:, 2] += [cx + velocity[0] * i - pw / 2, h * 1.01 + abs(velocity[1]) * np.sin(phase) - ph]
        layer = picture.astype(np.float32) / 255
        layer[..., :3] *= layer[..., 3:]
        if scale < 0.7:
            layer = cv2.GaussianBlur(layer, (0, 0), 0.35 / scale)
        layers.append(np.clip(cv2.warpAffine(layer, M, size, flags=cv2.INTER_LINEAR), 0, 1))
    return layers, name


def _camera_turns(rng: np.random.Generator, count: int, degrees: float) -> list[F64]:
    """(yaw, pitch, roll) in radians per frame: a smooth pan with hand shake, about `degrees` in all."""
    if degrees == 0:
        return [np.zeros(3)] * count
    pan = rng.choice([-1, 1]) * np.radians(degrees) * np.linspace(-0.5, 0.5, count)
    shake = np.cumsum(rng.normal(0, np.radians(0.08), (count, 3)), 0)
    return [np.array([pan[i], 0, 0]) + shake[i] for i in range(count)]


def _rotation(yaw: float, pitch: float, roll: float) -> F64:
    """World from camera, as panorama_map turns its rays."""
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll),
    )  # fmt: skip
    return (
        np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    )


class _light:  # noqa: N801  (a function with fixed parameters)
    """One camera's rendering of light: gain, white balance, gamma, uneven light."""

    def __init__(self, rng: np.random.Generator, strength: float) -> None:
        self._gain = np.exp(rng.normal(0, 0.11 * strength)) * np.exp(rng.normal(0, 0.03 * strength, 3))
        self._gamma = float(np.exp(rng.normal(0, 0.05 * strength)))
        self._grid = np.exp(rng.normal(0, 0.03 * strength, (2, 3))).astype(np.float32)

    def __call__(self, picture: F32) -> F32:
        h, w = picture.shape[:2]
        lit = (np.clip(picture, 0, 255) / 255) ** self._gamma * 255 * self._gain
        return (lit * cv2.resize(self._grid, (w, h), interpolation=cv2.INTER_CUBIC)[..., None]).astype(
            np.float32
        )


def _camera(picture: F32 | U8, light: _light, noise: float, jpeg: int | None, rng: np.random.Generator) -> U8:
    """Light, spatially correlated noise and JPEG."""
    lit = np.clip(light(picture.astype(np.float32)), 0, 255)
    grain = rng.standard_normal(lit.shape, dtype=np.float32)
    grain = 0.6 * grain + 1.2 * cv2.GaussianBlur(grain, (0, 0), 0.8)
    noisy = lit + grain * noise * np.sqrt(0.4 + lit / 255)
    out = (np.clip(noisy, 0, 255) + 0.5).astype(np.uint8)
    if jpeg is not None:
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, jpeg])
        out = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return out
