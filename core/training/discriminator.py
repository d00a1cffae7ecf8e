"""The judge of composites: a PatchGAN (Isola et al. 2017, sec. 3.2.2) with instance normalisation.

Background Matting (2020), sec. 3.2 trains its student against one. It is never shipped.
"""

from __future__ import annotations

from torch import Tensor, nn

WIDTH = 64


class PatchDiscriminator(nn.Module):
    """How real each patch of 70x70 pixels looks; 1 is a camera's frame, 0 a composite."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        w = width
        self.body = nn.Sequential(
            nn.Conv2d(3, w, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            *_layer(w, 2 * w, 2),
            *_layer(2 * w, 4 * w, 2),
            *_layer(4 * w, 8 * w, 1),
            nn.Conv2d(8 * w, 1, 4, 1, 1),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """B,1,H/8-2,W/8-2, not bounded. picture: B,3,H,W 0..1, at least 32x32."""
        return self.body(2 * picture - 1)


def _layer(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(c_in, c_out, 4, stride, 1),
        nn.InstanceNorm2d(c_out),
        nn.LeakyReLU(0.2, inplace=True),
    ]
