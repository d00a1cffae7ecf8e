"""Weights of platenet as it was before its finest level worked on cells, as the beginning of one that does.

It then had layers at half of the size, with a quarter of the channels and a quarter of the kernels' pixels:
a stem of 4x4 that moved by 2, `down2` that halved, and on the way up `up1`, which enlarged what came from
below, and a head of four channels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from core.runtime.graph import on_squares
from core.types import F32

_NORM = ("weight", "bias", "running_mean", "running_var")


def on_cells(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """What computes the same on cells, but where the old stem and the old enlargement looked beyond a cell
    and its neighbours: those pixels count as the nearest that are seen (alpha moves by 0.7e-3 on average).

    Weights of any other shape are handed on as they are, for the loader to name.
    """
    if "up1.below.weight" not in weights:
        return weights
    arrays = {name: tensor.float().numpy() for name, tensor in weights.items()}
    new = {name: tensor for name, tensor in weights.items() if not name.startswith("up1.")}
    changed = {
        "stem.0.weight": _stem(arrays["stem.0.weight"]),
        "down2.0.0.weight": np.pad(
            on_squares(arrays["down2.0.0.weight"], 2), ((0, 0), (0, 0), (0, 1), (0, 1))
        ),
        "cells.0.weight": _cells(*(arrays[f"up1.{name}.weight"] for name in ("below", "beside", "both.0"))),
        "head.weight": _head(arrays["head.weight"]),
        "head.bias": np.tile(arrays["head.bias"].reshape(2, 2), (2, 2)).reshape(16),
    }
    for before, after in (("stem.1", "stem.1"), ("up1.both.1", "cells.1")):
        changed |= {f"{after}.{part}": np.repeat(arrays[f"{before}.{part}"], 4) for part in _NORM}
    new |= {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in changed.items()}
    return new | {"cells.1.num_batches_tracked": weights["up1.both.1.num_batches_tracked"]}


def _stem(kernel: F32) -> F32:
    """O x I x 4 x 4 that moved by 2 and began a pixel outside, for a cell's four places: 4 O x I x 4 x 4."""
    out, into = kernel.shape[:2]
    cells = np.zeros((out, 2, 2, into, 4, 4), np.float32)
    for row, column, y, x in np.ndindex(2, 2, 4, 4):
        seen_y, seen_x = (min(max(2 * at - 1 + k, 0), 3) for at, k in ((row, y), (column, x)))
        cells[:, row, column, :, seen_y, seen_x] += kernel[..., y, x]
    return cells.reshape(4 * out, into, 4, 4)


def _cells(below: F32, beside: F32, both: F32) -> F32:
    """What came from below, enlarged, and what came from beside, added and convolved, as one convolution."""
    of_beside = on_squares(_behind(both, beside), 1)
    from_below = _behind(both, below)
    out, into = from_below.shape[:2]
    of_below = np.zeros((out, 2, 2, into, 3, 3), np.float32)
    for row, column, y, x in np.ndindex(2, 2, 3, 3):
        for cell_y, share_y in _bilinear(row + y - 1):
            for cell_x, share_x in _bilinear(column + x - 1):
                of_below[:, row, column, :, cell_y + 1, cell_x + 1] += (
                    share_y * share_x * from_below[..., y, x]
                )
    return np.concatenate([of_below.reshape(4 * out, into, 3, 3), of_beside], 1)


def _behind(kernel: F32, pixelwise: F32) -> F32:
    """A convolution and one of single pixels before it, in one."""
    return np.einsum("omyx,mi->oiyx", kernel, pixelwise[:, :, 0, 0]).astype(np.float32)


def _bilinear(place: int) -> list[tuple[int, float]]:
    """Cells (-1..1, as neighbours go) that a pixel of an enlarged picture is made of, and their shares.
    place: in halves of a cell, 0 and 1 in the cell 0."""
    first, share = divmod((place - 0.5) / 2, 1)
    return [(min(max(int(cell), -1), 1), part) for cell, part in ((first, 1 - share), (first + 1, share))]


def _head(kernel: F32) -> F32:
    """4 x I x 3 x 3, squares as pixel_shuffle(2) takes them, for pixel_shuffle(4): 16 x 4 I x 3 x 3."""
    wide = on_squares(kernel, 1)
    squares = wide.reshape(2, 2, 2, 2, *wide.shape[1:])  # row and column in the square, of the square
    return squares.transpose(2, 0, 3, 1, 4, 5, 6).reshape(wide.shape)
