"""The loop: source → align → matte → render → sinks, for live and offline alike. It opens nothing.

A frame is begun (aligned, matted at the network's size) on the caller's thread and finished (refined,
composited, sent out) on another, while the next one is begun: two cores then wait less for each other
than when they share every step.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event, Thread
from types import FrameType
from typing import Any

from core.align.second_look import SecondLook
from core.errors import CleanplateError, DeviceError, MediaError
from core.types import Aligner, Alignment, Frame, Light, Picture, Renderer, State
from live.doubts import Doubts
from live.finisher import Finisher
from live.idle import IdlePicture
from live.meter import Meter
from live.pace import Pace
from live.report import Report
from live.sinks.base import Sink
from live.sources.base import Source
from live.sources.on_demand import RestingError
from live.suspend import SLEPT_NS, asleep_ns

log = logging.getLogger(__name__)

THREADS = (("expect", "align", "matte", "learn"), ("render", "push"))  # stages that follow each other on one
INSISTING = (signal.SIGINT, signal.SIGTERM)
HANGUP: int | None = getattr(signal, "SIGHUP", None)  # which Windows does not have
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
    pace: Pace | None = None,
) -> int:
    """Takes frames through the stages until the source ends, `stop` is set, or `frames` are done.

    Fails closed: where a stage raises, or the source is gone, the sinks get the idle picture.
    A sink that fails is left out while another still works; a report that fails is left out always.
    Closes nothing: whoever opened the parts does.
    Args:
        frames: how many frames to take; None is all.
        pace: is told how long frames take, between them.
        strict: a stage, a sink or a report that raises ends the loop (offline: a hole in the result is
            worse).
    Returns:
        How many frames were taken.
    Raises:
        MediaError: the source or a sink cannot go on. DeviceError: the only sink is gone.
    """
    faults = _Faults(meter)
    outbox = Outbox(sinks, strict)
    way_in = _Entrance(aligner, renderer, meter)
    way_out = _Exit(outbox, idle, faults, meter, report, strict=strict, live=source.live)
    done, last_index = 0, 0
    if source.live:  # a virtual camera is one only after its first picture
        outbox.push(idle.picture("starting", time.monotonic_ns(), 0))
    with Finisher() as finisher:
        while not stop.is_set() and done != frames:
            try:
                with meter.stage("source"):
                    frame = source.read()
            except RestingError as reason:
                finisher.wait()
                outbox.push(idle.picture(str(reason), time.monotonic_ns(), last_index))
                continue
            except DeviceError as error:
                faults.note("source", error)
                finisher.wait()
                outbox.push(idle.picture("camera is gone, trying again", time.monotonic_ns(), last_index))
                stop.wait(IDLE_PERIOD_S)
                continue
            if frame is None:
                break
            faults.over("source")
            job = _Job(frame)
            try:
                way_in.begin(job)
            except Exception as error:
                if strict:
                    raise
                job.error = error
            job.stage_ms = meter.last_ms()
            if pace is not None:
                pace.note(*(sum(job.stage_ms.get(name, 0.0) for name in names) for names in THREADS))
            finisher.put(partial(way_out.finish, job))
            done, last_index = done + 1, frame.index
    return done


@dataclass(slots=True, eq=False)
class _Job:
    """A frame on its way to the finisher. finish: None where a stage raised `error`. asleep_ns: at first."""

    frame: Frame
    asleep_ns: int = field(default_factory=lambda: asleep_ns())
    alignment: Alignment = field(default_factory=lambda: _unknown("a stage failed"))
    finish: Callable[[], Picture] | None = None
    error: Exception | None = None
    stage_ms: dict[str, float] = field(default_factory=dict)


class _Entrance:
    """The way in: aligns a frame and begins its picture, on the loop's thread."""

    def __init__(self, aligner: Aligner, renderer: Renderer, meter: Meter) -> None:
        self._aligner, self._renderer, self._meter = aligner, renderer, meter
        self._second_look, self._doubts = SecondLook(aligner), Doubts(meter)

    def begin(self, job: _Job) -> None:
        """Raises what a stage raises; the alignment is known by then, if it was not that one."""
        frame, stage = job.frame, self._meter.stage
        with stage("expect"):
            self._renderer.expect(frame)
        with stage("align"):
            job.alignment = self._aligner.update(frame)
        with stage("matte"):
            begun = self._renderer.begin(frame, job.alignment)
        with stage("learn"):
            self._aligner.learn(frame, begun.alpha_u8, doubted=bool(begun.doubt))
            found = self._second_look.after(frame, job.alignment)
            if found is not None:
                job.alignment, begun = found, self._renderer.begin(frame, found)
                self._aligner.learn(frame, begun.alpha_u8, doubted=bool(begun.doubt))
        self._doubts.note(begun.doubt)
        if begun.doubt:
            job.alignment = replace(job.alignment, H=None, state=State.LOST, reason=begun.doubt)
        job.finish = begun.finish


class _Exit:
    """The way out: makes pictures, on the finisher's thread, and sends them to the sinks."""

    def __init__(
        self,
        outbox: Outbox,
        idle: IdlePicture,
        faults: _Faults,
        meter: Meter,
        report: Report | None,
        *,
        strict: bool,
        live: bool,
    ) -> None:
        self._outbox, self._idle, self._faults = outbox, idle, faults
        self._meter, self._report, self._strict, self._live = meter, report, strict, live

    def finish(self, job: _Job) -> None:
        """The picture, or the idle one where something failed: told here, in the order of the frames."""
        frame, picture = job.frame, None
        if self._live and asleep_ns() - job.asleep_ns > SLEPT_NS:  # nobody is to see now what was hours ago
            self._meter.count("stale")
            picture = self._idle.picture("the system was suspended", frame.time_ns, frame.index)
        elif job.finish is not None:
            try:
                with self._meter.stage("render"):
                    picture = job.finish()
                self._faults.over("stage")
            except Exception as error:
                if self._strict:
                    raise
                job.error = error
        if picture is None:
            assert job.error is not None
            self._faults.note("stage", job.error)
            words = "something went wrong, picture is hidden"
            picture = self._idle.picture(words, frame.time_ns, frame.index)
        with self._meter.stage("push"):
            self._outbox.push(picture)
        self._meter.frame_done()
        if self._report is not None:
            self._write(self._report, job)

    def _write(self, report: Report, job: _Job) -> None:
        last_ms = self._meter.last_ms()
        here = {name: ms for name, ms in last_ms.items() if name in ("render", "push")}
        try:
            stage_ms = {**job.stage_ms, **here}
            report.write(job.frame, job.alignment, stage_ms, self._meter.counted("dropped"))
        except MediaError as error:
            if self._strict:
                raise
            self._report = None
            self._meter.count("report lost")
            log.error("%s is left out from here on: %s", report.name, error)


@contextmanager
def stopped_by_signals(stop: Event) -> Iterator[None]:
    """Sets `stop` on SIGINT, SIGTERM and SIGHUP inside the block, the last one unless it is ignored (nohup).

    After one of the first two a second of them acts as it did before.
    """

    def handle(number: int, _: FrameType | None) -> None:
        # Not after a SIGHUP: of a terminal that is closed both the shell and the system tell, and a service
        # manager's SIGTERM may follow.
        if number != HANGUP:
            for known in INSISTING:
                signal.signal(known, before[known])
        # Not set here: the main thread may hold the event's lock at this very moment.
        Thread(target=stop.set, name="stop").start()

    before = _handlers(*INSISTING, HANGUP)
    with _handled(before, handle):
        yield


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP (unless ignored) raise KeyboardInterrupt inside the block, as Ctrl-C does.

    For what waits without an event: it is closed in good order, which further ones do not disturb.
    """

    def handle(_: int, __: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = _handlers(signal.SIGTERM, HANGUP)
    with _handled(before, handle):
        yield


def _handlers(*numbers: int | None) -> dict[int, Any]:
    """Who handles these signals now; a SIGHUP that does not exist or is ignored is left out."""
    now = {number: signal.getsignal(number) for number in numbers if number is not None}
    if HANGUP is not None and now.get(HANGUP) == signal.SIG_IGN:
        del now[HANGUP]
    return now


@contextmanager
def _handled(before: Mapping[int, Any], handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unknown(reason: str) -> Alignment:
    return Alignment(None, Light(), State.LOST, 0.0, reason)


def _trace_of(error: Exception) -> Exception | None:
    """What the log shows the traceback of: a bug."""
    return None if isinstance(error, CleanplateError) else error


class _Faults:
    """Logs a fault once when it begins and once when it is over; counts each. A place has one thread."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._going_on: dict[str, str] = {}

    def note(self, where: str, error: Exception) -> None:
        self._meter.count(f"fault {where}")
        kind = type(error).__name__
        if self._going_on.get(where) != kind:
            self._going_on[where] = kind
            log.error("%s: %s; the idle picture is shown", where, error or kind, exc_info=_trace_of(error))

    def over(self, where: str) -> None:
        if self._going_on.pop(where, None) is not None:
            log.info("%s works again", where)


class Outbox:
    """Pushes to every sink; one that fails, by whatever error, is left out while another still works, unless
    strict."""

    def __init__(self, sinks: Sequence[Sink], strict: bool) -> None:
        self._sinks = list(sinks)
        self._strict = strict

    def push(self, picture: Picture) -> None:
        for sink in list(self._sinks):
            try:
                sink.push(picture)
            except Exception as error:
                if self._strict or len(self._sinks) == 1:
                    raise
                self._sinks.remove(sink)
                words = str(error) or type(error).__name__
                log.error("%s is left out from here on: %s", sink.name, words, exc_info=_trace_of(error))
