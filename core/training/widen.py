"""Weights of a narrow network as the beginning of a wider one of the same layers."""

from __future__ import annotations

from torch import Tensor


def widened(narrow: dict[str, Tensor], wide: dict[str, Tensor]) -> dict[str, Tensor]:
    """`narrow` in the shapes of `wide`, so that the wider network computes what the narrow one did.

    The channels of the narrow network come first. What is new is as in `wide`, by chance in a fresh
    network, but nothing of it goes into the old channels (as in Net2Net, Chen et al. 2016, sec. 2, where
    the new channels are copies). An array that fits nowhere is handed on as it is, for the loader to name.
    """
    return {name: _grown(array, wide[name]) if name in wide else array for name, array in narrow.items()}


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
