"""The papers' networks behind the Matter protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from core.errors import PlateError
from core.matte.papers import Bgm2020Matter, Bgmv2Matter, RvmMatter, load_paper_matter
from core.matte.soft_segmentation import soft_segmentation
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import MattingRefine, Setting
from core.nets.rvm import build_rvm
from core.nets.weights import load_weights


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine torch's threads wait for one another far longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")),
]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def disc(rgb: np.ndarray) -> np.ndarray:
    """A person of the simplest kind, in the middle of the picture."""
    height, width = rgb.shape[:2]
    return cv2.circle(np.zeros((height, width), np.uint8), (width // 2, height // 2), height // 4, 255, -1)


def matters(device: str) -> dict[str, RvmMatter | Bgmv2Matter | Bgm2020Matter]:
    torch.manual_seed(0)
    return {
        "rvm": RvmMatter(build_rvm(), device),
        "bgmv2": Bgmv2Matter(MattingRefine("mobilenetv2"), device, setting=Setting(sample_pixels=1_600)),
        "bgm2020": Bgm2020Matter(BackgroundMatting2020(width=4), disc, device),
    }


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [(97, 131), (64, 64)])
def test_alpha_is_uint8_of_the_pictures_own_size_however_odd(device, size):
    for name, matter in matters(device).items():
        alpha = matter.matte(noise(*size), noise(*size, seed=1), None)
        assert alpha.shape == size, name
        assert alpha.dtype == np.uint8, name


def test_takes_pictures_that_may_not_be_written_to():
    rgb = noise(64, 64)
    rgb.flags.writeable = False
    for matter in matters("cpu").values():
        assert matter.matte(rgb, rgb, None).shape == (64, 64)


@pytest.fixture(scope="module")
def released_rvm(shared: Path) -> RvmMatter:
    net = build_rvm()
    load_weights(net, shared / "models" / "rvm_mobilenetv3_int8release.safetensors")
    return RvmMatter(net, ratio=0.5)


def test_rvm_remembers_earlier_frames_until_reset_or_another_size(released_rvm, shared: Path):
    with np.load(shared / "models" / "reference" / "rvm_mobilenetv3_reference.npz") as z:
        frames = z["frames_rgb"]
        first, third = (z[f"ds050_pha_{i}"].astype(np.float32) * 255 for i in (0, 2))
    for rgb in frames:
        alpha = released_rvm.matte(rgb, None, None)
    assert np.abs(alpha - third).max() <= 1
    released_rvm.reset()
    assert np.abs(released_rvm.matte(frames[0], None, None) - first).max() <= 1
    released_rvm.matte(frames[0][:96, :128], None, None)
    assert np.abs(released_rvm.matte(frames[0], None, None) - first).max() <= 1


def test_rvm_mattes_a_handheld_recording_cleanly(released_rvm, shared: Path):
    path = shared / "data" / "captures" / "handheld" / "0500_img.jpg"
    rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    rgb = cv2.resize(rgb, (960, 540), interpolation=cv2.INTER_AREA)
    released_rvm.reset()
    alpha = released_rvm.matte(rgb, None, None)
    height, width = alpha.shape
    assert alpha[height * 3 // 4, width * 2 // 5] == 255  # the jacket
    assert alpha[: height // 8].max() < 13  # sky
    assert alpha[:, width * 3 // 4 :].max() < 13  # houses and trees
    undecided = ((alpha > 25) & (alpha < 230)).mean()
    assert undecided < 0.02


def test_bgmv2_gives_the_networks_own_alpha(shared: Path):
    reference = shared / "models" / "reference"
    with np.load(reference / "bgmv2_mobilenetv2_random.npz") as z:
        src, plate, expected = z["src_rgb"], z["bgr_rgb"], z["full_pha"][0].astype(np.float32)
    net = MattingRefine("mobilenetv2")
    load_weights(net, reference / "bgmv2_mobilenetv2_random.safetensors")
    matter = Bgmv2Matter(net, setting=Setting("full"))
    Setting("full", backbone_scale=0.5).apply(net, (src.shape[1], src.shape[0]))
    with torch.inference_mode():
        pictures = [torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 for x in (src, plate)]
        at_half = net(*pictures)[0][0, 0].numpy()
    alpha = matter.matte(src, plate, None)
    assert np.abs(alpha - at_half * 255).max() < 1
    assert alpha.shape == expected.shape


def test_bgmv2_works_at_each_size_as_the_authors_advise():
    class Recorded(MattingRefine):
        def forward(self, src, plate):
            used.append((self.backbone_scale, self.refiner.refinement.sample_pixels))
            return (torch.zeros_like(src[:, :1]),)

    used: list[tuple[float, int]] = []
    matter = Bgmv2Matter(Recorded("mobilenetv2"))
    for size in ((1280, 720), (1920, 1080), (3840, 2160), (1280, 720)):
        rgb = np.zeros((*size[::-1], 3), np.uint8)
        matter.matte(rgb, rgb, None)
    assert used == [(0.25, 80_000), (0.25, 80_000), (0.125, 320_000), (0.25, 80_000)]


def test_bgmv2_without_a_plate_takes_the_other_matte_or_says_what_is_missing():
    rgb = noise(64, 64)
    with pytest.raises(PlateError, match="needs a plate"):
        Bgmv2Matter(MattingRefine("mobilenetv2")).matte(rgb, None, None)
    assert np.array_equal(
        Bgmv2Matter(MattingRefine("mobilenetv2"), "cpu", disc).matte(rgb, None, None), disc(rgb)
    )


def test_where_the_plate_is_unknown_the_other_matte_stands_or_nothing_is_shown():
    rgb, plate = noise(64, 96), noise(64, 96, seed=1)
    coverage = np.zeros((64, 96), np.uint8)
    coverage[:, :48] = 255
    net = MattingRefine("mobilenetv2")
    hidden = Bgmv2Matter(net).matte(rgb, plate, coverage)
    assert hidden[:, 48:].max() == 0
    other = Bgmv2Matter(net, "cpu", disc).matte(rgb, plate, coverage)
    assert np.array_equal(other[:, 48:], disc(rgb)[:, 48:])
    seg = Bgm2020Matter(BackgroundMatting2020(width=4), disc).matte(rgb, plate, coverage)
    assert np.array_equal(seg[:, 48:], disc(rgb)[:, 48:])


def test_bgm2020_sees_nobody_where_the_segmentation_does():
    matter = Bgm2020Matter(BackgroundMatting2020(width=4), lambda rgb: np.zeros(rgb.shape[:2], np.uint8))
    assert matter.matte(noise(64, 64), noise(64, 64, seed=1), None).max() == 0


def test_bgm2020_stays_inside_its_square():
    matter = Bgm2020Matter(BackgroundMatting2020(width=4), disc)
    alpha = matter.matte(noise(120, 400), noise(120, 400, seed=1), None)
    assert alpha[:, :140].max() == 0
    assert alpha[:, 270:].max() == 0


class Watched(BackgroundMatting2020):
    """Keeps what it is given, and says that everything is somebody."""

    def forward(self, frame, plate, segmentation):
        self.given = [((x[0] + 1) * 127.5).round().permute(1, 2, 0).numpy() for x in (frame, plate)]
        self.segmentation = ((segmentation[0, 0] + 1) * 127.5).round().numpy()
        return torch.ones_like(segmentation), frame


def test_bgm2020_is_given_the_authors_square():
    rgb, plate = noise(800, 1400), noise(800, 1400, seed=1)
    alpha = np.zeros((800, 1400), np.uint8)
    alpha[100:, 300:900] = 200
    alpha[:60] = 40  # too faint for a person
    net = Watched(width=4)
    Bgm2020Matter(net, lambda rgb: alpha).matte(rgb, plate, None)
    cut = slice(30, 799), slice(230, 1069)  # rows 100 to 799: 699 and a tenth around, without the last row
    for given, picture in zip(net.given, (rgb, plate), strict=True):
        assert np.abs(given - cv2.resize(picture[cut], (512, 512))).max() == 0
    hard = np.where(alpha[cut] > 51, 255, 0).astype(np.uint8)
    assert np.abs(net.segmentation - soft_segmentation(cv2.resize(hard, (512, 512)))).max() == 0


def test_bgm2020_leaves_no_gap_at_the_pictures_border():
    corner = np.zeros((400, 600), np.uint8)
    corner[100:, 300:] = 255
    alpha = Bgm2020Matter(Watched(width=4), lambda rgb: corner).matte(noise(400, 600), noise(400, 600), None)
    assert alpha[100:, 300:].min() == 255


def test_loads_each_network_by_its_name(tmp_path: Path):
    for name, net, kind in (
        ("rvm-mobilenetv3", build_rvm(), RvmMatter),
        ("bgmv2-mobilenetv2", MattingRefine("mobilenetv2"), Bgmv2Matter),
        ("bgm2020", BackgroundMatting2020(width=4), Bgm2020Matter),
    ):
        torch.save(net.state_dict(), tmp_path / "weights.pth")
        assert isinstance(load_paper_matter(name, tmp_path / "weights.pth", "cpu", disc), kind)
