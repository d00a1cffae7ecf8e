"""The virtual camera sink as far as it goes without a driver; tests/kernel has the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import cv2
import numpy as np
import pytest

from core.errors import DeviceError, SettingsError
from core.types import Picture
from live.i420 import fitted, i420_of
from live.sinks.virtualcam import VirtualCameraSink, parsed

linux = pytest.mark.skipif(sys.platform != "linux", reason="v4l2loopback is for Linux")
SIZE = (64, 36)


def flat(colour: tuple[int, int, int], size: tuple[int, int] = SIZE) -> Picture:
    return Picture(np.full((size[1], size[0], 3), colour, np.uint8), None, 0, 0)


@pytest.mark.parametrize(
    ("spec", "path", "transparent"),
    [
        (None, None, False),
        ("", None, False),
        ("/dev/video10", "/dev/video10", False),
        ("10", "/dev/video10", False),
        ("OBS Virtual Camera", "OBS Virtual Camera", False),
        ("/dev/video12?format=rgba", "/dev/video12", True),
        ("/dev/video12?format=i420", "/dev/video12", False),
        ("?format=rgba", None, True),
    ],
)
def test_a_device_may_be_left_open_and_may_be_transparent(spec, path, transparent):
    assert parsed(spec) == (path, transparent)


@pytest.mark.parametrize("options", ["format=yuyv", "format", "size=4", ""])
def test_options_it_does_not_know_are_refused_with_those_it_does(options):
    with pytest.raises(SettingsError, match="must be format=i420 or format=rgba"):
        parsed(f"/dev/video12?{options}")


@linux
def test_a_missing_device_comes_with_the_command_that_makes_one():
    with pytest.raises(DeviceError, match="no virtual camera /dev/video987; make one with: sudo modprobe"):
        VirtualCameraSink(SIZE, 30, "/dev/video987")


@linux
def test_what_is_no_video_device_is_named():
    with pytest.raises(DeviceError, match="/dev/null is not a video device"):
        VirtualCameraSink(SIZE, 30, "/dev/null")


@linux
@pytest.mark.skipif(os.geteuid() == 0, reason="needs a user who is not root")
def test_a_device_of_others_names_the_group_to_join(tmp_path):
    closed = tmp_path / "video10"
    closed.touch(mode=0o000)

    with pytest.raises(DeviceError, match="join the group video"):
        VirtualCameraSink(SIZE, 30, str(closed))


@linux
def test_the_device_made_for_us_is_tried_and_others_only_where_there_is_none(monkeypatch):
    from live import v4l2
    from live.sinks import loopback

    def node(number, card, driver=v4l2.LOOPBACK):
        return v4l2.Node(Path(f"/dev/video{number}"), driver, card, False, True)

    def refuse(path, *_):
        tried.append(path)
        raise DeviceError(f"{path} is in use")

    monkeypatch.setattr(loopback, "LoopbackOutput", refuse)
    others = [node(0, "cleanplate", "uvcvideo"), node(8, "OBS Virtual Camera")]
    for there, expected in (
        ([*others, node(9, "cleanplate")], ["/dev/video9"]),
        ([*others, node(7, "Second camera")], ["/dev/video8", "/dev/video7"]),
    ):
        tried = []
        monkeypatch.setattr(v4l2, "nodes", lambda there=there: there)
        with pytest.raises(DeviceError, match=f"{expected[0]} is in use"):
            VirtualCameraSink(SIZE, 30)
        assert tried == expected


@linux
def test_who_reads_is_looked_for_twice_a_second_where_the_driver_does_not_tell(monkeypatch):
    from live.sinks import demand

    looked, clock = [], SimpleNamespace(now_s=100.0, monotonic=lambda: clock.now_s)
    monkeypatch.setattr(demand, "time", clock)
    monkeypatch.setattr(demand, "holders", lambda path: looked.append(path) or [(7, "reader")])
    without_events = demand.Demand("/dev/null")
    assert not without_events.by_event
    for _ in range(16):
        assert without_events.watched()
        clock.now_s += 0.125
    without_events.close()
    assert len(looked) == 4


def test_a_colour_survives_the_way_to_420_and_back():
    yuv = i420_of(flat((30, 90, 160)), SIZE)

    back = cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420)
    assert yuv.shape == (SIZE[1] * 3 // 2, SIZE[0])
    assert np.abs(back.astype(int) - (30, 90, 160)).max() <= 2  # two roundings to 8 bits


def test_an_odd_last_row_and_column_are_cut_off_and_nothing_is_squeezed():
    numbered = np.arange(37 * 65, dtype=np.uint32).astype(np.uint8).reshape(37, 65, 1).repeat(3, axis=2)

    assert np.array_equal(fitted(numbered, SIZE), numbered[:36, :64])


def test_another_size_is_resized():
    assert fitted(flat((1, 2, 3), (200, 100)).rgb, SIZE).shape == (36, 64, 3)


def test_hidden_parts_of_a_transparent_picture_do_not_show_where_alpha_is_dropped():
    room = np.full((SIZE[1], SIZE[0], 3), (200, 30, 60), np.uint8)
    picture = Picture(room, np.zeros((SIZE[1], SIZE[0]), np.uint8), 0, 0, straight=True)

    back = cv2.cvtColor(i420_of(picture, SIZE), cv2.COLOR_YUV2RGB_I420)

    assert back.max() <= 2


def written_to(fd: int):
    """A LoopbackOutput that is open already, on a file that is no device."""
    from live.sinks.loopback import LoopbackOutput, rate_of  # of Linux alone

    output = object.__new__(LoopbackOutput)
    output.path, output.size, output.layout = "/dev/video10", (640, 360), "I420"
    output._fd, output._rate = fd, rate_of(29.97)
    return output


@linux
def test_a_write_that_fails_is_noticed():
    output = written_to(os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(DeviceError, match="/dev/video10 takes no more pictures"):
        output.write(np.zeros(output.shape, np.uint8))
    output.close()
    with pytest.raises(DeviceError, match="is closed"):
        output.write(np.zeros(output.shape, np.uint8))


@linux
def test_a_write_that_is_cut_short_is_noticed():
    reading, writing = os.pipe2(os.O_NONBLOCK)
    output = written_to(writing)
    with pytest.raises(DeviceError, match=r"took \d+ of 345600 bytes: its format was changed"):
        output.write(np.zeros(output.shape, np.uint8))
    output.close()
    os.close(reading)


@linux
@pytest.mark.parametrize(
    ("fps", "frame_time"), [(5.0, (1, 5)), (7.5, (2, 15)), (30000 / 1001, (1001, 30000))]
)
def test_readers_are_told_the_rate_as_asked(fps, frame_time):
    from live.sinks.loopback import rate_of

    told = rate_of(fps).parm.output.timeperframe
    assert (told.numerator, told.denominator) == frame_time


class FakeCamera:
    """pyvirtualcam's, as far as it is used."""

    opened: ClassVar[list[FakeCamera]] = []

    def __init__(self, width, height, fps, *, device, fmt, print_fps):
        if device == "Unity Video Capture 2":
            raise RuntimeError("'obs' backend: not this one.\n'unitycapture' backend: No camera registered.")
        self.size, self.fps, self.device = (width, height), fps, device or "OBS Virtual Camera"
        self.sent, self.closed = [], False
        self.opened.append(self)

    def send(self, pixels):
        self.sent.append(pixels)

    def close(self):
        self.closed = True


@pytest.fixture
def other_system(monkeypatch):
    module = SimpleNamespace(Camera=FakeCamera, PixelFormat=SimpleNamespace(I420="I420"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(FakeCamera, "opened", [])


@pytest.mark.parametrize(
    ("device", "name"),
    [(None, "OBS Virtual Camera"), ("Unity Video Capture", "Unity Video Capture"), ("1", "1")],
)
def test_on_other_systems_the_camera_of_obs_or_unity_gets_the_pictures(other_system, device, name):
    sink = VirtualCameraSink((65, 37), 30, device)
    sink.push(flat((30, 90, 160), (65, 37)))
    sink.close()
    (camera,) = FakeCamera.opened
    assert sink.name == f"virtual camera {name}, 64x36 I420"
    assert sink.node is None
    assert [pixels.shape for pixels in camera.sent] == [(64 * 36 * 3 // 2,)]
    assert camera.closed


def test_on_other_systems_a_camera_that_is_gone_is_told_as_such(other_system, monkeypatch):
    def send(self, pixels) -> None:
        raise RuntimeError("the extension has stopped")

    sink = VirtualCameraSink(SIZE, 30)
    monkeypatch.setattr(FakeCamera, "send", send)
    with pytest.raises(DeviceError, match="OBS Virtual Camera is gone: the extension has stopped"):
        sink.push(flat((30, 90, 160)))


def test_on_other_systems_a_missing_camera_names_what_to_install(other_system):
    with pytest.raises(DeviceError, match=r"one\.; .*No camera registered.*install OBS Studio 30 or newer"):
        VirtualCameraSink(SIZE, 30, "Unity Video Capture 2")


def test_on_other_systems_no_camera_is_transparent(other_system):
    with pytest.raises(SettingsError, match="needs v4l2loopback"):
        VirtualCameraSink(SIZE, 30, "?format=rgba")
