"""A coarse grid of shifts that are tied to each other: what cells know of it in, the likeliest grid out.

Solved column by column (block tridiagonal elimination, Golub & Van Loan, 4th ed., 4.5.1): numpy hands a
whole system of this size to several threads, and on a busy machine waits a hundred times as long for
them as the work takes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.types import F32, F64

GRID = (7, 12)  # rows, columns

_SMOOTH = 2.0  # 1/px² between neighbours: at the edge of a cupboard they differ by a pixel or two
_PRIOR = 0.05  # 1/px²: where nobody knows, it fades to nothing within six cells
_MEMORY = 5.0  # 1/px² that the last shift weighs

_ROWS, _COLUMNS = GRID
_BLOCK = 2 * _ROWS  # a column's unknowns: x of each row, then y


class ElasticGrid:
    """The grid over a picture, for measurements at fixed places of it.

    Args:
        x, y: N places, pixels. size: (width, height) of the picture.
    """

    def __init__(self, x: F32, y: F32, size: tuple[int, int]) -> None:
        self._weights = bilinear(x, y, size)
        # For each place, each pair of its nodes: neighbouring columns once, from left to right.
        place, first = np.nonzero(self._weights)
        pair, second = np.nonzero(self._weights[place])
        place, first = place[pair], first[pair]
        once = second % _COLUMNS >= first % _COLUMNS
        self._place, first, second = place[once], first[once], second[once]
        self._share = self._weights[self._place, first] * self._weights[self._place, second]
        next_column = second % _COLUMNS - first % _COLUMNS
        block = (next_column * _COLUMNS + first % _COLUMNS) * _BLOCK
        self._entry = np.concatenate(
            [
                (block + first // _COLUMNS + i * _ROWS) * _BLOCK + second // _COLUMNS + j * _ROWS
                for i in (0, 1)
                for j in (0, 1)
            ]
        )

    def at_places(self, shifts: F64) -> F32:
        """The grid's shifts (GRID x 2) at the places: float32 N x 2, bilinear."""
        return np.asarray(self._weights @ shifts.reshape(-1, 2).astype(np.float32), np.float32)

    def step(self, known: tuple[F32, F32, F32], pull: tuple[F32, F32], shifts: F64) -> F64:
        """The likeliest change of the shifts (GRID x 2).

        known: xx, xy, yy, float32 N, 1/px²: how well each place knows its shift. pull: x, y, float32 N,
        the same times the change that it asks for.
        """
        xx, xy, yy = (values[self._place] * self._share for values in known)
        total = 2 * _COLUMNS * _BLOCK * _BLOCK
        blocks = np.bincount(self._entry, np.concatenate([xx, xy, xy, yy]), total) + _ties()[0]
        within, across = blocks.reshape(2, _COLUMNS, _BLOCK, _BLOCK)
        wanted = np.stack([values @ self._weights for values in pull]).astype(np.float64)
        wanted -= shifts.reshape(-1, 2).T @ _ties()[1]
        right = wanted.reshape(2, _ROWS, _COLUMNS).transpose(2, 0, 1).reshape(_COLUMNS, _BLOCK)
        solved: list[tuple[F64, F64]] = []
        for j in range(_COLUMNS):
            block, known_here = within[j], right[j]
            if j:
                onwards, rest = solved[-1]
                block = block - across[j - 1].T @ onwards
                known_here = known_here - across[j - 1].T @ rest
            both = np.linalg.solve(block, np.column_stack([across[j], known_here]))
            solved.append((both[:, :-1], both[:, -1]))
        found = np.empty((_COLUMNS, _BLOCK))
        found[-1] = solved[-1][1]
        for j in range(_COLUMNS - 2, -1, -1):
            found[j] = solved[j][1] - solved[j][0] @ found[j + 1]
        return np.ascontiguousarray(found.reshape(_COLUMNS, 2, _ROWS).transpose(2, 0, 1))


def bilinear(x: F32 | F64, y: F32 | F64, size: tuple[int, int]) -> F32:
    """How much of each node a place takes: float32 N x nodes, rows that sum to 1. Nodes are the centres of
    the fields of a GRID over a picture of that size; beyond them the nearest counts."""
    total = np.ones((len(x), _ROWS, _COLUMNS), np.float32)
    for values, count, length, axis in ((y, _ROWS, size[1], 1), (x, _COLUMNS, size[0], 2)):
        place = np.clip((values + 0.5) * (count / length) - 0.5, 0, count - 1)
        near = np.maximum(1 - np.abs(place[:, None] - np.arange(count)), 0).astype(np.float32)
        total *= near[:, :, None] if axis == 1 else near[:, None, :]
    return total.reshape(len(x), _ROWS * _COLUMNS)


@lru_cache(maxsize=1)
def _ties() -> tuple[F64, F64]:
    """What ties nodes to their neighbours, to no shift and to the last one: flat blocks, as `step` has
    them; and the first two as a matrix of all nodes, of one axis."""
    index = np.arange(_ROWS * _COLUMNS).reshape(GRID)
    matrix = _PRIOR * np.eye(_ROWS * _COLUMNS)
    for a, b in ((index[:, 1:], index[:, :-1]), (index[1:], index[:-1])):
        for i, j in zip(a.ravel(), b.ravel(), strict=True):
            matrix[[i, j], [i, j]] += _SMOOTH
            matrix[[i, j], [j, i]] -= _SMOOTH
    blocks = np.zeros((2, _COLUMNS, _BLOCK, _BLOCK))
    for column in range(_COLUMNS):
        here = index[:, column]
        for axis in (0, 1):
            own = np.s_[axis * _ROWS : (axis + 1) * _ROWS]
            blocks[0, column, own, own] = matrix[np.ix_(here, here)] + _MEMORY * np.eye(_ROWS)
            if column + 1 < _COLUMNS:
                blocks[1, column, own, own] = matrix[np.ix_(here, index[:, column + 1])]
    return blocks.ravel(), matrix
