"""The built-in scene: a person moves in front of a room, before a slightly shaking, noisy camera."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from core.types import F32, U8, Frame, Plate, View

ASSETS = Path(__file__).parent / "assets"
DEFAULT_SIZE = (1280, 720)
DEFAULT_FPS = 30.0
KEYS = 16  # drawn poses in a loop
LOOP_S = 3.2
PERSON_HEIGHT = 0.94  # of the picture
SHAKE_PX = (0.5, 0.3)  # at 1280 wide: a hand on the desk
SHAKE_STEPS = 6
NOISE = 2.2  # grey levels, standard deviation: a webcam in an office
NOISE_SPREAD_PX = 64  # each frame takes its noise from another place of a larger field
_PLATE_FRAMES = 30  # as many as a short recording averages
_STEPS = 3  # poses shown from one drawn pose to the next
_STORE_BYTES = 120e6  # for composed poses; larger pictures get fewer of them


class DemoSource:
    """A live source without a device: 3.2 s of movement, looped, at any size.

    Each pose is composed when it is first shown and kept (about 70 MB at 1280x720), after which
    a frame costs about 1 ms: measurements on the demo measure the program.
    """

    live = True

    def __init__(self, size: tuple[int, int] | None = None, fps: float | None = None) -> None:
        self.size = size or DEFAULT_SIZE
        self.fps = fps or DEFAULT_FPS
        self.name = f"built-in demo scene, {self.size[0]}x{self.size[1]} at {self.fps:g} frames per second"
        self._random = np.random.default_rng(7)
        self._rooms = _shaken(_covering(_load("room.webp"), self.size))
        self._noise = _noise_field(self.size, self._random)
        self._person = _Person(self.size)
        self._poses: dict[int, tuple[U8, int, int]] = {}
        self._index = 0
        self._next_ns: int | None = None

    def read(self) -> Frame:
        """The next frame, when its time has come; one that nobody fetched in time is not made."""
        period_ns = round(1e9 / self.fps)
        now_ns = time.monotonic_ns()
        if self._next_ns is None or now_ns - self._next_ns > period_ns:
            self._next_ns = now_ns
        time.sleep(max(self._next_ns - now_ns, 0) / 1e9)
        time_ns, self._next_ns = self._next_ns, self._next_ns + period_ns
        frame = Frame(self.picture(self._index / self.fps), time_ns, self._index)
        self._index += 1
        return frame

    def picture(self, at_s: float) -> U8:
        """The scene at a time, with fresh noise: uint8 HxWx3, not writeable."""
        pose = int(at_s / LOOP_S * self._person.poses) % self._person.poses
        room = self._rooms[pose * SHAKE_STEPS // self._person.poses]
        if pose not in self._poses:
            self._poses[pose] = self._person.before(room, pose)
        patch, left, top = self._poses[pose]
        rgb = room.copy()
        rgb[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
        return self._seen(rgb)

    def plate(self) -> Plate:
        """The empty room as a recording of it would give it: shake averaged, noise of its own."""
        total = np.zeros(self._rooms[0].shape, np.float32)
        for index in range(_PLATE_FRAMES):
            total += self._seen(self._rooms[index % SHAKE_STEPS])
        rgb = np.clip(total / _PLATE_FRAMES + 0.5, 0, 255).astype(np.uint8)
        return Plate("demo", self.size, (View(rgb),), noise=NOISE)

    def close(self) -> None:
        self._poses.clear()

    def _seen(self, rgb: U8) -> U8:
        """The picture with the noise of one exposure."""
        height, width = rgb.shape[:2]
        x, y = self._random.integers(0, NOISE_SPREAD_PX, 2)
        noise = self._noise[y : y + height, x : x + width]
        noisy = np.asarray(cv2.addWeighted(rgb, 1, noise, 1, -128), np.uint8)
        noisy.flags.writeable = False
        return noisy


class _Person:
    """The drawn poses, and those between them by optical flow, composed over the room."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._keys = [_premultiplied(_load(f"person{index:02d}.webp")) for index in range(KEYS)]
        height, width = self._keys[0].shape[:2]
        self._scale = PERSON_HEIGHT * min(size[1] / height, size[0] / width)
        key_bytes = 3 * height * width * self._scale**2 * KEYS
        self._steps = int(np.clip(_STORE_BYTES / key_bytes, 1, _STEPS))
        self.poses = KEYS * self._steps
        self._flows: dict[int, F32] = {}

    def before(self, room: U8, pose: int) -> tuple[U8, int, int]:
        """The part of the room that the person touches, with the person: uint8 hxwx3, left, top."""
        rgba = self._pose(*divmod(pose, self._steps))
        rgba = np.asarray(
            cv2.resize(rgba, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_CUBIC)
        )
        left, top = (self._size[0] - rgba.shape[1]) // 2, self._size[1] - rgba.shape[0]
        x, y, width, height = cv2.boundingRect(rgba[..., 3])
        rgba = rgba[y : y + height, x : x + width]
        left, top = left + x, top + y
        behind = room[top : top + height, left : left + width]
        clear = cv2.cvtColor(255 - rgba[..., 3], cv2.COLOR_GRAY2RGB)
        composed = cv2.add(cv2.multiply(behind, clear, scale=1 / 255), cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB))
        return np.asarray(composed, np.uint8), left, top

    def _pose(self, key: int, step: int) -> U8:
        """Premultiplied RGBA between a drawn pose and the next one."""
        this, following = self._keys[key], self._keys[(key + 1) % KEYS]
        if step == 0:
            return this
        if key not in self._flows:
            self._flows[key] = _flow(this, following)
        flow, share = self._flows[key], step / self._steps
        weights = (1 - share, share)
        return np.asarray(
            cv2.addWeighted(
                _pulled(this, flow * -share),
                weights[0],
                _pulled(following, flow * (1 - share)),
                weights[1],
                0,
            ),
            np.uint8,
        )


def _load(name: str) -> U8:
    """RGB or RGBA; the assets are part of the program, so a missing one is a bug."""
    data = np.frombuffer((ASSETS / name).read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert picture is not None
    turned = cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(picture, turned), np.uint8)


def _premultiplied(rgba: U8) -> U8:
    colour = rgba[..., :3].astype(np.uint16) * rgba[..., 3:] // 255
    return np.dstack((colour.astype(np.uint8), rgba[..., 3]))


def _flow(this: U8, following: U8) -> F32:
    """Optical flow from one pose to the next, pixels."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    grey = [cv2.addWeighted(_grey(p), 1, 255 - p[..., 3], 0.5, 0) for p in (this, following)]
    return np.asarray(finder.calc(grey[0], grey[1], None), np.float32)


def _grey(rgba: U8) -> U8:
    return np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY), np.uint8)


def _pulled(picture: U8, by: F32) -> U8:
    height, width = picture.shape[:2]
    x = by[..., 0] + np.arange(width, dtype=np.float32)
    y = by[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR), np.uint8)


def _covering(picture: U8, size: tuple[int, int]) -> U8:
    """Scaled to fill the size, the rest cut away evenly."""
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    wide = (max(round(picture.shape[1] * scale), size[0]), max(round(picture.shape[0] * scale), size[1]))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(picture, wide, interpolation=way), np.uint8)
    left, top = (wide[0] - size[0]) // 2, (wide[1] - size[1]) // 2
    return np.ascontiguousarray(picture[top : top + size[1], left : left + size[0]])


def _shaken(room: U8) -> list[U8]:
    """The room along a small closed path of the camera."""
    scale = room.shape[1] / DEFAULT_SIZE[0]
    rooms = []
    for angle in np.arange(SHAKE_STEPS) * (2 * np.pi / SHAKE_STEPS):
        dx, dy = SHAKE_PX[0] * scale * np.cos(angle), SHAKE_PX[1] * scale * np.sin(angle)
        move = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
        rooms.append(
            np.asarray(
                cv2.warpAffine(
                    room, move, room.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
                ),
                np.uint8,
            )
        )
    return rooms


def _noise_field(size: tuple[int, int], random: np.random.Generator) -> U8:
    """Noise around 128 that neighbours share in part, as after a webcam's demosaicing."""
    shape = (size[1] + NOISE_SPREAD_PX, size[0] + NOISE_SPREAD_PX, 3)
    noise = cv2.GaussianBlur(random.standard_normal(shape, np.float32), (0, 0), 0.7)
    return np.clip(noise * (NOISE / noise.std()) + 128.5, 0, 255).astype(np.uint8)
