"""Robust Video Matting against the authors' outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.nets.rvm import RobustVideoMatting, build_rvm, downsample_ratio_for
from core.nets.weights import load_weights

OFFICIAL_LENGTHS = {"mobilenetv3": 365 + 15, "resnet50": 390}  # deep guided filter: 15 entries


@pytest.fixture(scope="module")
def released(shared: Path) -> RobustVideoMatting:
    net = build_rvm("mobilenetv3", "fast_guided_filter").eval()
    load_weights(net, shared / "models" / "rvm_mobilenetv3_int8release.safetensors")
    return net


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "models" / "reference" / "rvm_mobilenetv3_reference.npz") as z:
        return dict(z)


def frame(reference: dict[str, np.ndarray], i: int) -> torch.Tensor:
    return torch.from_numpy(reference["frames_rgb"][i]).permute(2, 0, 1)[None].float() / 255


def random_net(refiner: str = "fast_guided_filter") -> RobustVideoMatting:
    torch.manual_seed(0)
    return build_rvm("mobilenetv3", refiner).eval()


@torch.inference_mode()
def test_three_frames_with_memory_match_the_authors_output(released, reference):
    states: list[torch.Tensor | None] = [None] * 4
    for i in range(3):
        fgr, pha, *states = released(frame(reference, i), *states, downsample_ratio=0.5)
        assert np.abs(pha[0, 0].numpy() - reference[f"ds050_pha_{i}"]).max() < 1e-3
        for k, state in enumerate(states, start=1):
            assert np.abs(state[0].numpy() - reference[f"ds050_r{k}_{i}"]).max() < 1e-3
    assert np.abs(fgr[0].numpy() - reference["ds050_fgr_2"]).max() < 1e-3


@torch.inference_mode()
@pytest.mark.parametrize(("ratio", "name"), [(1.0, "ds100_pha_0"), (0.25, "ds025_pha_0")])
def test_other_ratios_match_the_authors_output(released, reference, ratio, name):
    _, pha, *_ = released(frame(reference, 0), downsample_ratio=ratio)
    assert np.abs(pha[0, 0].numpy() - reference[name]).max() < 1e-3


@torch.inference_mode()
def test_a_batch_is_its_pictures_one_by_one(released, reference):
    both = torch.cat([frame(reference, 0), frame(reference, 2)])[:, :, :160, :224]
    _, pha, *_ = released(both, downsample_ratio=0.5)
    for i in range(2):
        _, alone, *_ = released(both[i : i + 1], downsample_ratio=0.5)
        assert (pha[i] - alone[0]).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("refiner", ["fast_guided_filter", "deep_guided_filter"])
@pytest.mark.parametrize(("size", "ratio"), [((67, 101), 1.0), ((135, 241), 0.4)])
def test_takes_odd_sizes_and_gives_them_back(refiner, size, ratio):
    net = random_net(refiner)
    src = torch.rand(1, 3, *size)
    fgr, pha, *states = net(src, downsample_ratio=ratio)
    fgr, pha, *states = net(src, *states, downsample_ratio=ratio)
    assert fgr.shape == (1, 3, *size)
    assert pha.shape == (1, 1, *size)
    assert pha.isfinite().all()


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_runs_in_half_precision(released, reference, dtype):
    src = frame(reference, 0)[:, :, 64:224, 96:320]
    _, expected, *_ = released(src, downsample_ratio=0.5)
    halved = build_rvm().eval()
    halved.load_state_dict(released.state_dict())
    _, pha, *_ = halved.to(dtype)(src.to(dtype), downsample_ratio=0.5)
    assert pha.dtype == dtype
    assert (pha.float() - expected).abs().mean() < 5e-3


@torch.inference_mode()
def test_mattes_a_4k_frame():
    fgr, pha, *_ = random_net()(torch.rand(1, 3, 2160, 3840), downsample_ratio=0.05)
    assert pha.shape == (1, 1, 2160, 3840)
    assert fgr.shape == (1, 3, 2160, 3840)


@pytest.mark.parametrize("backbone", ["mobilenetv3", "resnet50"])
def test_has_the_official_entries(backbone):
    assert len(build_rvm(backbone, "deep_guided_filter").state_dict()) == OFFICIAL_LENGTHS[backbone]


def test_the_learned_filter_with_a_zero_slope_gives_the_window_mean():
    net = random_net("deep_guided_filter")
    torch.nn.init.zeros_(net.refiner.conv[-1].weight)
    torch.nn.init.zeros_(net.refiner.conv[-1].bias)
    small, fgr, pha = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8)
    with torch.inference_mode():
        _, out = net.refiner(torch.rand(1, 3, 8, 8), small, fgr, pha, torch.rand(1, 16, 8, 8))
    window = torch.nn.functional.avg_pool2d(pha, 3, 1, 1)
    assert torch.allclose(out, window, atol=1e-6)


def test_ratio_brings_the_longer_side_to_512():
    assert downsample_ratio_for((1280, 720)) == pytest.approx(0.4)
    assert downsample_ratio_for((320, 240)) == 1.0


def test_refuses_an_unknown_part():
    with pytest.raises(ValueError, match="must be one of mobilenetv3, resnet50"):
        build_rvm("vgg")
    with pytest.raises(ValueError, match="must be one of fast_guided_filter"):
        build_rvm("resnet50", "none")
