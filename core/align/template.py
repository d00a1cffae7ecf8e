"""What is looked for: samples of one plate view, in cells, with the derivatives that move them.

Built once a view. A frame is then compared at a few thousand samples without warping a picture
(inverse compositional alignment: Baker & Matthews, IJCV 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from core.align.geometry import resized_from_original
from core.types import F32, F64, U8

CELLS = (9, 16)  # rows, columns over the view
SAMPLES = (4000, 2000, 2000)  # at full, half and quarter of the working size, over all textured cells
SAMPLES_PER_CELL = (24, 96)
LEVELS = len(SAMPLES)
_FROM_FINEST = [resized_from_original(0.5**i, 0.5**i) for i in range(LEVELS)]
RESIZES = [(m, np.linalg.inv(m)) for m in _FROM_FINEST]  # from the working picture to each level, and back
FOCAL = 1.5  # of half the width: 67 degrees, in the middle of what webcams have
BLUR_SIGMA = 0.9  # both pictures: without it bilinear sampling moves H by up to 0.05 px
TEXTURE_STD = 4.0  # grey levels inside a cell; below, sensor noise decides about agreement
MIN_SIDE = 48  # px; a smaller view has no cells worth the name

_SENTRY_SHARE = 3
_IN_LINE_PX = 0.25  # rms distance from a line, below which samples lie in it
_STRONGEST = 0.25  # samples are drawn from this share of a cell's pixels, by gradient


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Samples at one resolution: C textured cells of K samples.

    xy1: float32 3xCK, homogeneous pixels of this level. value: float32 CxK grey.
    jacobian: float32 8xCK, grey levels per unit of each motion of `motion_matrix`, less each cell's mean and,
    where there are slopes, the plane over the cell.
    size: (width, height) of this level's picture.
    slopes: float32 2xCxK, two ramps over each cell, orthonormal and without mean: all planes over the cell
    are sums of them and of a constant. 0 where the samples lie in a line. None: planes count as all else.
    """

    xy1: F32
    value: F32
    jacobian: F32
    size: tuple[int, int]
    slopes: F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """levels[0] is the finest. size: (width, height) of the working picture of the view.

    focal: focal length over half the width, which ties keystone to turning.
    sentry: levels[0] with a third of its samples: enough to see that nothing moves.
    """

    levels: tuple[Level, ...]
    size: tuple[int, int]
    focal: float
    sentry: Level

    @property
    def textured_cells(self) -> int:
        return len(self.levels[0].value)


def build_template(grey: U8, coverage: U8 | None = None, focal: float = FOCAL, seed: int = 0) -> Template:
    """The template of a view at working size.

    Args:
        grey: uint8 HxW, both sides at least MIN_SIDE.
        coverage: uint8 HxW, 255 where the room is known; None means everywhere.
        seed: which of a cell's strong pixels are drawn.
    """
    rng = np.random.default_rng(seed)
    drawn: list[_Samples] = []
    picture, known = grey, coverage
    for index in range(LEVELS):
        drawn.append(_draw(picture, known, SAMPLES[index], focal, rng))
        half = (max(picture.shape[1] // 2, 1), max(picture.shape[0] // 2, 1))
        picture = np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA))
        known = None if known is None else np.asarray(cv2.resize(known, half, interpolation=cv2.INTER_AREA))
    size = (grey.shape[1], grey.shape[0])
    # Far from the right place what slopes along a wall outweighs the few corners, and a shadow has no other
    # slopes than a wall; near it, the slopes are of help.
    levels = (_level(drawn[0]), *(_level(samples, without_planes=True) for samples in drawn[1:]))
    return Template(levels, size, focal, _level(_thinned(drawn[0])))


def blur(grey: U8, out: U8 | None = None) -> U8:
    """grey (uint8 HxW), slightly blurred. out: of its shape, written over and returned; None makes one."""
    # As bytes: their rounding is a tenth of a camera's noise, and it takes half the time.
    return np.asarray(cv2.GaussianBlur(grey, (5, 5), BLUR_SIGMA, dst=out), np.uint8)


def smooth(grey: U8) -> F32:
    """The picture that samples are compared in: float32, slightly blurred."""
    return blur(grey).astype(np.float32)


def motion_matrix(p: F64, size: tuple[int, int], focal: float) -> F64:
    """The homography of eight small motions, float64 3x3, around the identity.

    p: px at the picture's edge: pan, tilt, roll, zoom, stretch, shear, keystone x, keystone y.
    The first four are a camera that turns about its centre and zooms; with the others, any plane.
    """
    cx, cy, half = (size[0] - 1) / 2, (size[1] - 1) / 2, size[0] / 2
    q = np.asarray(p) / half
    bend = 1 / focal**2
    unit = np.array(
        [
            [1 + q[3] + q[4], q[5] - q[2], q[0]],
            [q[2] + q[5], 1 + q[3] - q[4], q[1]],
            [-q[6] - bend * q[0], -q[7] - bend * q[1], 1.0],
        ]
    )
    from_unit = np.array([[half, 0, cx], [0, half, cy], [0, 0, 1.0]])
    to_unit = np.array([[1 / half, 0, -cx / half], [0, 1 / half, -cy / half], [0, 0, 1.0]])
    return np.asarray(from_unit @ unit @ to_unit)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """As in Level, before anything is taken out. xy1: 3xCxK. value: CxK. jacobian: 8xCxK."""

    xy1: F32
    value: F32
    jacobian: F64
    size: tuple[int, int]


def _draw(grey: U8, coverage: U8 | None, total: int, focal: float, rng: np.random.Generator) -> _Samples:
    picture = smooth(grey)
    height, width = picture.shape
    gx, gy = (np.asarray(cv2.sepFilter2D(picture, -1, *kernels)) for kernels in _derivatives())
    strength = gx * gx + gy * gy
    for border in (strength[:3], strength[-3:], strength[:, :3], strength[:, -3:]):
        border[...] = -1
    if coverage is not None:
        strength[cv2.erode(coverage, np.ones((7, 7), np.uint8), borderValue=0) < 255] = -1
    pools = _strong_pixels(strength, picture)
    least, most = SAMPLES_PER_CELL
    count = int(np.clip(total // max(len(pools), 1), least, most))
    # With replacement where a small cell has fewer strong pixels than asked for.
    chosen = [rng.choice(pool, count, replace=len(pool) < count) for pool in pools]
    flat = np.array(chosen, np.intp).reshape(-1)
    y, x = np.divmod(flat, width)
    jacobian = _jacobian(x, y, gx[y, x], gy[y, x], (width, height), focal).T
    return _Samples(
        xy1=np.stack([x, y, np.ones_like(x)]).astype(np.float32).reshape(3, -1, count),
        value=picture[y, x].reshape(-1, count),
        jacobian=jacobian.reshape(8, -1, count),
        size=(width, height),
    )


def _thinned(of: _Samples) -> _Samples:
    count = of.value.shape[1]
    keep = max(count // _SENTRY_SHARE, min(count, SAMPLES_PER_CELL[0] // 2))
    return _Samples(of.xy1[:, :, :keep], of.value[:, :keep], of.jacobian[:, :, :keep], of.size)


def _level(of: _Samples, without_planes: bool = False) -> Level:
    J = of.jacobian - of.jacobian.mean(2, keepdims=True)  # all is taken out that residuals lack, too
    slopes = _slopes(*of.xy1[:2].astype(np.float64)) if without_planes else None
    if slopes is not None:
        for slope in slopes:
            J -= np.einsum("ick,ck->ic", J, slope)[..., None] * slope
    return Level(
        xy1=np.ascontiguousarray(of.xy1.reshape(3, -1)),
        value=np.ascontiguousarray(of.value),
        jacobian=np.ascontiguousarray(J.reshape(8, -1), np.float32),
        size=of.size,
        slopes=None if slopes is None else np.ascontiguousarray(slopes, np.float32),
    )


def _slopes(x: F64, y: F64) -> F64:
    """Ramps to the right and down over each cell of samples at x, y (CxK), as in Level."""
    across, down = (at - at.mean(1, keepdims=True) for at in (x, y))
    across = _unit_or_0(across)
    down = _unit_or_0(down - np.einsum("ck,ck->c", down, across)[:, None] * across)
    return np.stack([across, down])


def _unit_or_0(ramp: F64) -> F64:
    length = np.linalg.norm(ramp, axis=1, keepdims=True)
    long = length > _IN_LINE_PX * np.sqrt(ramp.shape[1])
    return np.where(long, ramp / np.maximum(length, 1e-9), 0)


def _strong_pixels(strength: F32, picture: F32) -> list[np.ndarray]:
    """Flat indices of each textured cell's strongest pixels."""
    height, width = strength.shape
    ys = np.linspace(0, height, CELLS[0] + 1).astype(int)
    xs = np.linspace(0, width, CELLS[1] + 1).astype(int)
    index = np.arange(height * width).reshape(height, width)
    pools = []
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            block = strength[top:bottom, left:right].ravel()
            inside = int((block >= 0).sum())
            keep = max(int(inside * _STRONGEST), min(inside, SAMPLES_PER_CELL[0]))
            if keep < SAMPLES_PER_CELL[0] // 2:
                continue
            strongest = np.argpartition(-block, keep - 1)[:keep]
            pool = index[top:bottom, left:right].ravel()[strongest]
            if picture.ravel()[pool].std() >= TEXTURE_STD:
                pools.append(pool)
    return pools


def _jacobian(x: np.ndarray, y: np.ndarray, gx: F32, gy: F32, size: tuple[int, int], focal: float) -> F64:
    """Change of a sample's grey per unit of each motion of `motion_matrix`: N x 8."""
    half = size[0] / 2
    u, v = (x - (size[0] - 1) / 2) / half, (y - (size[1] - 1) / 2) / half
    radial = gx * u + gy * v
    bend = 1 / focal**2
    columns = [
        gx + bend * radial * u,
        gy + bend * radial * v,
        gy * u - gx * v,
        radial,
        gx * u - gy * v,
        gx * v + gy * u,
        radial * u,
        radial * v,
    ]
    return np.stack(columns, 1)


def _derivatives() -> tuple[tuple[F64, F64], tuple[F64, F64]]:
    """Separable five-tap derivative kernels in grey levels a pixel (Farid & Simoncelli 2004)."""
    smoothing = np.array([0.037659, 0.249153, 0.426375, 0.249153, 0.037659])
    slope = np.array([-0.109604, -0.276691, 0.0, 0.276691, 0.109604])
    return (slope, smoothing), (smoothing, slope)
