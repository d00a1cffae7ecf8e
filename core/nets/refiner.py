"""The refiner: full-resolution alpha on small tiles of the edge band.

Background Matting V2's idea (Lin et al. 2020, sec. 3.2: refine only where it matters), done on
overlapping tiles of fixed size, so that it is one batch of equal shapes for any runtime. What makes
it small is that it does not have to find the matting equation I = a F + (1 - a) B by itself: with B
the plate and F the colour of the sure person near by, alpha by projection is one of its inputs, and
all that is learned is when to believe it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 11  # frame 3, room 3, coverage 1, coarse alpha 1, person's colour near by 3
FEATURES = 13
WIDTH, FINE = 16, 8
DILATIONS = (1, 2, 2)
LEAST_CONTRAST = (4e-3, 2e-3)  # added to |F - B|²: without it, noise decides where both are alike
SURE = 0.01  # a coarse alpha is never surer than that


def _conv(c_in: int, c_out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class RefinerNet(nn.Module):
    """Alpha at full resolution from a coarse one, the frame, the room, and the person's colour."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = _conv(FEATURES, WIDTH, stride=2)
        self.body = nn.Sequential(
            _conv(WIDTH, WIDTH), _conv(WIDTH, WIDTH, dilation=2), _conv(WIDTH, WIDTH, dilation=2)
        )
        self.leave = _conv(WIDTH, 4 * 4)
        self.fine = _conv(4 + 4, FINE)
        self.head = nn.Conv2d(FINE, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of alpha, B,1,H,W; the outer ones have not seen all that they should.

        Args:
            x: B,11,H,W 0..1, H and W even: frame RGB, room RGB (the plate; where it is unknown, the
                colour of the sure room near by), coverage, coarse alpha, RGB of the sure person near by.
        """
        features = refiner_features(x)
        y = self.enter(features)
        y = y + self.body(y)
        y = F.pixel_shuffle(self.leave(y), 2)
        y = self.fine(torch.cat([y, features[:, 6:10]], 1))
        return torch.logit(x[:, 7:8].clamp(SURE, 1 - SURE)) + self.head(y)


def refiner_features(x: Tensor) -> Tensor:
    """What the convolutions see, B,13,H,W: frame, difference, its largest channel, coarse alpha, alpha
    by projection, of the pixel and averaged over 3x3, coverage, contrast, distance from the person's colour.
    x: as RefinerNet.forward."""
    frame, room, coverage, coarse, person = x[:, :3], x[:, 3:6], x[:, 6:7], x[:, 7:8], x[:, 8:11]
    apart, span = frame - room, person - room
    contrast = (span * span).sum(1, keepdim=True)
    along = (apart * span).sum(1, keepdim=True)
    mean = F.avg_pool2d(along, 3, 1, 1, count_include_pad=False)
    projected = [
        (u / (contrast + least)).clamp(-0.3, 1.3)
        for u, least in zip((along, mean), LEAST_CONTRAST, strict=True)
    ]
    off = frame - person
    return torch.cat(
        [
            frame - 0.5,
            3 * apart,
            3 * apart.abs().amax(1, keepdim=True),
            2 * coarse - 1,
            *(p - 0.5 for p in projected),
            coverage - 0.5,
            contrast.sqrt(),
            (off * off).sum(1, keepdim=True).sqrt(),
        ],
        1,
    )
