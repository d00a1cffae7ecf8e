"""`doctor` and `devices` on whatever machine this is."""

from __future__ import annotations

import sys

from typer.testing import CliRunner

from live.cli.app import app
from live.doctor import Check, Verdict

FIX = ("sudo apt install something",)


def doctor_says(monkeypatch, *checks: Check):
    monkeypatch.setattr("live.doctor.examine", lambda machine, folder: list(checks))
    return CliRunner().invoke(app, ["doctor"])


def test_the_doctor_prints_each_finding_with_the_lines_that_mend_it(monkeypatch):
    good = Check(Verdict.GOOD, "python", "Python 3.11.2")
    note = Check(Verdict.NOTE, "window", "no window here", FIX)
    result = doctor_says(monkeypatch, good, note)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "ok    python: Python 3.11.2",
        "note  window: no window here",
        "        sudo apt install something",
    ]


def test_what_stops_the_program_makes_the_doctor_fail(monkeypatch):
    result = doctor_says(monkeypatch, Check(Verdict.BAD, "network", "the weights are damaged", FIX))
    assert result.exit_code == 1
    assert result.output.startswith("BAD   network")


def test_devices_lists_cameras_virtual_cameras_and_runtimes():
    result = CliRunner().invoke(app, ["devices"])
    assert result.exit_code == 0
    for words in (
        "cameras (--camera)",
        "demo  the built-in scene",
        "virtual cameras",
        "cpu   OpenVINO",
        "cuda  ",
    ):
        assert words in result.output


def test_devices_says_how_cameras_are_named_where_they_are_not_listed(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    result = CliRunner().invoke(app, ["devices"])
    assert "  0     the first; the next are 1, 2" in result.output
    assert "that of OBS Studio" in result.output


def test_the_doctor_speaks_also_where_it_cannot_be_imported_itself(monkeypatch):
    monkeypatch.setitem(sys.modules, "live.doctor", None)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert result.output.startswith("BAD   packages: ")
    assert "make setup" in result.output
