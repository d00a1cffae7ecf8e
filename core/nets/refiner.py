"""The refiner: full-resolution alpha on small tiles of the edge band.

Background Matting V2's idea (Lin et al. 2020, sec. 3.2: refine only where it matters), done on
overlapping tiles of fixed size, so that it is one batch of equal shapes for any runtime. The first
convolution sees cells of 4x4 px, so the others run on a sixteenth of the pixels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

TILE = 64  # px of alpha that a tile delivers
HALO = 8  # px seen around it on every side
SEEN = TILE + 2 * HALO
CELL = 4
CHANNELS = 8  # frame 3, half difference 3, coverage 1, coarse alpha 1


class RefinerNet(nn.Module):
    """Correction of a coarse alpha from the full-resolution frame and plate."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS, width, CELL, CELL)
        self.body1 = nn.Conv2d(width, width, 3, 1, 1)
        self.body2 = nn.Conv2d(width, width, 3, 1, 1)
        self.head = nn.Conv2d(width, CELL * CELL, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Refined alpha, B,1,TILE,TILE, 0..1.

        Args:
            x: B,8,SEEN,SEEN 0..1: frame RGB, 1/2 + (frame - plate)/2 (1/2 where the plate is unknown),
                coverage, coarse alpha.
        """
        y = F.relu(self.enter(x))  # B,width,20,20
        y = F.relu(self.body1(y))
        y = F.relu(y + self.body2(y))
        refined = x[:, 7:8] + F.pixel_shuffle(self.head(y), CELL)
        return refined[..., HALO:-HALO, HALO:-HALO].clamp(0, 1)
