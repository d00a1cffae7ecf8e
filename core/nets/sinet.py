"""SINet, a portrait segmenter of 0.09 M parameters; here as a peer in the benchmarks.

Park et al., "SINet: Extreme Lightweight Portrait Segmentation Networks with Spatial Squeeze Modules
and Information Blocking Decoder" (2020). Parameter names are the official ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-3  # of every batch normalisation
# Per module two branches of (kernel, squeeze): paper, table 2.
_STAGE2 = (((3, 1), (5, 1)), ((3, 1), (3, 1)))
_STAGE3 = (
    ((3, 1), (5, 1)),
    ((3, 1), (3, 1)),
    ((5, 1), (3, 2)),
    ((5, 2), (3, 4)),
    ((3, 1), (3, 1)),
    ((5, 1), (5, 1)),
    ((3, 2), (3, 4)),
    ((3, 1), (5, 2)),
)


class SINet(nn.Module):
    """Two logits per pixel: room, person."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.bn_3 = nn.BatchNorm2d(2, _EPS)
        self.level2_C = _ConvBnAct(nn.Conv2d(48, 2, 1, bias=False), 2)
        self.bn_2 = nn.BatchNorm2d(2, _EPS)
        self.classifier = nn.Sequential(_Enlarge(2), nn.Conv2d(2, 2, 3, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """x: B,3,H,W normalised BGR (see core.evaluation.peers), H and W multiples of 32."""
        fine, coarse = self.encoder(x)  # B,48,H/4,W/4; B,2,H/8,W/8
        coarse = self.bn_3(_enlarge(coarse, 2))
        # The decoder blocks fine detail where the coarse answer is sure already (paper, eq. 1).
        unsure = 1 - coarse.softmax(1).amax(1, keepdim=True)
        x = self.bn_2(_enlarge(self.level2_C(fine) * unsure + coarse, 2))
        return self.classifier(x)  # B,2,H,W


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


class _Enlarge(nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return _enlarge(x, self.factor)


class _BnAct(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, _EPS)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class _ConvBnAct(_BnAct):
    def __init__(self, conv: nn.Module, channels: int) -> None:
        super().__init__(channels)
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.conv(x))


class _SqueezeExcite(nn.Module):
    """Channel gates from the picture's mean; `divide` 1 makes it a single layer."""

    def __init__(self, channels: int, divide: int) -> None:
        super().__init__()
        inner = channels // divide
        layers = [nn.Linear(channels, inner), nn.PReLU(inner)]
        if divide > 1:
            layers += [nn.Linear(inner, channels), nn.PReLU(channels)]
        self.dense = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.dense(x.mean((2, 3)))[:, :, None, None]


def _squeezed_separable(c_in: int, c_out: int, divide: int) -> _ConvBnAct:
    conv = nn.Sequential(
        nn.Conv2d(c_in, c_in, 3, 2, 1, groups=c_in, bias=False),
        _SqueezeExcite(c_in, divide),
        nn.Conv2d(c_in, c_out, 1, bias=False),
    )
    return _ConvBnAct(conv, c_out)


class _Branch(nn.Module):
    """A depthwise convolution, on a picture squeezed `squeeze` times (paper, sec. 3.1)."""

    def __init__(self, channels: int, kernel: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = squeeze
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels, _EPS),
        )
        self.act_conv1x1 = nn.Sequential(nn.PReLU(channels), nn.Conv2d(channels, channels, 1, bias=False))
        self.bn = nn.BatchNorm2d(channels, _EPS)

    def forward(self, x: Tensor) -> Tensor:
        if self.squeeze > 1:
            x = F.avg_pool2d(x, self.squeeze)
        x = self.act_conv1x1(self.conv(x))
        if self.squeeze > 1:
            x = _enlarge(x, self.squeeze)
        return self.bn(x)


class _S2Module(nn.Module):
    """Both branches see the same reduced, shuffled channels; a residual where widths allow."""

    def __init__(self, c_in: int, c_out: int, branches: tuple[tuple[int, int], tuple[int, int]]) -> None:
        super().__init__()
        half = c_out // 2
        self.c1 = nn.Sequential()
        self.c1.add_module("conv", nn.Conv2d(c_in, half, 1, groups=2, bias=False))
        self.d1 = _Branch(half, *branches[0])
        self.d2 = _Branch(half, *branches[1])
        self.BR = _BnAct(c_out)
        self.residual = c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        reduced = F.channel_shuffle(self.c1(x), 2)
        y = torch.cat([self.d1(reduced), self.d2(reduced)], 1)
        return self.BR(x + y if self.residual else y)


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.level1 = _ConvBnAct(nn.Conv2d(3, 12, 3, 2, 1, bias=False), 12)
        self.level2_0 = _squeezed_separable(12, 16, divide=1)
        self.level2 = nn.Sequential(*(_S2Module(48 if i else 16, 48, b) for i, b in enumerate(_STAGE2)))
        self.BR2 = _BnAct(64)
        self.level3_0 = _squeezed_separable(64, 48, divide=2)
        self.level3 = nn.Sequential(*(_S2Module(96 if i else 48, 96, b) for i, b in enumerate(_STAGE3)))
        self.BR3 = _BnAct(144)
        self.classifier = nn.Sequential()
        self.classifier.add_module("conv", nn.Conv2d(144, 2, 1, bias=False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x2 = self.level2_0(self.level1(x))  # B,16,H/4,W/4
        y2 = self.level2(x2)  # B,48,H/4,W/4
        x3 = self.level3_0(self.BR2(torch.cat([x2, y2], 1)))  # B,48,H/8,W/8
        y3 = self.level3(x3)  # B,96,H/8,W/8
        return y2, self.classifier(self.BR3(torch.cat([x3, y3], 1)))
