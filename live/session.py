"""One live run from end to end: opens what the settings name, says what it opened, closes it all again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from core.errors import MediaError
from core.nets.registry import find_model
from core.nets.trained import find_trained
from core.render.backdrops import Backdrop, Background, Kind, parse_background
from core.render.build import build_backdrop
from core.types import Plate
from live.assemble import build_parts
from live.cameras import AUTO
from live.idle import IdlePicture
from live.loop import run_loop, stopped_by_signals
from live.meter import Meter, Snapshot
from live.notify import BeatingSource, Notifier
from live.opener import SourceOpener
from live.outputs import (
    FALLBACK_FPS,
    REALTIME_SINKS,
    Tell,
    expanded,
    fps_to_keep,
    open_outputs,
    seen_by_others,
    watched_nodes,
)
from live.panel import Panel
from live.pause import SIGNAL, Pause, paused_by_signal
from live.plates import open_plate
from live.refresh import Refreshing
from live.replaceable import ReplaceableAligner
from live.report import Report
from live.run_panel import backgrounds_of, retake_of
from live.settings import Settings
from live.sinks.base import Sink
from live.sinks.registry import parsed_output
from live.sources.base import Source
from live.sources.on_demand import OnDemandSource, PausedFilm, Watch
from live.terminal import StatusLine, WatchedAligner
from live.threads import ThreadedSource
from live.waiting import wait_for_camera
from live.writers.formats import refuse_result


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: frames taken, the meter at its end, and the outputs that failed on the way."""

    frames: int
    meter: Snapshot
    lost: tuple[str, ...] = ()


def run_session(
    settings: Settings,
    tell: Tell,
    *,
    frames: int | None = None,
    report: Path | None = None,
    force: bool = False,
    stop: Event | None = None,
) -> Outcome:
    """Runs until the source ends, `frames` are done, or SIGINT, SIGTERM, SIGHUP or `stop` end it.

    SIGUSR1 pauses it, and the next one goes on: the camera is closed meanwhile, and the idle picture shown.
    A film that goes into files alone is not paused: nobody looks on.
    As a service it never takes the demo for "auto": the idle picture is shown until there is a camera.
    tell: takes a line for the person at the terminal.
    force: files that are there already may be replaced.
    An output that fails is left out while another still works, and a report that fails always; both are
    `lost` in the outcome.
    Raises: any CleanplateError, before or while it runs; everything is closed then.
    """
    stop = stop or Event()
    meter = Meter()
    background, backdrop = _checked(settings, force=force)
    pause = Pause()
    with stopped_by_signals(stop), ExitStack() as opened:
        opened.enter_context(paused_by_signal(pause))
        lines = opened.enter_context(_report(report, force=force))
        notifier = Notifier.of_environment(os.environ)
        if notifier is not None:
            opened.callback(notifier.close)
        open_sinks = partial(open_outputs, background=background, meter=meter, force=force)
        opener = SourceOpener(settings, as_service=notifier is not None)
        waiting = opened.enter_context(ExitStack())
        if notifier is not None and settings.camera.source == AUTO:
            asked = settings.camera  # what the camera grants is not known yet

            def open_idle() -> list[Sink]:
                told = seen_by_others(settings), asked.size, asked.fps, lambda line: None
                sinks = open_sinks(*told, panel=Panel(pause))
                return [output.sink for output in waiting.enter_context(sinks)]

            idle = IdlePicture(asked.size)
            came = wait_for_camera(opener, open_idle, idle=idle, notifier=notifier, pause=pause, stop=stop)
            if came is None:
                return Outcome(0, meter.snapshot())
            source = came
        else:
            source = opener()
        opened.callback(source.close)  # until the thread owns it; closing twice is allowed
        plate = _plate(settings.plate.name, source)
        opened.callback(opener.release)
        held = opener.hold(plate.camera if plate is not None else {})
        _tell_what(tell, f"{source.name}{opener.why}", plate, held, background)
        parts = build_parts(
            plate,
            background,
            settings.model,
            source.size,
            backdrop=backdrop,
            when_lost=settings.plate.when_lost,
            live=source.live,
            fps=fps_to_keep(settings, source),
            refreshing=Refreshing(settings.plate.absorb_after_s) if settings.plate.refresh else None,
        )
        opened.callback(parts.close)
        tell(f"  network     {parts.runs_on}")
        waiting.close()  # not before: the network takes seconds to load
        inner = ReplaceableAligner(parts.aligner)
        opened.callback(inner.close)
        aligner = WatchedAligner(inner)
        panel = Panel(
            pause,
            backgrounds_of(parts, background, source.size),
            retake_of(parts, inner, opener, plate, source, settings),
            lambda: aligner.last,
        )
        opened.callback(panel.close)
        fps = source.fps or FALLBACK_FPS
        sinks = opened.enter_context(open_sinks(settings, source.size, fps, tell, panel=panel))
        paced = any(output.kind in REALTIME_SINKS for output in sinks)
        can_pause = source.live or paced
        watched = (
            opened.enter_context(watched_nodes(source, sinks, tell)) if settings.output.on_demand else ()
        )
        frames_from = _on_threads(
            source, opener, watched, settings, paced=paced, pause=pause, meter=meter, stop=stop
        )
        opened.callback(frames_from.close)
        pauses = f"; kill -USR1 {os.getpid()} pauses, and goes on" if hasattr(signal, SIGNAL) else ""
        tell(f"Ctrl-C stops{pauses if can_pause else ''}.")
        # The signal turns `pause` in any case: else it would end the run.
        status = StatusLine(meter, aligner, pause if can_pause else Pause(), sys.stderr, parts.pace)
        opened.callback(status.close)
        if notifier is not None:
            opened.callback(notifier.close)  # that we stop is told before anything is closed
            frames_from = BeatingSource(frames_from, notifier)
        done = run_loop(
            frames_from,
            aligner,
            parts.renderer,
            [output.sink for output in sinks],
            idle=IdlePicture(source.size),
            meter=meter,
            stop=stop,
            report=lines,
            frames=frames,
            pace=parts.pace,
        )
        # a window fails when the user closes it, which is no loss
        lost = [output.sink.name for output in sinks if output.sink.lost and output.kind != "window"]
        if lines is not None and lines.lost:
            lost.append(lines.name)
    return Outcome(done, meter.snapshot(), tuple(lost))


def _checked(settings: Settings, *, force: bool) -> tuple[Background, Backdrop | None]:
    """What stands behind, and its pictures. Wrong names and broken files are told before a camera opens."""
    background = parse_background(settings.background.spec)
    backdrop = build_backdrop(background)
    if find_trained(settings.model.name) is None:
        find_model(settings.model.name)
    for spec in expanded(settings.output.sinks):
        kind, rest = parsed_output(spec)
        if kind == "file":
            file, transparent = Path(rest).expanduser(), background.kind is Kind.TRANSPARENT
            refuse_result(file, transparent=transparent, force=force)
    return background, backdrop


def _tell_what(tell: Tell, camera: str, plate: Plate | None, held: str, background: Background) -> None:
    """The lines that say what is taken. held: what the camera was set to, in words."""
    tell("cleanplate")
    tell(f"  camera      {camera}")
    tell(f"  plate       {_plate_words(plate)}")
    if held:
        tell(f"              the camera holds {held}, as when the plate was recorded")
    tell(f"  background  {background}: this is what others see behind you")


def _on_threads(
    source: Source,
    opener: SourceOpener,
    watched: Sequence[Watch],
    settings: Settings,
    *,
    paced: bool,
    pause: Pause,
    meter: Meter,
    stop: Event,
) -> Source:
    """The open source on a thread of its own, which can be paused, and a camera rest while nobody looks on.

    paced: somebody looks on, so a film is held to its own rate.
    """

    def on_thread(source: Source) -> Source:
        return ThreadedSource(
            source,
            pace=paced and not source.live,
            reopen=opener.reopen,
            meter=meter,
            stop=stop,
            oldest_ns=opener.oldest_ns,
        )

    frames_from = on_thread(source)
    if source.live:
        return OnDemandSource(
            frames_from,
            lambda: on_thread(opener()),
            watched,
            settings.output.grace_seconds,
            pause=pause,
            rest=opener.release,
            wait=stop.wait,
        )
    return PausedFilm(frames_from, pause) if paced else frames_from


def _plate(name: str, source: Source) -> Plate | None:
    """The plate by its name; the demo brings its own for "auto"."""
    if name == AUTO:
        from live.sources.demo import DemoSource

        if isinstance(source, DemoSource):
            return source.plate()
    return open_plate(name)


def _plate_words(plate: Plate | None) -> str:
    if plate is None:
        return (
            "none: you are found by looks alone; better with a picture of your empty room: "
            "cleanplate plate record desk"
        )
    views = "" if len(plate.views) == 1 else f", {len(plate.views)} views"
    return f'"{plate.name}", {plate.size[0]}x{plate.size[1]}{views}: the empty room it compares with'


@contextmanager
def _report(path: Path | None, *, force: bool) -> Iterator[Report | None]:
    if path is None:
        yield None
        return
    if path.exists() and not force:
        raise MediaError(f"the report {path} is there already: choose another name, or add --force")
    report = Report(path)
    try:
        yield report
    finally:
        report.close()
