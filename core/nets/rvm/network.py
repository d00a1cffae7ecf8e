"""Robust Video Matting, the network of Lin, Yang, Saleemi, Sengupta: "Robust High-Resolution Video
Matting with Temporal Guidance" (2021), figure 2.

Encoder and recurrent decoder work on a reduced picture; a guided filter brings alpha and
foreground back to full size. Parameter names are the official ones, so that the official
checkpoints load strictly. Memory goes in and out as values: the network keeps nothing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from core.nets.backbones import MobileNetV3Large, ResNet
from core.nets.rvm.decoder import RecurrentDecoder
from core.nets.rvm.refiners import DeepGuidedFilter, FastGuidedFilter

BACKBONES = ("mobilenetv3", "resnet50")
REFINERS = {"fast_guided_filter": FastGuidedFilter, "deep_guided_filter": DeepGuidedFilter}
_WORKING_SIDE_PX = 512  # the authors' own choice of ratio: the longer side of the reduced picture


class RobustVideoMatting(nn.Module):
    """Foreground and alpha of a frame, given the memory of the frames before it."""

    def __init__(self, backbone: str, refiner: str) -> None:
        super().__init__()
        if backbone == "mobilenetv3":
            self.backbone: nn.Module = MobileNetV3Large()
            self.aspp = _LiteAspp(960, 128)
            self.decoder = RecurrentDecoder((16, 24, 40, 128), (80, 40, 32, 16))
        else:
            self.backbone = ResNet("resnet50")
            self.aspp = _LiteAspp(2048, 256)
            self.decoder = RecurrentDecoder((64, 256, 512, 256), (128, 64, 32, 16))
        self.project_mat = _Projection(16, 4)
        self.project_seg = _Projection(16, 1)  # used in the authors' training only; its keys are in the file
        self.refiner = REFINERS[refiner]()

    def forward(
        self,
        src: Tensor,
        r1: Tensor | None = None,
        r2: Tensor | None = None,
        r3: Tensor | None = None,
        r4: Tensor | None = None,
        downsample_ratio: float = 1.0,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(fgr B,3,H,W; pha B,1,H,W; r1..r4), both pictures 0..1.

        Args:
            src: B,3,H,W RGB 0..1, any H and W.
            r1..r4: the states this function gave for the frame before; None at a clip's start.
                They belong to one picture size and ratio.
            downsample_ratio: reduced size over full size; 1 leaves the guided filter out.
        """
        small = src
        if downsample_ratio != 1:
            small = F.interpolate(
                src,
                scale_factor=downsample_ratio,
                mode="bilinear",
                align_corners=False,
                recompute_scale_factor=False,
            )
        f1, f2, f3, f4 = self.backbone(small)
        hidden, *states = self.decoder(small, f1, f2, f3, self.aspp(f4), r1, r2, r3, r4)
        fgr_residual, pha = self.project_mat(hidden).split((3, 1), 1)
        if downsample_ratio != 1:
            fgr_residual, pha = self.refiner(src, small, fgr_residual, pha, hidden)
        fgr = (fgr_residual + src).clamp(0, 1)
        return fgr, pha.clamp(0, 1), states[0], states[1], states[2], states[3]


def build_rvm(backbone: str = "mobilenetv3", refiner: str = "fast_guided_filter") -> RobustVideoMatting:
    """The network with random weights, in training mode.

    Args:
        backbone: one of BACKBONES.
        refiner: the official .pth files hold a deep guided filter; the fast one has no weights.
    Raises:
        ValueError: an unknown backbone or refiner.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"RVM backbone is {backbone!r}; it must be one of {', '.join(BACKBONES)}")
    if refiner not in REFINERS:
        raise ValueError(f"RVM refiner is {refiner!r}; it must be one of {', '.join(REFINERS)}")
    return RobustVideoMatting(backbone, refiner)


def downsample_ratio_for(size: tuple[int, int]) -> float:
    """The authors' automatic ratio for a picture of (width, height)."""
    return min(_WORKING_SIDE_PX / max(size), 1.0)


class _LiteAspp(nn.Module):
    """1x1 features gated by the whole picture's mean (Howard et al. 2019, LR-ASPP)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.aspp1 = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
        )
        self.aspp2 = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(c_in, c_out, 1, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.aspp1(x) * self.aspp2(x)


class _Projection(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)
