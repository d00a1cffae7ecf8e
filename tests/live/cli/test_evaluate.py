"""What `evaluate matte` shows can be narrowed, and a name that is none is answered with those that are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from core.errors import SettingsError
from core.evaluation import matte
from core.evaluation.methods import KEYED, PLATELESS, TRACKED, keyed
from live.cli import app as cli
from live.cli import evaluate
from live.cli.evaluate import _chosen_kinds, _chosen_methods

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
    monkeypatch.setattr(matte, "evaluate", lambda *arguments: results)
    monkeypatch.setattr(evaluate, "_methods", lambda *arguments: (METHODS, "by hand"))
    arguments = ("--data", tmp_path, "--model", tmp_path, "--class", "clean", "--working-size", "832x480")
    shown = CliRunner().invoke(cli.app, ["evaluate", "matte", *map(str, arguments)])
    assert shown.exception is None
    above, _, tables = shown.output.partition("| clean |")
    assert tables
    assert ("WARNING" in above and f"{tmp_path} was trained with --unknown-licences" in above) == warned
