"""Exported networks give what torch gives."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CleanplateError, SettingsError
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import MattingRefine, Setting
from core.nets.platenet import PlateNet
from core.nets.rvm import build_rvm
from core.runtime import export
from core.runtime.compiled import compile_on_cpu
from core.runtime.export import export_model


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_rvm_goes_out_with_its_states_and_its_ratio(tmp_path: Path):
    torch.manual_seed(0)
    net = build_rvm("mobilenetv3", "deep_guided_filter").eval()
    exported = export_model(net, (128, 96), tmp_path / "rvm.onnx", ratio=0.5)
    assert exported.inputs[0] == ("src", (1, 3, 96, 128))
    assert exported.inputs[1] == ("r1i", (1, 16, 24, 32))
    assert exported.outputs == ("fgr", "pha", "r1o", "r2o", "r3o", "r4o")
    assert exported.worst < 1e-3
    assert exported.path.is_file()


@pytest.mark.parametrize("mode", ["full", "sampling", "thresholding"])
def test_bgmv2_goes_out_in_each_mode_and_stands_a_frame_with_nothing_to_refine(tmp_path: Path, mode: str):
    torch.manual_seed(0)
    setting = Setting(mode, sample_pixels=800, threshold=0.4)
    net = MattingRefine("mobilenetv2").eval()
    with torch.no_grad():  # expected error: the frame's red, so that black has none and noise has some
        net.decoder.conv4.weight[4] = 0
        net.decoder.conv4.weight[4, 48, 1, 1] = 1
        net.decoder.conv4.bias[4] = 0
    exported = export_model(net, (64, 48), tmp_path / "bgmv2.xml", setting=setting)
    assert exported.inputs == (("src", (1, 3, 48, 64)), ("plate", (1, 3, 48, 64)))
    assert exported.worst < 1e-3
    compiled = compile_on_cpu(str(exported.path), INFERENCE_PRECISION_HINT="f32")
    black = torch.zeros(1, 3, 48, 64)
    with torch.inference_mode():
        expected, *_, selected = net(black, black)
    assert (selected.sum() == 0) == (mode != "full")
    assert np.abs(compiled([black.numpy()] * 2)[0] - expected.numpy()).max() < 1e-3


@pytest.mark.parametrize(("size", "used"), [((1920, 1080), (0.25, 80_000)), ((3840, 2160), (0.125, 320_000))])
def test_bgmv2_is_written_as_the_program_runs_it_at_that_size(size, used):
    net = MattingRefine("mobilenetv2", backbone_scale=0.5)
    export._recipe(net, size)
    assert (net.backbone_scale, net.refiner.refinement.sample_pixels) == used


def test_bgmv2_goes_out_where_single_precision_would_reduce_to_another_size(tmp_path: Path):
    torch.manual_seed(0)
    net = MattingRefine("mobilenetv2").eval()
    setting = Setting("full", backbone_scale=0.29)  # 100 * 0.29 is 28.999... but 29 in float32
    exported = export_model(net, (100, 60), tmp_path / "bgmv2.onnx", setting=setting)
    assert exported.worst < 1e-3


def test_a_wish_of_another_network_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="only Robust Video Matting has one"):
        export_model(MattingRefine("mobilenetv2").eval(), (64, 64), tmp_path / "x.onnx", ratio=0.5)
    with pytest.raises(SettingsError, match="only Background Matting V2 has them"):
        export_model(build_rvm().eval(), (64, 64), tmp_path / "x.onnx", setting=Setting("full"))
    assert not (tmp_path / "x.onnx").exists()


def test_the_2020_network_and_platenet_go_out(tmp_path: Path):
    torch.manual_seed(0)
    exported = export_model(BackgroundMatting2020(width=4).eval(), (64, 64), tmp_path / "bgm2020.onnx")
    assert [name for name, _ in exported.inputs] == ["frame", "plate", "segmentation"]
    exported = export_model(PlateNet().eval(), (96, 64), tmp_path / "platenet.onnx")
    assert exported.outputs == ("alpha",)
    assert exported.worst < 1e-3


def test_a_network_that_came_out_different_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write_another(recipe, path):  # as an exporter would that mistakes an operator
        torch.manual_seed(1)
        original(export._recipe(BackgroundMatting2020(width=4).eval(), (64, 64)), path)

    original = export._write_onnx
    monkeypatch.setattr(export, "_write_onnx", write_another)
    torch.manual_seed(0)
    with pytest.raises(CleanplateError, match="differ from torch"):
        export_model(BackgroundMatting2020(width=4).eval(), (64, 64), tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_refuses_a_size_or_an_ending_that_cannot_be(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"65x64; this network takes multiples of 4 .*: --size 64x64$"):
        export_model(BackgroundMatting2020(width=4).eval(), (65, 64), tmp_path / "x.onnx")
    with pytest.raises(SettingsError, match=r"must end in \.onnx or \.xml"):
        export_model(BackgroundMatting2020(width=4).eval(), (64, 64), tmp_path / "x.trt")


@pytest.mark.parametrize(
    ("net", "size", "wish", "sentence"),
    [
        (lambda: BackgroundMatting2020(width=4), (4, 4), {}, "4x4; this network takes 8 pixels or more"),
        (build_rvm, (64, 36), {"ratio": 0.01}, r"64x36 and the ratio 0\.01: .* must be 0\.0278 or more"),
        (
            build_rvm,
            (2048, 2),
            {},
            r"2048x2 and the ratio 0\.25: .* must be 0\.5 or more, or the size larger",
        ),
        (
            lambda: MattingRefine("mobilenetv2"),
            (64, 48),
            {"setting": Setting(backbone_scale=0.02)},
            r"the backbone scale 0\.02: .* must be 0\.0209 or more",
        ),
    ],
)
def test_refuses_a_size_of_which_nothing_is_left(tmp_path: Path, net, size, wish, sentence):
    with pytest.raises(SettingsError, match=sentence):
        export_model(net().eval(), size, tmp_path / "new" / "x.onnx", **wish)
    assert not (tmp_path / "new").exists()


def test_says_before_the_work_that_the_file_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export, "_write_onnx", lambda *_: pytest.fail("it worked before it asked"))
    net = BackgroundMatting2020(width=4).eval()
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(SettingsError, match=r"folder\.onnx is to be exported, but is a folder"):
        export_model(net, (64, 64), tmp_path / "folder.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"its folder cannot be made \(Not a directory\)"):
        export_model(net, (64, 64), tmp_path / "file" / "sub" / "x.onnx")


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str):
    def copy(source, target):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(export.shutil, "copyfile", copy)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"earlier")
    with pytest.raises(CleanplateError, match=r"cannot be written \(No space left on device\)"):
        export_model(BackgroundMatting2020(width=4).eval(), (64, 64), path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"earlier"]
