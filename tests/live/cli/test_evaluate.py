"""What `evaluate matte` shows can be narrowed, and a name that is none is answered with those that are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from core.errors import MediaError, SettingsError
from core.evaluation import matte
from core.evaluation.methods import KEYED, PLATELESS, TRACKED, keyed
from live import matte_cost
from live.cli import app as cli
from live.cli import evaluate
from live.cli.evaluate import _chosen_kinds, _chosen_methods
from live.matte_cost import MatteCost

METHODS = {TRACKED: keyed, PLATELESS: keyed, KEYED: keyed, "rvm": keyed}


def test_all_is_shown_unless_told_otherwise():
    assert _chosen_kinds(None, ("drift", "hair", "cost")) == ("drift", "hair", "cost")
    assert _chosen_methods(METHODS, None) == METHODS


def test_kinds_keep_the_order_of_the_tables():
    assert _chosen_kinds(["cost", "drift"], ("drift", "hair", "cost")) == ("drift", "cost")


def test_methods_are_chosen_by_part_of_their_name():
    assert list(_chosen_methods(METHODS, ["CLEANPLATE", "rvm"])) == [TRACKED, PLATELESS, "rvm"]


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(SettingsError, match="'hare'; it must be one of drift, hair"):
        _chosen_kinds(["hare"], ("drift", "hair"))
    with pytest.raises(SettingsError, match="'modnet'; it must be part of one of: cleanplate"):
        _chosen_methods(METHODS, ["modnet"])


@pytest.mark.parametrize(
    ("metadata", "warned"),
    [({"trained_on_unknown_licences": "yes"}, True), ({"ranges": "{}"}, False), (None, False)],
)
def test_weights_that_were_trained_on_what_is_shown_are_told_above_the_tables(
    metadata: dict[str, str] | None, warned: bool, tmp_path: Path, monkeypatch
):
    save_file({"weight": np.zeros(1, np.float32)}, tmp_path / "platenet.safetensors", metadata)
    results = matte.Results()
    results.figures[TRACKED]["clean"] = [{"mad": 0.1, "mse": 0.1, "grad": 0.1, "dtssd": 0.1, "band": 0.1}]
    monkeypatch.setattr(matte, "stock_for", lambda *arguments: None)
    monkeypatch.setattr(matte, "evaluate", lambda *arguments: arguments[-1].add(results))
    monkeypatch.setattr(evaluate, "_methods", lambda *arguments: (METHODS, "by hand"))
    arguments = ("--data", tmp_path, "--model", tmp_path, "--class", "clean", "--working-size", "832x480")
    shown = CliRunner().invoke(cli.app, ["evaluate", "matte", *map(str, arguments)])
    assert shown.exception is None
    above, _, tables = shown.output.partition("| clean |")
    assert tables
    assert ("WARNING" in above and f"{tmp_path} was trained with --unknown-licences" in above) == warned


def said(*arguments: object):
    return CliRunner().invoke(cli.app, ["evaluate", *map(str, arguments)])


def test_a_folder_that_is_not_enough_is_refused_before_a_network_is_loaded(tmp_path: Path, monkeypatch):
    def too_late(*arguments):
        raise AssertionError("networks were loaded already")

    monkeypatch.setattr(evaluate, "_methods", too_late)
    shown = said("matte", "--data", tmp_path, "--class", "hair")
    assert isinstance(shown.exception, MediaError)
    assert f"{tmp_path} is not enough" in str(shown.exception)


def test_cost_needs_no_people_and_no_rooms(tmp_path: Path, monkeypatch):
    cost = MatteCost("brgconv_avx2_f32", "f32", 2, {"cleanplate, with plate": 41.26})
    monkeypatch.setattr(matte_cost, "measure_apart", lambda peers, limited: cost)
    shown = said("matte", "--data", tmp_path / "nowhere", "--class", "cost")
    assert shown.exception is None
    assert "| cleanplate, with plate | 41.3 | 41.3 |" in shown.output


@pytest.mark.parametrize(
    ("per_class", "kind", "head"),
    [
        (1, "clean", "1 clip a class, seed 0"),
        (2, "clean", "2 clips a class, seed 0"),
        (3, "hair", "832x480, seed 0"),
    ],
)
def test_the_head_says_how_many_clips_there_were(
    per_class: int, kind: str, head: str, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(matte, "stock_for", lambda *arguments: None)
    monkeypatch.setattr(matte, "evaluate", lambda *arguments: matte.Results())
    monkeypatch.setattr(evaluate, "_methods", lambda *arguments: (METHODS, "by hand"))
    arguments = ("--data", tmp_path, "--class", kind, "--working-size", "832x480", "--per-class", per_class)
    assert head in said("matte", *arguments).output


def stopped_after(clips: int, tmp_path: Path, monkeypatch):
    def measure(methods, stock, size, per_class, seed, tell, kinds, results):
        for number in range(1, clips + 1):
            results.figures[TRACKED]["drift"].append(
                dict.fromkeys(("mad", "mse", "grad", "dtssd", "band"), 2.0)
            )
            tell(f"clip {number} of 12: drift, somebody / somewhere")
        raise KeyboardInterrupt

    monkeypatch.setattr(matte, "stock_for", lambda *arguments: None)
    monkeypatch.setattr(matte, "evaluate", measure)
    monkeypatch.setattr(evaluate, "_methods", lambda *arguments: (METHODS, "by hand"))
    return said("matte", "--data", tmp_path, "--class", "drift", "--working-size", "832x480")


def test_what_was_measured_before_ctrl_c_is_shown_and_not_judged(tmp_path: Path, monkeypatch):
    shown = stopped_after(2, tmp_path, monkeypatch)
    assert shown.exit_code == 130
    assert "STOPPED after clip 2 of 12: the tables are of the clips so far" in shown.output
    assert f"| {TRACKED} | 2.00 | 2.00 |" in shown.output
    assert "| goal |" not in shown.output


def test_ctrl_c_before_the_first_clip_shows_nothing(tmp_path: Path, monkeypatch):
    shown = stopped_after(0, tmp_path, monkeypatch)
    assert shown.exit_code == 130
    assert "|" not in shown.output


@pytest.mark.parametrize("command", ["matte", "alignment"])
def test_a_seed_is_no_negative_number(command: str):
    shown = said(command, "--seed", "-1")
    assert shown.exit_code == 2
    assert "--seed" in shown.output
