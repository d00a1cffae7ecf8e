"""Until there is a camera: tries a second apart, the idle picture, and signs of life."""

from __future__ import annotations

import socket
from threading import Event

import pytest

from core.errors import DeviceError
from live.idle import IdlePicture
from live.notify import Notifier
from live.pause import Pause
from live.waiting import wait_for_camera
from tests.fakes import MemorySink, ScriptedSource

SIZE = (64, 48)


class Steps(Event):
    """A stop event at whose every wait a quarter of a second passes, and after `most` of which it is set."""

    def __init__(self, most: int = 100) -> None:
        super().__init__()
        self.waits, self._most = 0, most

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        if self.waits == self._most:
            self.set()
        return self.is_set()

    def clock_s(self) -> float:
        return self.waits * 0.25


class Port:
    """Where a camera comes after so many tries. at: the waits before each try."""

    def __init__(self, steps: Steps, tries: int) -> None:
        self.camera, self.at = ScriptedSource([0]), list[int]()
        self._steps, self._tries = steps, tries

    def __call__(self) -> ScriptedSource:
        self.at.append(self._steps.waits)
        if len(self.at) < self._tries:
            raise DeviceError("there is no camera; plug one in")
        return self.camera


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket may have 107 bytes at most
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("notify")
        listening.setblocking(False)
        yield listening


def wait(port: Port, steps: Steps, sinks: list[MemorySink], pause: Pause | None = None):
    notifier = Notifier("notify")
    camera = wait_for_camera(
        port,
        lambda: sinks,
        idle=IdlePicture(SIZE),
        notifier=notifier,
        pause=pause or Pause(),
        stop=steps,
        clock_s=steps.clock_s,
    )
    notifier.close()
    return camera


def test_it_is_tried_each_second_with_idle_pictures_meanwhile_and_one_warning(manager, caplog):
    steps, sink = Steps(), MemorySink()
    port = Port(steps, tries=4)
    assert wait(port, steps, [sink]) is port.camera
    assert port.at == [0, 4, 8, 12], "four waits are a second"
    assert [(picture.idle, picture.rgb.shape) for picture in sink.pictures] == [(True, (48, 64, 3))] * 12
    assert caplog.messages == ["there is no camera; plug one in; trying again every second"]
    assert manager.recv(64) == b"READY=1"


def test_a_camera_that_is_there_is_taken_at_once_and_no_output_is_opened(manager):
    steps = Steps()
    port = Port(steps, tries=1)
    assert wait(port, steps, None) is port.camera  # type: ignore[arg-type]
    assert steps.waits == 0


def test_stopping_ends_it(manager):
    steps = Steps(most=9)
    assert wait(Port(steps, tries=100), steps, []) is None


def test_no_camera_is_opened_while_paused(manager):
    steps, pause = Steps(most=9), Pause()
    pause.turn_over()
    port = Port(steps, tries=1)
    assert wait(port, steps, [MemorySink()], pause) is None
    assert port.at == []
