"""The table of models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.errors import WeightsError
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import MattingRefine
from core.nets.registry import MODELS, find_model, load_model
from core.nets.rvm import build_rvm


class Wrapped(torch.nn.Module):
    """As the authors of BGMv2 wrap their network for TorchScript: its names begin with `model.`."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.model = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model.backbone.features[0](x)


@pytest.mark.parametrize("name", ["rvm-mobilenetv3", "bgmv2-mobilenetv2", "bgmv2-resnet50", "bgm2020"])
def test_builds_the_network_of_that_name(name):
    with torch.device("meta"):
        net = find_model(name).build({})
    assert len(net.state_dict()) > 300


def test_takes_an_rvm_file_with_or_without_the_learned_filter(tmp_path: Path):
    for refiner in ("deep_guided_filter", "fast_guided_filter"):
        saved = build_rvm("mobilenetv3", refiner)
        torch.save(saved.state_dict(), tmp_path / "rvm.pth")
        net = load_model("rvm-mobilenetv3", tmp_path / "rvm.pth")
        assert not net.training
        assert torch.equal(net.project_mat.conv.weight, saved.project_mat.conv.weight)
        assert net.state_dict().keys() == saved.state_dict().keys()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_takes_the_torchscript_files_of_the_bgmv2_release(tmp_path: Path):
    saved = MattingRefine("mobilenetv2").eval()
    traced = torch.jit.trace(Wrapped(saved), torch.rand(1, 6, 32, 32))
    traced.save(tmp_path / "torchscript_mobilenetv2_fp32.pth")
    net = load_model("bgmv2-mobilenetv2", tmp_path / "torchscript_mobilenetv2_fp32.pth")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), saved.parameters(), strict=True))


def test_takes_the_2020_checkpoints_of_the_parallel_wrapper(tmp_path: Path):
    state = BackgroundMatting2020(width=8).state_dict()
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "netG_epoch_12.pth")
    net = load_model("bgm2020", tmp_path / "netG_epoch_12.pth")
    assert torch.equal(net.state_dict()["comb_seg.0.weight"], state["comb_seg.0.weight"])


def test_refuses_the_weights_of_another_network(tmp_path: Path):
    torch.save(build_rvm().state_dict(), tmp_path / "rvm.pth")
    with pytest.raises(WeightsError, match=r"rvm.pth for bgmv2-mobilenetv2 does not fit MattingRefine"):
        load_model("bgmv2-mobilenetv2", tmp_path / "rvm.pth")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(WeightsError, match="did you mean bgmv2-resnet50"):
        find_model("bgmv2-resnet5O")
    with pytest.raises(
        WeightsError, match="there is no model 'zzz'; choose one of platenet, rvm-mobilenetv3"
    ):
        find_model("zzz")


def test_every_line_says_where_from_and_under_which_licence():
    for name, model in MODELS.items():
        assert model.name == name
        assert model.licence
        assert model.licence_url
        assert model.page
        assert model.bundled == (name == "platenet")
        if model.url is not None:
            assert model.url.startswith("https://")
            assert model.url.endswith("/" + model.files[0])
