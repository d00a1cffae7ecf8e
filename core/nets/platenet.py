"""platenet: the network that cleanplate ships.

A small U-shaped network on frame, aligned plate and their difference (the idea of Background
Matting V2, Lin et al. 2020, sec. 3.1: give the network the room), with two more inputs that may be
absent: a *prior*, the mask of any segmenter (as the soft segmentation of Background Matting,
Sengupta et al. 2020, sec. 3), and the *previous* alpha for stability in time. Because training
drops each of them at random, the same weights work with a full, partial or missing plate.

Plain 3x3 convolutions throughout: on CPUs with wide vectors they run near the peak, depthwise
layers do not. Space-to-depth on the way in, pixel shuffle on the way out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UNKNOWN = 0.5  # value of an absent prior or previous alpha: says neither person nor room


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
    )


class _Residual(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(c, c), nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def _up(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class PlateNet(nn.Module):
    """Alpha at the working size from frame, plate, coverage, prior and previous alpha."""

    def __init__(self, channels: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.stem = _conv(12 * 4, c1)
        self.down2 = nn.Sequential(_conv(c1, c2, 2), _Residual(c2))
        self.down3 = nn.Sequential(_conv(c2, c3, 2), _Residual(c3), _Residual(c3))
        self.down4 = nn.Sequential(_conv(c3, c4, 2), _Residual(c4), _Residual(c4), _Residual(c4))
        self.down5 = nn.Sequential(_conv(c4, c5, 2), _Residual(c5), _Residual(c5), _Residual(c5))
        self.context = nn.Sequential(nn.Conv2d(c5, c5, 1), nn.Sigmoid())
        self.up4 = _conv(c5 + c4, c4)
        self.up3 = _conv(c4 + c3, c3)
        self.mix3 = nn.Sequential(_Residual(c3), _Residual(c3))
        self.up2 = _conv(c3 + c2, c2)
        self.mix2 = _Residual(c2)
        self.up1 = _conv(c2 + c1, c1)
        self.head = nn.Conv2d(c1, 4, 3, 1, 1)
        self.side = nn.Conv2d(c3, 1, 1)  # alpha at an eighth: a training signal, and enough to track by

    def forward(
        self, frame: Tensor, plate: Tensor, coverage: Tensor, prior: Tensor, previous: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of alpha, B,1,H,W, and of the side output, B,1,H/8,W/8.

        Args:
            frame, plate: B,3,H,W RGB 0..1; H and W multiples of 32; plate is 0 where not covered.
            coverage: B,1,H,W 0..1, where the plate is known.
            prior: B,1,H,W 0..1, a segmenter's mask; UNKNOWN where there is none.
            previous: B,1,H,W 0..1, alpha of the frame before; UNKNOWN where there is none.
        """
        difference = (frame - plate).abs() * coverage
        x = torch.cat([frame, plate, difference, coverage, prior, previous], 1)
        x1 = self.stem(F.pixel_unshuffle(x, 2))  # B,c1,H/2,W/2
        x2 = self.down2(x1)  # B,c2,H/4,W/4
        x3 = self.down3(x2)  # B,c3,H/8,W/8
        x4 = self.down4(x3)  # B,c4,H/16,W/16
        x5 = self.down5(x4)  # B,c5,H/32,W/32
        x5 = x5 * self.context(x5.mean((2, 3), keepdim=True))
        y4 = self.up4(torch.cat([_up(x5, x4), x4], 1))
        y3 = self.mix3(self.up3(torch.cat([_up(y4, x3), x3], 1)))
        y2 = self.mix2(self.up2(torch.cat([_up(y3, x2), x2], 1)))
        y1 = self.up1(torch.cat([_up(y2, x1), x1], 1))
        return F.pixel_shuffle(self.head(y1), 2), self.side(y3)
