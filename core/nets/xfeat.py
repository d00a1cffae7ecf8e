"""XFeat: local features for matching pictures; here as a peer in the alignment benchmark.

Potje et al., "XFeat: Accelerated Features for Lightweight Image Matching" (2024), figure 3.
Parameter names are the official ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELL_PX = 8  # one feature and 64 places for a keypoint per cell of 8x8 pixels


class _Layer(nn.Module):
    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(c_out, affine=False),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class XFeat(nn.Module):
    """Features, keypoint logits and reliability of each cell of 8x8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.skip1 = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(
            _Layer(1, 4), _Layer(4, 8, stride=2), _Layer(8, 8), _Layer(8, 24, stride=2)
        )
        self.block2 = nn.Sequential(_Layer(24, 24), _Layer(24, 24))
        self.block3 = nn.Sequential(_Layer(24, 64, stride=2), _Layer(64, 64), _Layer(64, 64, 1))
        self.block4 = nn.Sequential(_Layer(64, 64, stride=2), _Layer(64, 64), _Layer(64, 64))
        self.block5 = nn.Sequential(
            _Layer(64, 128, stride=2), _Layer(128, 128), _Layer(128, 128), _Layer(128, 64, 1)
        )
        self.block_fusion = nn.Sequential(_Layer(64, 64), _Layer(64, 64), nn.Conv2d(64, 64, 1))
        self.heatmap_head = nn.Sequential(
            _Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 1, 1), nn.Sigmoid()
        )
        self.keypoint_head = nn.Sequential(
            _Layer(64, 64, 1), _Layer(64, 64, 1), _Layer(64, 64, 1), nn.Conv2d(64, 65, 1)
        )
        self.fine_matcher = _fine_matcher()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(features B,64; keypoint logits B,65; reliability B,1 in 0..1), each at H/8 x W/8.

        x: B,C,H,W, grey or RGB, 0..1; H and W multiples of 32. Logit 64 means "no keypoint here".
        """
        grey = F.instance_norm(x.mean(1, keepdim=True))
        x2 = self.block2(self.block1(grey) + self.skip1(grey))  # B,24,H/4,W/4
        x3 = self.block3(x2)  # B,64,H/8,W/8
        x4 = self.block4(x3)  # B,64,H/16,W/16
        x5 = self.block5(x4)  # B,64,H/32,W/32
        size = x3.shape[2:]
        x4 = F.interpolate(x4, size, mode="bilinear", align_corners=False)
        x5 = F.interpolate(x5, size, mode="bilinear", align_corners=False)
        features = self.block_fusion(x3 + x4 + x5)
        cells = F.pixel_unshuffle(grey, CELL_PX)
        return features, self.keypoint_head(cells), self.heatmap_head(features)

    def fine_offsets(self, pairs: Tensor) -> Tensor:
        """Logits N,64 over a cell's pixels: where a coarse match lies.

        pairs: N,128, the features of both pictures at the match, one behind the other.
        """
        return self.fine_matcher(pairs)


def keypoints(
    features: Tensor, logits: Tensor, reliability: Tensor, count: int, threshold: float = 0.05
) -> tuple[Tensor, Tensor]:
    """Best keypoints of one picture and their descriptors.

    Args:
        features, logits, reliability: outputs of XFeat for a batch of one.
        count: at most so many.
        threshold: least probability of a keypoint.
    Returns:
        xy: float32 N,2 pixels of the network's input, (x, y), pixel centres at integers.
        descriptors: float32 N,64 of length 1.
    """
    heat = F.pixel_shuffle(logits.float().softmax(1)[:, :64], CELL_PX)  # 1,1,H,W
    height, width = heat.shape[2:]
    peak = (heat == F.max_pool2d(heat, 5, 1, 2)) & (heat > threshold)
    weight = F.interpolate(reliability.float(), (height, width), mode="bilinear", align_corners=False)
    score = torch.where(peak, heat * weight, torch.zeros_like(heat)).flatten()
    best = score.topk(min(count, int(peak.sum()))).indices
    xy = torch.stack([best % width, best // width], 1).float()
    # grid_sample's -1..1 spans the picture's outer edges, half a pixel outside the centres.
    grid = (xy + 0.5) / torch.tensor([width, height], device=xy.device) * 2 - 1
    descriptors = F.grid_sample(features.float(), grid[None, None], mode="bicubic", align_corners=False)
    return xy, F.normalize(descriptors[0, :, 0].T, dim=1)


def _fine_matcher() -> nn.Sequential:
    layers: list[nn.Module] = []
    for c_in in (128, 512, 512, 512):
        layers += [nn.Linear(c_in, 512), nn.BatchNorm1d(512, affine=False), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(512, 64))
