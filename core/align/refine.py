"""From a rough homography to a tenth of a pixel: Gauss-Newton on the template's samples.

Each cell is compared after its own mean and contrast are taken out, so light does not matter,
and a cell that does not correlate (the person) has no weight. At the coarse levels a plane over each cell
is taken out, too: shadows, and light that falls otherwise, slope along a wall, and few corners hold there
against their pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.align.template import Level, motion_matrix
from core.types import F32, F64, U8

_TRUST = ((0.45, 0.8), (0.3, 0.75), (0.2, 0.7))  # correlation for weight 0 and 1, per level
AGREE = 0.75  # normalised correlation; the right place gives 0.9 also in noise and motion blur
SIGHT_PX = 1.0
_MIN_SEEN = 0.5  # share of a cell's samples that must be in the frame and not under the person
_CONTRAST = (0.2, 5.0)
_NOISE_VARIANCE = 2.0
_EVERY = 4  # sample of a cell that the spread is taken from; a median is slow
_TUKEY = 4.0
_CORRELATED = 1.0  # samples are drawn sparsely enough that blur hardly ties their noise
_LEAST_RAMP = 0.1  # of a ramp's length, seen; below, it tells nothing of a slope
_LEAST_INFORMATION = 4.0  # 1/px²: a shift known to half a pixel


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One look at the frame through a template under some homography.

    correlation: float32 C, -1..1. judged: bool C, textured, in the frame and seen enough.
    mean, contrast: float32 C, the frame's mean and its contrast over the template's, per cell.
    residual, weight: float32 CK, grey levels and robust weight.
    """

    level: Level
    correlation: F32
    judged: np.ndarray
    mean: F32
    contrast: F32
    residual: F32
    weight: F32
    noise: float

    @property
    def agrees(self) -> np.ndarray:
        """bool C: judged, and so alike that the cell shows the plate."""
        return self.judged & (self.correlation >= AGREE)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What a frame can show of a level: the samples in the frame and not under the person.

    seen: float32 CxK, 1 or 0. share: float32 C, one over the count of seen samples. judged: bool C.
    value: float32 CxK, the seen samples about their cell's mean, 0 elsewhere. variance: float32 C.
    slopes: float32 CxK each, the level's, of what is seen.
    """

    level: Level
    seen: F32
    share: F32
    judged: np.ndarray
    value: F32
    variance: F32
    slopes: tuple[F32, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A Gauss-Newton step. motion: float64 8, as in `motion_matrix`, px of this level.

    error_px: standard deviation of the camera's own four motions, px of this level.
    """

    motion: F64
    error_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What is expected of a motion before looking: px at the edge of level 0.

    gone: float64 8, motion since the prediction. total: float64 8, since the camera stood exactly
    like a turning and zooming one. In both the first four are the camera's own.
    cold: nothing is known yet: the camera may have been carried since the plate was taken.
    """

    gone: F64
    total: F64
    cold: bool = False

    @staticmethod
    def fresh(cold: bool = False) -> Belief:
        return Belief(np.zeros(8), np.zeros(8), cold)

    def next_frame(self) -> Belief:
        return Belief(np.zeros(8), self.total, self.cold)

    def after(self, motion: F64) -> Belief:
        return Belief(self.gone + motion, self.total + motion, self.cold)

    def settled(self) -> Belief:
        """After the plate was found: where the camera has been carried, that is the new normal."""
        carried = float(np.abs(self.total[4:]).max()) > _CARRIED_PX
        return Belief(np.zeros(8), np.zeros(8) if carried else self.total)


# Standard deviations, px at the edge of level 0. A hand pans by anything between two frames, but
# hardly zooms; a room changes its keystone only as far as the focal length is wrong or the camera has
# stepped aside.
_FREE_STEP = np.array([60.0, 60.0, 4.0, 0.4, 0.2, 0.2, 0.2, 0.2])
_FREE_STEP_COARSE = np.array([60.0, 60.0, 4.0, 0.6, 0.02, 0.02, 0.02, 0.02])
_FREE_COLD = 4.0
_CARRIED_PX = 1.0
_FREE_TOTAL = 0.3
_FREE_TOTAL_PER_TURN = 0.05


def sample_places(level: Level, H: F64) -> tuple[F32, F32]:
    """Where the level's samples lie in the picture: two float32 CxK maps."""
    shape = level.value.shape
    p = H.astype(np.float32) @ level.xy1
    inverse = 1 / np.maximum(p[2], 1e-6)
    return (p[0] * inverse).reshape(shape), (p[1] * inverse).reshape(shape)


def in_sight(level: Level, places: tuple[F32, F32], size: tuple[int, int], hidden: F32 | None) -> Sight:
    """What of the level a size picture shows at these places. Holds while they move by less than
    SIGHT_PX: samples that near to the border do not count.

    hidden: float32, any size, spread over the picture, 1 where the person is.
    """
    x, y = places
    near, (right, bottom) = SIGHT_PX, (size[0] - 1 - SIGHT_PX, size[1] - 1 - SIGHT_PX)
    seen = ((x > near) & (x < right) & (y > near) & (y < bottom)).astype(np.float32)
    if hidden is not None:
        sx, sy = np.float32(hidden.shape[1] / size[0]), np.float32(hidden.shape[0] / size[1])
        under = cv2.remap(
            hidden,
            x * sx + (sx - 1) * np.float32(0.5),
            y * sy + (sy - 1) * np.float32(0.5),
            cv2.INTER_NEAREST,
        )
        seen *= 1 - under
    count = np.einsum("ck->c", seen)
    share = 1 / np.maximum(count, 1)
    mean = np.einsum("ck,ck->c", seen, level.value) * share
    value = (level.value - mean[:, None]) * seen
    variance = np.einsum("ck,ck->c", value, value) * share
    slopes = tuple(_of_seen(slope, seen, share) for slope in (() if level.slopes is None else level.slopes))
    return Sight(level, seen, share, count >= _MIN_SEEN * seen.shape[1], value, variance, slopes)


def _of_seen(slope: F32, seen: F32, share: F32) -> F32:
    """A ramp over each cell, without mean and of length 1 again where only a part of it is seen."""
    if seen.all():
        return slope
    of_seen = slope * seen
    of_seen -= (np.einsum("ck->c", of_seen) * share)[:, None]
    of_seen *= seen
    length = np.sqrt(np.einsum("ck,ck->c", of_seen, of_seen))
    of_seen *= (1 / np.maximum(length, _LEAST_RAMP))[:, None]
    return of_seen


def compare(picture: F32 | U8, sight: Sight, places: tuple[F32, F32], trust: int = 0) -> Comparison:
    """How the picture (HxW, grey levels) agrees with the samples in sight, looked for at these places."""
    seen, t, var_t, share = sight.seen, sight.value, sight.variance, sight.share
    f = np.asarray(cv2.remap(picture, places[0], places[1], cv2.INTER_LINEAR), np.float32)
    mean_f = np.einsum("ck,ck->c", seen, f) * share
    f -= mean_f[:, None]
    f *= seen
    var_f = np.einsum("ck,ck->c", f, f) * share
    cov = np.einsum("ck,ck->c", t, f) * share
    correlation = cov / np.sqrt((var_t + _NOISE_VARIANCE) * (var_f + _NOISE_VARIANCE))
    least, most = _CONTRAST
    contrast = np.minimum(np.maximum(np.sqrt(var_f / np.maximum(var_t, 1e-3)), least), most)
    residual = f
    residual *= (1 / contrast)[:, None]
    residual -= t
    for slope in sight.slopes:
        residual -= np.einsum("ck,ck->c", slope, residual)[:, None] * slope
    low, high = _TRUST[trust]
    cell = np.minimum(np.maximum((correlation - low) * np.float32(1 / (high - low)), 0), 1) * sight.judged
    noise = _spread(residual, cell)
    bell = residual * np.float32(1 / (_TUKEY * noise))
    bell *= bell
    np.subtract(1, bell, out=bell)
    np.maximum(bell, 0, out=bell)
    bell *= bell
    bell *= seen
    bell *= cell[:, None]
    return Comparison(
        sight.level, correlation, sight.judged, mean_f, contrast, residual.ravel(), bell.ravel(), noise
    )


def solve(seen: Comparison, belief: Belief, scale: float) -> Step | None:
    """The most likely step, given the residual and what is believed; None when there is nothing to see.

    scale: this level's pixels per level-0 pixel.
    """
    J = seen.level.jacobian
    weighted = J * seen.weight
    precision = 1 / (_CORRELATED * seen.noise**2)
    information = (weighted @ J.T).astype(np.float64) * precision
    if information[0, 0] + information[1, 1] < _LEAST_INFORMATION:
        return None
    stay = 1 / (scale * (_FREE_STEP if scale == 1.0 else _FREE_STEP_COARSE)) ** 2
    turned = _FREE_TOTAL + _FREE_TOTAL_PER_TURN * float(np.abs(belief.total[:4]).sum())
    if belief.cold:
        turned = _FREE_COLD
        stay[2:] = 0.0
    fit = np.array([0, 0, 0, 0, 1, 1, 1, 1]) / (scale * turned) ** 2
    pull = (weighted @ seen.residual).astype(np.float64) * precision
    pull -= scale * (stay * belief.gone + fit * belief.total)
    information.ravel()[::9] += stay + fit  # the diagonal
    solved, covariance = cv2.invert(information, flags=cv2.DECOMP_CHOLESKY)  # far faster than numpy
    motion = covariance @ pull
    if not (solved and np.isfinite(motion).all()):
        return None
    return Step(motion, float(np.sqrt(covariance.ravel()[:28:9].sum())))


def stepped(H: F64, step: Step, level: Level, focal: float) -> F64:
    """H after the step: the template moves by the motion, so the frame by its inverse."""
    back = cv2.invert(motion_matrix(step.motion, level.size, focal))[1]
    moved = H @ back
    return np.asarray(moved / moved[2, 2])


def _spread(residual: F32, cell: np.ndarray) -> float:
    """Robust standard deviation of the residual in trusted cells, grey levels, at least 1."""
    trusted = np.abs(residual[:, ::_EVERY][cell > 0.5]).ravel()
    if trusted.size < 16:
        return 8.0
    middle = trusted.size // 2
    trusted.partition(middle)
    return max(1.0, 1.4826 * float(trusted[middle]))
