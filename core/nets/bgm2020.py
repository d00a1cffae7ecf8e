"""Background Matting (2020), the network of Sengupta, Jayaram, Curless, Seitz, Kemelmacher-Shlizerman:
"Background Matting: The World is Your Green Screen", figure 2.

Four encoders (frame, plate, soft segmentation, neighbouring frames); the context switching block
joins the frame's features with each of the others; two decoders give alpha and foreground. Parameter
names are the official ones, so `netG_epoch_*.pth` load strictly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PUBLISHED_WIDTH = 64  # ngf of the published checkpoints
_MULTI_FRAMES = 4  # grey neighbours, channels of the encoder that never reaches the result
_SHARED_BLOCKS = 7
_HEAD_BLOCKS = 3
SIZE_MULTIPLE = 4


class BackgroundMatting2020(nn.Module):
    """Alpha and foreground from a frame, the room and a soft segmentation."""

    def __init__(self, width: int = PUBLISHED_WIDTH) -> None:
        super().__init__()
        w = width
        self.model_enc1 = nn.Sequential(*_stem(3, w), *_down(w, 2 * w))
        self.model_enc2 = nn.Sequential(*_down(2 * w, 4 * w))
        self.model_enc_back = _encoder(3, w)
        self.model_enc_seg = _encoder(1, w)
        self.model_enc_multi = _encoder(_MULTI_FRAMES, w)  # in the files, not in the result: see forward
        self.comb_back = _combinator(w)
        self.comb_seg = _combinator(w)
        self.comb_multi = _combinator(w)
        self.model_res_dec = nn.Sequential(
            nn.Conv2d(4 * w + 3 * w, 4 * w, 1, bias=False),
            nn.BatchNorm2d(4 * w),
            nn.ReLU(inplace=True),
            *(_ResidualBlock(4 * w) for _ in range(_SHARED_BLOCKS)),
        )
        self.model_res_dec_al = nn.Sequential(*(_ResidualBlock(4 * w) for _ in range(_HEAD_BLOCKS)))
        self.model_res_dec_fg = nn.Sequential(*(_ResidualBlock(4 * w) for _ in range(_HEAD_BLOCKS)))
        self.model_al_out = nn.Sequential(*_up(4 * w, 2 * w), *_up(2 * w, w), *_out(w, 1), nn.Tanh())
        self.model_dec_fg1 = nn.Sequential(*_up(4 * w, 2 * w))
        self.model_fg_out = nn.Sequential(*_up(4 * w, w), *_out(w, 3))

    def forward(self, frame: Tensor, plate: Tensor, segmentation: Tensor) -> tuple[Tensor, Tensor]:
        """(pha B,1,H,W in -1..1; fgr B,3,H,W about -1..1, not bounded).

        Args:
            frame, plate: B,3,H,W RGB -1..1, H and W multiples of 4, at least 8.
            segmentation: B,1,H,W -1..1, where the person is, roughly.
        """
        fine = self.model_enc1(frame)  # B,2w,H/2,W/2
        image = self.model_enc2(fine)  # B,4w,H/4,W/4
        back = torch.cat([image, self.model_enc_back(plate)], 1)
        seg = torch.cat([image, self.model_enc_seg(segmentation)], 1)
        # The authors' code feeds the plate's features, not the neighbouring frames', into comb_multi,
        # and the checkpoints were trained with that: so the neighbours are no input here.
        context = [self.comb_back(back), self.comb_seg(seg), self.comb_multi(back)]
        x = self.model_res_dec(torch.cat([image, *context], 1))
        pha = self.model_al_out(self.model_res_dec_al(x))
        y = self.model_dec_fg1(self.model_res_dec_fg(x))
        return pha, self.model_fg_out(torch.cat([y, fine], 1))


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class _Double(nn.Module):
    """Twice the size. A module, to keep the official numbering of the layers around it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def _stem(c_in: int, width: int) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, width, 7)
    return [nn.ReflectionPad2d(3), conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def _down(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, 3, 2, 1), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


def _up(c_in: int, c_out: int) -> list[nn.Module]:
    return [_Double(), nn.Conv2d(c_in, c_out, 3, 1, 1), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


def _out(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(c_in, c_out, 7)]


def _encoder(c_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(*_stem(c_in, width), *_down(width, 2 * width), *_down(2 * width, 4 * width))


def _combinator(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(8 * width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
