"""Pausing a live run: a switch that a signal turns over, and that the page turns."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNAL = "SIGUSR1"  # which Windows does not have


class Pause:
    """Whether the run is paused. Any thread, and a signal's handler, may turn it: it has no lock."""

    def __init__(self) -> None:
        self.on = False

    def turn_over(self) -> None:
        self.on = not self.on


@contextmanager
def paused_by_signal(pause: Pause) -> Iterator[None]:
    """Turns the pause over at each SIGUSR1 inside the block, where the system has that signal."""
    number = getattr(signal, SIGNAL, None)
    if number is None:
        yield
        return

    def handle(_: int, __: FrameType | None) -> None:
        pause.turn_over()  # no log from here: the main thread may hold the log's lock at this very moment

    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)
