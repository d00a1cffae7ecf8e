"""What the system is told to have a virtual camera, printed and written, and that all say the same."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from typer.testing import CliRunner

from core.errors import MediaError
from live import doctor
from live.cli.app import app
from live.loopback_setup import FILES, LOAD, RULE_FILE, script, write_files
from live.sinks import loopback


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_command_loads_one_device_that_meetings_list():
    assert shlex.split(LOAD) == [
        *("sudo", "modprobe", "v4l2loopback"),
        *("exclusive_caps=1", "video_nr=10", "card_label=cleanplate"),
    ]


def test_print_gives_a_script_with_every_file_and_the_command():
    result = CliRunner().invoke(app, ["setup", "virtualcam", "--print"])
    assert result.exit_code == 0
    assert result.output == script() + "\n"
    assert commands(result.output)[-1] == LOAD
    for path in (
        "/etc/modprobe.d/cleanplate.conf",
        "/etc/modules-load.d/cleanplate.conf",
        "/etc/udev/rules.d/60-cleanplate.rules",
    ):
        assert f"| sudo tee {path}\n" in result.output


def test_the_script_writes_what_the_files_hold():
    subprocess.run(["sh", "-n", "-c", script()], check=True)
    for file in FILES:
        echo = file.command.partition(" | ")[0]
        assert subprocess.run(["sh", "-c", echo], capture_output=True, text=True).stdout == f"{file.line}\n"


def test_out_writes_the_files_below_a_folder_and_says_how_to_put_them_in_place(tmp_path):
    result = CliRunner().invoke(app, ["setup", "virtualcam", "--out", str(tmp_path)])
    assert result.exit_code == 0
    for file in FILES:
        assert (tmp_path / file.path[1:]).read_text() == f"{file.line}\n"
        assert f"sudo install -D -m 644 {tmp_path}{file.path} {file.path}" in result.output
    assert script() not in result.output


def test_a_file_with_other_words_is_kept_unless_forced(tmp_path):
    theirs = tmp_path / FILES[-1].path[1:]
    theirs.parent.mkdir(parents=True)
    theirs.write_text("# mine\n")
    with pytest.raises(MediaError, match="--force"):
        write_files(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [theirs]
    write_files(tmp_path, force=True)
    assert theirs.read_text() == f"{RULE_FILE.line}\n"
    assert len(write_files(tmp_path)) == len(FILES)  # what is right already is no obstacle


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "etc").write_text("a file stands in the way")
    with pytest.raises(MediaError, match="etc"):
        write_files(tmp_path)


def test_the_doctor_and_the_virtual_camera_say_the_same(tmp_path):
    machine = doctor.Machine(tmp_path)
    (check,) = doctor.check_loopback(machine)
    assert set(check.fix) < set(commands(script()))
    assert loopback.LOAD == LOAD
