"""How far a matte is from the truth: the definitions of Robust Video Matting's evaluation (Lin et al. 2021).

All take predicted and true alpha as float32 HxW, 0..1, of one frame. Figures are scaled as in the
papers: MAD and MSE by 1000, Grad by 1/1000, dtSSD by 100.
"""

from __future__ import annotations

import cv2
import numpy as np

from core.types import F32

GRAD_SIGMA = 1.4


def mad(alpha: F32, truth: F32) -> float:
    """Mean absolute difference, x1000."""
    return float(np.abs(alpha - truth).mean() * 1e3)


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


def edge_band(truth: F32, radius_px: int = 10) -> np.ndarray:
    """bool HxW: within radius_px of a pixel that is neither person nor room, or of an outline."""
    person = (truth > 0.5).astype(np.uint8)
    soft = ((truth > 0.01) & (truth < 0.99)).astype(np.uint8)
    outline = cv2.morphologyEx(person, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    side = 2 * radius_px + 1
    return cv2.dilate(np.maximum(soft, outline), np.ones((side, side), np.uint8)) > 0


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
