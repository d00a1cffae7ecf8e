"""How Background Matting V2 works at a picture's size: what the base sees, and where is refined."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.nets.bgmv2.network import MattingRefine
from core.nets.bgmv2.refiner import Refinement

_HD_PIXELS = 1920 * 1080
_HD_SAMPLES = 80_000
_HD_SCALE, _4K_SCALE, _SMALL_SCALE = 0.25, 0.125, 0.5


@dataclass(frozen=True, slots=True)
class Setting:
    """A wish for every size; None is the authors' choice for the size.

    backbone_scale: as MattingRefine's; mode, sample_pixels, threshold: as Refinement's.
    """

    mode: str = "sampling"
    backbone_scale: float | None = None
    sample_pixels: int | None = None
    threshold: float | None = None

    def apply(self, net: MattingRefine, size: tuple[int, int]) -> None:
        """Sets the network for pictures of (width, height). ValueError: out of range."""
        net.refiner.refinement = Refinement(
            self.mode,
            sample_pixels_for(size) if self.sample_pixels is None else self.sample_pixels,
            Refinement().threshold if self.threshold is None else self.threshold,
        )
        net.set_scale(backbone_scale_for(size) if self.backbone_scale is None else self.backbone_scale)


def backbone_scale_for(size: tuple[int, int]) -> float:
    """The base's size over the picture's, for (width, height): the authors' 1/4 at HD, 1/8 at 4K.

    Between the two the base stays at HD's 480x270, so that a larger picture never gets a coarser
    look. Up to a quarter of HD, where the authors say nothing, it is 1/2: people are small there.
    """
    pixels = math.prod(size)
    if pixels <= _HD_PIXELS // 4:
        return _SMALL_SCALE
    return min(_HD_SCALE, max(_4K_SCALE, _HD_SCALE * math.sqrt(_HD_PIXELS / pixels)))


def sample_pixels_for(size: tuple[int, int]) -> int:
    """Pixels to refine, for (width, height): the authors' 80,000 up to HD, then with the area.

    At 4K this is the authors' 320,000.
    """
    return max(_HD_SAMPLES, _HD_SAMPLES * math.prod(size) // _HD_PIXELS)
