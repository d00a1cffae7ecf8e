"""Rooms that no homography shows: lens distortion, rolling shutter, things at two depths; with their truth.

Every pixel of a frame comes with the place of the plate that it shows, so that an alignment is judged
where it is used, not in the corners; and the matte that follows from it beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from core.align.tracker import PlateAligner
from core.evaluation import metrics
from core.evaluation.scenes import FRAME_NS, WEBCAM, Scene, degrade, pan
from core.render.room import RoomWarper, matte_in
from core.types import F32, U8, Frame, Matter, Plate, View

LEAD_IN = 4  # frames shown and not scored: the mesh takes one or two to come
SCORED = 12
ROOM = 0.02  # true alpha up to which a pixel is room
PERSON = 0.98
FACTORS = (1.02, 1.05, 1.10, 1.30)  # how much further than the wall the furniture moves
LENSES = (-0.05, 0.02, 0.05)  # k1
READOUT = 0.8
SLOPE = 5.0  # grey levels a pixel from which it can be seen that the room is off


@dataclass(frozen=True, slots=True, eq=False)
class BentFrame:
    """rgb: uint8 HxWx3. alpha: float32 HxW, the person. plate_xy: float32 HxWx2, plate pixels shown there."""

    rgb: U8
    alpha: F32
    plate_xy: F32


@dataclass(frozen=True, slots=True, eq=False)
class BentClip:
    """A plate and what a camera that no homography describes then saw of that room."""

    name: str
    plate: Plate
    frames: list[BentFrame]


@dataclass(slots=True)
class Figures:
    """Means over a clip's scored frames: how far the room is from its place where it has texture (px of
    the frame), MAD x1e-3 over all pixels and on the person's, share of frames with a mesh and of those
    aligned at all."""

    residual_px: list[float] = field(default_factory=list)
    mad: list[float] = field(default_factory=list)
    person_mad: list[float] = field(default_factory=list)
    meshed: list[bool] = field(default_factory=list)
    aligned: list[bool] = field(default_factory=list)


def turned(scene: Scene, k1: float = 0.0, readout: float = 0.0, sweep_deg: float = 5.0) -> BentClip:
    """A camera that turns, seen through a lens, or read out line by line.

    k1: radial distortion of the lens, r (1 + k1 r²) with r in focal lengths (Brown 1966).
    readout: share of the frame time from the first line to the last; 0 is a global shutter.
    """
    poses = pan(LEAD_IN + SCORED + 1, sweep_deg, scene.seed, shake_deg=0.1)
    width, height = scene.size
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    plate_camera = scene.camera(1.0)
    still = np.array([0.0, 0.0, 0.0, 1.0])
    to_plate = scene.rotation(still).T
    frames = []
    for index in range(len(poses) - 1):
        rays = np.empty((height, width, 3))
        step = poses[index + 1] - poses[index]
        # Between two lines the camera hardly turns: sixteen of them share a pose.
        for top in range(0, height, 16 if readout else height):
            rows = np.s_[top : top + (16 if readout else height)]
            pose = poses[index] + step * readout * ((top + 8) / height - 0.5 if readout else 0.0)
            camera = scene.camera(pose[3])
            xn, yn = _undistorted(
                (x[rows] - camera[0, 2]) / camera[0, 0], (y[rows] - camera[1, 2]) / camera[1, 1], k1
            )
            rays[rows] = np.stack([xn, yn, np.ones_like(xn)], -1) @ scene.rotation(pose).T
        room = scene.along(rays)
        seen = rays @ to_plate.T
        xd, yd = _distorted(seen[..., 0] / seen[..., 2], seen[..., 1] / seen[..., 2], k1)
        plate_xy = np.stack(
            [xd * plate_camera[0, 0] + plate_camera[0, 2], yd * plate_camera[1, 1] + plate_camera[1, 2]], -1
        )
        frames.append(_with_person(scene, room, plate_xy.astype(np.float32), index))
    camera = plate_camera
    xn, yn = _undistorted((x - camera[0, 2]) / camera[0, 0], (y - camera[1, 2]) / camera[1, 1], k1)
    rgb = scene.along(np.stack([xn, yn, np.ones_like(xn)], -1) @ scene.rotation(still).T)
    name = f"lens k1 {k1:+.2f}" if k1 else f"rolling shutter {readout:.1f}" if readout else "turning camera"
    return BentClip(name, Plate(scene.name, scene.size, (View(rgb),)), frames)


def planes(scene: Scene, factor: float, still: bool = False) -> BentClip:
    """A camera that steps aside before a wall with furniture in front of it.

    factor: how much further the near plane, a quarter of the picture, moves than the wall.
    still: stays where it stepped to.
    """
    width, height = scene.size
    far = scene.plate.rgb
    near = np.asarray(cv2.flip(scene.look(np.array([1.2, 0.0, 0.0, 1.0])), 1), np.uint8)
    hull = np.zeros((height, width), np.uint8)
    for side in (0.12, 0.88):  # one on each side of the person
        centre = (int(side * width), int(0.7 * height))
        cv2.ellipse(hull, centre, (width // 6, height // 2), 0, 0, 360, 255, -1)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    frames = []
    for index in range(LEAD_IN + SCORED):
        t = 0 if still else index
        step = np.array([18 * np.sin(0.12 * t + 0.8), 5 * np.sin(0.19 * t + 0.5)]) * (width / 640)
        layers = []
        for picture, shift in ((far, step), (near, factor * step), (hull, factor * step)):
            H = np.array([[1.0, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
            edge = cv2.BORDER_CONSTANT if picture is hull else cv2.BORDER_REFLECT
            layers.append(cv2.warpPerspective(picture, H, scene.size, borderMode=edge))
        cover = layers[2].astype(np.float32)[..., None] / 255
        room = layers[0] + cover * (layers[1].astype(np.float32) - layers[0])
        shift = np.where(cover > 0.5, np.float32(factor), np.float32(1)) * step
        plate_xy = (np.dstack([x, y]) - shift).astype(np.float32)
        frames.append(_with_person(scene, room, plate_xy, index))
    plate = np.where(hull[..., None] > 0, near, far).astype(np.uint8)
    return BentClip(f"near plane moves {factor:.2f}", Plate(scene.name, scene.size, (View(plate),)), frames)


def measure(clip: BentClip, matter: Matter, bend: bool, into: Figures) -> None:
    """Runs the program's own path over a clip, with or without the mesh, and adds its figures."""
    size = clip.plate.size
    aligner, warper = PlateAligner(clip.plate, size, bend=bend), RoomWarper(clip.plate)
    matter.reset()
    for index, truth in enumerate(clip.frames):
        textured = _slope(truth.rgb) > SLOPE
        frame = Frame(truth.rgb, index * FRAME_NS, index)
        alignment = aligner.update(frame)
        room = warper.room(alignment, size) if alignment.usable else None
        alpha = matte_in(matter, truth.rgb, room)
        aligner.learn(frame, alpha)
        if index < LEAD_IN:
            continue
        into.aligned.append(room is not None)
        into.meshed.append(alignment.mesh is not None)
        found = alpha.astype(np.float32) / np.float32(255)
        into.mad.append(metrics.mad(found, truth.alpha))
        mine = truth.alpha > PERSON
        into.person_mad.append(float((1 - found[mine]).mean() * 1e3) if mine.any() else 0.0)
        if room is not None:
            x, y = truth.plate_xy[..., 0], truth.plate_xy[..., 1]
            seen = textured & (truth.alpha < ROOM) & (x > 0) & (y > 0) & (x < size[0] - 1) & (y < size[1] - 1)
            if not seen.any():
                continue
            apart = warper.plate_xy(alignment, size) - truth.plate_xy
            into.residual_px.append(float(np.hypot(apart[..., 0], apart[..., 1])[seen].mean()))
    aligner.close()


def bent_clips(scene: Scene) -> Iterator[BentClip]:
    """Each trouble once in that room, and none."""
    yield from (planes(scene, factor) for factor in FACTORS)
    yield from (turned(scene, k1=k1) for k1 in LENSES)
    yield turned(scene, readout=READOUT)
    yield turned(scene)


def compare(scenes: Iterable[Scene], matter: Matter) -> dict[str, tuple[Figures, Figures]]:
    """By name of the trouble: without the mesh, and with it on the same frames."""
    found: dict[str, tuple[Figures, Figures]] = {}
    for scene in scenes:
        for clip in bent_clips(scene):
            without, with_mesh = found.setdefault(clip.name, (Figures(), Figures()))
            measure(clip, matter, False, without)
            measure(clip, matter, True, with_mesh)
    return found


def _with_person(scene: Scene, room: U8 | F32, plate_xy: F32, index: int) -> BentFrame:
    picture, alpha = room.astype(np.float32), np.zeros(room.shape[:2], np.float32)
    if scene.person is not None:
        fgr, alpha = scene.person.draw(scene.size, index)
        picture = picture + alpha[..., None] * (fgr - picture)
    rng = np.random.default_rng([scene.seed, index])
    return BentFrame(degrade(picture, WEBCAM, rng), alpha, plate_xy)


def _slope(rgb: U8) -> F32:
    """Grey levels a pixel, float32 HxW, of the picture without its noise."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    x, y = (cv2.Sobel(grey, cv2.CV_32F, i, 1 - i, ksize=3, scale=1 / 8) for i in (0, 1))
    return np.asarray(cv2.magnitude(x, y), np.float32)


def _distorted(x: np.ndarray, y: np.ndarray, k1: float) -> tuple[np.ndarray, np.ndarray]:
    factor = 1 + k1 * (x * x + y * y)
    return x * factor, y * factor


def _undistorted(x: np.ndarray, y: np.ndarray, k1: float) -> tuple[np.ndarray, np.ndarray]:
    """The inverse, by iteration: float64 of x's shape."""
    xu, yu = x, y
    for _ in range(12 if k1 else 0):
        factor = 1 + k1 * (xu * xu + yu * yu)
        xu, yu = x / factor, y / factor
    return xu, yu
