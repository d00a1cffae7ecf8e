"""Poses of a sweep's views from pairwise homographies: a turning camera, or a chain where that fails.

Convention: `plate_from_view` takes a view's pixels to those of the reference view, full size.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from core.align.geometry import inverse, moved, oriented
from core.types import F64

TURN_RMS_PX = 1.5  # at 640 px width; above, the camera did more than turn and the chain is truer
_FOCALS = np.geomspace(0.45, 2.2, 24)  # over the width: 96 to 26 degrees
_ROUNDS = 15
_HUBER_PX = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """H: float64 3x3, view `first`'s pixels to view `second`'s, measured."""

    first: int
    second: int
    H: F64


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """plate_from_view: one float64 3x3 a view; the reference's is the identity.

    focal_px: of the turning camera; None where the views are a chain of homographies.
    rms_px: how far the pairs disagree with the poses.
    """

    plate_from_view: list[F64]
    reference: int
    focal_px: float | None
    rms_px: float


def solve_poses(pairs: list[Pair], count: int, size: tuple[int, int]) -> Poses:
    """Poses of `count` views, all connected by pairs.

    Rotations and one focal length, refined jointly over all pairs; a homography chain where that
    leaves more than TURN_RMS_PX.
    Source: Brown & Lowe, "Automatic Panoramic Image Stitching", IJCV 2007, section 4.
    """
    steps = _tree(pairs, count)
    focal = _guess_focal(pairs, size)
    rotations = [np.eye(3) for _ in range(count)]
    for known, new, H in steps:
        rotations[new] = _rotation_of(H, focal, size) @ rotations[known]
    rotations, focal, rms = _refine(pairs, rotations, focal, size)
    if rms * 640 / size[0] <= TURN_RMS_PX:
        reference = _middle(rotations)
        K = _camera(focal, size)
        plate_from_view = [_unit(K @ rotations[reference] @ R.T @ np.linalg.inv(K)) for R in rotations]
        plate_from_view[reference] = np.eye(3)
        return Poses(plate_from_view, reference, focal, rms)
    reference = _middle(rotations)
    chain = _chain(pairs, count, reference)
    return Poses(chain, reference, None, _chain_rms(pairs, chain, size))


def _camera(focal: float, size: tuple[int, int]) -> F64:
    return np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1.0]])


def _unit(H: F64) -> F64:
    return np.asarray(H / H[2, 2])


def _rotation_of(H: F64, focal: float, size: tuple[int, int]) -> F64:
    """The rotation nearest to K⁻¹ H K."""
    K = _camera(focal, size)
    u, _, vt = np.linalg.svd(np.linalg.inv(K) @ H @ K)
    return np.asarray(u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt)


def _guess_focal(pairs: list[Pair], size: tuple[int, int]) -> float:
    """The focal length under which the pairs look most like rotations."""
    costs = []
    for ratio in _FOCALS:
        K = _camera(ratio * size[0], size)
        cost = 0.0
        for pair in pairs:
            singular = np.linalg.svd(np.linalg.inv(K) @ pair.H @ K, compute_uv=False)
            cost += float(np.log(singular[0] / singular[2]))
        costs.append(cost)
    return float(_FOCALS[int(np.argmin(costs))] * size[0])


def _refine(
    pairs: list[Pair], rotations: list[F64], focal: float, size: tuple[int, int]
) -> tuple[list[F64], float, float]:
    """Gauss-Newton with Huber weights over all rotations (left increments) and log focal."""
    points = [_seen_by_both(pair.H, size) for pair in pairs]
    targets = [moved(pair.H, here) for pair, here in zip(pairs, points, strict=True)]
    unknowns = 3 * len(rotations) + 1

    def residuals(turned: list[F64], f: float) -> F64:
        K = _camera(f, size)
        inverse = np.linalg.inv(K)
        apart = []
        for pair, here, target in zip(pairs, points, targets, strict=True):
            H = K @ turned[pair.second] @ turned[pair.first].T @ inverse
            apart.append(moved(H, here) - target)
        return np.concatenate(apart).ravel()

    def stepped(step: F64) -> tuple[list[F64], float]:
        turns = step[:-1].reshape(-1, 3)
        new = [cv2.Rodrigues(t)[0] @ R for t, R in zip(turns, rotations, strict=True)]
        return new, focal * float(np.exp(step[-1]))

    small = 1e-6
    for _ in range(_ROUNDS):
        here = residuals(rotations, focal)
        J = np.stack(
            [
                (residuals(*stepped(np.asarray(small * e))) - here) / small
                for e in np.eye(unknowns, dtype=np.float64)
            ],
            1,
        )
        weight = np.minimum(1, _HUBER_PX / np.maximum(np.abs(here), 1e-9))
        # The whole sweep may turn freely: a small damping holds it, and the focal length stays sane.
        A = J.T @ (weight[:, None] * J)
        A[np.diag_indices(unknowns)] += 1e-6 * np.trace(A) / unknowns
        step = np.asarray(-np.linalg.solve(A, J.T @ (weight * here)), np.float64)
        new, new_focal = stepped(step)
        if not np.isfinite(step).all() or not 0.3 * size[0] < new_focal < 4 * size[0]:
            break
        rotations, focal = new, new_focal
        if np.abs(step).max() < 1e-7:
            break
    return rotations, focal, float(np.sqrt(2 * np.mean(residuals(rotations, focal) ** 2)))


def _seen_by_both(second_from_first: F64, size: tuple[int, int]) -> F64:
    """Points of the first view that the second sees: where it ends, what was measured is only guessed.

    Two views that share a third of the picture agree there to a tenth of a pixel, and on the far side are
    off by several, which would bend all others.
    """
    x, y = np.meshgrid(np.linspace(0, size[0] - 1, 10), np.linspace(0, size[1] - 1, 6))
    points = np.stack([x.ravel(), y.ravel()], 1)
    there = moved(second_from_first, points)
    ahead = np.c_[points, np.ones(len(points))] @ oriented(second_from_first)[2] > 0
    return points[ahead & (there >= 0).all(1) & (there <= np.array(size) - 1).all(1)]


def _tree(pairs: list[Pair], count: int, root: int = 0) -> list[tuple[int, int, F64]]:
    """(known, new, H new-from-known) in an order that reaches every view from the root."""
    links: dict[int, list[tuple[int, F64]]] = {index: [] for index in range(count)}
    for pair in pairs:
        links[pair.first].append((pair.second, pair.H))
        links[pair.second].append((pair.first, inverse(pair.H)))
    seen, queue = {root}, deque([root])
    steps = []
    while queue:
        known = queue.popleft()
        for new, H in links[known]:
            if new not in seen:
                seen.add(new)
                queue.append(new)
                steps.append((known, new, H))
    assert len(seen) == count, "every view came in by a pair"
    return steps


def _middle(rotations: list[F64]) -> int:
    """The view from which the farthest other one is nearest."""
    looks = np.stack([R.T @ np.array([0, 0, 1.0]) for R in rotations])
    return int((looks @ looks.T).min(1).argmax())


def _chain(pairs: list[Pair], count: int, reference: int) -> list[F64]:
    plate_from_view = [np.eye(3) for _ in range(count)]
    for known, new, H in _tree(pairs, count, reference):
        plate_from_view[new] = _unit(plate_from_view[known] @ np.linalg.inv(H))
    return plate_from_view


def _chain_rms(pairs: list[Pair], chain: list[F64], size: tuple[int, int]) -> float:
    apart = []
    for pair in pairs:
        here = _seen_by_both(pair.H, size)
        H = np.linalg.inv(chain[pair.second]) @ chain[pair.first]
        apart.append(moved(H, here) - moved(pair.H, here))
    return float(np.sqrt(2 * np.mean(np.square(np.concatenate(apart)))))
