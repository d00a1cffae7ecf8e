"""Reading published weights, whatever they were saved as."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core.errors import WeightsError
from core.nets.weights import load_strictly, load_weights, read_state_dict


def small_net(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Wrapped(nn.Module):
    """As the BGMv2 release wraps its network before it writes TorchScript."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.model = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_reads_safetensors_and_both_torch_formats(tmp_path: Path):
    net = small_net(1)
    save_file(net.state_dict(), tmp_path / "a.safetensors")
    torch.save(net.state_dict(), tmp_path / "b.pth")
    torch.save(net.state_dict(), tmp_path / "c.pth", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "b.pth", "c.pth"):
        other = small_net(2)
        load_weights(other, tmp_path / name)
        assert same(net, other), name


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_takes_the_weights_out_of_a_wrapped_torchscript_archive(tmp_path: Path):
    net = small_net(1).eval()
    torch.jit.script(Wrapped(net)).save(tmp_path / "torchscript_fp32.pth")
    other = small_net(2)
    load_weights(other, tmp_path / "torchscript_fp32.pth")
    assert same(net, other)


def test_drops_the_prefix_of_a_parallel_checkpoint(tmp_path: Path):
    net = small_net(1)
    torch.save({f"module.{k}": v for k, v in net.state_dict().items()}, tmp_path / "netG_epoch_12.pth")
    assert list(read_state_dict(tmp_path / "netG_epoch_12.pth")) == list(net.state_dict())


def test_widens_halves():
    net, other = small_net(1), small_net(2)
    load_strictly(
        other, {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}, "x"
    )
    assert other[0].weight.dtype == torch.float32
    assert torch.allclose(other[0].weight, net[0].weight, atol=1e-3)


def test_names_what_does_not_fit_and_leaves_the_network_alone():
    net, untouched = small_net(1), small_net(1)
    state = dict(small_net(2).state_dict())
    state["0.wieght"] = state.pop("0.weight")
    state["1.bias"] = torch.zeros(5)
    with pytest.raises(
        WeightsError, match=r"1 missing \(0.weight\); 1 unknown \(0.wieght\); 1 of another shape"
    ):
        load_strictly(net, state, "odd.pth")
    assert same(net, untouched)


def test_says_in_a_sentence_that_a_file_is_missing_or_broken(tmp_path: Path):
    with pytest.raises(WeightsError, match="no weights file"):
        read_state_dict(tmp_path / "nowhere.pth")
    for name in ("broken.pth", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(WeightsError, match=f"{name} cannot be read as weights"):
            read_state_dict(tmp_path / name)


def test_says_in_a_sentence_that_an_archives_list_of_files_is_damaged(tmp_path: Path):
    path = tmp_path / "net.pth"
    torch.save(small_net(1).state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"PK\x01\x02", b"PKXX"))  # each entry of the list; its end is whole
    with pytest.raises(WeightsError, match=r"net\.pth cannot be read as weights"):
        read_state_dict(path)


def test_runs_no_code_from_a_checkpoint(tmp_path: Path):
    torch.save({"net": small_net(1)}, tmp_path / "whole_module.pth")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_state_dict(tmp_path / "whole_module.pth")
