"""MobileNetV2 at output stride 16, as Background Matting V2 uses it.

Sandler et al., MobileNetV2 (2018), table 2, without the last 1x1 layer and the classifier.
"""

from __future__ import annotations

from torch import Tensor, nn

# expansion, channels, blocks, stride, dilation after the first block of the row
_ROWS = (
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 1),
    (6, 64, 4, 2, 1),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 1, 2),  # the paper's stride 2 became dilation: output stride stays 16
    (6, 320, 1, 1, 2),
)


def _conv_bn(c_in: int, c_out: int, kernel: int, stride: int, groups: int, dilation: int) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU6(inplace=True),
    )


class _InvertedResidual(nn.Module):
    def __init__(self, c_in: int, c_out: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        expand = [_conv_bn(c_in, hidden, 1, 1, 1, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            _conv_bn(hidden, hidden, 3, stride, hidden, dilation),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Features at 1/16, 1/8, 1/4 and 1/2: 320, 32, 24 and 16 channels, coarsest first."""

    channels = (320, 32, 24, 16)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        blocks: list[nn.Module] = [_conv_bn(in_channels, 32, 3, 2, 1, 1)]
        c = 32
        for expansion, c_out, count, stride, dilation in _ROWS:
            for i in range(count):
                # Only the row that lost its stride starts undilated; the next row goes on dilated.
                first = i == 0 and c_out == 160
                blocks.append(
                    _InvertedResidual(c, c_out, expansion, stride if i == 0 else 1, 1 if first else dilation)
                )
                c = c_out
        self.features = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x: B,in_channels,H,W."""
        f = self.features
        x1 = f[:2](x)  # B,16,H/2,W/2
        x2 = f[2:4](x1)  # B,24,H/4,W/4
        x3 = f[4:7](x2)  # B,32,H/8,W/8
        x4 = f[7:](x3)  # B,320,H/16,W/16
        return x4, x3, x2, x1
