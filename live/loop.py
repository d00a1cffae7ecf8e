"""The loop: source → align → render → sinks, for live and offline alike. It opens nothing."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

from core.errors import CleanplateError, DeviceError
from core.types import Aligner, Alignment, Light, Picture, Renderer, State
from live.idle import IdlePicture
from live.meter import Meter
from live.report import Report
from live.sinks.base import Sink
from live.sources.base import Source
from live.sources.on_demand import RestingError

log = logging.getLogger(__name__)

IDLE_PERIOD_S = 1 / 15  # idle pictures while there is no camera: enough to keep a virtual camera alive


def run_loop(
    source: Source,
    aligner: Aligner,
    renderer: Renderer,
    sinks: Sequence[Sink],
    *,
    idle: IdlePicture,
    meter: Meter,
    stop: Event,
    report: Report | None = None,
    frames: int | None = None,
    strict: bool = False,
) -> int:
    """Takes frames through the stages until the source ends, `stop` is set, or `frames` are done.

    Fails closed: where a stage raises, or the source is gone, the sinks get the idle picture.
    Closes nothing: whoever opened the parts does.
    Args:
        frames: how many frames to take; None is all.
        strict: a stage or a sink that raises ends the loop (offline: a hole in the result is worse).
    Returns:
        How many frames were taken.
    Raises:
        MediaError: the source or a sink cannot go on. DeviceError: the only sink is gone.
    """
    faults = _Faults(meter)
    outbox = _Outbox(sinks, strict)
    done, last_index = 0, 0
    if source.live:  # a virtual camera is one only after its first picture
        outbox.push(idle.picture("starting", time.monotonic_ns(), 0))
    while not stop.is_set() and done != frames:
        try:
            with meter.stage("source"):
                frame = source.read()
        except RestingError as reason:
            outbox.push(idle.picture(str(reason), time.monotonic_ns(), last_index))
            continue
        except DeviceError as error:
            faults.note("source", error)
            outbox.push(idle.picture("camera is gone, trying again", time.monotonic_ns(), last_index))
            stop.wait(IDLE_PERIOD_S)
            continue
        if frame is None:
            break
        faults.over("source")
        alignment = _unknown("a stage failed")
        try:
            with meter.stage("align"):
                alignment = aligner.update(frame)
            with meter.stage("render"):
                picture = renderer.render(frame, alignment)
            with meter.stage("learn"):
                aligner.learn(frame, picture.alpha_u8)
            faults.over("stage")
        except Exception as error:
            if strict:
                raise
            faults.note("stage", error)
            picture = idle.picture("something went wrong, picture is hidden", frame.time_ns, frame.index)
        with meter.stage("push"):
            outbox.push(picture)
        meter.frame_done()
        if report is not None:
            report.write(frame, alignment, meter.last_ms(), meter.counted("dropped"))
        done, last_index = done + 1, frame.index
    return done


@contextmanager
def stopped_by_signals(stop: Event) -> Iterator[None]:
    """Sets `stop` on SIGINT and SIGTERM inside the block; a second signal acts as it did before."""

    def handle(number: int, _: FrameType | None) -> None:
        for known, handler in before.items():
            signal.signal(known, handler)
        # Not set here: the main thread may hold the event's lock at this very moment.
        Thread(target=stop.set, name="stop").start()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unknown(reason: str) -> Alignment:
    return Alignment(None, Light(), State.LOST, 0.0, reason)


class _Faults:
    """Logs a fault once when it begins and once when it is over; counts each."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._going_on: dict[str, str] = {}

    def note(self, where: str, error: Exception) -> None:
        self._meter.count(f"fault {where}")
        kind = type(error).__name__
        if self._going_on.get(where) != kind:
            self._going_on[where] = kind
            trace = None if isinstance(error, CleanplateError) else error  # a bug shows its traceback
            log.error("%s: %s; the idle picture is shown", where, error or kind, exc_info=trace)

    def over(self, where: str) -> None:
        if self._going_on.pop(where, None) is not None:
            log.info("%s works again", where)


class _Outbox:
    """Pushes to every sink; one that fails is left out while another still works, unless strict."""

    def __init__(self, sinks: Sequence[Sink], strict: bool) -> None:
        self._sinks = list(sinks)
        self._strict = strict

    def push(self, picture: Picture) -> None:
        for sink in list(self._sinks):
            try:
                sink.push(picture)
            except CleanplateError as error:
                if self._strict or len(self._sinks) == 1:
                    raise
                self._sinks.remove(sink)
                log.error("%s is left out from here on: %s", sink.name, error)
