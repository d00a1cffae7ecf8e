"""Synthetic clips with exact truth: a turning camera inside a panorama, a person in front of it.

The room is a 360° picture, so a camera that turns, rolls and zooms sees an exact homography of
the plate. Every frame comes with its H, its alpha and the room as it would look without the
person; noise, exposure drift, blur and JPEG are added after that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from core.errors import MediaError
from core.plate.checks import CORNER_STRENGTH, MIN_FIELDS, MIN_POINTS
from core.types import F32, F64, U8, Frame, Plate, View

WORK_SIZE = (640, 360)
FRAME_NS = 33_333_333
PLATE_FOV_DEG = 64.0  # horizontal; webcams have 60 to 78

# Buildings that nothing may be tuned on: figures for these are reported apart.
HELD_OUT_PLACES = ("house", "bar", "campus_05")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the camera does to the picture.

    noise: standard deviation, grey levels. drift: largest gain change as a share. colour: largest
    gain difference of a channel. jpeg: quality, 0 for none. blur_px: defocus sigma. shutter: part
    of the frame time that the shutter is open (motion blur). lamp: slope of light across the room.
    """

    noise: float = 2.5
    drift: float = 0.0
    colour: float = 0.0
    jpeg: int = 85
    blur_px: float = 0.0
    shutter: float = 0.0
    lamp: float = 0.0


CLEAN = Trouble(noise=0.0, jpeg=0)
WEBCAM = Trouble()


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """One frame and all that is known about it.

    frame: as the camera gives it. alpha: float32 HxW, 0..1, the person.
    H: float64 3x3, plate to frame pixels. room: uint8 HxWx3, the room at this pose in the plate's
    light. lit_room: the same in the frame's light, no noise. moving: the camera moved since the last frame.
    """

    frame: Frame
    alpha: F32
    H: F64
    room: U8
    lit_room: U8
    moving: bool


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A plate and the clip that goes with it; iterating renders the frames, the same every time.

    poses: float64 Nx4: yaw, pitch, roll in radians, zoom as a factor; the plate is at (0, 0, 0, 1).
    """

    name: str
    panorama: U8
    yaw0: float
    pitch0: float
    size: tuple[int, int]
    poses: F64
    person: Person | None
    trouble: Trouble
    seed: int
    plate: Plate = field(init=False)

    def __post_init__(self) -> None:
        rgb = self.look(np.array([0.0, 0.0, 0.0, 1.0]))
        object.__setattr__(self, "plate", Plate(self.name, self.size, (View(rgb),)))

    def frame_from_plate(self, pose: F64) -> F64:
        """The exact homography of a pose: K R K0⁻¹ (Hartley & Zisserman, 2nd ed., eq. 8.9)."""
        plate_camera = self.camera(1.0) @ _rotation(self.pitch0, self.yaw0, 0.0).T
        frame_camera = self.camera(pose[3]) @ self.rotation(pose).T
        H = frame_camera @ np.linalg.inv(plate_camera)
        return np.asarray(H / H[2, 2])

    def __len__(self) -> int:
        return len(self.poses)

    def __iter__(self) -> Iterator[Truth]:
        rng = np.random.default_rng(self.seed)
        gain_phase, colour = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 3)
        previous = self.poses[0]
        for index, pose in enumerate(self.poses):
            moving = index > 0 and not np.array_equal(pose, previous)
            room = self.look(pose)
            shown = self._blurred(pose, previous) if moving and self.trouble.shutter else room
            light = self._light(index, gain_phase, colour)
            lit = np.clip(shown * light, 0, 255)
            alpha = np.zeros(room.shape[:2], np.float32)
            picture = lit.astype(np.float32)
            if self.person is not None:
                fgr, alpha = self.person.draw(self.size, index)
                lit_fgr = np.clip(fgr * light, 0, 255)
                picture = picture + alpha[..., None] * (lit_fgr - picture).astype(np.float32)
            rgb = degrade(picture, self.trouble, rng)
            frame = Frame(rgb, index * FRAME_NS, index)
            yield Truth(frame, alpha, self.frame_from_plate(pose), room, lit.astype(np.uint8), moving)
            previous = pose

    def camera(self, zoom: float) -> F64:
        """Pixels from rays of the camera, float64 3x3."""
        width, height = self.size
        f = zoom * width / (2 * np.tan(np.radians(PLATE_FOV_DEG) / 2))
        return np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])

    def rotation(self, pose: F64) -> F64:
        """World from camera at a pose, float64 3x3."""
        return _rotation(self.pitch0 + pose[1], self.yaw0 + pose[0], pose[2])

    def look(self, pose: F64) -> U8:
        """The room at a pose, uint8 HxWx3."""
        width, height = self.size
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        ray = (self.rotation(pose) @ np.linalg.inv(self.camera(pose[3]))).astype(np.float32)
        return self._along(*(ray[i, 0] * x + ray[i, 1] * y + ray[i, 2] for i in range(3)))

    def along(self, rays: F64) -> U8:
        """The room along rays of the world, any length, float64 HxWx3: uint8 HxWx3."""
        return self._along(*(np.ascontiguousarray(rays[..., i], np.float32) for i in range(3)))

    def _along(self, rx: F32, ry: F32, rz: F32) -> U8:
        rows, columns = self.panorama.shape[:2]
        longitude, latitude = cv2.phase(rz, rx), np.arctan2(ry, np.hypot(rx, rz))
        u = longitude * np.float32(columns / (2 * np.pi)) - np.float32(0.5)
        v = (latitude / np.float32(np.pi) + np.float32(0.5)) * rows - np.float32(0.5)
        looked = cv2.remap(self.panorama, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        return np.asarray(looked, np.uint8)

    def _blurred(self, pose: F64, previous: F64) -> U8:
        """The mean over the open shutter, centred on the pose so that H stays its middle."""
        steps = np.linspace(-0.5, 0.5, 5) * self.trouble.shutter
        looks = [self.look(pose + step * (pose - previous)) for step in steps]
        return np.asarray(np.mean(looks, axis=0) + 0.5, np.uint8)

    def _light(self, index: int, phase: float, colour: F64) -> F32:
        """Multipliers HxWx3 of this frame."""
        swing = np.sin(index * 0.11 + phase)
        gain = 1 + self.trouble.drift * swing + self.trouble.colour * colour
        width, height = self.size
        slope = 1 + self.trouble.lamp * np.linspace(-1, 1, width) * np.cos(phase)
        return np.asarray(slope[None, :, None] * gain[None, None, :], np.float32).repeat(height, 0)


class Person:
    """A cut-out that sways in front of the camera; several pictures are played as a clip."""

    def __init__(self, rgba: Sequence[U8], share: float, seed: int, enter_at: int = 0) -> None:
        """rgba: straight alpha, uint8 HxWx4. share: the largest part of the picture it may cover."""
        self._rgba = rgba
        self._share = share
        self._enter_at = enter_at
        rng = np.random.default_rng(seed)
        self._place, self._phase = rng.uniform(0.3, 0.7), rng.uniform(0, 2 * np.pi)

    @staticmethod
    def load(path: Path, share: float, seed: int, enter_at: int = 0) -> Person:
        """From one picture or a folder of them in name order."""
        files = sorted(path.glob("*.webp")) if path.is_dir() else [path]
        pictures = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
        rgba = [np.asarray(cv2.cvtColor(p, cv2.COLOR_BGRA2RGBA), np.uint8) for p in pictures if p is not None]
        if len(rgba) != len(files) or not rgba:
            raise MediaError(f"no readable person at {path}: take it out of the folder, or bring it anew")
        return Person(rgba, share, seed, enter_at)

    def draw(self, size: tuple[int, int], index: int) -> tuple[F32, F32]:
        """Colour (float32 HxWx3) and alpha (float32 HxW) at a frame."""
        width, height = size
        if index < self._enter_at:
            return np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
        # There and back, so that a clip has no jump.
        turn = index % max(1, 2 * len(self._rgba) - 2)
        rgba = self._rgba[min(turn, 2 * len(self._rgba) - 2 - turn) if len(self._rgba) > 1 else 0]
        body = float(self._rgba[0][..., 3].mean()) / 255
        rows, columns = rgba.shape[:2]
        scale = np.sqrt(self._share * width * height / (body * rows * columns))
        scale = min(scale, 1.6 * height / rows, 1.2 * width / columns)
        sway = 0.10 * np.sin(index * 0.13 + self._phase) + 0.02 * np.sin(index * 0.71)
        left = self._place * width - scale * columns / 2 + sway * width
        top = max(height - scale * rows, 0.06 * height) + 0.02 * height * np.sin(index * 0.17 + self._phase)
        placed = np.array([[scale, 0, left], [0, scale, top]])
        premultiplied = rgba.astype(np.float32)
        premultiplied[..., :3] *= premultiplied[..., 3:] / 255
        if scale < 1:  # a bilinear warp aliases below one half; strands of hair show it first
            premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), 0.35 / scale)
        drawn = cv2.warpAffine(premultiplied, placed, size, flags=cv2.INTER_LINEAR)
        alpha = np.asarray(drawn[..., 3] / 255, np.float32)
        fgr = drawn[..., :3] / np.maximum(alpha, 1 / 255)[..., None]
        return np.asarray(np.minimum(fgr, 255), np.float32), alpha


def degrade(picture: F32, trouble: Trouble, rng: np.random.Generator) -> U8:
    """A clean picture as the camera delivers it: defocus, sensor noise, JPEG. uint8 HxWx3."""
    if trouble.blur_px:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), trouble.blur_px), np.float32)
    if trouble.noise:
        grain = rng.standard_normal(picture.shape, np.float32)
        # Demosaicing leaves neighbours alike; 1.6 brings the deviation back after the blur.
        correlated = np.asarray(cv2.GaussianBlur(grain, (3, 3), 0.6), np.float32)
        picture = picture + np.float32(trouble.noise * 1.6) * correlated
    rgb = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    if trouble.jpeg:
        packed = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, trouble.jpeg])[1]
        unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        assert unpacked is not None, "what imencode wrote"
        rgb = np.asarray(cv2.cvtColor(unpacked, cv2.COLOR_BGR2RGB), np.uint8)
    return rgb


def still(frames: int) -> F64:
    """A camera on a tripod."""
    return np.tile([0.0, 0.0, 0.0, 1.0], (frames, 1))


def pan(frames: int, yaw_deg: float, seed: int, shake_deg: float = 0.04) -> F64:
    """Turns to and fro by ±yaw_deg with a little pitch, roll, zoom and hand shake."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)
    phase = rng.uniform(0, 2 * np.pi, 4)
    period = max(60.0, 16 * yaw_deg)  # about a degree in four frames at most
    poses = still(frames)
    wave = [
        np.sin(2 * np.pi * t / (period * k) + p) - np.sin(p)
        for k, p in zip((1, 1.4, 1.9, 2.3), phase, strict=True)
    ]
    poses[:, 0] = np.radians(yaw_deg) * wave[0] / 2 * 1.4
    poses[:, 1] = np.radians(yaw_deg * 0.35) * wave[1]
    poses[:, 2] = np.radians(min(yaw_deg, 4) * 0.4) * wave[2]
    poses[:, 3] = 1 + 0.03 * wave[3]
    poses[1:, :3] += np.radians(shake_deg) * rng.standard_normal((frames - 1, 3))
    return poses


def hand_held(frames: int, seed: int) -> F64:
    """A laptop on the knees: slow wander of about a degree, quick shake of a pixel or two."""
    return pan(frames, 1.0, seed, shake_deg=0.12)


def bump(frames: int, at: int, px: float, size: tuple[int, int], seed: int) -> F64:
    """Still, then moved by px within one frame, then still again."""
    angle = px * 2 * np.tan(np.radians(PLATE_FOV_DEG) / 2) / size[0]
    direction = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    poses = still(frames)
    poses[at:, 0] = angle * np.cos(direction)
    poses[at:, 1] = angle * np.sin(direction)
    return poses


def panoramas(shared: Path, min_width: int = 0) -> list[Path]:
    """The places in ../shared at least min_width wide, sorted; each is read once to know."""
    found = sorted((shared / "data" / "panoramas").glob("*.jpg"))
    return [p for p in found if min_width == 0 or _width(p) >= min_width]


@cache
def _width(path: Path) -> int:
    return load_panorama(path).shape[1]


def load_panorama(path: Path) -> U8:
    """uint8 HxWx3, twice as wide as high."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise MediaError(f"no readable panorama at {path}: take it out of the folder, or bring it anew")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def people(shared: Path) -> list[Path]:
    """Rendered people (CC0, exact alpha), sorted: for clips in front of a panorama."""
    return sorted((shared / "data" / "people_rendered").glob("*.webp"))


def direction_to_follow(panorama: U8, size: tuple[int, int], rng: np.random.Generator) -> float:
    """A yaw, radians, at which the room has enough corners to follow; the best of twelve if none has."""
    best, most = 0.0, -1
    for yaw in rng.uniform(0, 2 * np.pi, 12):
        view = Scene("", panorama, float(yaw), 0.0, WORK_SIZE, still(1), None, CLEAN, 0).plate.rgb
        fields = _fields_with_corners(view)
        if fields >= MIN_FIELDS:
            return float(yaw)
        if fields > most:
            best, most = float(yaw), fields
    return best


def _fields_with_corners(rgb: U8) -> int:
    """How many of 8x5 fields have a corner strong enough for `plate check`."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(grey, 400, 0.001, 8, blockSize=5)
    strength = cv2.cornerMinEigenVal(grey, 5, ksize=3)
    points = [] if corners is None else corners.reshape(-1, 2)
    good = [(x, y) for x, y in points if strength[int(y), int(x)] > CORNER_STRENGTH]
    height, width = grey.shape
    return len({(int(x * 8 / width), int(y * 5 / height)) for x, y in good}) if len(good) >= MIN_POINTS else 0


def two_planes(scene: Scene, frames: int, seed: int) -> tuple[Plate, list[tuple[U8, F64]]]:
    """A plate with furniture before a wall, and a camera that steps aside: parallax without a person.

    Returns:
        The plate, and per frame the picture (uint8 HxWx3) and the far plane's plate-to-frame H. The
        near plane (a quarter of the picture) moves 1.3 times as far.
    """
    rng = np.random.default_rng(seed)
    width, height = scene.size
    far = scene.plate.rgb
    near = np.asarray(cv2.flip(scene.look(np.array([1.2, 0.0, 0.0, 1.0])), 1), np.uint8)
    hull = np.zeros((height, width), np.uint8)
    centre = np.array([rng.uniform(0.2, 0.8) * width, 0.8 * height])
    cv2.ellipse(hull, centre.astype(int).tolist(), (width // 5, height // 3), 0, 0, 360, 255, -1)

    def seen(dx: float, dy: float) -> tuple[U8, F64]:
        H, H_near = np.eye(3), np.eye(3)
        H[:2, 2], H_near[:2, 2] = (dx, dy), (1.3 * dx, 1.3 * dy)
        back = cv2.warpPerspective(far, H, scene.size, borderMode=cv2.BORDER_REFLECT)
        front = cv2.warpPerspective(near, H_near, scene.size, borderMode=cv2.BORDER_REFLECT)
        cover = cv2.warpPerspective(hull, H_near, scene.size)[..., None].astype(np.float32) / 255
        return degrade(np.asarray(back + cover * (front.astype(np.float32) - back)), WEBCAM, rng), H

    clean = np.asarray(np.where(hull[..., None] > 0, near, far), np.uint8)
    t = np.arange(frames)
    path = [seen(18 * float(np.sin(0.12 * k)), 5 * float(np.sin(0.19 * k))) for k in t]
    return Plate("two planes", scene.size, (View(clean),)), path


def corner_error_px(H: F64, H_true: F64, size: tuple[int, int]) -> float:
    """Mean corner error: how far the four corners of the frame, taken to the plate by the truth,
    come back beside themselves under H. HPatches' definition, in frame pixels.
    """
    width, height = size
    corners = np.array([[[0, 0]], [[width - 1, 0]], [[width - 1, height - 1]], [[0, height - 1]]], np.float64)
    on_plate = cv2.perspectiveTransform(corners, np.linalg.inv(H_true))
    back = cv2.perspectiveTransform(on_plate, H)
    return float(np.linalg.norm((back - corners)[:, 0], axis=1).mean())


def _rotation(pitch: float, yaw: float, roll: float) -> F64:
    """World from camera: x right, y down, z forward; yaw about y, then pitch about x, then roll about z."""
    cy, sy, cx, sx, cz, sz = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1.0]])
    return np.asarray(about_y @ about_x @ about_z)
