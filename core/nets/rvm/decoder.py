"""RVM's decoder: each scale keeps a memory in a convolutional GRU on half of its channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RecurrentDecoder(nn.Module):
    """16 features per pixel of the reduced picture, and the memory after this frame."""

    def __init__(self, features: tuple[int, int, int, int], widths: tuple[int, int, int, int]) -> None:
        """features: channels at 1/2, 1/4, 1/8, 1/16; widths: decoder channels at 1/8, 1/4, 1/2, 1."""
        super().__init__()
        f1, f2, f3, f4 = features
        w3, w2, w1, w0 = widths
        self.decode4 = _Bottleneck(f4)
        self.decode3 = _Upsampling(f4 + f3 + 3, w3)
        self.decode2 = _Upsampling(w3 + f2 + 3, w2)
        self.decode1 = _Upsampling(w2 + f1 + 3, w1)
        self.decode0 = _Output(w1 + 3, w0)

    def forward(
        self,
        s0: Tensor,
        f1: Tensor,
        f2: Tensor,
        f3: Tensor,
        f4: Tensor,
        r1: Tensor | None,
        r2: Tensor | None,
        r3: Tensor | None,
        r4: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """s0: the reduced picture; f1..f4: encoder features, finest first; r1..r4: memory."""
        s1 = _halve(s0)
        s2 = _halve(s1)
        s3 = _halve(s2)
        x4, r4 = self.decode4(f4, r4)
        x3, r3 = self.decode3(x4, f3, s3, r3)
        x2, r2 = self.decode2(x3, f2, s2, r2)
        x1, r1 = self.decode1(x2, f1, s1, r1)
        return self.decode0(x1, s0), r1, r2, r3, r4


def _halve(x: Tensor) -> Tensor:
    # ceil_mode keeps the last column of odd sizes, as the strided convolutions of the encoder do.
    return F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)


def _double_to(x: Tensor, like: Tensor) -> Tensor:
    """Twice the size, cropped to `like`: odd sizes lose the column that rounding up had added."""
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return x[:, :, : like.shape[2], : like.shape[3]]


def _conv_bn_relu(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


class _ConvGru(nn.Module):
    """Gated recurrent unit with 3x3 convolutions (Ballas et al. 2015)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ih = nn.Sequential(nn.Conv2d(2 * channels, 2 * channels, 3, padding=1), nn.Sigmoid())
        self.hh = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        if h is None:
            h = torch.zeros_like(x)
        reset, update = self.ih(torch.cat([x, h], 1)).chunk(2, 1)
        candidate = self.hh(torch.cat([x, reset * h], 1))
        return (1 - update) * h + update * candidate


class _HalfRecurrent(nn.Module):
    """Passes the first half of the channels on and the second through the memory."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gru = _ConvGru(channels // 2)

    def remember(self, x: Tensor, r: Tensor | None) -> tuple[Tensor, Tensor]:
        now, lasting = x.chunk(2, 1)
        lasting = self.gru(lasting, r)
        return torch.cat([now, lasting], 1), lasting


class _Bottleneck(_HalfRecurrent):
    def forward(self, x: Tensor, r: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.remember(x, r)


class _Upsampling(_HalfRecurrent):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_out)
        self.conv = nn.Sequential(*_conv_bn_relu(c_in, c_out))

    def forward(self, x: Tensor, f: Tensor, s: Tensor, r: Tensor | None) -> tuple[Tensor, Tensor]:
        x = torch.cat([_double_to(x, s), f, s], 1)
        return self.remember(self.conv(x), r)


class _Output(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*_conv_bn_relu(c_in, c_out), *_conv_bn_relu(c_out, c_out))

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        return self.conv(torch.cat([_double_to(x, s), s], 1))
