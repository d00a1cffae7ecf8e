"""Nothing that cleanplate is built on tells anybody that it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# OpenVINO's telemetry holds its tongue by itself where one of these says that nobody is there.
TEST_SYSTEMS = ("CI", "TF_BUILD", "JENKINS_URL")

PROGRAM = """
import importlib, os, pathlib, pkgutil, sys, threading

# written at once, since it was a process forked for it that asked
names = {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto", "urllib.Request"}
def tell(event, values):
    if event in names:
        os.write(1, f"{event} {values}\\n".encode())
sys.addaudithook(tell)

import numpy as np
import core, live
for package in (core, live):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from core.render.build import MatterOptions, build_platenet
matter, _ = build_platenet(MatterOptions(device="cpu", threads=1))
picture = np.zeros((288, 512, 3), np.uint8)
matter.matte(picture, picture, None)

for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join(timeout=10)
assert "openvino.tools.ovc" in sys.modules, "OpenVINO no longer has what it told by: look how it tells now"
print("left at home:", *pathlib.Path.home().iterdir())
"""


def test_every_module_and_a_matte_ask_for_no_host_and_leave_nothing_at_home(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in TEST_SYSTEMS}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "left at home:\n"
