"""SINet and XFeat against the authors' outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.nets.sinet import SINet
from core.nets.weights import load_weights
from core.nets.xfeat import XFeat, keypoints


@torch.inference_mode()
def test_sinet_matches_the_authors_output(shared: Path):
    net = SINet().eval()
    load_weights(net, shared / "models" / "sinet.safetensors")
    with np.load(shared / "models" / "reference" / "sinet_reference.npz") as z:
        x = (z["input_bgr"].astype(np.float32) - z["mean"]) / z["std"] / 255
        logits, person = z["logits"].astype(np.float32), z["person"].astype(np.float32)
    out = net(torch.from_numpy(x).permute(2, 0, 1)[None])[0]
    assert np.abs(out.numpy() - logits).max() < 2e-3 * np.abs(logits).max()
    assert np.abs(out.softmax(0)[1].numpy() - person).max() < 1e-3


@pytest.fixture(scope="module")
def xfeat(shared: Path) -> XFeat:
    net = XFeat().eval()
    load_weights(net, shared / "models" / "xfeat.safetensors")
    return net


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "models" / "reference" / "xfeat_reference.npz") as z:
        return dict(z)


def picture(reference: dict[str, np.ndarray], name: str) -> torch.Tensor:
    return torch.from_numpy(reference[f"image_{name}"]).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
@pytest.mark.parametrize("name", ["a", "b"])
def test_xfeat_matches_the_authors_output(xfeat: XFeat, reference: dict[str, np.ndarray], name: str):
    outputs = xfeat(picture(reference, name))
    for out, key in zip(outputs, ("feats", "keypoint_logits", "reliability"), strict=True):
        expected = reference[f"{key}_{name}"].astype(np.float32)
        assert np.abs(out[0].numpy() - expected).max() < 1e-3 * max(1.0, np.abs(expected).max())


@torch.inference_mode()
def test_xfeat_fine_matcher_matches_the_authors_output(xfeat: XFeat, reference: dict[str, np.ndarray]):
    out = xfeat.fine_offsets(torch.from_numpy(reference["fine_in"]).float())
    expected = reference["fine_out"].astype(np.float32)
    assert np.abs(out.numpy() - expected).max() < 1e-3 * max(1.0, np.abs(expected).max())


@torch.inference_mode()
def test_keypoints_follow_a_shift_of_the_picture(xfeat: XFeat, reference: dict[str, np.ndarray]):
    whole = picture(reference, "a")
    left, right = whole[..., :448], whole[..., 32:480]  # a pan of 32 px
    (xy_a, d_a), (xy_b, d_b) = (keypoints(*xfeat(part), count=300) for part in (left, right))
    similarity = d_a @ d_b.T
    there, back = similarity.argmax(1), similarity.argmax(0)
    mutual = back[there] == torch.arange(len(there))
    shift = xy_a[mutual] - xy_b[there[mutual]]
    assert mutual.sum() > 50
    assert torch.allclose(shift.median(0).values, torch.tensor([32.0, 0.0]), atol=0.5)
