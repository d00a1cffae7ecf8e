"""The command line as a whole: quick, one line for an error, a traceback for a bug."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from core.errors import DeviceError
from live.cli import app as cli
from live.cli import main

RUN_OPTIONS = ("config", "camera", "plate", "background", "output", "model", "device", "size", "fps", "port")


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, [*arguments, "--help"])
    assert result.exit_code == 0
    return result.output


def test_help_names_every_command():
    text = shown()
    for command in ("run", "plate", "process", "devices", "doctor", "bench", "train", "evaluate"):
        assert f"  {command} " in text


def test_run_has_the_promised_options():
    text = shown("run")
    for option in (*RUN_OPTIONS, "frames", "report"):
        assert f"--{option} " in text


def test_process_and_plate_have_the_promised_options():
    text = shown("process")
    for option in ("plate", "output", "background", "alpha", "report", "force"):
        assert f"--{option}" in text
    for command in ("record", "import", "list", "show", "check", "remove"):
        assert f"  {command} " in shown("plate")


def test_the_help_of_plates_cannot_be_taken_for_the_background():
    text = " ".join(shown("plate").split())
    assert "EMPTY ROOM" in text
    assert "What others see behind you is the background" in text


def test_nothing_heavy_is_imported_before_a_command_runs():
    code = "import sys, live.cli; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "numpy",
        "cv2",
        "torch",
        "openvino",
        "av",
        "aiortc",
        "aiohttp",
        "rich",
        "platformdirs",
        "asyncio",
    }
    assert heavy & set(loaded.split()) == set()


def test_an_error_that_a_person_can_act_on_is_one_line_and_an_exit_code(monkeypatch, capsys):
    def fail() -> None:
        raise DeviceError("the camera is gone; plug it in again")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert capsys.readouterr().err == "cleanplate: the camera is gone; plug it in again\n"


def test_a_run_that_lost_an_output_says_which_and_ends_with_an_exit_code(monkeypatch, capsys):
    from live.meter import Meter
    from live.session import Outcome

    ended = Outcome(120, Meter().snapshot(), ("file talk.mp4", "report r.jsonl"))
    monkeypatch.setattr("live.session.run_session", lambda *arguments, **more: ended)
    monkeypatch.setattr("live.terminal.log_to_terminal", lambda level: None)
    monkeypatch.setattr(sys, "argv", ["cleanplate", "run", "--camera", "demo"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    out, err = capsys.readouterr()
    assert out.startswith("120 frames")
    assert err.endswith("these failed, see above: file talk.mp4, report r.jsonl\n")


def test_a_sign_that_the_output_does_not_have_does_not_end_a_command(monkeypatch):
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")  # as Windows has it in a file
    monkeypatch.setattr(sys, "stdout", pipe)
    monkeypatch.setattr(cli, "app", lambda: print("error ≤ 3.0 × 2, caf\udce9.mp4"))
    main()
    pipe.flush()
    assert pipe.buffer.getvalue().decode("cp1252").rstrip() == "error \\u2264 3.0 × 2, caf\\udce9.mp4"


@pytest.mark.parametrize(
    ("system", "set_by_the_user", "value"),
    [("win32", None, "0"), ("win32", "1", "1"), ("darwin", None, None), ("linux", None, None)],
)
def test_windows_is_not_asked_to_convert_a_cameras_colours(monkeypatch, system, set_by_the_user, value):
    name, seen = "OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "environ", {name: set_by_the_user} if set_by_the_user else {})
    monkeypatch.setattr(cli, "app", lambda: seen.append(os.environ.get(name)))
    main()
    assert seen == [value]


def test_a_bug_shows_its_traceback(monkeypatch):
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--size", "720p"], "--size: camera.size = '720p' is not allowed"),
        (["run", "--port", "99999"], "--port: web.port = 99999 is not allowed"),
        (["run", "--device", "gpu"], "--device: model.device = 'gpu' is not allowed"),
        (["run", "--config", "gone.toml"], "gone.toml: there is no such file"),
        (["run", "--background", "grene"], "did you mean 'green'?"),
        (["run", "--camera", "gone.mp4"], "gone.mp4"),
        (["process", "gone.mp4", "--plate", "none", "--output", "out"], "gone.mp4"),
        (["process", "gone.mp4", "--plate", "gone.png", "--output", "out"], "gone.mp4"),
        (["process", __file__, "--plate", "gone.png", "--output", "out"], "gone.png"),
        (["process", __file__, "--plate", "gone.png", "--output", "out.mp4"], "hold transparency"),
        (["process", __file__, "--plate", "gone.png", "--output", __file__], "the source itself"),
        (["plate", "import", "a/b", "room.png"], "cannot be called"),
        (["plate", "import", "desk", "gone.png"], "gone.png"),
        (["plate", "remove", "desk"], 'no plate "desk"'),
        (["plate", "show", "desk"], 'no plate "desk"'),
        (["train", "--data", "gone", "--out", "out"], "--data gone is not a folder"),
        (["evaluate", "matte", "--data", "gone"], "--data gone is not a folder"),
    ],
)
def test_wrong_input_is_answered_with_a_sentence_and_nothing_is_written(
    arguments, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cleanplate", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("cleanplate: ")
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
