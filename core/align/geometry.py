"""Homographies and pixel maps that alignment shares."""

from __future__ import annotations

from functools import lru_cache
from math import hypot

import cv2
import numpy as np

from core.types import F64


def resized_from_original(sx: float, sy: float) -> F64:
    """Pixel map of a resize by (sx, sy), pixel centres at integers: x' = (x + 1/2) sx - 1/2."""
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1.0]])


def halvings(scale: float, most: int = 16) -> int:
    """How often a picture is halved before it is brought to `scale`: the last step does not enlarge it."""
    count = 0
    while count < most and scale * 2 ** (count + 1) <= 1:
        count += 1
    return count


@lru_cache(maxsize=16)
def corners_of(size: tuple[int, int]) -> F64:
    """The centres of the four corner pixels, float64 4x2, clockwise from the top left; read-only."""
    right, bottom = size[0] - 1.0, size[1] - 1.0
    corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])
    corners.setflags(write=False)
    return corners


def oriented(H: F64) -> F64:
    """H with the scale under which what is in front of the camera has a positive depth (third coordinate).

    A homography between pictures of one turning camera is K' R K⁻¹ up to its scale, and det R is 1: so the
    determinant knows the sign that is lost where the last entry is made 1. That entry itself is the depth of
    one corner of the picture, which lies behind a camera that turned far enough (56° at 67° of view).
    Source: Hartley & Zisserman, 2nd ed., sections 8.4 and 21.1 (cheirality).
    """
    return np.asarray(H / np.cbrt(np.linalg.det(H)))


def moved(H: F64, points: F64) -> F64:
    """points (float64 Nx2) through H; far away (not an error) where a point goes to infinity."""
    return np.asarray(cv2.perspectiveTransform(points[None], H)[0], np.float64)


def corner_shift_px(H_a: F64, H_b: F64, size: tuple[int, int]) -> float:
    """Mean distance between the corners of a size x size picture under two homographies."""
    corners = corners_of(size)
    apart = moved(H_a, corners) - moved(H_b, corners)
    return float(np.sqrt((apart * apart).sum(1)).sum()) / 4


def plausible(H: F64, from_size: tuple[int, int], to_size: tuple[int, int]) -> bool:
    """Whether H can be a camera that turned, zoomed or moved a little: finite, no flip, no horizon
    inside the picture, sides neither crushed nor blown up beyond eight times.
    """
    if not np.isfinite(H).all() or abs(H[2, 2]) < 1e-9:
        return False
    # Plain floats: asked several times a frame, and numpy takes ten times as long for four points.
    (a, b, c), (d, e, f), (g, h, i) = (H / H[2, 2]).tolist()
    right, bottom = from_size[0] - 1.0, from_size[1] - 1.0
    there = []
    for x, y in ((0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)):
        depth = g * x + h * y + i
        if not 0.1 <= depth <= 10:
            return False
        there.append(((a * x + b * y + c) / depth, (d * x + e * y + f) / depth))
    edges = [(q[0] - p[0], q[1] - p[1]) for p, q in zip(there, there[1:] + there[:1], strict=True)]
    for (ux, uy), (vx, vy) in zip(edges, edges[1:] + edges[:1], strict=True):
        if ux * vy - uy * vx <= 0:  # clockwise and convex before, so it must be after
            return False
    longest = max(to_size)
    return all(0.05 * longest < hypot(x, y) < 8 * longest for x, y in edges)


def nearest_turn(H: F64, size: tuple[int, int], to_size: tuple[int, int], focal: float) -> F64:
    """The homography of a turning, zooming camera that moves the corners most like H.

    Args:
        H: float64 3x3, from a size picture to a to_size picture.
        focal: focal length of the first camera over half its width; square pixels, centred.
    Source: H = K' R K⁻¹, Hartley & Zisserman, 2nd ed., eq. 8.9; fitted by Gauss-Newton.
    """
    K_from = _camera(size, focal * size[0] / 2)
    grid = _grid(size)
    target = moved(H, grid)
    zoom = float(np.sqrt(abs(np.linalg.det(H[:2, :2] - np.outer(H[:2, 2], H[2, :2])))))
    zoom = zoom if np.isfinite(zoom) and 0.1 < zoom < 10 else 1.0
    K_to = _camera(to_size, focal * size[0] / 2 * zoom)
    u, _, vt = np.linalg.svd(np.linalg.inv(K_to) @ H @ K_from)
    start = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    p = np.zeros(4)
    p[:3] = cv2.Rodrigues(start)[0][:, 0]
    p[3] = np.log(zoom)

    def turned(q: F64) -> F64:
        K = _camera(to_size, focal * size[0] / 2 * float(np.exp(q[3])))
        return np.asarray(K @ cv2.Rodrigues(q[:3])[0] @ np.linalg.inv(K_from))

    small = 1e-5
    for _ in range(6):
        here = moved(turned(p), grid)
        slopes = [(moved(turned(p + small * unit), grid) - here).ravel() / small for unit in np.eye(4)]
        step = np.linalg.lstsq(np.stack(slopes, 1), (target - here).ravel(), rcond=None)[0]
        p = p + step
    best = turned(p)
    return np.asarray(best / best[2, 2])


def _camera(size: tuple[int, int], f: float) -> F64:
    return np.array([[f, 0, (size[0] - 1) / 2], [0, f, (size[1] - 1) / 2], [0, 0, 1.0]])


def _grid(size: tuple[int, int]) -> F64:
    x, y = np.meshgrid(np.linspace(0, size[0] - 1, 3), np.linspace(0, size[1] - 1, 3))
    return np.stack([x.ravel(), y.ravel()], 1)


def inverse(H: F64) -> F64:
    """H⁻¹, scaled so that its last entry is 1."""
    back = np.linalg.inv(H)
    return np.asarray(back / back[2, 2], np.float64)
