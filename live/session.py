"""One live run from end to end: opens what the settings name, says what it opened, closes it all again."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

from core.errors import AbsentDeviceError, DeviceError, MediaError, SettingsError
from core.nets.registry import find_model
from core.nets.trained import find_trained
from core.render.backdrops import Backdrop, Background, Kind, parse_background
from core.render.build import build_backdrop
from core.types import Plate
from live.assemble import build_parts
from live.cameras import AUTO, DEMO, default_camera, device_path, lists_cameras, real_camera
from live.controls import held_camera
from live.idle import IdlePicture
from live.loop import run_loop, stopped_by_signals
from live.meter import Meter, Snapshot
from live.notify import BeatingSource, Notifier
from live.pause import SIGNAL, Pause, paused_by_signal
from live.plates import open_plate
from live.refresh import Refreshing
from live.report import Report
from live.settings import Settings
from live.sinks.base import Sink
from live.sinks.registry import open_sink, parsed_output
from live.sinks.virtualcam import VirtualCameraSink
from live.sources.base import Source
from live.sources.on_demand import OnDemandSource, PausedFilm, Watch
from live.sources.registry import open_source
from live.terminal import StatusLine, WatchedAligner
from live.threads import ThreadedSink, ThreadedSource
from live.waiting import wait_for_camera
from live.writers.formats import refuse_result

log = logging.getLogger(__name__)

FALLBACK_FPS = 30.0  # of a source that does not know its own rate
NO_CAMERA = " (no camera was found; `cleanplate doctor` says why)"
REALTIME_SINKS = ("virtualcam", "webrtc", "window")

Tell = Callable[[str], None]


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
        open_sinks = partial(_sinks, background=background, meter=meter, pause=pause, force=force)
        opener = _SourceOpener(settings, as_service=notifier is not None)
        waiting = opened.enter_context(ExitStack())
        if notifier is not None and settings.camera.source == AUTO:
            asked = settings.camera  # what the camera grants is not known yet

            def open_idle() -> list[Sink]:
                sinks = open_sinks(_looked_at(settings), asked.size, asked.fps, lambda line: None)
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
            fps=_fps_to_keep(settings, source),
            refreshing=Refreshing(settings.plate.absorb_after_s) if settings.plate.refresh else None,
        )
        opened.callback(parts.close)
        tell(f"  network     {parts.runs_on}")
        waiting.close()  # not before: the network takes seconds to load
        sinks = opened.enter_context(open_sinks(settings, source.size, source.fps or FALLBACK_FPS, tell))
        paced = any(output.kind in REALTIME_SINKS for output in sinks)
        can_pause = source.live or paced
        watched = opened.enter_context(_watched(source, sinks, tell)) if settings.output.on_demand else ()
        frames_from = _on_threads(
            source, opener, watched, settings, paced=paced, pause=pause, meter=meter, stop=stop
        )
        opened.callback(frames_from.close)
        pauses = f"; kill -USR1 {os.getpid()} pauses, and goes on" if hasattr(signal, SIGNAL) else ""
        tell(f"Ctrl-C stops{pauses if can_pause else ''}.")
        aligner = WatchedAligner(parts.aligner)
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
    for spec in _expanded(settings.output.sinks):
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
    opener: _SourceOpener,
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


class _SourceOpener:
    """Opens the camera, and opens the same one again after it went away.

    as_service: others look on, so "auto" is a real camera, which may still come, never the demo. Calling it
        raises DeviceError while there is none; from the first one on that is the camera.
    Where a system does not list its cameras, whether there is one is known when it is opened.
    """

    def __init__(self, settings: Settings, *, as_service: bool) -> None:
        self._camera = settings.camera
        self.why = ""
        self._spec = settings.camera.source
        self._guessed = self._spec == AUTO and not as_service
        if self._guessed:
            self._spec = default_camera()
            if self._spec == DEMO:
                self.why = NO_CAMERA
        self._live = False
        self._values: Mapping[str, float] = {}
        self._holding = ExitStack()

    def __call__(self) -> Source:
        spec = real_camera() if self._spec == AUTO else self._spec
        try:
            source = open_source(spec, self._camera.size, self._camera.fps)
        except MediaError as error:
            if not self._live:
                raise
            # A camera named by its label: nothing of this name is there now.
            raise DeviceError(f"camera {spec!r} is gone; plug it in again") from error
        except AbsentDeviceError as error:  # not one that is there, and that another program uses
            if not self._guessed or lists_cameras():
                raise
            log.warning("%s", error)
            self._spec, self._guessed, self.why = DEMO, False, NO_CAMERA
            return self()
        self._spec, self._live, self._guessed = spec, source.live, False
        self.hold(self._values)
        return source

    def hold(self, values: Mapping[str, float]) -> str:
        """Sets what a plate was recorded with, now and when the camera comes back; says what is held."""
        self._values = values
        self.release()
        if not values:
            return ""
        now = self._holding.enter_context(held_camera(device_path(self._spec), values))
        for name in now.refused:
            log.warning(
                "the camera does not let its %s be held; the plate was recorded with %g", name, values[name]
            )
        return ", ".join(f"{name} {value:g}" for name, value in now.values.items())

    def release(self) -> None:
        """Hands the camera back to its automatics. Safe to call twice."""
        self._holding.close()

    @property
    def oldest_ns(self) -> int | None:
        """The oldest frame to take. A file's frames do not age, nor do those that the demo draws."""
        return round(self._camera.oldest_ms * 1e6) if device_path(self._spec) else None

    @property
    def reopen(self) -> Callable[[], Source] | None:
        """None for a file: what ends there is the end."""
        return self if self._live else None


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


@dataclass(frozen=True, slots=True)
class _Output:
    """An open sink. kind: of its spec. node: of a virtual camera whose readers can be counted."""

    kind: str
    sink: ThreadedSink
    node: str | None


@contextmanager
def _watched(source: Source, sinks: list[_Output], tell: Tell) -> Iterator[Sequence[Watch]]:
    """What tells whether the virtual cameras are read."""
    nodes = [output.node for output in sinks if output.node is not None]
    if not source.live:
        raise SettingsError(
            f"output.on_demand = true needs a live camera, not {source.name}: set it to false"
        )
    if not nodes:
        raise SettingsError(
            "output.on_demand = true needs a virtual camera of Linux among the outputs: "
            "make one (cleanplate setup virtualcam), or set it to false"
        )
    from live.sinks.demand import Demand

    with ExitStack() as watching:
        outputs: list[Demand] = []
        for node in nodes:
            outputs.append(Demand(node))
            watching.callback(outputs[-1].close)
        tell(f"  on demand   the camera is closed until a program reads {' or '.join(nodes)}")
        yield outputs


@contextmanager
def _sinks(
    settings: Settings,
    size: tuple[int, int],
    fps: float,
    tell: Tell,
    *,
    background: Background,
    meter: Meter,
    pause: Pause,
    force: bool,
) -> Iterator[list[_Output]]:
    """Every sink behind a thread of its own, for pictures of this size at this rate."""
    with ExitStack() as opened:
        sinks: list[_Output] = []
        for spec in _expanded(settings.output.sinks):
            kind = spec.partition(":")[0]

            def open_again(spec: str = spec) -> Sink:
                return open_sink(
                    spec,
                    size,
                    fps,
                    host=settings.web.host,
                    port=settings.web.port,
                    transparent=background.kind is Kind.TRANSPARENT,
                    force=force,
                    pause=pause,
                )

            try:
                sink = open_again()
            except DeviceError as error:
                if spec not in settings.output.sinks:  # only tried because of "auto"
                    tell(f"  output      (not {spec}: {error})")
                    continue
                raise
            hint = " (open it in a browser)" if kind == "webrtc" else ""
            tell(f"  output      {sink.name}{hint}")
            threaded = ThreadedSink(
                sink,
                newest=kind != "file",
                reopen=open_again if kind == "virtualcam" else None,
                meter=meter,
            )
            opened.callback(threaded.close)
            node = sink.node if isinstance(sink, VirtualCameraSink) else None
            sinks.append(_Output(kind, threaded, node))
        if not sinks and settings.output.sinks:
            raise DeviceError(
                "no output could be opened (reasons above): name one, e.g. --output file:clip.mp4"
            )
        yield sinks


def _fps_to_keep(settings: Settings, source: Source) -> float | None:
    """None for a film that goes into a file: it may take its time."""
    kinds = {spec.partition(":")[0] for spec in _expanded(settings.output.sinks)}
    if source.live or kinds & set(REALTIME_SINKS):
        return source.fps or FALLBACK_FPS
    return None


def _looked_at(settings: Settings) -> Settings:
    """These settings with those outputs alone that somebody may look at now."""
    kinds = (*REALTIME_SINKS, AUTO)
    specs = tuple(spec for spec in settings.output.sinks if spec.partition(":")[0] in kinds)
    return replace(settings, output=replace(settings.output, sinks=specs))


def _expanded(specs: tuple[str, ...]) -> list[str]:
    """The specs with "auto" spelled out: a virtual camera where there is one, and the page."""
    expanded: list[str] = []
    for spec in specs:
        if spec != AUTO:
            expanded.append(spec)
            continue
        expanded += ["virtualcam", "webrtc"] if _has_virtual_camera() else ["webrtc"]
    return list(dict.fromkeys(expanded))


def _has_virtual_camera() -> bool:
    if sys.platform != "linux":
        return True  # only to open it tells: the other systems do not list theirs
    from live import v4l2

    return any(node.loopback for node in v4l2.nodes())


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
