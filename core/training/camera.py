"""What a webcam makes of a picture in training: drifting light, noise, JPEG, motion."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from core.training.rooms import Rng
from core.types import F32, U8

CAMERA_HEIGHTS = (720, 1080)
NOISE_FADES = 0.7  # power of the scale; 1 would be noise without any correlation
NOISE_MARGIN = 384  # px by which the noise fields are larger than the picture, to be cut at random


class Camera:
    """Draws a camera's troubles for pictures of one size, (width, height)."""

    def __init__(self, size: tuple[int, int], rng: Rng) -> None:
        self.size, self.rng = size, rng
        shape = (size[1] + NOISE_MARGIN, size[0] + NOISE_MARGIN, 3)
        white = rng.standard_normal(shape, dtype=np.float32)
        self._noise = [white] + [_unit(cv2.GaussianBlur(white, (0, 0), sigma)) for sigma in (0.5, 0.7, 1.0)]
        # chroma noise of webcams is coarser than luma noise
        coarse = _unit(cv2.GaussianBlur(white[::-1].copy(), (0, 0), 1.8))
        self._noise.append(_unit(self._noise[1].mean(2, keepdims=True) + 0.5 * coarse))

    def drift(self, strength: float) -> Callable[[F32], F32]:
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

    def sensor(self, picture: F32, strength: float) -> U8:
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
        return packed(out, int(rng.integers(60, 96)), shrunk) if rng.random() < 0.6 else out


def packed(picture: U8, quality: int, shrunk: float) -> U8:
    """What JPEG leaves of a picture that was `shrunk` times larger when it was packed."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    h, w = picture.shape[:2]
    large = cv2.resize(picture, (round(w * shrunk), round(h * shrunk)), interpolation=cv2.INTER_CUBIC)
    _, jpeg = cv2.imencode(".jpg", large, options)
    unpacked = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)
    # only the change: there and back again the picture itself would lose its sharpness
    before, after = (cv2.resize(a, (w, h), interpolation=cv2.INTER_AREA) for a in (large, unpacked))
    changed = picture + after.astype(np.int16) - before
    return np.clip(changed, 0, 255).astype(np.uint8)


def _unit(field: F32) -> F32:
    """A noise field scaled to standard deviation 1."""
    return field / field.std()


def motion_kernel(rng: Rng) -> F32:
    """Of a movement in a random direction by 2 to 8 px, to be filtered with."""
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    c, a = (length - 1) / 2, rng.uniform(0, np.pi)
    p, q = (c - c * np.cos(a), c - c * np.sin(a)), (c + c * np.cos(a), c + c * np.sin(a))
    cv2.line(kernel, (round(p[0]), round(p[1])), (round(q[0]), round(q[1])), 1.0)
    return kernel / max(1e-6, kernel.sum())
