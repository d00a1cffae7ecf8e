"""Short clips with known alpha, from people and rooms that training never saw.

People: real cut-outs of the quality that can be trusted, from other repositories than those in training,
held-out rendered identities, and the rendered clips (people in motion). Rooms: panoramas and pictures of
other buildings than the one training draws from. Every clip has a lead-in that is shown to a method but
not scored, so that recurrent networks are judged warm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import MediaError
from core.training.material import allowed, held_out_identity, identity_of, read_rgb, read_rgba, table_rows
from core.training.rooms import panorama_map
from core.types import F32, F64, U8

LEAD_IN = 4
SCORED = 6
CLASSES = ("clean", "webcam", "drift", "noisy", "shifted", "handheld")
TALL_ENOUGH = 500  # px: below it a rendered head with its hair is blurred at 720p
WIDE = 3500  # px of panorama below which a view at 720p is blurred
TRUSTED_QUALITY = 4  # of `people`: below it alpha is hard-edged or guessed


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """frames: uint8 HxWx3. alphas: float32 HxW 0..1.

    plate: uint8 HxWx3, the empty room at another moment. H_true: float64 3x3 per frame, plate -> frame.
    name says person and room. The rest is empty where a clip is not about it; else one per frame.
    fgrs: float32 HxWx3 0..255, the person's own colour as the camera renders it, without noise.
    things: bool HxW, visible pixels of what the person holds. shades: float32 HxW, share of the room's
    light that the person's shadow takes.
    """

    kind: str
    name: str
    frames: list[U8]
    alphas: list[F32]
    plate: U8
    H_true: list[F64]
    fgrs: list[F32] = field(default_factory=list)
    things: list[NDArray[np.bool_]] = field(default_factory=list)
    shades: list[F32] = field(default_factory=list)


def make_clips(
    stock: Stock, size: tuple[int, int], per_class: int, seed: int, kinds: tuple[str, ...] = CLASSES
) -> Iterator[Clip]:
    """Clips of the classes in `kinds`, per_class of each, at size (width, height).

    The same for the same seed, whichever other classes are asked for.
    """
    for kind_index, kind in enumerate(CLASSES):
        for k in range(per_class if kind in kinds else 0):
            rng = np.random.default_rng([seed, kind_index, k])
            yield _make(stock, kind, k, size, rng)


class Stock:
    """What may be shown: nothing of it was trained on."""

    def __init__(self, data: Path) -> None:
        """data: the shared data folder (people, people_rendered, panoramas; for trials see their file).

        Raises:
            MediaError: it lacks people or rooms, such as a folder made for training.
        """
        self.data, self.props = data, data / "props"
        self._hairiest: list[Path] | None = None
        self.real = _trusted_people(data / "people")
        rendered = sorted((data / "people_rendered").glob("*.webp"))
        self.rendered = [p for p in rendered if held_out_identity(p)]
        self.moving = sorted(p for p in (data / "people_rendered" / "clips").glob("*") if p.is_dir())
        self.wide = [p for p in _unseen_panoramas(data / "panoramas") if read_rgb(p, 10**6).shape[1] >= WIDE]
        needed = {
            f"people whose row in people/SOURCES.tsv has quality {TRUSTED_QUALITY} or more and free unknown "
            "or no, and a repo of which none is free": self.real,
            "held-out people_rendered, such as 003.webp and r-011-0.webp": self.rendered,
            "people in motion, a folder of pictures each in people_rendered/clips": self.moving,
            f"JPEG panoramas {WIDE} px wide or more whose row in panoramas/SOURCES.tsv has free unknown or "
            "no": self.wide,
        }
        lacking = [words for words, found in needed.items() if not found]
        if lacking:
            raise MediaError(
                f"{data} is not enough to judge a matte with, it lacks {'; '.join(lacking)}: "
                "give a folder that holds what training never saw"
            )

    def hairiest(self, count: int) -> list[Path]:
        """Held-out rendered people with most strands seen: by the soft share of the upper two thirds.

        One picture an identity, best first; fewer where there are not so many.
        """
        if self._hairiest is None:
            self._hairiest = self._by_softness()
        return self._hairiest[:count]

    def _by_softness(self) -> list[Path]:
        softness: dict[str, tuple[float, Path]] = {}
        for path in self.rendered:
            alpha = read_rgba(path)[..., 3]
            if len(alpha) >= TALL_ENOUGH:
                top = alpha[: len(alpha) * 2 // 3]
                found = (float(((top > 12) & (top < 243)).mean()), path)
                softness[identity_of(path)] = max(found, softness.get(identity_of(path), found))
        return [path for _, path in sorted(softness.values(), reverse=True)]


def _trusted_people(folder: Path) -> list[Path]:
    """Real cut-outs of good quality that nobody trains on; none where there is no table of them.

    Who is from a repository that somebody in training is from gives way to one of the others, evenly
    spaced: so all other draws stay what they were.
    """
    table = folder / "SOURCES.tsv"
    if not table.is_file():
        return []
    trained = set(allowed(folder, frozenset({"yes"})))
    rows = table_rows(table)
    repositories = {folder / row["file"]: row.get("repo") or "" for row in rows}
    known = {repositories[path] for path in trained} - {""}
    good = [row for row in rows if (row.get("quality") or "0") >= str(TRUSTED_QUALITY)]
    people = sorted({folder / row["file"] for row in good} - trained)
    people = [path for path in people if path.is_file()]
    others = [path for path in people if repositories[path] not in known]
    akin = [path for path in people if repositories[path] in known]
    if not others:
        return []
    instead = {path: others[len(others) * k // len(akin)] for k, path in enumerate(akin)}
    return [instead.get(path, path) for path in people]


def _unseen_panoramas(folder: Path) -> list[Path]:
    """Panoramas that nobody trains on; none where no table says which those are."""
    if not (folder / "SOURCES.tsv").is_file():
        return []
    trained = set(allowed(folder, frozenset({"yes"})))
    return [path for path in sorted(folder.glob("*.jpg")) if path not in trained]


def _make(stock: Stock, kind: str, k: int, size: tuple[int, int], rng: np.random.Generator) -> Clip:
    layers, person = person_layers(stock, k, size, LEAD_IN + SCORED, rng)
    return film(stock, kind, person, layers, TROUBLE[kind], rng)


def film(
    stock: Stock,
    kind: str,
    person: str,
    layers: list[F32],
    trouble: Trouble,
    rng: np.random.Generator,
    shades: list[F32] | None = None,
    colours: bool = False,
) -> Clip:
    """A clip of somebody in a room that is drawn from the stock.

    Args:
        person: name of who is shown. layers: premultiplied RGBA, float32 HxWx4 0..1 per frame.
        shades: see Clip; None draws a soft shadow on the wall for some clips.
        colours: whether to keep `fgrs`.
    """
    h, w = layers[0].shape[:2]
    size, count = (w, h), len(layers)
    path = stock.wide[rng.integers(len(stock.wide))]
    panorama = read_rgb(path, 4096)
    yaw, pitch = rng.uniform(-np.pi, np.pi), rng.uniform(-0.2, 0.15)
    fov = np.radians(rng.uniform(55, 75))
    turns = _camera_turns(rng, count, trouble.motion_deg)
    f = 0.5 * w / np.tan(0.5 * fov)
    K = np.array([[f, 0, (w - 1) / 2], [0, f, (h - 1) / 2], [0, 0, 1.0]])
    plate_turn = np.zeros(3)
    if trouble.shift_px:
        plate_turn[:2] = rng.normal(0, trouble.shift_px / f, 2)
    shaded = rng.uniform(0.1, 0.35) if shades is None and rng.random() < 0.6 else 0.0

    def view(turn: F64) -> U8:
        mx, my = panorama_map(
            size, yaw + turn[0], pitch + turn[1], turn[2], fov, (panorama.shape[1], panorama.shape[0])
        )
        return cv2.remap(panorama, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    still = view(turns[0]) if trouble.motion_deg == 0 else None
    frame_light, plate_light = _light(rng, trouble.drift), _light(rng, 0.2)
    tone = _light(rng, 0.5)
    plate = _camera(view(plate_turn), plate_light, trouble.noise * 0.3, None, rng)
    frames, alphas, homographies, fgrs = [], [], [], []
    base = _rotation(yaw, pitch, 0) if trouble.motion_deg or trouble.shift_px else None
    for index, (turn, layer) in enumerate(zip(turns, layers, strict=True)):
        room = (still if still is not None else view(turn)).astype(np.float32)
        alpha = layer[..., 3]
        if shaded:
            room *= 1 - shaded * cv2.GaussianBlur(np.roll(alpha, w // 16, 1), (0, 0), w / 60)[..., None]
        if shades is not None:
            room *= 1 - shades[index][..., None]
        straight = layer[..., :3] / np.maximum(alpha, np.float32(1e-6))[..., None] * np.float32(255)
        person_rgb = np.clip(tone(straight.astype(np.float32)), 0, 255)
        picture = person_rgb * alpha[..., None] + room * (1 - alpha[..., None])
        frames.append(_camera(picture, frame_light, trouble.noise, trouble.jpeg, rng))
        alphas.append(alpha)
        if colours:
            fgrs.append(np.clip(frame_light(person_rgb), 0, 255))
        if base is None:
            homographies.append(np.eye(3))
        else:
            here = _rotation(yaw + turn[0], pitch + turn[1], turn[2])
            there = _rotation(yaw + plate_turn[0], pitch + plate_turn[1], plate_turn[2])
            H = K @ here.T @ there @ np.linalg.inv(K)
            homographies.append(H / H[2, 2])
    name = f"{person} / {path.stem}"
    return Clip(kind, name, frames, alphas, plate, homographies, fgrs=fgrs, shades=shades or [])


@dataclass(frozen=True, slots=True)
class Trouble:
    """drift: light between plate and frame (1 is about 10 % of gain). noise: sigma in grey levels at
    mid-grey. jpeg: quality. shift_px: rms shift of the plate. motion_deg: camera movement a clip."""

    drift: float
    noise: float
    jpeg: int | None = None
    shift_px: float = 0.0
    motion_deg: float = 0.0


TROUBLE = {
    "clean": Trouble(drift=0.1, noise=0.8),
    "webcam": Trouble(drift=0.5, noise=2.0, jpeg=90),
    "drift": Trouble(drift=2.2, noise=2.5, jpeg=80),
    "noisy": Trouble(drift=0.5, noise=6.0, jpeg=75),
    "shifted": Trouble(drift=0.5, noise=2.0, jpeg=90, shift_px=3.0),
    "handheld": Trouble(drift=0.5, noise=2.0, jpeg=90, motion_deg=4.0),
}


def person_layers(
    stock: Stock, k: int, size: tuple[int, int], count: int, rng: np.random.Generator
) -> tuple[list[F32], str]:
    """Premultiplied RGBA float32 HxWx4 per frame, and the person's name.

    k: 0 shows a real cut-out, 1 a rendered one, 2 a rendered one in motion, and so on by threes.
    """
    turn = k % 3
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
    return place(pictures, size, rng, sways=turn != 2), name


def place(pictures: list[U8], size: tuple[int, int], rng: np.random.Generator, sways: bool) -> list[F32]:
    """Premultiplied RGBA float32 HxWx4 per frame of somebody before a webcam of size (width, height).

    pictures: straight RGBA uint8, one per frame, of one shape. sways: whether to move a still picture
    as somebody sitting moves. Pictures of one shape are placed alike by generators in the same state.
    """
    w, h = size
    ph, pw = pictures[0].shape[:2]
    scale = rng.uniform(0.75, 1.15) * h / max(ph, 0.75 * pw)
    cx = rng.uniform(0.3, 0.7) * w
    flip = rng.random() < 0.5
    velocity = rng.normal(0, 0.004, 2) * w * (1.0 if sways else 0.3)
    layers = []
    for i, picture in enumerate(pictures):
        phase = 2 * np.pi * i / 20 + rng.uniform(0, 0.1)
        angle = 2.0 * np.sin(phase) if sways else 0.0
        M = cv2.getRotationMatrix2D((pw / 2, ph), angle, scale)
        if flip:
            M = M @ np.array([[-1, 0, pw], [0, 1, 0], [0, 0, 1.0]])
        M[:, 2] += [cx + velocity[0] * i - pw / 2, h * 1.01 + abs(velocity[1]) * np.sin(phase) - ph]
        layer = picture.astype(np.float32) / 255
        layer[..., :3] *= layer[..., 3:]
        if scale < 0.7:
            layer = cv2.GaussianBlur(layer, (0, 0), 0.35 / scale)
        layers.append(np.clip(cv2.warpAffine(layer, M, size, flags=cv2.INTER_LINEAR), 0, 1))
    return layers


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
