"""MobileNetV3-Large at output stride 16, as Robust Video Matting uses it.

Howard et al., Searching for MobileNetV3 (2019), table 1, last stride replaced by dilation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# input, kernel, expanded, output channels, squeeze-excite, hard-swish, stride, dilation
_ROWS = (
    (16, 3, 16, 16, False, False, 1, 1),
    (16, 3, 64, 24, False, False, 2, 1),
    (24, 3, 72, 24, False, False, 1, 1),
    (24, 5, 72, 40, True, False, 2, 1),
    (40, 5, 120, 40, True, False, 1, 1),
    (40, 5, 120, 40, True, False, 1, 1),
    (40, 3, 240, 80, False, True, 2, 1),
    (80, 3, 200, 80, False, True, 1, 1),
    (80, 3, 184, 80, False, True, 1, 1),
    (80, 3, 184, 80, False, True, 1, 1),
    (80, 3, 480, 112, True, True, 1, 1),
    (112, 3, 672, 112, True, True, 1, 1),
    (112, 5, 672, 160, True, True, 1, 2),
    (160, 5, 960, 160, True, True, 1, 2),
    (160, 5, 960, 160, True, True, 1, 2),
)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def _divisible_by_8(channels: float) -> int:
    """Nearest multiple of 8, never more than a tenth below `channels` (the paper's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv_bn(
    c_in: int,
    c_out: int,
    kernel: int,
    act: nn.Module | None,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    layers: list[nn.Module] = [
        nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(c_out, eps=0.001, momentum=0.01),
    ]
    return nn.Sequential(*layers, act) if act is not None else nn.Sequential(*layers)


class _SqueezeExcite(nn.Module):
    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.fc2(F.relu(self.fc1(scale))))


class _InvertedResidual(nn.Module):
    def __init__(
        self, c_in: int, kernel: int, hidden: int, c_out: int, se: bool, hs: bool, stride: int, dilation: int
    ) -> None:
        super().__init__()
        act = nn.Hardswish if hs else nn.ReLU
        layers: list[nn.Module] = []
        if hidden != c_in:
            layers.append(_conv_bn(c_in, hidden, 1, act(inplace=True)))
        layers.append(_conv_bn(hidden, hidden, kernel, act(inplace=True), stride, hidden, dilation))
        if se:
            layers.append(_SqueezeExcite(hidden, _divisible_by_8(hidden / 4)))
        layers.append(_conv_bn(hidden, c_out, 1, None))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3Large(nn.Module):
    """Features at 1/2, 1/4, 1/8 and 1/16: 16, 24, 40 and 960 channels, finest first."""

    channels = (16, 24, 40, 960)
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv_bn(3, 16, 3, nn.Hardswish(inplace=True), stride=2),
            *(_InvertedResidual(*row) for row in _ROWS),
            _conv_bn(160, 960, 1, nn.Hardswish(inplace=True)),
        )
        # Not persistent: the official state dict has no such keys.
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x: B,3,H,W RGB 0..1."""
        f = self.features
        x = (x - self.mean) / self.std
        f1 = f[:2](x)  # B,16,H/2,W/2
        f2 = f[2:4](f1)  # B,24,H/4,W/4
        f3 = f[4:7](f2)  # B,40,H/8,W/8
        f4 = f[7:](f3)  # B,960,H/16,W/16
        return f1, f2, f3, f4
