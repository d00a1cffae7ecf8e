"""Both runtimes give the same matte, and say clearly what is wrong with weights and devices."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from core.errors import DeviceError, WeightsError
from core.matte.refine import NearBy, TileCutter, edge_tiles, whole_tiles
from core.nets import platenet as platenet_net
from core.nets import refiner as refiner_net
from core.runtime import openvino
from core.runtime.base import REFINER, WEIGHTS
from core.runtime.graph import on_squares
from core.runtime.openvino import OpenVinoPlateNet, OpenVinoRefiner
from core.runtime.quantise import platenet_ranges, refiner_ranges, write_ranges
from core.runtime.torch import TorchPlateNet, TorchRefiner, load_platenet, load_refiner, torch_device
from core.types import Room
from live.sources.demo import DemoSource

SIZE = (256, 160)


def inputs(seed: int) -> list[np.ndarray]:
    """The demo's room, somebody in front of it, and the maps."""
    demo = DemoSource((512, 320), 30.0)
    frame, plate = (
        cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA) for p in (demo.picture(seed / 2), demo.plate().rgb)
    )
    maps = [np.full(plate.shape[:2], v, np.uint8) for v in (255, 128)]
    return [frame, plate, *maps]


@pytest.fixture(scope="module")
def by_torch() -> list[np.ndarray]:
    """Alpha of three inputs."""
    torch.set_num_threads(1)
    reference = TorchPlateNet()
    return [reference.alpha(*inputs(seed)).astype(int) for seed in range(3)]


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8"])
def test_openvino_and_torch_agree_to_one_grey_level_on_average(
    by_torch: list[np.ndarray], precision: str
) -> None:
    fast = OpenVinoPlateNet(SIZE, threads=1, precision=precision)
    for seed, expected in enumerate(by_torch):
        got = fast.alpha(*inputs(seed)).astype(int)
        assert np.ptp(expected) > 100, "the picture has a matte to compare"
        assert np.abs(expected - got).mean() <= 1.0


def test_openvino_and_torch_agree_where_the_plate_is_partly_known() -> None:
    torch.set_num_threads(1)
    frame, plate, coverage, *maps = inputs(3)
    coverage[:] = np.linspace(0, 255, coverage.shape[1]).astype(np.uint8)
    whole = OpenVinoPlateNet(SIZE, threads=1, precision="f32").alpha(frame, plate, coverage | 255, *maps)
    expected, got = (
        runtime.alpha(frame, plate, coverage, *maps).astype(int)
        for runtime in (TorchPlateNet(), OpenVinoPlateNet(SIZE, threads=1, precision="f32"))
    )
    assert np.abs(expected - whole).mean() > 1, "coverage tells"
    assert np.abs(expected - got).mean() <= 0.5


@pytest.mark.parametrize("known", [False, True])
def test_a_room_that_comes_again_is_taken_as_it_is(known: bool) -> None:
    """Also after other rooms, and rooms that were given in other arrays."""
    used = OpenVinoPlateNet(SIZE, threads=1)
    fresh: dict[bytes, np.ndarray] = {}  # of networks that have seen nothing else
    first, second = inputs(1), inputs(2)
    if not known:
        first[2][:, :90] = 0
    other = [255 - first[1], first[2] // 2]
    for frame, room in (
        (first[0], first[1:3]), (second[0], first[1:3]), (second[0], other), (first[0], first[1:3]),
        (first[0], [p.copy() for p in other]), (second[0], [first[1], other[1]]), (first[0], first[1:3]),
    ):  # fmt: skip
        key = b"".join(a.tobytes() for a in (frame, *room))
        if key not in fresh:
            fresh[key] = OpenVinoPlateNet(SIZE, threads=1).alpha(frame, *room, first[3]).copy()
        assert (used.alpha(frame, *room, first[3]) == fresh[key]).all()


def test_the_two_platenets_are_of_one_shape() -> None:
    for name in ("PLANES", "CELL", "BLOCKS", "MIXES"):
        assert getattr(openvino, name) == getattr(platenet_net, name), name


def test_the_two_refiners_are_of_one_shape() -> None:
    for name in ("CHANNELS", "DILATIONS", "LEAST_CONTRAST", "SURE"):
        assert getattr(openvino, name) == getattr(refiner_net, name), name


def test_refiners_agree_to_one_grey_level_on_average_for_any_number_of_tiles(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    weights = tmp_path / "refiner.safetensors"
    net = refiner_net.RefinerNet()
    with torch.no_grad():
        net.head.weight.mul_(4)  # enough to see a difference in
    for _ in range(20):  # running statistics that are not those of a new network
        net(torch.rand(4, refiner_net.CHANNELS, 32, 32))
    save_torch_file(net.state_dict(), weights)
    rng = np.random.default_rng(1)
    for batches in (1, 3):
        half = openvino.SEEN // 2
        shape = (batches, refiner_net.CHANNELS, openvino.BATCH, 4, half, half)
        tiles = rng.integers(0, 256, shape, dtype=np.uint8)
        expected = TorchRefiner("cpu", weights).refine(iter(tiles))
        assert expected.shape == (batches * openvino.BATCH, openvino.TILE, openvino.TILE)
        coarse = whole_tiles(tiles)[7, :, 4:-4, 4:-4]
        assert np.abs(expected.astype(int) - coarse).mean() > 2, "it does something"
        exactly = OpenVinoRefiner(weights, 1, "f32").refine(iter(tiles))
        assert np.abs(expected.astype(int) - exactly).max() <= 1
        assert np.abs(expected.astype(int) - OpenVinoRefiner(weights, 1).refine(iter(tiles))).mean() <= 1.0


def test_the_refiner_on_integers_changes_alpha_by_less_than_half_a_grey_level(tmp_path: Path) -> None:
    picture, plate = (cv2.resize(p, (512, 320)) for p in inputs(1)[:2])
    coarse = cv2.GaussianBlur(np.where((picture != plate).any(2), np.uint8(255), np.uint8(0)), (0, 0), 3)
    spots = edge_tiles(coarse)
    near_by = NearBy(picture, coarse)
    batches = [b.copy() for b in TileCutter().cut(picture, Room(plate, None).part, coarse, near_by, spots)]
    plain = tmp_path / "refiner.safetensors"
    save_torch_file(load_refiner(REFINER).state_dict(), plain)
    expected = OpenVinoRefiner(plain, 1).refine(batches).astype(int)
    assert np.abs(expected - OpenVinoRefiner(plain, 1, "f32").refine(batches)).mean() < 0.1, "not calibrated"
    with pytest.raises(WeightsError, match="not calibrated"):
        OpenVinoRefiner(plain, 1, "int8")
    ranges = refiner_ranges(plain, batches)
    low, high = ranges["enter.0"]
    assert high[:12] == pytest.approx([0.5] * 12, abs=0.02), "colours, a range for each pixel of a square"
    assert low[0] == pytest.approx(-high[0] * 128 / 127)
    write_ranges(plain, ranges)
    for weights in (plain, REFINER):
        got = OpenVinoRefiner(weights, 1, "int8").refine(batches)
        assert 0 < np.abs(expected - got).mean() < 0.5


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_on_squares_is_the_one_on_pixels(stride: int) -> None:
    torch.manual_seed(0)
    kernel, picture = torch.randn(3, 5, 3, 3), torch.randn(1, 5, 12, 8)
    expected = torch.nn.functional.conv2d(picture, kernel, stride=stride, padding=1)
    squares = torch.nn.functional.pixel_unshuffle(picture, 2)
    wide = torch.from_numpy(on_squares(kernel.numpy(), stride))
    around = (1, 1, 1, 1) if stride == 1 else (1, 0, 1, 0)
    got = torch.nn.functional.conv2d(torch.nn.functional.pad(squares, around), wide)
    if stride == 1:
        got = torch.nn.functional.pixel_shuffle(got, 2)
    assert torch.allclose(got, expected, atol=1e-5)


def test_the_bundled_weights_load_strictly() -> None:
    assert sum(p.numel() for p in load_platenet().parameters()) > 1e6


def test_integers_are_used_where_the_weights_are_calibrated_and_only_there(tmp_path: Path) -> None:
    plain = tmp_path / "plain.safetensors"
    save_torch_file(load_platenet().state_dict(), plain)
    assert "int8" in OpenVinoPlateNet(SIZE, threads=1).name
    assert OpenVinoPlateNet(SIZE, threads=1).name.endswith(", 1 thread")
    assert OpenVinoPlateNet(SIZE, threads=2).name.endswith(", 2 threads")
    assert "int8" not in OpenVinoPlateNet(SIZE, plain, threads=1).name
    with pytest.raises(WeightsError, match="not calibrated"):
        OpenVinoPlateNet(SIZE, plain, precision="int8")
    expected = OpenVinoPlateNet(SIZE, plain, 1, "f32").alpha(*inputs(1)).astype(int)
    measured = platenet_ranges(plain, [tuple(inputs(seed)) for seed in range(3)])
    assert measured["stem.0"] == (0, 1), "pictures and maps as they come"
    write_ranges(plain, measured)
    calibrated = OpenVinoPlateNet(SIZE, plain, threads=1)
    assert "int8" in calibrated.name
    assert np.abs(calibrated.alpha(*inputs(1)) - expected).mean() <= 1.0
    assert load_platenet(plain).state_dict().keys() == load_platenet().state_dict().keys()
    for ranges in ('{"stem.0": 7}', '{"stem.0": [[], [1]]}', '{"stem.0": [0, "all"]}'):
        save_torch_file(load_platenet().state_dict(), plain, metadata={"ranges": ranges})
        with pytest.raises(WeightsError, match="damaged ranges"):
            OpenVinoPlateNet(SIZE, plain)


def test_torch_cuts_what_is_beyond_the_ranges(tmp_path: Path) -> None:
    held = load_platenet().state_dict()
    weights = tmp_path / "platenet.safetensors"
    levels = []
    for ranges in ("{}", '{"head": [0, 0]}', '{"head": [[-9e9], [9e9]]}'):
        save_torch_file(held, weights, metadata={"ranges": ranges})
        levels.append(TorchPlateNet("cpu", weights).alpha(*inputs(1)))
    free, nothing, all_of_it = levels
    assert np.ptp(free) > 100
    assert (nothing.reshape(40, 4, 64, 4) == nothing[:4, :4][None, :, None]).all(), "the head's bias alone"
    assert (all_of_it == free).all()


@pytest.mark.parametrize("make", [lambda p: OpenVinoPlateNet(SIZE, p), lambda p: TorchPlateNet("cpu", p)])
def test_weights_that_are_missing_damaged_or_of_another_shape_are_refused(make, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is missing"):
        make(tmp_path / "none.safetensors")

    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(WEIGHTS.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="`cleanplate train` wrote with this version"):
        make(damaged)

    arrays = load_file(WEIGHTS)
    short = tmp_path / "short.safetensors"
    save_file({k: v for k, v in arrays.items() if k != "head.bias"}, short)
    with pytest.raises(WeightsError, match=r"head\.bias|does not fit"):
        make(short)

    other = tmp_path / "other.safetensors"
    save_file({**arrays, "stem.0.weight": arrays["stem.0.weight"][:, :-4].copy()}, other)
    with pytest.raises(WeightsError):
        make(other)

    extra = tmp_path / "extra.safetensors"
    save_file({**arrays, "surplus.weight": np.zeros(3, np.float32)}, extra)
    with pytest.raises(WeightsError):
        make(extra)


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="nvidia-smi"):
        torch_device("cuda")
