"""The virtual camera and the webcam on a real kernel, with each version of v4l2loopback.

Boots Debian's kernel in QEMU, once for each version, and runs guest.py there. Skipped, with the
reason, where `tests/kernel/setup` has not prepared the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("KERNELTEST_CACHE", Path.home() / ".cache" / "cleanplate-vm"))
FRAMES = os.environ.get("KERNELTEST_FRAMES", "300")  # through the whole program
TIMEOUT_S = 1800 + int(FRAMES) // 5  # one or two minutes on a quiet machine
NEVER_STARTED = 125  # exit code of `run`


def prepared_versions() -> list[str]:
    """The versions of v4l2loopback that setup has built, oldest first."""
    if not (CACHE / "ready").is_file():
        return []
    return (CACHE / "loopback-versions").read_text().split()


@pytest.mark.kernel
@pytest.mark.parametrize("version", prepared_versions() or ["none"])
def test_devices_behave_on_a_real_kernel(version: str, results: list[tuple[str, str, str, str]]) -> None:
    if version == "none":
        pytest.skip("needs the test machine; as root on Debian 12: tests/kernel/setup (90 MB, 15 s)")
    command = [HERE / "run", "--timeout", str(TIMEOUT_S), "--loopback-version", version]
    command += ["--env", f"PYTHONPATH={ROOT}", "--env", f"KERNELTEST_NEWEST={prepared_versions()[-1]}"]
    command += ["--env", f"KERNELTEST_FRAMES={FRAMES}"]
    command += ["--", sys.executable, HERE / "guest.py"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode == NEVER_STARTED and not ran.stdout:
        print(f"the machine is started once more: {ran.stderr}")
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    lines = [line.split("\t")[1:] for line in ran.stdout.splitlines() if line.startswith("RESULT\t")]
    results += [(check, version, result, detail) for check, result, detail in lines]
    failed = [f"{check}: {detail}" for check, result, detail in lines if result == "fail"]
    assert not failed, "\n".join([*failed, ran.stderr])
    assert ran.returncode == 0, ran.stdout + ran.stderr
