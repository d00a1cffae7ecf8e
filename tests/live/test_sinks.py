"""Opening outputs: which one a SPEC means, and what is said where there is none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import CleanplateError, DeviceError, MediaError, SettingsError
from core.types import Picture
from live.sinks import open_sink
from live.sinks.registry import parsed_output
from tests.fakes import room_picture
from tests.live.clips import read_back

SIZE = (64, 48)


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("virtualcan", SettingsError, "did you mean 'virtualcam'"),
        ("webrct:8770", SettingsError, "did you mean 'webrtc'"),
        ("printer", SettingsError, "allowed are virtualcam, webrtc, whip, window, file, null"),
        ("file", SettingsError, "needs a path"),
        ("null:3", SettingsError, "takes nothing after the colon$"),
        ("webrtc:8770", SettingsError, r"the port is --port, or port under \[web\]"),
        ("virtualcam:/dev/video987", DeviceError, "/dev/video987"),
        ("virtualcam:/dev/null", DeviceError, "/dev/null"),
        ("file:/nowhere/else.avi", MediaError, r"\.avi cannot be written"),
    ],
)
def test_an_output_that_cannot_be_opened_says_what_to_do(
    spec: str, kind: type[CleanplateError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        open_sink(spec, SIZE, 30)


@pytest.mark.skipif(
    not re.search(r"GUI:\s+NONE", cv2.getBuildInformation()), reason="this OpenCV can open windows"
)
def test_a_window_without_the_full_opencv_names_the_apt_line() -> None:
    with pytest.raises(DeviceError, match="sudo apt install libgl1"):
        open_sink("window", SIZE, 30)


def test_macos_has_no_window_as_it_would_end_the_program(monkeypatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "GUI: COCOA")
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(DeviceError, match=r"main thread alone.*use --output webrtc"):
        open_sink("window", SIZE, 30)


def test_a_drive_letter_belongs_to_the_path() -> None:
    assert parsed_output(r"file:C:\films\take.mp4") == ("file", r"C:\films\take.mp4")
    assert parsed_output("virtualcam") == ("virtualcam", "")


def test_the_null_output_takes_everything() -> None:
    sink = open_sink("null", SIZE, 30)
    sink.push(Picture(room_picture(SIZE), None, 0, 0))
    sink.close()
    sink.close()


def test_a_live_recording_starts_at_zero_and_keeps_the_gaps(tmp_path: Path) -> None:
    sink = open_sink(f"file:{tmp_path}/a.mp4", SIZE, 30)
    start_ns = 123_456_789_000_000
    for ms in (0, 40, 200, 230):
        sink.push(Picture(np.zeros((48, 64, 3), np.uint8), None, start_ns + ms * 1_000_000, ms))
    sink.close()
    assert [round(float(time) * 1000) for time in read_back(tmp_path / "a.mp4").times] == [0, 40, 200, 230]


def test_a_recording_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    open_sink(f"file:{tmp_path}/a.mp4", SIZE, 30).close()
    assert list(tmp_path.iterdir()) == []
