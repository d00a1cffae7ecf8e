"""What of the user's files reaches the journal: nothing."""

from __future__ import annotations

import logging
import os
import sys

import pytest
from typer.testing import CliRunner

from core.errors import SettingsError
from live.cli.app import app
from live.journal import INSTEAD, Discreet, DiscreetFormatter, goes_to_journal
from live.settings import load


def discreet(*folders, **flags) -> Discreet:
    return Discreet(load(flags={name.replace("__", "."): value for name, value in flags.items()}), folders)


@pytest.mark.parametrize("words", ["no picture /home/ada/us two.jpg", "us two.jpg is broken", "'us two.jpg'"])
def test_a_picture_is_not_named_by_path_or_name(words):
    said = discreet(background__spec="/home/ada/us two.jpg")(words)
    assert "us two" not in said
    assert INSTEAD in said


def test_a_home_folder_is_not_spelled_out(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    said = discreet(plate__name="~/rooms/bed.png")("the plate /home/ada/rooms/bed.png is damaged")
    assert said == f"the plate {INSTEAD} is damaged"


def test_weights_of_the_users_own_are_not_named():
    said = discreet(model__name="/home/ada/nets/mine")("/home/ada/nets/mine/platenet.safetensors is damaged")
    assert said == f"{INSTEAD} is damaged"


def test_what_is_written_and_what_lies_below_a_folder_is_not_named(tmp_path):
    clean = discreet(tmp_path, output__sinks=("file:/tmp/out/me.mp4", "virtualcam:/dev/video10"))
    said = clean(f"/tmp/out/me.mp4 is full; {tmp_path}/desk/plate.toml has format 9; /dev/video10 is gone")
    assert said == f"{INSTEAD} is full; {INSTEAD} has format 9; /dev/video10 is gone"


@pytest.mark.parametrize("spec", ["blur", "green", "blur:0.5"])
def test_devices_and_words_that_are_no_files_stay(tmp_path, spec):
    words = "camera /dev/video0 is gone; blur, green and blur:0.5 stay, and so do the plates"
    assert discreet(tmp_path / "plates", background__spec=spec, camera__source="/dev/video0")(words) == words


def test_a_traceback_is_cleaned_too():
    formatter = DiscreetFormatter(discreet(background__spec="/home/ada/us.jpg"), None)
    try:
        raise ValueError("/home/ada/us.jpg")
    except ValueError:
        record = logging.LogRecord("live", logging.ERROR, __file__, 1, "lost", (), sys.exc_info())
    assert "ValueError: (a file of yours)" in formatter.format(record)


def test_the_journal_is_known_by_the_descriptor_and_not_by_the_variable_alone(tmp_path):
    with (tmp_path / "stderr").open("w") as stream:
        status = os.fstat(stream.fileno())
        named = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert goes_to_journal(named, stream.fileno())
        assert not goes_to_journal({"JOURNAL_STREAM": "8:1"}, stream.fileno())
        assert not goes_to_journal({}, stream.fileno())


@pytest.mark.parametrize("journal", [True, False])
def test_an_error_names_the_picture_on_a_terminal_and_not_in_the_journal(monkeypatch, tmp_path, journal):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("live.journal.goes_to_journal", lambda environ: journal)
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    result = CliRunner().invoke(app, ["run", "--camera", "demo", "--background", "us/two.jpg"])
    logging.getLogger().handlers, logging.getLogger().level = handlers, level
    assert isinstance(result.exception, SettingsError)
    assert ("two.jpg" in str(result.exception)) is not journal
    assert (INSTEAD in str(result.exception)) is journal
