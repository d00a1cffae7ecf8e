"""Each network that --model may name runs behind alignment and renderer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from core.errors import WeightsError
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import MattingRefine
from core.nets.registry import find_model
from core.render.backdrops import parse_background
from core.runtime.base import WEIGHTS
from core.types import Frame, Plate, View
from live.assemble import build_parts
from live.models_store import ModelStore
from live.settings import Model

SIZE = (320, 192)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setattr("live.models_store.platformdirs.user_data_path", lambda app: tmp_path / app)
    return ModelStore()


def accept(store: ModelStore, name: str, weights: Path) -> None:
    store.import_file(name, weights, find_model(name).licence)


def room() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
    return cv2.resize(noise, SIZE, interpolation=cv2.INTER_CUBIC)


def test_rvm_cuts_the_person_out_without_a_plate(store: ModelStore, shared: Path):
    accept(store, "rvm-mobilenetv3", shared / "models" / "rvm_mobilenetv3_int8release.safetensors")
    with np.load(shared / "models" / "reference" / "rvm_mobilenetv3_reference.npz") as z:
        rgb, expected = z["frames_rgb"][0], z["ds100_pha_0"].astype(np.float32)
    size = (rgb.shape[1], rgb.shape[0])
    parts = build_parts(
        None, parse_background("#00ff00"), Model(name="rvm-mobilenetv3", device="cpu"), size, live=False
    )
    try:
        frame = Frame(rgb, 0, 0)
        picture = parts.renderer.render(frame, parts.aligner.update(frame))
    finally:
        parts.close()
    assert parts.runs_on == "rvm-mobilenetv3, torch on cpu"
    assert np.abs(picture.alpha_u8 / 255 - expected).mean() < 0.01
    assert picture.rgb[0, 0].tolist() == [0, 255, 0]


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the bundled weights, for where there is no plate")
@pytest.mark.parametrize("name", ["bgmv2-mobilenetv2", "bgm2020"])
def test_networks_that_need_a_plate_run_with_and_without_one(store: ModelStore, tmp_path: Path, name: str):
    torch.manual_seed(0)
    net = MattingRefine("mobilenetv2") if name.startswith("bgmv2") else BackgroundMatting2020(width=4)
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    accept(store, name, tmp_path / "weights.pth")
    frame = Frame(room(), 0, 0)
    for plate in (Plate("room", SIZE, (View(room()),)), None):
        parts = build_parts(
            plate, parse_background("#00ff00"), Model(name=name, device="cpu", threads=1), SIZE, live=False
        )
        try:
            picture = parts.renderer.render(frame, parts.aligner.update(frame))
        finally:
            parts.close()
        assert picture.rgb.shape == (SIZE[1], SIZE[0], 3)
        assert picture.alpha_u8 is not None


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs the bundled weights, which are changed a little")
def test_a_folder_that_training_wrote_runs_as_the_network_it_is(tmp_path: Path):
    arrays = load_file(WEIGHTS)
    arrays["head.weight"][:] = 0
    arrays["head.bias"][:] = 9  # everything is somebody
    save_file(arrays, tmp_path / "platenet.safetensors")
    frame, plate = Frame(room(), 0, 0), Plate("room", SIZE, (View(room()),))
    alphas = []
    for name in ("platenet", str(tmp_path)):
        parts = build_parts(
            plate, parse_background("#00ff00"), Model(name=name, device="cpu", threads=1), SIZE, live=False
        )
        try:
            alphas.append(parts.renderer.render(frame, parts.aligner.update(frame)).alpha_u8)
        finally:
            parts.close()
        assert parts.runs_on.startswith("platenet, " if name == "platenet" else f"platenet of {tmp_path}, ")
    assert alphas[0].mean() < 10
    assert alphas[1].mean() > 50, "as far as the network looks"


def test_a_model_that_is_not_here_is_not_fetched_but_named(store: ModelStore):
    with pytest.raises(WeightsError, match="`cleanplate models fetch rvm-mobilenetv3`"):
        build_parts(None, parse_background("#00ff00"), Model(name="rvm-mobilenetv3"), SIZE, live=False)
    with pytest.raises(WeightsError, match="did you mean platenet"):
        build_parts(None, parse_background("#00ff00"), Model(name="platnet"), SIZE, live=False)
