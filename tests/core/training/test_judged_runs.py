"""A run of platenet and of its refiner is judged on held-out people, with curves, and can be resumed."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core.errors import MediaError
from core.nets.platenet import PlateNet
from core.nets.refiner import FEATURES, RefinerNet
from core.runtime.base import WEIGHTS
from core.runtime.graph import load_ranges
from core.runtime.quantise import platenet_ranges
from core.runtime.torch import load_platenet, load_refiner
from core.training import refiner
from core.training.curves import Curves
from core.training.judge import held_out_samples, mean_error
from core.training.material import load
from core.training.refiner import RefinerOptions, train_refiner
from core.training.train import Options, train
from tests.core.training.drawn import HELD_OUT, write_data


def test_platenet_then_its_refiner_are_judged_and_their_curves_written(tmp_path: Path, monkeypatch):
    for name, small in (("BATCH", 2), ("LEAST_POOL", 2), ("POOL", 50), ("CALIBRATION", 4)):
        monkeypatch.setattr(refiner, name, small)
    monkeypatch.setattr("core.training.train.CALIBRATION", 4)
    lines: list[str] = []
    data, curves = write_data(tmp_path / "data"), tmp_path / "curves"
    base = train(
        Options(
            data=data,
            out=tmp_path / "run",
            minutes=0.005,
            threads=1,
            curriculum=((1.01, ((64, 64),), 2),),
            validation=1,
            curves=curves,
        ),
        lines.append,
    )
    load_platenet(base)
    assert any("held out: MAD" in line for line in lines)
    assert list(curves.glob("events*"))

    lines.clear()
    options = RefinerOptions(
        data=data,
        base=base,
        out=tmp_path / "refiner.safetensors",
        minutes=0.005,
        checkpoint=tmp_path / "refiner.pt",
        validation=1,
        sizes=((160, 128),),
    )
    trained = train_refiner(options, lines.append)
    load_refiner(trained)
    ranges = load_ranges(trained)
    assert len(ranges["enter.0"][1]) == 4 * FEATURES, "calibrated, channel by channel"
    assert load_ranges(train_refiner(options, lines.append)) == ranges, "a finished one is left alone"
    assert sum("held out: MAD in edge tiles" in line for line in lines) == 2
    assert any("goes on at step" in line for line in lines)


def test_a_run_that_was_nearly_over_is_calibrated_on_as_many_samples_as_any(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("core.training.train.CALIBRATION", 7)
    counted: list[int] = []
    found = platenet_ranges

    def counting(weights: Path, samples: list) -> object:
        counted.append(len(samples))
        assert all(s[0].shape == (64, 96, 3) for s in samples)
        return found(weights, samples)

    monkeypatch.setattr("core.training.train.platenet_ranges", counting)
    sizes = ((96, 64), (64, 64))
    options = Options(
        write_data(tmp_path / "data"), tmp_path / "run", 0.003, threads=1, curriculum=((1.01, sizes, 2),)
    )
    weights = train(options, print)
    assert counted[0] >= 7, "however few steps there was time for"
    held = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert held["minutes"] == options.minutes
    assert load_ranges(weights)
    weights.unlink()  # and a finished run whose weights are gone writes them again, as they were
    ranges = load_ranges(train(options, print))
    assert ranges.keys() == load_ranges(weights).keys() != set()
    assert len(counted) == 2


def test_a_stopped_run_is_saved_and_no_more(tmp_path: Path):
    options = Options(
        write_data(tmp_path / "data"),
        tmp_path / "run",
        60,
        threads=1,
        curriculum=((1.01, ((64, 64),), 2),),
        unknown_licences=True,
    )
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 3

    weights = train(options, print, stopped)
    held = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert held["step"] == 3
    assert 0 < held["minutes"] < 60
    assert not load_ranges(weights), "that is for the end"
    with safe_open(weights, "pt") as file:
        assert file.metadata() == {"trained_on_unknown_licences": "yes"}


def test_nobody_to_judge_by_is_said_before_the_refiner_learns(tmp_path: Path):
    data = write_data(tmp_path / "data")
    (data / "people_rendered" / HELD_OUT).unlink()
    options = RefinerOptions(data, WEIGHTS, tmp_path / "r.safetensors", minutes=60, validation=1)
    with pytest.raises(MediaError, match="--validation 0"):
        train_refiner(options, print)
    assert not list(tmp_path.glob("r*"))


def test_a_run_may_begin_with_given_weights(tmp_path: Path):
    data = write_data(tmp_path / "data")
    net, tiles = PlateNet(), RefinerNet()
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    halves = {k: v.half() if v.is_floating_point() else v for k, v in tiles.state_dict().items()}
    save_file(halves, tmp_path / "tiles.safetensors")
    start = tmp_path / "net.safetensors"
    begun = load_platenet(train(Options(data=data, out=tmp_path / "run", minutes=0, start=start), print))
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in begun.state_dict().items())
    options = RefinerOptions(
        data=data, base=start, out=tmp_path / "r.safetensors", minutes=0, start=tmp_path / "tiles.safetensors"
    )
    refined = load_refiner(train_refiner(options, print)).state_dict()
    assert all(torch.allclose(v, tiles.state_dict()[k], atol=1e-3) for k, v in refined.items())


def test_held_out_pairs_are_of_the_held_out_and_the_same_every_time(tmp_path: Path):
    data = write_data(tmp_path / "data")
    a, b = (held_out_samples(data, (), False, (64, 64), 3, None) for _ in range(2))
    assert all((x.frame == y.frame).all() for x, y in zip(a, b, strict=True))
    assert len(load(data, held_out=True).people) == len(load(data).people) == 1
    (data / "people_rendered" / HELD_OUT).unlink()
    with pytest.raises(MediaError, match="--validation 0"):
        held_out_samples(data, (), False, (64, 64), 3, None)


def test_the_mean_error_is_in_thousandths_and_its_picture_shows_the_pairs(tmp_path: Path):
    samples = held_out_samples(write_data(tmp_path / "data"), (), False, (64, 64), 8, None)
    assert mean_error(samples, lambda s: s.alpha)[0] == 0
    error, picture = mean_error(samples, lambda s: 255 - s.alpha)
    assert 300 < error <= 1000
    assert picture.shape == (6 * 64, 4 * 64, 3)


def test_without_a_folder_curves_write_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    curves = Curves(None)
    curves.numbers(1, {"loss": 0.5})
    curves.close()
    assert list(tmp_path.iterdir()) == []
