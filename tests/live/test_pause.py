"""The switch that pauses a run, and the signal that turns it over."""

from __future__ import annotations

import signal

import pytest

from live.pause import Pause, paused_by_signal


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_each_sigusr1_turns_the_pause_over_and_the_handler_before_is_put_back():
    pause = Pause()
    before = signal.getsignal(signal.SIGUSR1)
    turns = []
    with paused_by_signal(pause):
        for _ in range(3):
            signal.raise_signal(signal.SIGUSR1)
            turns.append(pause.on)
    assert turns == [True, False, True]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_where_there_is_no_such_signal_nothing_happens(monkeypatch):
    monkeypatch.setattr("live.pause.SIGNAL", "SIGNONE")
    pause = Pause()
    with paused_by_signal(pause):
        assert not pause.on
