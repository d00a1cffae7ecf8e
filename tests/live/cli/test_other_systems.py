"""The program begins where the modules of Linux and of POSIX are missing, as on Windows and macOS."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What Windows lacks of what this program asks for; its own standard library does without.
WITHOUT = """
import os, signal, sys
for name in ("fcntl", "resource", "termios", "pwd", "grp", "linuxpy"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
for name in ("sched_getaffinity", "sched_setaffinity", "getloadavg", "mkfifo"):
    delattr(os, name)
from live.cli.app import main
sys.argv = ["cleanplate", *sys.argv[1:]]
main()
"""


def typed(*arguments: str, home: Path) -> subprocess.CompletedProcess:
    environ = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_STATE_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, env=environ, timeout=300
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--camera", "demo", "--output", "null", "--frames", "3"),
        ("plate", "list"),
        ("models", "list"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_needs_no_module_that_windows_lacks(arguments: tuple[str, ...], tmp_path: Path):
    result = typed(*arguments, home=tmp_path)
    assert "Traceback" not in result.stderr, result.stderr
    assert result.returncode == 0, result.stderr
