"""platenet: the network that cleanplate ships.

A small U-shaped network on frame, aligned plate and their difference (the idea of Background
Matting V2, Lin et al. 2020, sec. 3.1: give the network the room), with one more input that may be
absent: a *prior*, the mask of any segmenter (as the soft segmentation of Background Matting,
Sengupta et al. 2020, sec. 3). Because training drops it at random, as it does the plate, the same
weights work with a full, partial or missing plate.

Plain 3x3 convolutions throughout: on CPUs with wide vectors they run near the peak, depthwise
layers do not. On the way up, what comes from below and what comes from beside are brought to the
same few channels and added, where a U-Net (Ronneberger et al. 2015) would stack them: a sixth of
the multiplications of the whole network, and upsampling at half the price.

Nothing is computed at more than a quarter of the size: the finest level works on *cells* of 4x4
pixels, with as many channels as sixteen pixels need. What a layer with few channels spends on
moving pixels, one with many spends on multiplying them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PLANES = 11  # frame 3, plate 3, difference 3, coverage 1, prior 1
CELL = 4  # px: side of the squares that the finest level works on
BLOCKS = (1, 2, 4, 5)  # residual blocks at a quarter, an eighth, a sixteenth and a thirty-second
MIXES = (2, 1)  # on the way up, at an eighth and a quarter
UNKNOWN = 0.5  # value of an absent prior: says neither person nor room


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


def _blocks(c: int, count: int) -> list[nn.Module]:
    return [_Residual(c) for _ in range(count)]


class _Join(nn.Module):
    """What comes from below (c_below channels, half as large) joined with what comes from beside."""

    def __init__(self, c_below: int, c: int) -> None:
        super().__init__()
        self.below = nn.Conv2d(c_below, c, 1, bias=False)
        self.beside = nn.Conv2d(c, c, 1, bias=False)
        self.both = _conv(c, c)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        up = F.interpolate(self.below(below), size=beside.shape[-2:], mode="bilinear", align_corners=False)
        return self.both(up + self.beside(beside))


class PlateNet(nn.Module):
    """Alpha at the working size from frame, plate, coverage and prior."""

    def __init__(self, channels: tuple[int, int, int, int, int] = (64, 32, 64, 128, 192)) -> None:
        """channels: of the cells, and at a quarter, an eighth, a sixteenth and a thirty-second."""
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        self.stem = nn.Sequential(
            nn.Conv2d(PLANES, c1, CELL, CELL, bias=False), nn.BatchNorm2d(c1), nn.ReLU(inplace=True)
        )
        self.down2 = nn.Sequential(_conv(c1, c2), *_blocks(c2, BLOCKS[0]))
        self.down3 = nn.Sequential(_conv(c2, c3, 2), *_blocks(c3, BLOCKS[1]))
        self.down4 = nn.Sequential(_conv(c3, c4, 2), *_blocks(c4, BLOCKS[2]))
        self.down5 = nn.Sequential(_conv(c4, c5, 2), *_blocks(c5, BLOCKS[3]))
        self.context = nn.Sequential(nn.Conv2d(c5, c5, 1), nn.Sigmoid())
        self.up4 = _Join(c5, c4)
        self.up3 = _Join(c4, c3)
        self.mix3 = nn.Sequential(*_blocks(c3, MIXES[0]))
        self.up2 = _Join(c3, c2)
        self.mix2 = nn.Sequential(*_blocks(c2, MIXES[1]))
        self.cells = _conv(c2 + c1, c1)
        self.head = nn.Conv2d(c1, CELL * CELL, 3, 1, 1)
        self.side = nn.Conv2d(c3, 1, 1)  # alpha at an eighth: a training signal, and enough to track by

    def forward(self, frame: Tensor, plate: Tensor, coverage: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of alpha, B,1,H,W, and of the side output, B,1,H/8,W/8.

        Args:
            frame, plate: B,3,H,W RGB 0..1; H and W multiples of 32; plate is 0 where not covered.
            coverage: B,1,H,W 0..1, where the plate is known.
            prior: B,1,H,W 0..1, a segmenter's mask; UNKNOWN where there is none.
        """
        difference = (frame - plate).abs() * coverage
        x1 = self.stem(torch.cat([frame, plate, difference, coverage, prior], 1))  # B,c1,H/4,W/4
        x2 = self.down2(x1)  # B,c2,H/4,W/4
        x3 = self.down3(x2)  # B,c3,H/8,W/8
        x4 = self.down4(x3)  # B,c4,H/16,W/16
        x5 = self.down5(x4)  # B,c5,H/32,W/32
        x5 = x5 * self.context(x5.mean((2, 3), keepdim=True))
        y3 = self.mix3(self.up3(self.up4(x5, x4), x3))
        y2 = self.mix2(self.up2(y3, x2))
        return F.pixel_shuffle(self.head(self.cells(torch.cat([y2, x1], 1))), CELL), self.side(y3)
