"""A small room without files: texture, its exact views, and a person in front. For the tests here."""

from __future__ import annotations

import cv2
import numpy as np

from core.types import Frame, Plate, View

SIZE = (320, 180)


def room(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Furniture-like texture: boxes and stripes of many tones, uint8 HxWx3."""
    rng = np.random.default_rng(seed)
    width, height = size
    picture = np.full((height, width, 3), 120, np.uint8)
    for _ in range(90):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        w, h = rng.uniform(8, 60), rng.uniform(8, 40)
        tone = rng.uniform(30, 220, 3)
        corners = cv2.boxPoints(((x, y), (w, h), rng.uniform(0, 90))).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, tone.tolist(), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.uint8)


def plate_of(rgb: np.ndarray) -> Plate:
    return Plate("room", (rgb.shape[1], rgb.shape[0]), (View(rgb),))


def turned(
    yaw_px: float, tilt_px: float = 0.0, roll_deg: float = 0.0, zoom: float = 1.0, size=SIZE
) -> np.ndarray:
    """Plate-to-frame homography of a turned camera, float64 3x3."""
    width, height = size
    f = 0.8 * width
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
    R = cv2.Rodrigues(np.array([-tilt_px / f, yaw_px / f, np.radians(roll_deg)]))[0]
    H = K @ np.diag([zoom, zoom, 1.0]) @ R @ np.linalg.inv(K)
    return H / H[2, 2]


def seen(
    rgb: np.ndarray, H: np.ndarray, index: int = 0, gain: float = 1.0, noise: float = 2.0, size=SIZE
) -> Frame:
    """The room through a camera at H, with the light and the noise of a webcam."""
    warped = cv2.warpPerspective(rgb, H, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    grain = np.random.default_rng(index).normal(0, noise, warped.shape)
    return Frame(np.clip(warped * gain + grain, 0, 255).astype(np.uint8), index * 33_000_000, index)


def person_in(
    frame: Frame, left: float, width: float, top: float = 0.1, seed: int = 9
) -> tuple[Frame, np.ndarray]:
    """The frame with a textured person standing in it (shares of the picture), and the alpha, uint8."""
    height_px, width_px = frame.rgb.shape[:2]
    alpha = np.zeros((height_px, width_px), np.uint8)
    x0, x1, y0 = int(left * width_px), int((left + width) * width_px), int(top * height_px)
    alpha[y0:, max(x0, 0) : x1] = 255
    shirt = room(seed, frame.size)
    rgb = np.where(alpha[..., None] > 0, shirt, frame.rgb)
    return Frame(rgb, frame.time_ns, frame.index), alpha


def error_px(H: np.ndarray, H_true: np.ndarray, size=SIZE) -> float:
    """Mean corner error in frame pixels."""
    width, height = size
    corners = np.array([[[0, 0]], [[width - 1, 0]], [[width - 1, height - 1]], [[0, height - 1]]], np.float64)
    on_plate = cv2.perspectiveTransform(corners, np.linalg.inv(H_true))
    return float(np.linalg.norm((cv2.perspectiveTransform(on_plate, H) - corners)[:, 0], axis=1).mean())
