"""RVM's two ways back to full size: linear models of the picture per neighbourhood.

He & Sun, Fast Guided Filter (2015); Wu et al., Fast End-to-End Trainable Guided Filter (2018). Each
output channel is a*guide + b, with a and b fitted on the reduced picture in 3x3 windows. The guide
of a colour is that colour, the guide of alpha is grey.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-5  # of a variance of values 0..1
_MIDDLE = 0.5  # of values 0..1
_HIDDEN = 16


def _with_grey(rgb: Tensor) -> Tensor:
    return torch.cat([rgb, rgb.mean(1, keepdim=True)], 1)


def _at_least_float32(x: Tensor) -> Tensor:
    # Variances are differences of nearly equal squares: in half precision they are noise above eps.
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


class FastGuidedFilter(nn.Module):
    """The slope is covariance over variance; no weights."""

    def forward(
        self, src: Tensor, small: Tensor, fgr: Tensor, pha: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(fgr, pha) at the size of src, from those at the size of small; hidden is not used."""
        # Both statistics are blind to a shift of the guide; about zero, float32 loses 4x fewer digits.
        # Black beyond the border counts: so the authors' filter does, and the weights grew up with it.
        x = F.pad(_at_least_float32(_with_grey(small)) - _MIDDLE, (1, 1, 1, 1), value=-_MIDDLE)
        y = F.pad(_at_least_float32(torch.cat([fgr, pha], 1)), (1, 1, 1, 1))
        mean_x, mean_y = _window_mean(x), _window_mean(y)
        covariance = _window_mean(x * y) - mean_x * mean_y
        variance = _window_mean(x * x) - mean_x * mean_x
        a = covariance / (variance + _EPS)
        b = mean_y - a * mean_x
        out = _enlarge(a, src) * (_with_grey(src) - _MIDDLE) + _enlarge(b, src)
        out = out.to(src.dtype)
        return out[:, :3], out[:, 3:]


class DeepGuidedFilter(nn.Module):
    """The slope is learned from covariance, variance and the decoder's features."""

    def __init__(self) -> None:
        super().__init__()
        self.box_filter = nn.Conv2d(4, 4, 3, padding=1, bias=False, groups=4)
        nn.init.constant_(self.box_filter.weight, 1 / 9)
        self.conv = nn.Sequential(
            nn.Conv2d(2 * 4 + _HIDDEN, _HIDDEN, 1, bias=False),
            nn.BatchNorm2d(_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Conv2d(_HIDDEN, _HIDDEN, 1, bias=False),
            nn.BatchNorm2d(_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Conv2d(_HIDDEN, 4, 1),
        )

    def forward(
        self, src: Tensor, small: Tensor, fgr: Tensor, pha: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(fgr, pha) at the size of src, from those at the size of small; hidden: B,16 like small."""
        x = _at_least_float32(_with_grey(small))
        y = _at_least_float32(torch.cat([fgr, pha], 1))
        mean_x, mean_y = self._mean(x), self._mean(y)
        covariance = self._mean(x * y) - mean_x * mean_y
        variance = self._mean(x * x) - mean_x * mean_x
        statistics = torch.cat([covariance, variance], 1).to(hidden.dtype)
        a = self.conv(torch.cat([statistics, hidden], 1))
        b = mean_y - a * mean_x
        out = _enlarge(a, src) * _with_grey(src) + _enlarge(b, src)
        out = out.to(src.dtype)
        return out[:, :3], out[:, 3:]

    def _mean(self, x: Tensor) -> Tensor:
        # The window's weights are parameters and may have been trained away from 1/9.
        return F.conv2d(x, self.box_filter.weight.to(x.dtype), padding=1, groups=4)


def _window_mean(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1)
