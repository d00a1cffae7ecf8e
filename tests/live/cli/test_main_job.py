"""The program as a person starts it: a process of its own, the bundled network, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.runtime.base import WEIGHTS
from live.sources.demo import DemoSource

ROOT = Path(__file__).resolve().parents[3]
SIZE = (320, 180)
TIMEOUT_S = 600  # against a hang; a quiet machine takes two seconds, one that twenty others share a minute

pytestmark = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the bundled weights are not there")


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLEANPLATE_")}
    own = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return clean | own | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "live", *map(str, arguments)]


def test_ctrl_c_ends_the_demo_in_good_order(environ, tmp_path):
    started = subprocess.Popen(
        command(
            "run", "--camera", "demo", "--size", "320x180", "--output", "null", "--report", "frames.jsonl"
        ),
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    for line in started.stdout:
        if "Ctrl-C stops" in line:
            break
    report = tmp_path / "frames.jsonl"
    while report.stat().st_size == 0 and started.poll() is None:
        time.sleep(0.02)  # the first frame is on its way, and needs the processor more than we do
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=TIMEOUT_S)
    assert started.returncode == 0, err
    assert "frames, " in out
    assert err == ""
    states = {json.loads(line)["state"] for line in report.read_text().splitlines()}
    assert states <= {"locked", "tracking"}, "the demo's own plate fits it"


def test_the_person_of_the_demo_is_cut_out_of_a_folder_of_pictures(environ, tmp_path):
    demo = DemoSource(SIZE)
    shots = tmp_path / "shots"
    shots.mkdir()
    for number in range(3):
        cv2.imwrite(str(shots / f"{number}.png"), demo.picture(number / 30)[..., ::-1])
    cv2.imwrite(str(tmp_path / "room.png"), demo.plate().rgb[..., ::-1])
    done = subprocess.run(
        command("process", shots, "--plate", tmp_path / "room.png", "--output", tmp_path / "out"),
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 frames" in done.stdout
    written = sorted((tmp_path / "out").glob("*.png"))
    assert [file.name for file in written] == ["000000.png", "000001.png", "000002.png"]
    alpha = cv2.imread(str(written[-1]), cv2.IMREAD_UNCHANGED)[..., 3]
    truth = np.abs(demo.picture(2 / 30).astype(int) - demo.plate().rgb).max(axis=2) > 60
    assert alpha[truth].mean() > 200, "who differs from the room is in front"
    assert alpha[:40, :60].mean() < 10, "a corner with nothing but room is not"
