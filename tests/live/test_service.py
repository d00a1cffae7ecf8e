"""The unit that systemd is given, and what is asked of systemd, by one that only writes down."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import DeviceError, MediaError
from live.cli.app import app
from live.service import MARK, NAME, Service, systemctl, unit
from live.settings import settings_in


class Systemd:
    """Answers every request; fails those whose first word is in `fails`."""

    def __init__(self, *fails: str, says: str = "") -> None:
        self.asked: list[str] = []
        self._fails, self._says = fails, says

    def __call__(self, arguments):
        self.asked.append(" ".join(arguments))
        failed = arguments[0] in self._fails
        return subprocess.CompletedProcess(
            arguments, int(failed), self._says, "no such thing" if failed else ""
        )


@pytest.fixture(autouse=True)
def own_rights(monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name in settings_in(os.environ):
        monkeypatch.delenv(name)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_unit_is_ready_when_it_says_so_watched_and_restarted_ever_more_rarely():
    said = lines(unit())
    for line in (
        "Type=notify",
        "WatchdogSec=30",
        "Restart=on-failure",
        "RestartSec=5",
        "RestartMaxDelaySec=60",
        "StandardOutput=null",
        "StandardError=journal",
        "WantedBy=default.target",
    ):
        assert line in said


def test_a_crash_of_the_service_leaves_no_dump_with_pictures_of_the_room():
    assert "LimitCORE=0" in lines(unit())


def test_the_command_is_this_python_and_no_folder_of_the_users():
    assert 'ExecStart="/opt/c p/bin/python" "-P" "-m" "live" "run"' in lines(
        unit(python="/opt/c p/bin/python")
    )


def test_a_settings_file_with_odd_characters_reaches_the_program_as_it_is():
    (command,) = [line for line in lines(unit(Path('/a b/"50%"$x.toml'))) if line.startswith("ExecStart")]
    assert command.endswith(r'"--config" "/a b/\"50%%\"$$x.toml"')


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / NAME
    file.write_text(unit(tmp_path / "a b.toml", tmp_path))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True, timeout=600
    )
    # Before systemd 254 the two keys are unknown: it says so, and tries every five seconds.
    grave = [
        line for line in said.stderr.splitlines() if NAME in line and "'RestartSteps'" not in line
        and "'RestartMaxDelaySec'" not in line
    ]  # fmt: skip
    assert grave == []


def test_installing_writes_the_unit_and_starts_it_now_and_later(tmp_path):
    systemd = Systemd()
    Service(tmp_path, systemd).install(unit())
    assert (tmp_path / "systemd/user" / NAME).read_text() == unit()
    assert systemd.asked[-3:] == ["daemon-reload", f"enable {NAME}", f"restart {NAME}"]


def test_installing_again_replaces_our_unit_but_not_somebody_elses(tmp_path):
    service = Service(tmp_path, Systemd())
    service.install(f"{MARK}\nold")
    service.install(unit())
    assert service.path.read_text() == unit()
    service.path.write_text("[Unit]\nDescription=mine\n")
    with pytest.raises(MediaError, match="--force"):
        service.install(unit())
    assert "mine" in service.path.read_text()
    service.install(unit(), force=True)
    assert service.path.read_text() == unit()


def test_nothing_is_written_where_systemd_does_not_answer(tmp_path):
    service = Service(tmp_path, Systemd("daemon-reload"))
    with pytest.raises(DeviceError, match="no such thing"):
        service.install(unit())
    assert not service.path.exists()


def test_a_start_that_fails_names_the_journal(tmp_path):
    with pytest.raises(DeviceError, match="journalctl --user -u cleanplate"):
        Service(tmp_path, Systemd("restart")).install(unit())


def test_it_is_not_installed_for_root_by_mistake(tmp_path, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ada")
    with pytest.raises(DeviceError, match="without sudo"):
        Service(tmp_path, Systemd()).install(unit())


def test_removing_stops_it_and_leaves_nothing(tmp_path):
    systemd = Systemd()
    service = Service(tmp_path, systemd)
    assert service.remove() is False
    service.install(unit())
    assert service.remove() is True
    assert systemd.asked[-2:] == [f"disable --now {NAME}", "daemon-reload"]
    assert not service.path.exists()


def test_the_status_is_what_systemd_says(tmp_path):
    said = "NRestarts=2\nActiveState=active\nSubState=running\nStateChangeTimestamp=Sat 2026-05-02\n"
    service = Service(tmp_path, Systemd(says=said))
    assert "not installed" in str(service.status())
    service.install(unit())
    now = service.status()
    assert (now.active, now.restarts) == ("active", 2)
    assert str(now).startswith("active (running) since Sat 2026-05-02, 2 restarts")


def test_without_systemd_the_way_out_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeviceError, match="there is no systemd here"):
        systemctl(["status"])


def test_print_shows_the_unit_and_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("[camera]\nfps = 15\n")
    result = CliRunner().invoke(app, ["service", "install", "--config", "mine.toml", "--print"])
    assert result.exit_code == 0
    assert result.output == unit(tmp_path / "mine.toml", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine.toml"]


def printed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    return CliRunner().invoke(app, ["service", "install", "--print"])


def test_the_settings_file_of_the_current_folder_is_the_services_too_with_its_relative_paths(
    tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    file = tmp_path / "here/config.toml"
    file.write_text('[background]\nspec = "office.jpg"\n')
    said = lines(printed(tmp_path, monkeypatch).output)
    assert f"WorkingDirectory=-{file.parent}" in said
    assert [line for line in said if line.endswith(f'"run" "--config" "{file}"')]


def test_the_users_own_settings_file_is_found_by_the_service_itself(tmp_path, monkeypatch):
    (tmp_path / "home/cleanplate").mkdir(parents=True)
    (tmp_path / "home/cleanplate/config.toml").write_text("[camera]\nfps = 15\n")
    assert printed(tmp_path, monkeypatch).output == unit()


def test_a_variable_that_the_service_would_not_have_is_refused_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANPLATE_CAMERA_FPS", "15")
    result = printed(tmp_path, monkeypatch)
    assert result.output == ""
    assert "CLEANPLATE_CAMERA_FPS in the environment would not reach the service" in str(result.exception)
    assert f"set camera.fps in {tmp_path / 'home/cleanplate/config.toml'}" in str(result.exception)


def test_a_folder_with_odd_characters_is_the_one_that_systemd_changes_to():
    assert "WorkingDirectory=-/a b/50%%" in lines(unit(Path("/c.toml"), Path("/a b/50%")))


def test_a_mistake_in_the_settings_is_said_before_anything_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "mine.toml").write_text("[camera]\nfsp = 15\n")
    result = CliRunner().invoke(app, ["service", "install", "--config", str(tmp_path / "mine.toml")])
    assert "camera.fps" in str(result.exception)
    assert not (tmp_path / "systemd").exists()
