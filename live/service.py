"""The background service: a systemd unit of the user, and what installs, removes and asks after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import DeviceError, MediaError

NAME = "cleanplate.service"
MARK = "# Written by `cleanplate service install`."
JOURNAL = f"journalctl --user -u {NAME}"
PAUSE = "systemctl --user kill -s USR1 cleanplate"
WATCHDOG_S = 30  # ten times what a camera may be silent before the loop goes on without it
SYSTEMCTL_S = 150.0  # a start takes until the first picture is out, which systemd limits to 90

Systemctl = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True)
class Status:
    """What systemd says. active: e.g. "active"; detail: e.g. "running"; restarts: since it was started."""

    installed: bool
    active: str
    detail: str
    restarts: int
    since: str

    def __str__(self) -> str:
        if not self.installed:
            return "not installed: cleanplate service install"
        words = f"{self.active} ({self.detail})" + (f" since {self.since}" if self.since else "")
        return f"{words}, {self.restarts} restarts; its log: {JOURNAL}"


def unit(config: Path | None = None, folder: Path | None = None, python: str = sys.executable) -> str:
    """The unit's text.

    config: the settings file; None: the one in the user's configuration folder.
    folder: from where the relative paths in it are meant; None: the user's home.
    """
    # The dash: names that are not found there are said by the program itself, and the rest works.
    where = f"WorkingDirectory=-{str(folder).replace('%', '%%')}\n" if folder else ""
    # -P: a folder named core or live in the home folder is not ours.
    command = [python, "-P", "-m", "live", "run", *(["--config", str(config)] if config else [])]
    return f"""{MARK}
[Unit]
Description=cleanplate, a virtual background that knows your room
# A camera that is away now may be back later: tries never end, and from systemd 254 on become rarer.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
{where}ExecStart={" ".join(map(_quoted, command))}
WatchdogSec={WATCHDOG_S}
Restart=on-failure
RestartPreventExitStatus=2
RestartSec=5
RestartSteps=6
RestartMaxDelaySec=60
TimeoutStopSec=10
NoNewPrivileges=yes
# What is in memory when a library crashes is the plate and the camera's last frames.
LimitCORE=0
# What the program prints names files of yours; warnings and errors go to the journal without them.
StandardOutput=null
StandardError=journal

[Install]
WantedBy=default.target
"""


def unit_path(home: Path) -> Path:
    """Where the user's units are kept. home: the user's configuration folder, e.g. ~/.config."""
    return home / "systemd" / "user" / NAME


def systemctl(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs `systemctl --user`. DeviceError: there is no systemd, or it does not answer."""
    try:
        return subprocess.run(
            ["systemctl", "--user", *arguments], capture_output=True, text=True, timeout=SYSTEMCTL_S
        )
    except FileNotFoundError as error:
        raise DeviceError(
            "there is no systemd here; `cleanplate service install --print` shows the unit, "
            "start `cleanplate run` by what this system has instead"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"systemd has not answered for {SYSTEMCTL_S:g} s; look at {JOURNAL}") from error


class Service:
    """The unit of one user. Each call asks systemd anew; DeviceError: it refuses, with its own words."""

    def __init__(self, home: Path, run: Systemctl = systemctl) -> None:
        self.path = unit_path(home)
        self._run = run

    def install(self, text: str, *, force: bool = False) -> None:
        """Writes the unit, starts it now and at each log-in.

        Raises: MediaError when somebody else's unit of that name is there and `force` is not given, or
            the file cannot be written.
        """
        if "SUDO_USER" in os.environ:
            raise DeviceError("the service is yours and not root's: run this again without sudo")
        self._done("daemon-reload")  # before anything is written: it says whether there is a systemd
        try:
            if self.path.exists() and not force and not self.path.read_text().startswith(MARK):
                raise MediaError(f"{self.path} is there already and is not ours: look at it, or add --force")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise MediaError(f"{self.path} cannot be written: {error.strerror}") from error
        self._done("daemon-reload")
        self._done("enable", NAME)
        self._done("restart", NAME)

    def remove(self) -> bool:
        """Stops it and takes the unit away; whether there was one."""
        if not self.path.exists():
            return False
        self._done("disable", "--now", NAME)
        try:
            self.path.unlink()
        except OSError as error:
            raise MediaError(f"{self.path} cannot be removed: {error.strerror}") from error
        self._done("daemon-reload")
        return True

    def status(self) -> Status:
        asked = ("ActiveState", "SubState", "NRestarts", "StateChangeTimestamp")
        said = self._done("show", NAME, "--property=" + ",".join(asked))
        values = dict(line.partition("=")[::2] for line in said.splitlines())
        return Status(
            self.path.exists(),
            values.get("ActiveState", "unknown"),
            values.get("SubState", "unknown"),
            int(values.get("NRestarts") or 0),
            values.get("StateChangeTimestamp", ""),
        )

    def _done(self, *arguments: str) -> str:
        result = self._run(arguments)
        if result.returncode:
            why = result.stderr.strip() or f"exit code {result.returncode}"
            raise DeviceError(f"systemctl --user {' '.join(arguments)} fails: {why}; more in {JOURNAL}")
        return result.stdout


def _quoted(word: str) -> str:
    """As systemd.service(5) wants it: no quote, variable or specifier is left to be expanded."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, escaped)
    return f'"{word}"'
