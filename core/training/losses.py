"""What training minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gradient_pyramid(x: Tensor, y: Tensor, levels: int = 4) -> Tensor:
    """Mean absolute difference of gradients on a pyramid of halved pictures; B,1,H,W each.

    Stands where the papers use a Laplacian pyramid (Robust Video Matting, eq. 2): cheaper, and as
    strict about where an edge is.
    """
    loss = x.new_zeros(())
    for k in range(levels):
        dx = (x[..., :, 1:] - x[..., :, :-1]) - (y[..., :, 1:] - y[..., :, :-1])
        dy = (x[..., 1:, :] - x[..., :-1, :]) - (y[..., 1:, :] - y[..., :-1, :])
        loss = loss + (dx.abs().mean() + dy.abs().mean()) * (2**k / 4)
        if k + 1 < levels:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return loss


def matting_loss(logits: Tensor, side: Tensor, alpha: Tensor) -> Tensor:
    """Loss of platenet's two outputs against the true alpha.

    Args:
        logits: B,1,H,W. side: B,1,h,w (coarser). alpha: B,1,H,W 0..1.
    """
    predicted = torch.sigmoid(logits)
    spread = F.max_pool2d(alpha, 9, 1, 4) + F.max_pool2d(-alpha, 9, 1, 4)
    weight = 1 + 3 * (spread > 0.05).to(alpha.dtype)  # the edge band decides how a matte looks
    coarse = F.interpolate(alpha, size=side.shape[-2:], mode="area")
    return (
        ((predicted - alpha).abs() * weight).mean()
        + 0.15 * F.binary_cross_entropy_with_logits(logits, alpha)
        + 0.5 * gradient_pyramid(predicted, alpha)
        + 0.25 * F.binary_cross_entropy_with_logits(side, coarse)
    )
