"""The peers' mattes on a picture with known alpha, and plain keying."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import WeightsError
from core.evaluation.peers import RvmPeer, difference_key, load_peers, mediapipe_selfie


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine torch's threads wait for one another far longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def intersection_over_union(alpha: np.ndarray, truth: np.ndarray) -> float:
    a, b = alpha > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


# As measured from the published models on this drawing, see the models' README there.
EXPECTED_IOU = {"rvm": 0.98, "mediapipe": 0.92, "meet": 0.94, "sinet": 0.8, "sinet-obs": 0.55}


def test_peers_find_the_person_as_well_as_their_published_models_do(shared: Path):
    with np.load(shared / "models" / "reference" / "segmentation_reference.npz") as z:
        rgb, truth = z["picture_rgb"], z["true_alpha"].astype(np.float32)
    peers = load_peers(shared / "models")
    # The automatic ratio is 1 for so small a picture, which the authors advise against.
    peers["rvm"] = RvmPeer(shared / "models" / "rvm_mobilenetv3_int8release.safetensors", ratio=0.5)
    for name, peer in peers.items():
        alpha = peer(rgb)
        assert alpha.shape == truth.shape
        assert alpha.dtype == np.float32
        assert 0 <= alpha.min() <= alpha.max() <= 1
        assert intersection_over_union(alpha, truth) > EXPECTED_IOU[name], name


def test_rvm_remembers_until_reset_and_starts_anew_at_another_size(shared: Path):
    with np.load(shared / "models" / "reference" / "rvm_mobilenetv3_reference.npz") as z:
        frames, expected = z["frames_rgb"], z["ds050_pha_2"].astype(np.float32)
        first = z["ds050_pha_0"].astype(np.float32)
        colour = z["ds050_fgr_2"].astype(np.float32).transpose(1, 2, 0) * 255
    peer = RvmPeer(shared / "models" / "rvm_mobilenetv3_int8release.safetensors", ratio=0.5)
    for rgb in frames:
        alpha = peer(rgb)
    assert np.abs(alpha - expected).max() < 1e-3
    assert np.abs(peer.fgr() - colour).max() < 0.5  # grey levels: the reference is in half precision
    assert peer(frames[0][:200, :300]).shape == (200, 300)
    assert np.abs(peer(frames[0]) - first).max() < 1e-3
    peer.reset()
    assert np.abs(peer(frames[0]) - first).max() < 1e-3


def test_difference_key_is_soft_between_its_two_levels():
    plate = np.full((4, 6, 3), 100, np.uint8)
    rgb = plate.copy()
    rgb[0, 0] = (100, 112, 100)
    rgb[0, 1] = (70, 100, 100)
    rgb[0, 2] = (160, 100, 100)
    alpha = difference_key(rgb, plate, low=12, high=48)
    assert alpha[0, :4].tolist() == [0.0, 0.5, 1.0, 0.0]


def test_says_which_model_is_missing(tmp_path: Path):
    with pytest.raises(WeightsError, match="mediapipe_selfie_general"):
        mediapipe_selfie(tmp_path)
