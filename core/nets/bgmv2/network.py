"""Background Matting V2, the networks of Lin, Ryabtsev, Sengupta, Curless, Seitz,
Kemelmacher-Shlizerman: "Real-Time High-Resolution Background Matting" (2020), figure 3.

The base works on a reduced frame and plate and also predicts where it errs; the refiner corrects
full-resolution patches there. Parameter names are the official ones; `bgr` is the paper's word for
the background, here called the plate.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.nets.backbones import MobileNetV2, ResNet
from core.nets.bgmv2.refiner import Refinement, Refiner

BACKBONES = ("mobilenetv2", "resnet50", "resnet101")
HIDDEN = 32
_OUTPUTS = (1, 3, 1, HIDDEN)  # alpha, foreground residual, error, features
SIZE_MULTIPLE = 4  # the refiner works on patches of 4x4 pixels


class MattingBase(nn.Module):
    """Alpha, foreground and predicted error at the size of the input."""

    def __init__(self, backbone: str) -> None:
        """backbone: one of BACKBONES. Raises ValueError for another."""
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"BGMv2 backbone is {backbone!r}; it must be one of {', '.join(BACKBONES)}")
        if backbone == "mobilenetv2":
            self.backbone: nn.Module = MobileNetV2(in_channels=6)
            self.aspp = _Aspp(320, 256)
            features = (32, 24, 16, 6)
        else:
            self.backbone = ResNet(backbone, in_channels=6)
            self.aspp = _Aspp(2048, 256)
            features = (512, 256, 64, 6)
        self.decoder = _Decoder((256, 128, 64, 48, sum(_OUTPUTS)), features)

    def forward(self, src: Tensor, plate: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(pha B,1; fgr B,3; err B,1; hid B,32), each H x W, the first three 0..1.

        src, plate: B,3,H,W RGB 0..1.
        """
        pha, residual, err, hid = self.coarse(src, plate)
        return pha, (src + residual).clamp(0, 1), err, hid

    def coarse(self, src: Tensor, plate: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As forward, but the foreground as unbounded difference to src."""
        x = torch.cat([src, plate], 1)
        features = self.backbone(x)
        if isinstance(self.backbone, ResNet):
            features = features[::-1]
        x4, x3, x2, x1 = features
        pha, residual, err, hid = self.decoder(self.aspp(x4), x3, x2, x1, x).split(_OUTPUTS, 1)
        return pha.clamp(0, 1), residual, err.clamp(0, 1), hid.relu()


class MattingRefine(MattingBase):
    """The base on a reduced picture, and the refiner at full resolution."""

    def __init__(
        self, backbone: str, backbone_scale: float = 0.25, refinement: Refinement | None = None
    ) -> None:
        """
        Args:
            backbone: one of BACKBONES.
            backbone_scale: reduced size over full size, at most 1/2; the authors' 1/4 is meant for HD,
                1/8 for 4K. Setting.apply sets it for a size.
            refinement: where to refine; None is the authors' default.
        Raises:
            ValueError: out of range.
        """
        super().__init__(backbone)
        self.set_scale(backbone_scale)
        self.refiner = Refiner(refinement or Refinement())

    def set_scale(self, backbone_scale: float) -> None:
        """May be called between calls. ValueError: out of range."""
        if not 0 < backbone_scale <= 0.5:
            raise ValueError(f"backbone_scale is {backbone_scale}; it must be above 0 and at most 0.5")
        self.backbone_scale = backbone_scale

    def forward(  # type: ignore[override]  # base and refine give different things, as in the paper
        self, src: Tensor, plate: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(pha B,1,H,W; fgr B,3,H,W; pha_sm, fgr_sm, err_sm at the reduced size; ref_sm B,1,H/4,W/4).

        ref_sm is 1 where a patch of 4x4 pixels was refined.

        Args:
            src, plate: B,3,H,W RGB 0..1, H and W multiples of 4.
        Raises:
            ValueError: the shapes differ or are no multiples of 4.
        """
        height, width = src.shape[2:]
        if src.shape != plate.shape or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise ValueError(
                f"frame is {tuple(src.shape)}, plate {tuple(plate.shape)}; they must be alike, "
                f"with sides that are multiples of {SIZE_MULTIPLE}"
            )
        src_sm, plate_sm = self._reduce(src), self._reduce(plate)
        pha_sm, residual_sm, err_sm, hid_sm = self.coarse(src_sm, plate_sm)
        pha, residual, ref_sm = self.refiner(src, plate, pha_sm, residual_sm, err_sm, hid_sm)
        fgr = (src + residual).clamp(0, 1)
        return pha.clamp(0, 1), fgr, pha_sm, (src_sm + residual_sm).clamp(0, 1), err_sm, ref_sm

    def _reduce(self, x: Tensor) -> Tensor:
        # By size, not by factor: a traced network would compute it in float32, one pixel less for some sizes.
        size = [int(side * self.backbone_scale) for side in map(int, x.shape[2:])]
        return F.interpolate(x, size, mode="bilinear", align_corners=False)


class _Aspp(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017) with the rates 3, 6, 9."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                _conv_bn_relu(c_in, c_out, 1),
                *(_conv_bn_relu(c_in, c_out, 3, dilation=rate) for rate in (3, 6, 9)),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv_bn_relu(c_in, c_out, 1)),
            ]
        )
        self.project = nn.Sequential(*_conv_bn_relu(5 * c_out, c_out, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        branches = [conv(x) for conv in self.convs]
        branches[-1] = branches[-1].expand_as(branches[0])  # one value for the whole picture
        return self.project(torch.cat(branches, 1))


def _conv_bn_relu(c_in: int, c_out: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation if kernel == 3 else 0
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


class _Decoder(nn.Module):
    """Upsamples step by step, with the encoder's features and at last the pictures themselves."""

    def __init__(self, widths: tuple[int, int, int, int, int], features: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features[0] + widths[0], widths[1], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[1])
        self.conv2 = nn.Conv2d(features[1] + widths[1], widths[2], 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(widths[2])
        self.conv3 = nn.Conv2d(features[2] + widths[2], widths[3], 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(widths[3])
        self.conv4 = nn.Conv2d(features[3] + widths[3], widths[4], 3, padding=1)

    def forward(self, x4: Tensor, x3: Tensor, x2: Tensor, x1: Tensor, x0: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(_join(x4, x3))))  # B,128,H/8,W/8
        x = F.relu(self.bn2(self.conv2(_join(x, x2))))  # B,64,H/4,W/4
        x = F.relu(self.bn3(self.conv3(_join(x, x1))))  # B,48,H/2,W/2
        return self.conv4(_join(x, x0))


def _join(x: Tensor, finer: Tensor) -> Tensor:
    x = F.interpolate(x, finer.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat([x, finer], 1)
