"""ResNet-50 and ResNet-101 at output stride 16.

He et al., Deep Residual Learning (2015), with the stride of the 3x3 layer in the last stage
replaced by dilation (DeepLab's change, kept by both matting papers).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
_EXPANSION = 4


class _Bottleneck(nn.Module):
    def __init__(self, c_in: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        c_out = width * _EXPANSION
        self.conv1 = nn.Conv2d(c_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + identity, inplace=True)


class ResNet(nn.Module):
    """Features at 1/2, 1/4, 1/8 and 1/16: 64, 256, 512 and 2048 channels, finest first.

    The input is not normalised: neither paper does it for its ResNets.
    """

    channels = (64, 256, 512, 2048)

    def __init__(self, variant: str, in_channels: int = 3) -> None:
        super().__init__()
        counts = LAYERS[variant]
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, counts[0], 1)
        self.layer2 = _stage(256, 128, counts[1], 2)
        self.layer3 = _stage(512, 256, counts[2], 2)
        self.layer4 = _stage(1024, 512, counts[3], 1, dilation=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x: B,in_channels,H,W."""
        f1 = F.relu(self.bn1(self.conv1(x)))  # B,64,H/2,W/2
        f2 = self.layer1(F.max_pool2d(f1, 3, 2, 1))  # B,256,H/4,W/4
        f3 = self.layer2(f2)  # B,512,H/8,W/8
        f4 = self.layer4(self.layer3(f3))  # B,2048,H/16,W/16
        return f1, f2, f3, f4


def _stage(c_in: int, width: int, count: int, stride: int, dilation: int = 1) -> nn.Sequential:
    # The first block of a dilated stage is not dilated yet, as in torchvision.
    first = _Bottleneck(c_in, width, stride, 1)
    rest = (_Bottleneck(width * _EXPANSION, width, 1, dilation) for _ in range(count - 1))
    return nn.Sequential(first, *rest)
