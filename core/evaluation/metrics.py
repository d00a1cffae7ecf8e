"""How far a matte is from the truth: the definitions of Robust Video Matting's evaluation (Lin et al. 2021).

All take predicted and true alpha as float32 HxW, 0..1, of one frame. Figures are scaled as in the
papers: MAD and MSE by 1000, Grad by 1/1000, dtSSD by 100, SAD by 1/1000. Shares are per cent.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.types import F32

GRAD_SIGMA = 1.4
TAKEN = 0.5  # alpha above which a pixel is claimed for the person
SEEN = 0.1  # alpha from which a viewer sees something of the room


def mad(alpha: F32, truth: F32) -> float:
    """Mean absolute difference, x1000."""
    return float(np.abs(alpha - truth).mean() * 1e3)


def too_much(alpha: F32, truth: F32) -> float:
    """The part of MAD where alpha is above the truth, x1e3; with both exchanged, the other part."""
    return float(np.maximum(alpha - truth, 0).mean() * 1e3)


def mse(alpha: F32, truth: F32) -> float:
    """Mean squared difference, x1000."""
    return float(np.square(alpha - truth).mean() * 1e3)


def grad(alpha: F32, truth: F32) -> float:
    """Squared difference of gradient magnitudes, summed, /1000.

    Source: Rhemann et al. 2009, sec. 4, with Gaussian derivatives of sigma 1.4.
    """
    difference = _gradient(_stretched(alpha)) - _gradient(_stretched(truth))
    return float(np.square(difference).sum() / 1e3)


def dtssd(alpha: F32, truth: F32, alpha_before: F32 | None, truth_before: F32 | None) -> float:
    """Root mean squared difference of the changes since the frame before, x100; 0 for a first frame.

    Source: Erofeev et al. 2015.
    """
    if alpha_before is None or truth_before is None:
        return 0.0
    change = (alpha - alpha_before) - (truth - truth_before)
    return float(np.sqrt(np.square(change).mean()) * 1e2)


def edge_band(truth: F32, radius_px: int = 10) -> NDArray[np.bool_]:
    """bool HxW: within radius_px of a pixel that is neither person nor room, or of an outline."""
    person = (truth > 0.5).astype(np.uint8)
    soft = ((truth > 0.01) & (truth < 0.99)).astype(np.uint8)
    outline = cv2.morphologyEx(person, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    side = 2 * radius_px + 1
    return cv2.dilate(np.maximum(soft, outline), np.ones((side, side), np.uint8)) > 0


def band_sad(alpha: F32, truth: F32) -> float:
    """Sum of absolute differences inside the edge band, /1000."""
    return float(np.abs(alpha - truth)[edge_band(truth)].sum() / 1e3)


def recall(alpha: F32, thing: NDArray[np.bool_]) -> float:
    """Per cent of a thing's pixels that are taken for the person.

    Raises:
        ValueError: the thing has no pixels.
    """
    if not thing.any():
        raise ValueError("the thing is not in the picture: nothing can be kept or lost of it")
    return float((alpha[thing] > TAKEN).mean() * 1e2)


def share_seen(alpha: F32) -> float:
    """Per cent of all pixels with alpha over 0.1."""
    return float((alpha > SEEN).mean() * 1e2)


def share_clear(alpha: F32, where: NDArray[np.bool_]) -> float:
    """Per cent of the pixels of `where` with alpha of at most 0.1; 100 where there are none."""
    return float((alpha[where] <= SEEN).mean() * 1e2) if where.any() else 100.0


def precision(alpha: F32, truth: F32, shadow: NDArray[np.bool_]) -> float:
    """Per cent of what is taken for the person, among person and shadow, that is the person.

    100 where nothing is taken: who claims nothing claims nothing wrong.
    """
    person = truth > TAKEN
    taken = (alpha > TAKEN) & (person | shadow)
    return float(person[taken].mean() * 1e2) if taken.any() else 100.0


def colour_mse(found: F32, truth: F32) -> float:
    """Mean squared difference of colours, float32 Nx3 0..255, x1000 with white as 1; 0 for none."""
    return float(np.square((found - truth) / np.float32(255)).mean() * 1e3) if found.size else 0.0


def _stretched(alpha: F32) -> F32:
    low, high = float(alpha.min()), float(alpha.max())
    return (alpha - low) / (high - low) if high > low else np.zeros_like(alpha)


def _gradient(alpha: F32) -> F32:
    kernel = _derivative_kernel(GRAD_SIGMA)
    gx = cv2.filter2D(alpha, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    gy = cv2.filter2D(alpha, -1, kernel.T.copy(), borderType=cv2.BORDER_REPLICATE)
    return np.sqrt(gx * gx + gy * gy)


def _derivative_kernel(sigma: float) -> F32:
    half = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * 0.01))))
    t = np.arange(-half, half + 1, dtype=np.float64)
    gauss = np.exp(-(t**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    kernel = np.outer(gauss, -t * gauss / sigma**2)
    return (kernel / np.sqrt((kernel**2).sum())).astype(np.float32)
