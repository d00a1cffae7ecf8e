"""What training minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 4  # px to each side, in which alpha changes where an edge is


def gradient_pyramid(x: Tensor, y: Tensor, levels: int = 4) -> Tensor:
    """Mean absolute difference of gradients on a pyramid of halved pictures; B,1,H,W each.

    Stands where the papers use a Laplacian pyramid (Robust Video Matting, eq. 2): cheaper, and as
    strict about where an edge is.
    """
    off = x - y  # gradients and halving are linear, so their differences are those of the difference
    loss = x.new_zeros(())
    for k in range(levels):
        dx = off[..., :, 1:] - off[..., :, :-1]
        dy = off[..., 1:, :] - off[..., :-1, :]
        loss = loss + (dx.abs().mean() + dy.abs().mean()) * (2**k / 4)
        if k + 1 < levels:
            off = F.avg_pool2d(off, 2)
    return loss


def highest_near(x: Tensor) -> Tensor:
    """The largest value within REACH px to each side and above and below, B,1,H,W.

    As max_pool2d gives it, in an eighth of the time on a CPU: one axis after the other, by maxima of maxima.
    """
    for _ in range(2):
        padded = F.pad(x, (REACH, REACH), value=-torch.inf)
        most = padded
        for step in (1, 2, 4):  # of 2, 4, 8 values; the ninth comes last
            most = torch.maximum(most[..., :-step], most[..., step:])
        x = torch.maximum(most[..., :-1], padded[..., 2 * REACH :]).transpose(-1, -2)
    return x


def matting_loss(logits: Tensor, side: Tensor, alpha: Tensor) -> Tensor:
    """Loss of platenet's two outputs against the true alpha.

    Args:
        logits: B,1,H,W. side: B,1,h,w (coarser). alpha: B,1,H,W 0..1.
    """
    predicted = torch.sigmoid(logits)
    spread = highest_near(alpha) + highest_near(-alpha)
    weight = 1 + 3 * (spread > 0.05).to(alpha.dtype)  # the edge band decides how a matte looks
    coarse = F.interpolate(alpha, size=side.shape[-2:], mode="area")
    return (
        ((predicted - alpha).abs() * weight).mean()
        + 0.15 * F.binary_cross_entropy_with_logits(logits, alpha)
        + 0.5 * gradient_pyramid(predicted, alpha)
        + 0.25 * F.binary_cross_entropy_with_logits(side, coarse)
    )
