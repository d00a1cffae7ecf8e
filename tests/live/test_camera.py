"""The webcam as a source, on a system that is not Linux and with OpenCV's part played by a fake."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from core.errors import AbsentDeviceError, DeviceError
from live.sources.camera import ASKED_FPS, CameraSource

SIZE = (64, 48)
NOW_NS = 5_000_000_000  # the clock stands still


class FakeCapture:
    """OpenCV's. age_ms: of a picture when it comes. fails: how many pictures do not come."""

    def __init__(self, *, opens: bool = True, age_ms: float = 0.0) -> None:
        self.opens, self.age_ms, self.fails = opens, age_ms, 0
        self.asked: dict[int, float] = {}
        self.grabbed, self.released = 0, False

    def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
        return self.opens

    def set(self, name: int, value: float) -> bool:
        self.asked[name] = value
        return True

    def get(self, name: int) -> float:
        if name == cv2.CAP_PROP_POS_MSEC:
            return NOW_NS / 1e6 - self.age_ms
        return self.asked.get(name, 0.0)

    def grab(self) -> bool:
        self.grabbed += 1
        self.fails -= 1
        return self.fails < 0

    def retrieve(self):
        bgr = np.full((SIZE[1], SIZE[0], 3), (30, 20, self.grabbed), np.uint8)
        return True, bgr

    def release(self) -> None:
        self.released = True


@pytest.fixture(params=["win32", "darwin"])
def opened(request, monkeypatch):
    """Opens camera 0 of another system with this capture."""
    monkeypatch.setattr(sys, "platform", request.param)
    clock = SimpleNamespace(monotonic=lambda: NOW_NS / 1e9, monotonic_ns=lambda: NOW_NS, sleep=lambda s: None)
    monkeypatch.setattr("live.sources.camera.time", clock)

    def open_with(capture: FakeCapture, **more) -> CameraSource:
        monkeypatch.setattr(cv2, "VideoCapture", lambda device: capture)
        return CameraSource(0, **more)

    return open_with


def test_the_picture_taken_on_opening_is_the_first_that_is_read(opened):
    source = opened(FakeCapture())
    reds = [int(source.read().rgb[0, 0, 0]) for _ in range(3)]
    assert reds == [1, 2, 3]


def test_one_that_has_become_old_meanwhile_is_left_out(opened):
    source = opened(FakeCapture(age_ms=1.5 * 1000 / ASKED_FPS))
    assert int(source.read().rgb[0, 0, 0]) == 2


def test_frames_are_rgb_numbered_and_stamped_by_the_camera(opened):
    source = opened(FakeCapture(age_ms=20.0))
    source.read()
    frame = source.read()
    assert frame.rgb[0, 0].tolist() == [2, 20, 30]
    assert (frame.index, frame.size, source.live) == (1, SIZE, True)
    assert not frame.rgb.flags.writeable
    assert frame.time_ns == NOW_NS - 20_000_000


def test_motion_jpeg_a_small_buffer_size_and_rate_are_asked_for(opened):
    capture = FakeCapture()
    source = opened(capture, size=(640, 360), fps=25.0)
    assert list(capture.asked.values()) == [cv2.VideoWriter.fourcc(*"MJPG"), 1, 640, 360, 25.0]
    assert next(iter(capture.asked)) == cv2.CAP_PROP_FOURCC
    assert source.name == "camera 0, 64x48 MJPG at 25 (asked for 640x360 at 25)"


@pytest.mark.parametrize("told", [0.0, -1.0, 20.0, 4294967295.0])  # 20: a number of Windows for RGB
def test_a_format_and_a_rate_that_are_not_told_are_left_out(opened, told):
    capture = FakeCapture()
    capture.get = lambda name: told if name == cv2.CAP_PROP_FOURCC else -1.0
    source = opened(capture, size=SIZE)
    assert (source.name, source.fps) == ("camera 0, 64x48", 0.0)


def test_torn_pictures_are_passed_over_and_leave_gaps_in_the_numbers(opened):
    capture = FakeCapture()
    source = opened(capture)
    source.read()
    capture.fails = 2
    assert source.read().index == 3


def test_a_camera_that_does_not_open_says_what_to_look_at(opened):
    words = r"camera 0 cannot be opened: is it plugged in, free, and allowed.*Privacy & .ecurity, Camera"
    with pytest.raises(AbsentDeviceError, match=words):
        opened(FakeCapture(opens=False))


def test_one_that_gives_nothing_is_closed_again(opened, monkeypatch):
    monkeypatch.setattr("live.sources.camera.FIRST_FRAME_S", 0.0)
    capture = FakeCapture()
    with pytest.raises(DeviceError, match="camera 0 opens but gives no picture"):
        opened(capture)
    assert capture.released


def test_one_that_stops_giving_is_told(opened, monkeypatch):
    capture = FakeCapture()
    source = opened(capture)
    source.read()
    monkeypatch.setattr("live.sources.camera.PATIENCE_S", -1.0)
    capture.fails = 1_000_000
    with pytest.raises(DeviceError, match="camera 0 gives no more pictures"):
        source.read()


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are held on Linux only")
def test_what_a_killed_run_has_left_held_is_handed_back_before_the_first_picture(monkeypatch):
    grabbed = []
    capture = FakeCapture()
    monkeypatch.setattr("live.sources.camera._open", lambda *device: capture)
    monkeypatch.setattr("live.sources.camera._nearest", lambda path, asked: asked)
    monkeypatch.setattr("live.sources.camera._card", lambda path: "")
    monkeypatch.setattr("live.controls.hand_back", lambda path: grabbed.append((str(path), capture.grabbed)))
    CameraSource(7).close()
    assert grabbed == [("/dev/video7", 0)]
