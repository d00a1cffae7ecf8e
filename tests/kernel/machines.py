"""The virtual machines with a real kernel: which are ready, and what is run in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.conftest import ROOT

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("KERNELTEST_CACHE", Path.home() / ".cache" / "cleanplate-vm"))
FRAMES = os.environ.get("KERNELTEST_FRAMES", "300")  # through the whole program
TIMEOUT_S = 1800 + int(FRAMES) // 5  # one or two minutes on a quiet machine


def prepared_versions() -> list[str]:
    """The versions of v4l2loopback that setup has built, oldest first."""
    if not (CACHE / "ready").is_file():
        return []
    return (CACHE / "loopback-versions").read_text().split()


def guest_checks(version: str) -> list[str | Path]:
    """The command that boots a machine with that version and runs guest.py there."""
    command: list[str | Path] = [HERE / "run", "--timeout", str(TIMEOUT_S), "--loopback-version", version]
    command += ["--env", f"PYTHONPATH={ROOT}", "--env", f"KERNELTEST_NEWEST={prepared_versions()[-1]}"]
    return [*command, "--env", f"KERNELTEST_FRAMES={FRAMES}", "--", sys.executable, HERE / "guest.py"]
