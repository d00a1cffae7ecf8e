"""Waiting for a camera that was not there at the start, while others see the idle picture."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

from core.errors import DeviceError
from live.idle import IdlePicture
from live.loop import IDLE_PERIOD_S, Outbox
from live.notify import Notifier
from live.pause import Pause
from live.sinks.base import Sink
from live.sources.base import Source

log = logging.getLogger(__name__)

AGAIN_S = 1.0  # between tries


def wait_for_camera(
    open_camera: Callable[[], Source],
    open_outputs: Callable[[], Sequence[Sink]],
    *,
    idle: IdlePicture,
    notifier: Notifier,
    pause: Pause,
    stop: Event,
    clock_s: Callable[[], float] = time.monotonic,
) -> Source | None:
    """The camera once it can be opened, tried every second; None when `stop` is set before.

    open_camera: raises DeviceError while there is none. It is not asked while paused.
    open_outputs: called once, and only where the first try fails; whoever opened them closes them.
    """
    told, next_s = "", clock_s()
    outbox: Outbox | None = None
    while not stop.is_set():
        if not pause.on and clock_s() >= next_s:
            try:
                return open_camera()
            except DeviceError as error:
                if str(error) != told:  # it may be away for hours
                    told = str(error)
                    log.warning("%s; trying again every second", told.rstrip("."))
            next_s = clock_s() + AGAIN_S
        if outbox is None:
            outbox = Outbox(open_outputs(), strict=False)
        words = "paused" if pause.on else "waiting for a camera"
        outbox.push(idle.picture(words, time.monotonic_ns(), 0))
        notifier.beat()
        stop.wait(IDLE_PERIOD_S)
    return None
