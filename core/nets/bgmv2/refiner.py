"""BGMv2's refiner: corrects 4x4 pixel patches where the base expects to err (paper, sec. 3.2).

Two convolutions at half resolution on 8x8 windows, two at full resolution on what they leave;
without padding, so that a patch comes out the same whether it is cut out or refined in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MODES = ("full", "sampling", "thresholding")
_PATCH_PX = 4
_PATCH_PIXELS = _PATCH_PX * _PATCH_PX
_WIDTHS = (24, 16, 12, 4)
_HALF_MARGIN = 3  # pixels that the four 3x3 convolutions eat, seen at half resolution
_FULL_MARGIN = 2  # those that the last two eat at full resolution


@dataclass(frozen=True, slots=True)
class Refinement:
    """Where to refine.

    mode: "full" everywhere; "sampling" the worst `sample_pixels` of each picture; "thresholding"
        wherever the expected error is above `threshold`.
    sample_pixels: rounded down to patches of 16; the authors take 80 000 for HD, 320 000 for 4K.
    threshold: 0..1.
    """

    mode: str = "sampling"
    sample_pixels: int = 80_000
    threshold: float = 0.1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"refinement mode is {self.mode!r}; it must be one of {', '.join(MODES)}")
        if self.sample_pixels < 0:
            raise ValueError(f"sample_pixels is {self.sample_pixels}; it must not be negative")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold is {self.threshold}; it must be from 0 to 1")


class Refiner(nn.Module):
    """Full-resolution alpha and foreground residual from the coarse ones.

    refinement: may be exchanged between calls.
    """

    def __init__(self, refinement: Refinement) -> None:
        super().__init__()
        self.refinement = refinement
        self.conv1 = nn.Conv2d(32 + 4 + 6, _WIDTHS[0], 3, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.conv2 = nn.Conv2d(_WIDTHS[0], _WIDTHS[1], 3, bias=False)
        self.bn2 = nn.BatchNorm2d(_WIDTHS[1])
        self.conv3 = nn.Conv2d(_WIDTHS[1] + 6, _WIDTHS[2], 3, bias=False)
        self.bn3 = nn.BatchNorm2d(_WIDTHS[2])
        self.conv4 = nn.Conv2d(_WIDTHS[2], _WIDTHS[3], 3)

    def forward(
        self, src: Tensor, plate: Tensor, pha: Tensor, fgr: Tensor, err: Tensor, hid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(pha B,1,H,W; fgr B,3,H,W; selected B,1,H/4,W/4 of 0 and 1), not clamped.

        Args:
            src, plate: B,3,H,W, H and W multiples of 4.
            pha, fgr, err, hid: the base's outputs at the reduced size.
        """
        height, width = src.shape[2:]
        pictures = torch.cat([src, plate], 1)
        coarse = torch.cat([pha, fgr], 1)
        half = (height // 2, width // 2)
        at_half = torch.cat([_resize(torch.cat([hid, coarse], 1), half), _resize(pictures, half)], 1)
        if self.refinement.mode == "full":
            selected = src.new_ones((src.shape[0], 1, height // _PATCH_PX, width // _PATCH_PX))
            out = self._correct(_pad(at_half, _HALF_MARGIN), _pad(pictures, _FULL_MARGIN))
        else:
            selected = self._select(_resize(err, (height // _PATCH_PX, width // _PATCH_PX)))
            out = _resize(coarse, (height, width))
            places = selected[:, 0].nonzero(as_tuple=True)  # picture, row, column of each patch
            # Normalisation cannot train on an empty batch. Otherwise no question is asked, so that a
            # traced network refines whatever it was traced with.
            if not self.training or places[0].numel():
                windows = _cut(at_half, places, _PATCH_PX // 2, _HALF_MARGIN)
                fine = _cut(pictures, places, _PATCH_PX, _FULL_MARGIN)
                out = _paste(out, self._correct(windows, fine), places)
        return out[:, :1], out[:, 1:], selected

    def _correct(self, at_half: Tensor, pictures: Tensor) -> Tensor:
        """N,4,4h,4w from N,42,2h+6,2w+6 at half and N,6,4h+4,4w+4 at full resolution."""
        x = F.relu(self.bn1(self.conv1(at_half)))
        x = F.relu(self.bn2(self.conv2(x)))  # N,16,2h+2,2w+2
        x = F.interpolate(x, pictures.shape[2:], mode="nearest")
        x = F.relu(self.bn3(self.conv3(torch.cat([x, pictures], 1))))
        return self.conv4(x)

    def _select(self, err: Tensor) -> Tensor:
        """1 where a patch is to be refined, else 0; err: B,1,h,w, one value a patch."""
        if self.refinement.mode == "thresholding":
            return (err > self.refinement.threshold).to(err.dtype)
        flat = err.flatten(1)
        count = min(self.refinement.sample_pixels // _PATCH_PIXELS, flat.shape[1])
        chosen = torch.zeros_like(flat).scatter_(1, flat.topk(count, 1, sorted=False).indices, 1)
        # Where no error is expected there is nothing to gain, even if the budget would allow it.
        return (chosen * (flat > 0)).view_as(err)


_Places = tuple[Tensor, ...]


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


def _pad(x: Tensor, margin: int) -> Tensor:
    return F.pad(x, (margin,) * 4)


def _cut(x: Tensor, places: _Places, size: int, margin: int) -> Tensor:
    """N,C,s,s: windows of `size` pixels and a margin all round, s = size + 2 margin."""
    batch, row, column = places
    step = torch.arange(size + 2 * margin, device=x.device)
    rows = row[:, None] * size + step  # of the padded picture
    columns = column[:, None] * size + step
    pixels = _pad(x, margin).permute(0, 2, 3, 1)  # a pixel's channels side by side: gathered whole
    return pixels[batch[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _paste(x: Tensor, patches: Tensor, places: _Places) -> Tensor:
    """x B,C,H,W with the N,C,4,4 patches in their places."""
    b, c, h, w = x.shape
    grid = (
        x.view(b, c, h // _PATCH_PX, _PATCH_PX, w // _PATCH_PX, _PATCH_PX).permute(0, 2, 4, 1, 3, 5).clone()
    )
    grid[places] = patches
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(b, c, h, w)
