"""Background Matting (2020) against the authors' output."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.weights import load_weights


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "models" / "reference" / "bgm2020_ngf16_random.npz") as z:
        return dict(z)


@pytest.fixture(scope="module")
def loaded(shared: Path) -> BackgroundMatting2020:
    net = BackgroundMatting2020(width=16).eval()
    load_weights(net, shared / "models" / "reference" / "bgm2020_ngf16_random.safetensors")
    return net


def inputs(reference: dict[str, np.ndarray]) -> list[torch.Tensor]:
    frame, plate = (
        torch.from_numpy(reference[f"{name}_rgb"]).permute(2, 0, 1)[None] for name in ("image", "back")
    )
    return [
        2 * x.float() / 255 - 1 for x in (frame, plate, torch.from_numpy(reference["seg_u8"])[None, None])
    ]


@torch.inference_mode()
def test_matches_the_authors_output(loaded, reference):
    pha, fgr = loaded(*inputs(reference))
    assert np.abs(pha[0].numpy() - reference["alpha_tanh"]).max() < 1e-3
    # The reference reaches 3.7, where halves are 2e-3 apart.
    assert np.abs(fgr[0].numpy() - reference["fg"]).max() < 1.5e-3


def test_names_and_shapes_are_the_official_ones(shared: Path):
    official = json.loads((shared / "models" / "reference" / "bgm2020_state_dict_keys.json").read_text())
    with torch.device("meta"):
        net = BackgroundMatting2020()
    ours = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    assert ours == {name: shape for name, shape, _ in official["entries"]}
    assert sum(p.numel() for p in net.parameters()) == official["parameters"]


def test_loads_a_checkpoint_of_the_parallel_wrapper(loaded, tmp_path: Path):
    torch.save({f"module.{k}": v for k, v in loaded.state_dict().items()}, tmp_path / "netG_epoch_12.pth")
    other = BackgroundMatting2020(width=16)
    load_weights(other, tmp_path / "netG_epoch_12.pth")
    assert torch.equal(other.comb_seg[0].weight, loaded.comb_seg[0].weight)


@torch.inference_mode()
def test_a_batch_is_its_pictures_one_by_one(loaded, reference):
    batch = [torch.cat([x, x.flip(3)])[..., :64, :96] for x in inputs(reference)]
    pha, _ = loaded(*batch)
    assert (pha[1] - loaded(*(x[1:] for x in batch))[0][0]).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_runs_in_half_precision(loaded, reference, dtype):
    net = BackgroundMatting2020(width=16).eval()
    net.load_state_dict(loaded.state_dict())
    small = [x[..., :64, :96] for x in inputs(reference)]
    expected, _ = loaded(*small)
    pha, _ = net.to(dtype)(*(x.to(dtype) for x in small))
    assert pha.dtype == dtype
    assert (pha.float() - expected).abs().mean() < 0.05
