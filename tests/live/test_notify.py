"""What the service manager hears, on a real socket, and what it does not."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest

from core.errors import DeviceError
from live.notify import BeatingSource, Notifier
from tests.live.scripted import ScriptedSource

SECOND_NS = 1_000_000_000


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return words


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket may have 107 bytes at most
    listening = Manager("notify")
    yield listening
    listening.socket.close()


@pytest.fixture
def notifier(manager):
    clock = Clock()
    speaking = Notifier("notify", 30 * SECOND_NS, clock)
    speaking.clock = clock
    yield speaking
    speaking.close()


def test_the_first_beat_says_ready_and_later_ones_alive_at_a_third_of_the_time_allowed(manager, notifier):
    for second in range(31):
        notifier.clock.now_ns = second * SECOND_NS
        notifier.beat()
    assert manager.heard() == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]


def test_the_end_is_told_once(manager, notifier):
    notifier.close()
    notifier.close()
    assert manager.heard() == ["STOPPING=1"]


def test_without_a_watchdog_only_readiness_is_told(manager):
    clock = Clock()
    notifier = Notifier("notify", 0, clock)
    for clock.now_ns in range(0, 100 * SECOND_NS, SECOND_NS):
        notifier.beat()
    notifier.close()
    assert manager.heard() == ["READY=1", "STOPPING=1"]


def test_an_abstract_address_is_understood():
    name = f"cleanplate-test-{os.getpid()}"
    listening = Manager(f"\0{name}")
    notifier = Notifier.of_environment({"NOTIFY_SOCKET": f"@{name}"})
    notifier.beat()
    notifier.close()
    assert listening.heard() == ["READY=1", "STOPPING=1"]
    listening.socket.close()


def test_a_manager_that_went_away_is_said_once_and_stops_nothing(tmp_path, caplog):
    notifier = Notifier(str(tmp_path / "gone"), 3, Clock())
    notifier.beat()
    notifier.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "30000000"}])
def test_who_is_not_asked_says_nothing(environ):
    assert Notifier.of_environment(environ) is None


@pytest.mark.parametrize(("process", "beats"), [("", 2), ("41", 2), ("42", 1)])
def test_a_watchdog_of_another_process_is_not_fed(tmp_path, process, beats):
    listening = Manager(str(tmp_path / "n")) if len(str(tmp_path)) < 100 else pytest.skip("long folder name")
    environ = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": process}
    notifier = Notifier.of_environment(environ, process=41)
    notifier.beat()
    notifier._clock_ns = lambda: 2**62
    notifier.beat()
    assert len(listening.heard()) == beats
    notifier.close()
    listening.socket.close()


def test_every_read_is_a_sign_of_life_also_one_that_finds_no_camera(manager, notifier):
    class Lost(ScriptedSource):
        def read(self):
            raise DeviceError("the camera is gone")

    picture = np.zeros((4, 6, 3), np.uint8)
    beating = BeatingSource(ScriptedSource([picture]), notifier)
    assert (beating.size, beating.fps, beating.live) == ((6, 4), 30.0, False)
    assert beating.read().index == 0
    notifier.clock.now_ns = 10 * SECOND_NS
    with pytest.raises(DeviceError):
        BeatingSource(Lost([picture]), notifier).read()
    assert manager.heard() == ["READY=1", "WATCHDOG=1"]
    beating.close()
