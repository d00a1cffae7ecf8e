"""Weights of a narrow network as the beginning of a wider one of the same layers."""

from __future__ import annotations

import torch
from torch import Tensor

# A convolution that sees two things stacked, and a kernel that gives as many channels as the first has.
_STACKED = {"cells.0.weight": "mix2.0.body.1.weight"}


def widened(narrow: dict[str, Tensor], wide: dict[str, Tensor]) -> dict[str, Tensor]:
    """`narrow` in the shapes of `wide`, so that the wider network computes what the narrow one did.

    The channels of the narrow network come first. What is new is as in `wide`, by chance in a fresh
    network, but nothing of it goes into the old channels (as in Net2Net, Chen et al. 2016, sec. 2, where
    the new channels are copies). An array that fits nowhere is handed on as it is, for the loader to name.
    """
    grown = {name: _grown(array, wide[name]) if name in wide else array for name, array in narrow.items()}
    for name, first in _STACKED.items():
        if all(first in weights and name in weights for weights in (narrow, wide)):
            parts = [weights[name].split(_of_both(weights, name, first), 1) for weights in (narrow, wide)]
            grown[name] = torch.cat([_grown(*pair) for pair in zip(*parts, strict=True)], 1)
    return grown


def _of_both(weights: dict[str, Tensor], name: str, first: str) -> list[int]:
    channels, before = weights[name].shape[1], len(weights[first])
    return [before, channels - before]


def _grown(narrow: Tensor, wide: Tensor) -> Tensor:
    fits = narrow.ndim == wide.ndim and narrow.ndim in (1, 4) and narrow.shape[2:] == wide.shape[2:]
    if (
        narrow.shape == wide.shape
        or not fits
        or any(n > w for n, w in zip(narrow.shape, wide.shape, strict=True))
    ):
        return narrow
    grown = wide.clone()
    out = len(narrow)
    if narrow.ndim == 4:
        grown[:out] = 0
        grown[:out, : narrow.shape[1]] = narrow
    else:
        grown[:out] = narrow
    return grown
