"""`cleanplate train` from footage to weights: each command as a user types it, tiny and short."""

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from core.errors import CleanplateError, MediaError, SettingsError, WeightsError
from core.runtime.base import REFINER, WEIGHTS
from core.training import paper_run, refiner, train
from core.training.material import load
from live import training
from live.cli import app as cli
from live.training import Run, run, stages_of
from tests.core.training.drawn import drawn_person, write_data
from tests.core.training.test_keying import WALLS, filmed


def typed(*arguments: object) -> str:
    """What the command prints. Its errors come out as they are."""
    result = CliRunner().invoke(cli.app, ["train", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result.output


def recorded(monkeypatch) -> list:
    """Stands in for the three trainers: the options they were given, in order."""
    calls: list = []

    def stand_in(name):
        def trainer(options, tell, stopped) -> Path:
            calls.append((name, options))
            path = options.out / f"{getattr(options, 'stage', 'platenet')}.safetensors"
            path = options.out if options.out.suffix else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"weights")
            return path

        return trainer

    monkeypatch.setattr(train, "train", stand_in("net"))
    monkeypatch.setattr(refiner, "train_refiner", stand_in("refiner"))
    monkeypatch.setattr(paper_run, "train_paper", stand_in("paper"))
    return calls


def test_the_help_names_the_ways_in_and_the_command_for_the_bundled_weights():
    text = " ".join(typed("--help").split())
    for word in (
        "key",
        "people",
        "rooms",
        "--data",
        "--validation",
        "cleanplate train --data DATA --out RUN",
        "cleanplate train --stage net --start bundled --data MINE --out RUN",
        "cleanplate run --model RUN",
        "`evaluate matte` shows these very pictures",
    ):
        assert word in text


def test_a_still_before_a_wall_becomes_a_cutout_by_key_and_region(tmp_path: Path, monkeypatch):
    frame = filmed(WALLS["magenta"])
    cv2.imwrite(str(tmp_path / "me.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    monkeypatch.setattr("core.matte.prior.SelfieSegmenter", lambda: _knows_the_person)
    text = typed(
        "key", tmp_path / "me.png", "--out", tmp_path / "mine", "--key", "#c828aa", "--region", "0,0,1,1"
    )
    assert "1 kept" in text
    assert f"then: cleanplate train --stage net --start bundled --data {tmp_path / 'mine'} --out RUN" in text
    assert len(list((tmp_path / "mine" / "people").glob("*.webp"))) == 1
    with pytest.raises(MediaError, match="no cut-out was kept"):
        typed("key", tmp_path / "me.png", "--out", tmp_path / "none", "--region", "0,0,0.1,0.1")


def test_a_clip_without_a_wall_is_named_and_the_others_are_keyed_all_the_same(tmp_path: Path, monkeypatch):
    cv2.imwrite(str(tmp_path / "desk.png"), np.full((96, 160, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "me.png"), cv2.cvtColor(filmed(WALLS["green"]), cv2.COLOR_RGB2BGR))
    monkeypatch.setattr("core.matte.prior.SelfieSegmenter", lambda: _knows_the_person)
    text = typed("key", tmp_path / "desk.png", tmp_path / "me.png", "--out", tmp_path / "mine")
    assert f"{tmp_path / 'desk.png'}: only 0% of the border has one strong colour" in text
    assert "me.png: 1 kept" in text
    with pytest.raises(MediaError, match="no cut-out was kept"):
        typed("key", tmp_path / "desk.png", "--out", tmp_path / "none")


@pytest.mark.parametrize("inside", [".", "mine"])
def test_an_out_that_is_a_file_or_lies_in_one_is_refused(inside: str, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "me.png"), drawn_person(0))
    data, out = write_data(tmp_path / "data"), tmp_path / "notes.txt"
    out.write_text("mine")
    for command in (["key"], ["people"], ["rooms"], ["--data", data]):
        given = [] if "--data" in command else [tmp_path / "me.png"]
        with pytest.raises(SettingsError, match=r"cannot be a folder, since .*notes\.txt is a file"):
            typed(*command, *given, "--out", out / inside)
    assert out.read_text() == "mine"


def _knows_the_person(rgb: np.ndarray) -> np.ndarray:
    from tests.core.training.test_keying import mask_of, true_alpha

    return mask_of(true_alpha())


def test_people_and_rooms_are_taken_from_folders(tmp_path: Path):
    for seed in range(3):
        cv2.imwrite(str(tmp_path / f"a{seed}.png"), drawn_person(seed))
    (tmp_path / "flat").mkdir()
    cv2.imwrite(str(tmp_path / "flat" / "hall.jpg"), np.full((40, 60, 3), 99, np.uint8))
    mine = tmp_path / "mine"
    assert "3 in" in typed("people", *tmp_path.glob("a*.png"), "--out", mine)
    assert "hall.jpg: 1 in" in typed("rooms", tmp_path / "flat", "--out", mine)
    assert len(load(mine).rooms) == 1


@pytest.mark.parametrize("name", ["me", "recording"])  # the second's hash would hold it out
def test_a_single_clip_is_trained_on_by_the_command_that_key_prints(name: str, tmp_path: Path, monkeypatch):
    cv2.imwrite(str(tmp_path / f"{name}.png"), cv2.cvtColor(filmed(WALLS["green"]), cv2.COLOR_RGB2BGR))
    monkeypatch.setattr("core.matte.prior.SelfieSegmenter", lambda: _knows_the_person)
    mine = tmp_path / "mine"
    printed = typed("key", tmp_path / f"{name}.png", "--out", mine)
    assert f"cleanplate train --stage net --start bundled --data {mine} --out RUN" in printed
    calls = recorded(monkeypatch)
    text = typed("--stage", "net", "--start", "bundled", "--data", mine, "--out", tmp_path / "run")
    assert "nobody is held out, so this run is not judged" in text
    assert [options.validation for _, options in calls] == [0]
    assert len(load(mine).people) == 1

    data = write_data(tmp_path / "data")
    assert "not judged" not in typed("--data", data, "--data", mine, "--out", tmp_path / "both")
    assert [options.validation for _, options in calls[1:]] == [16, 16], "by the people of the other folder"
    assert len(load(data, more=(mine,)).people) == 2


def test_all_stages_run_in_turn_and_share_the_minutes(tmp_path: Path, monkeypatch):
    calls = recorded(monkeypatch)
    run(Run(data=(tmp_path,), out=tmp_path / "run", minutes=100, device="cpu"), print)
    assert [name for name, _ in calls] == ["net", "refiner"]
    assert [options.minutes for _, options in calls] == [85, 15]
    assert calls[0][1].steady_from == train.STEADY_FROM
    assert calls[1][1].base == tmp_path / "run" / "platenet.safetensors"


@pytest.mark.parametrize(("stage", "file"), [("net", WEIGHTS), ("refiner", REFINER)])
def test_the_bundled_weights_go_on_learning_by_their_name(
    stage: str, file: Path, tmp_path: Path, monkeypatch
):
    calls = recorded(monkeypatch)
    (tmp_path / "platenet.safetensors").touch()
    text = typed(
        *("--data", tmp_path, "--out", tmp_path, "--stage", stage, "--start", "bundled", "--rate", "1e-4")
    )
    [(_, options)] = calls
    assert (options.start, options.learning_rate) == (file, 1e-4)
    assert getattr(options, "steady_from", 0) == 0, "unless said otherwise"
    assert (f"cleanplate run --model {tmp_path}" in text) == (stage == "net")


def test_a_run_that_is_stopped_says_so_and_starts_no_further_stage(tmp_path: Path, monkeypatch):
    calls = recorded(monkeypatch)
    lines: list[str] = []
    asked = Run(data=(tmp_path,), out=tmp_path / "run", minutes=100, device="cpu")
    assert run(asked, lines.append, lambda: bool(calls)) == []
    assert [name for name, _ in calls] == ["net"]


@pytest.mark.parametrize(
    ("model", "stages"), [("bgmv2-resnet50", ["base", "refine"]), ("bgm2020", ["teacher", "student"])]
)
def test_the_papers_networks_go_through_their_stages_in_a_folder_of_their_own(
    model: str, stages: list[str], tmp_path: Path, monkeypatch
):
    calls = recorded(monkeypatch)
    text = typed(
        *("--data", tmp_path, "--data", tmp_path, "--out", tmp_path / "run", "--model", model),
        *("--size", "256x128", "--batch", 3, "--device", "cpu", "--no-tensorboard"),
    )
    assert [options.stage for _, options in calls] == stages
    for _, options in calls:
        assert (options.size, options.batch, options.curves) == ((256, 128), 3, None)
        assert (options.out, options.more_data) == (tmp_path / "run" / model, (tmp_path,))
    assert calls[0][1].base is None
    assert calls[1][1].base == tmp_path / "run" / model / f"{stages[0]}.safetensors"
    assert f"cleanplate models import {model}" in text


def test_every_model_that_can_be_trained_is_in_the_registry_and_has_stages():
    from core.nets.registry import MODELS

    assert set(training.MODELS) <= set(MODELS)
    for model in training.MODELS:
        assert sum(stages_of(model).values()) == pytest.approx(1)


def test_without_tensorboard_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    data = write_data(tmp_path / "data")
    asked = ("--data", data, "--out", tmp_path / "run", "--device", "cpu", "--validation", "0")
    with pytest.raises(SettingsError, match=r"pip install tensorboard.*--no-tensorboard"):
        typed(*asked, "--tensorboard")


@pytest.mark.parametrize("installed", [True, False])
def test_curves_nobody_asked_for_are_written_where_tensorboard_is_installed(
    tmp_path: Path, monkeypatch, installed: bool
):
    calls = recorded(monkeypatch)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *more: installed or None if name == "tensorboard" else found(name, *more),
    )
    text = typed("--data", tmp_path, "--out", tmp_path / "run", "--device", "cpu", "--validation", "0")
    assert {options.curves is not None for _, options in calls} == {installed}
    assert ("tensorboard --logdir" in text) == installed


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ([], SettingsError, "needs --data FOLDER"),
        (["--data", ".", "--out", "run", "--model", "rvm"], SettingsError, "must be one of platenet"),
        (["--data", ".", "--out", "run", "--stage", "teacher"], SettingsError, "net, refiner"),
        (["--data", ".", "--out", "run", "--size", "64x64"], SettingsError, "for the papers"),
        (["--data", ".", "--out", "run", "--model", "bgm2020", "--size", "60x60"], SettingsError, "of 32"),
        (["--data", ".", "--out", "run", "--base", "x"], SettingsError, "give --stage"),
        (["--data", ".", "--out", "run", "--start", "x"], SettingsError, "give --stage net"),
        (["--data", ".", "--out", "run", "--stage", "net", "--start", "x"], WeightsError, "x is not a file"),
        (["--data", ".", "--out", "run", "--stage", "refiner", "--steady"], SettingsError, "stage net"),
        (
            ["--data", ".", "--out", "run", "--model", "bgm2020", "--rate", "0.1"],
            SettingsError,
            "--rate is for",
        ),
        (["--data", ".", "--out", "run", "--stage", "refiner"], WeightsError, "is missing"),
        (["--data", ".", "--out", "run"], MediaError, "nobody to train on"),
        (["key", ".", "--out", "mine", "--key", "grey"], SettingsError, "strong colour"),
        (["key", ".", "--out", "mine", "--region", "0,2"], SettingsError, "corners from 0 to 1"),
        (["key", ".", "--out", "mine", "--format", "gif"], SettingsError, "webp or png"),
        (["rooms", "gone", "--out", "mine"], MediaError, "does not exist"),
    ],
)
def test_a_wrong_use_is_answered_with_a_sentence_and_writes_nothing(
    arguments: list[str], error: type[CleanplateError], words: str, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        typed(*arguments)
    assert list(tmp_path.iterdir()) == []
