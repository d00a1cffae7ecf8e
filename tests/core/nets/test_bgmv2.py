"""Background Matting V2 against the authors' outputs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.nets.bgmv2 import MattingBase, MattingRefine, Refinement, Setting
from core.nets.weights import load_weights

MODES = {
    "full": Refinement("full"),
    "sampling": Refinement("sampling", sample_pixels=30_000),
    "thresholding": Refinement("thresholding", threshold=0.3),
}


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "models" / "reference" / "bgmv2_mobilenetv2_random.npz") as z:
        return dict(z)


@pytest.fixture(scope="module")
def loaded(shared: Path) -> MattingRefine:
    net = MattingRefine("mobilenetv2").eval()
    load_weights(net, shared / "models" / "reference" / "bgmv2_mobilenetv2_random.safetensors")
    return net


def picture(reference: dict[str, np.ndarray], name: str) -> torch.Tensor:
    return torch.from_numpy(reference[name]).permute(2, 0, 1)[None].float() / 255


def random_net(backbone: str = "mobilenetv2", **options: object) -> MattingRefine:
    torch.manual_seed(0)
    return MattingRefine(backbone, **options).eval()


@torch.inference_mode()
@pytest.mark.parametrize("mode", list(MODES))
def test_each_refinement_mode_matches_the_authors_output(loaded, reference, mode):
    loaded.refiner.refinement = MODES[mode]
    outputs = loaded(picture(reference, "src_rgb"), picture(reference, "bgr_rgb"))
    names = ("pha", "fgr", "pha_sm", "fgr_sm", "err_sm", "ref_sm")
    compared = {
        name: np.abs(out[0].numpy() - reference[f"{mode}_{name}"].astype(np.float32)).max()
        for name, out in zip(names, outputs, strict=True)
        if f"{mode}_{name}" in reference
    }
    assert {"pha", "fgr", "ref_sm"} <= set(compared)
    assert compared.pop("ref_sm") == 0
    assert max(compared.values()) < 1e-3, compared


@torch.inference_mode()
def test_the_base_alone_gives_the_coarse_output(loaded, reference):
    base = MattingBase("mobilenetv2").eval()
    state = {k: v for k, v in loaded.state_dict().items() if not k.startswith("refiner.")}
    base.load_state_dict(state, strict=True)
    reduced = [
        nn.functional.interpolate(picture(reference, name), scale_factor=0.25, mode="bilinear")
        for name in ("src_rgb", "bgr_rgb")
    ]
    for out, name in zip(base(*reduced), ("pha", "fgr", "err"), strict=False):
        assert np.abs(out[0].numpy() - reference[f"full_{name}_sm"]).max() < 1e-3


@pytest.mark.parametrize("backbone", ["mobilenetv2", "resnet50", "resnet101"])
def test_names_and_shapes_are_the_official_ones(shared: Path, backbone):
    path = shared / "models" / "reference" / "bgmv2_state_dict_keys.json"
    official = json.loads(path.read_text())["variants"][backbone]
    with torch.device("meta"):
        net, base = MattingRefine(backbone), MattingBase(backbone)
    ours = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    assert ours == {name: shape for name, shape, _ in official["entries"]}
    assert set(ours) - set(base.state_dict()) == set(official["only_in_refine"])
    assert sum(p.numel() for p in net.parameters()) == official["parameters"]


@torch.inference_mode()
@pytest.mark.parametrize("mode", list(MODES))
def test_a_batch_is_its_pictures_one_by_one(loaded, reference, mode):
    loaded.refiner.refinement = MODES[mode]
    src = picture(reference, "src_rgb")[..., 64:128, 96:192]
    src = torch.cat([src, src.flip(3)])
    plate = picture(reference, "bgr_rgb")[..., 64:128, 96:192].expand(2, -1, -1, -1)
    together = loaded(src, plate)[0]
    for i in range(2):
        alone = loaded(src[i : i + 1], plate[i : i + 1])[0]
        # Not bit for bit: a patch on the verge of selection may fall on either side.
        assert ((together[i] - alone[0]).abs() > 2e-3).float().mean() < 0.01


@torch.inference_mode()
@pytest.mark.parametrize("size", [(68, 100), (100, 52), (36, 44)])
def test_takes_sizes_whose_reduced_sides_are_odd(size):
    src, plate = torch.rand(1, 3, *size), torch.rand(1, 3, *size)
    outputs = random_net()(src, plate)
    assert outputs[0].shape == (1, 1, *size)
    assert outputs[1].shape == (1, 3, *size)
    assert all(out.isfinite().all() for out in outputs)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_runs_in_half_precision(dtype):
    # Freshly initialised: the reference's weights amplify rounding 10 000 times.
    net = random_net(refinement=Refinement("thresholding", threshold=0.0))
    src, plate = torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96)
    expected = net(src, plate)[0]
    pha = net.to(dtype)(src.to(dtype), plate.to(dtype))[0]
    assert pha.dtype == dtype
    assert (pha.float() - expected).abs().mean() < 0.01


@torch.inference_mode()
def test_refines_a_few_patches_of_a_4k_frame():
    net = random_net(backbone_scale=0.125, refinement=Refinement("sampling", sample_pixels=16_000))
    src = torch.rand(1, 3, 2160, 3840)
    pha, _, pha_sm, *_, selected = net(src, src)
    assert pha.shape == (1, 1, 2160, 3840)
    assert pha_sm.shape == (1, 1, 270, 480)
    assert selected.sum() <= 1000


@torch.inference_mode()
def test_nothing_to_refine_leaves_the_coarse_alpha():
    net = random_net(refinement=Refinement("thresholding", threshold=1.0))
    src = torch.rand(1, 3, 64, 64)
    pha, _, pha_sm, *_, selected = net(src, src)
    assert selected.sum() == 0
    enlarged = nn.functional.interpolate(pha_sm, (64, 64), mode="bilinear")
    assert torch.allclose(pha, enlarged, atol=1e-6)


@torch.inference_mode()
def test_a_large_budget_refines_every_patch_that_may_err():
    net = random_net(refinement=Refinement("sampling", sample_pixels=10_000_000))
    src = torch.rand(1, 3, 64, 64)
    *_, err_sm, selected = net(src, torch.rand(1, 3, 64, 64))
    assert torch.equal(selected > 0, err_sm > 0)


def test_learns_through_the_refinement():
    net = MattingRefine("mobilenetv2", refinement=Refinement("sampling", sample_pixels=2_000))
    src, plate = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    pha, fgr, *_ = net(src, plate)
    (pha.mean() + fgr.mean()).backward()
    assert net.refiner.conv1.weight.grad.abs().sum() > 0
    assert net.backbone.features[0][0].weight.grad.abs().sum() > 0


def test_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="must be one of full, sampling, thresholding"):
        Refinement("everywhere")
    with pytest.raises(ValueError, match=r"at most 0\.5"):
        MattingRefine("mobilenetv2", backbone_scale=0.75)
    with pytest.raises(ValueError, match="must be one of mobilenetv2, resnet50, resnet101"):
        MattingBase("vgg")
    net = random_net()
    with pytest.raises(ValueError, match="multiples of 4"):
        net(torch.rand(1, 3, 66, 64), torch.rand(1, 3, 66, 64))


@pytest.mark.parametrize(
    ("size", "scale", "samples"),
    [
        ((640, 360), 0.5, 80_000),
        ((1280, 720), 0.25, 80_000),
        ((1920, 1080), 0.25, 80_000),
        ((2560, 1440), 0.1875, 142_222),
        ((3840, 2160), 0.125, 320_000),
        ((2160, 3840), 0.125, 320_000),
    ],
)
def test_the_authors_choice_for_a_size(size, scale, samples):
    net = MattingRefine("mobilenetv2")
    Setting().apply(net, size)
    assert net.backbone_scale == scale
    assert net.refiner.refinement == Refinement("sampling", samples)


def test_a_picture_above_hd_never_gets_a_coarser_look_than_a_smaller_one():
    sizes = [(width, width * 9 // 16) for width in range(1920, 4200, 8)]
    net = MattingRefine("mobilenetv2")
    looks = []
    for size in sizes:
        Setting().apply(net, size)
        looks.append((size[0] * net.backbone_scale, net.refiner.refinement.sample_pixels))
    assert min(width for width, _ in looks) > 479
    assert all(b[1] >= a[1] for a, b in itertools.pairwise(looks))
    # nor does the look jump anywhere: a percent a step at most
    assert all(abs(b[i] / a[i] - 1) < 0.01 for a, b in itertools.pairwise(looks) for i in (0, 1))


def test_a_wish_is_kept_at_every_size():
    net = MattingRefine("mobilenetv2")
    for size in ((640, 360), (3840, 2160)):
        Setting("thresholding", 0.3, 1_600, 0.2).apply(net, size)
        assert net.backbone_scale == 0.3
        assert net.refiner.refinement == Refinement("thresholding", 1_600, 0.2)
    with pytest.raises(ValueError, match=r"at most 0\.5"):
        Setting(backbone_scale=0.6).apply(net, (640, 360))
