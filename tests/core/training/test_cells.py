"""Weights from before platenet worked on cells are the beginning of one that does."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from core.errors import WeightsError
from core.nets.platenet import PlateNet
from core.nets.weights import load_strictly
from core.runtime.torch import load_platenet
from core.training.cells import on_cells
from core.training.train import Options, train
from tests.core.training.drawn import write_data


class Halved(PlateNet):
    """platenet with its finest level at half of the size, as it was."""

    def __init__(self) -> None:
        super().__init__((4, 6, 8, 10, 12))
        self.stem = block(11, 4, 4, 2)
        self.down2[0] = block(4, 6, 3, 2)
        self.up1 = nn.Module()
        self.up1.below, self.up1.beside = nn.Conv2d(6, 4, 1, bias=False), nn.Conv2d(4, 4, 1, bias=False)
        self.up1.both = block(4, 4, 3, 1)
        self.head = nn.Conv2d(4, 4, 3, 1, 1)
        del self.cells

    def forward(self, frame, plate, coverage, prior):
        difference = (frame - plate).abs() * coverage
        x1 = self.stem(torch.cat([frame, plate, difference, coverage, prior], 1))
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        x4 = self.down4(x3)
        x5 = self.down5(x4)
        x5 = x5 * self.context(x5.mean((2, 3), keepdim=True))
        y3 = self.mix3(self.up3(self.up4(x5, x4), x3))
        y2 = self.mix2(self.up2(y3, x2))
        up = F.interpolate(self.up1.below(y2), scale_factor=2, mode="bilinear", align_corners=False)
        y1 = self.up1.both(up + self.up1.beside(x1))
        return F.pixel_shuffle(self.head(y1), 2), self.side(y3)


def block(c_in: int, c_out: int, side: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, side, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
    )


def test_they_give_the_same_where_a_cell_and_its_neighbours_are_all_that_is_seen() -> None:
    torch.manual_seed(0)
    before = Halved()
    with torch.no_grad():
        # Of the stem what lies in a cell wherever it stands; the enlarged picture pixel by pixel.
        before.stem[0].weight[..., [0, 3], :] = 0
        before.stem[0].weight[..., [0, 3]] = 0
        around = torch.ones(3, 3, dtype=torch.bool)
        around[1, 1] = False
        before.up1.both[0].weight[:, :, around] = 0
    compare(before, 1e-4)


def test_and_nearly_the_same_everywhere_else() -> None:
    """Pictures that change little from pixel to pixel, so that what is near by stands for what is missed."""
    torch.manual_seed(1)
    before = Halved()
    compare(before, 0.02, smooth=True)


def compare(before: Halved, tolerance: float, smooth: bool = False) -> None:
    inputs = [torch.rand(2, channels, 64, 96) for channels in (3, 3, 1, 1)]
    if smooth:
        inputs = [F.interpolate(F.avg_pool2d(x, 32), size=(64, 96), mode="bilinear") for x in inputs]
    before(*inputs)  # running statistics that are not those of a new network
    after = PlateNet((16, 6, 8, 10, 12))
    after.load_state_dict(on_cells(before.state_dict()))
    before.eval()
    after.eval()
    with torch.no_grad():
        for expected, got in zip(before(*inputs), after(*inputs), strict=True):
            spread = expected.std()
            assert spread > 0
            inner = (slice(None), slice(None), *(slice(n // 8, -n // 8) for n in expected.shape[2:]))
            assert (got - expected)[inner].abs().mean() <= tolerance * max(1.0, float(spread))


def test_other_weights_are_left_for_the_loader() -> None:
    net = PlateNet((16, 6, 8, 10, 12))
    state = net.state_dict()
    assert on_cells(state) is state
    with pytest.raises(WeightsError, match="of another shape"):
        load_strictly(net, on_cells(Halved().state_dict() | {"stem.0.weight": torch.zeros(8, 11, 4, 4)}), "x")


def test_a_run_may_begin_with_them(tmp_path: Path) -> None:
    torch.manual_seed(2)
    before = Halved()
    save_file(before.state_dict(), tmp_path / "before.safetensors")
    data = write_data(tmp_path / "data")
    options = Options(data=data, out=tmp_path / "run", minutes=0, start=tmp_path / "before.safetensors")
    begun, expected = load_platenet(train(options, print)), PlateNet((16, 6, 8, 10, 12))
    expected.load_state_dict(on_cells(before.state_dict()))
    inputs = [torch.rand(1, channels, 64, 96) for channels in (3, 3, 1, 1)]
    with torch.no_grad():
        torch.testing.assert_close(begun(*inputs)[0], expected.eval()(*inputs)[0], rtol=1e-3, atol=1e-3)
