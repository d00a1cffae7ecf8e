"""The outputs that the settings name: which they are, each open on a thread of its own, and who looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from core.errors import DeviceError, SettingsError
from core.render.backdrops import Background, Kind
from live.cameras import AUTO
from live.meter import Meter
from live.panel import Panel
from live.settings import Settings
from live.sinks.base import Sink
from live.sinks.registry import open_sink
from live.sinks.virtualcam import VirtualCameraSink
from live.sources.base import Source
from live.sources.on_demand import Watch
from live.threads import BACK_OFF_S, ThreadedSink

FALLBACK_FPS = 30.0  # of a source that does not know its own rate
REALTIME_SINKS = ("virtualcam", "webrtc", "whip", "window")
# A sink of these kinds is opened again when it fails, after so many seconds, the last again and again. A
# media server, which may be anybody's, is asked less often than what is plugged in here.
REOPENED = {"virtualcam": BACK_OFF_S, "whip": (0.5, 1.0, 2.0, 5.0, 10.0)}
HINTS = {"webrtc": " (open it in a browser)"}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Output:
    """An open sink. kind: of its spec. node: of a virtual camera whose readers can be counted."""

    kind: str
    sink: ThreadedSink
    node: str | None


@contextmanager
def open_outputs(
    settings: Settings,
    size: tuple[int, int],
    fps: float,
    tell: Tell,
    *,
    background: Background,
    meter: Meter,
    panel: Panel,
    force: bool,
) -> Iterator[list[Output]]:
    """Every sink behind a thread of its own, for pictures of this size at this rate."""
    with ExitStack() as opened:
        sinks: list[Output] = []
        for spec in expanded(settings.output.sinks):
            kind = spec.partition(":")[0]

            def open_again(spec: str = spec) -> Sink:
                return open_sink(
                    spec,
                    size,
                    fps,
                    host=settings.web.host,
                    port=settings.web.port,
                    whip_token=settings.web.whip_token,
                    whip_mbps=settings.web.whip_mbps,
                    transparent=background.kind is Kind.TRANSPARENT,
                    force=force,
                    panel=panel,
                )

            try:
                sink = open_again()
            except DeviceError as error:
                if spec not in settings.output.sinks:  # only tried because of "auto"
                    tell(f"  output      (not {spec}: {error})")
                    continue
                raise
            tell(f"  output      {sink.name}{HINTS.get(kind, '')}")
            threaded = ThreadedSink(
                sink,
                newest=kind != "file",
                reopen=open_again if kind in REOPENED else None,
                meter=meter,
                back_off_s=REOPENED.get(kind, BACK_OFF_S),
            )
            opened.callback(threaded.close)
            node = sink.node if isinstance(sink, VirtualCameraSink) else None
            sinks.append(Output(kind, threaded, node))
        if not sinks and settings.output.sinks:
            raise DeviceError(
                "no output could be opened (reasons above): name one, e.g. --output file:clip.mp4"
            )
        yield sinks


@contextmanager
def watched_nodes(source: Source, sinks: list[Output], tell: Tell) -> Iterator[Sequence[Watch]]:
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


def fps_to_keep(settings: Settings, source: Source) -> float | None:
    """None for a film that goes into a file: it may take its time."""
    kinds = {spec.partition(":")[0] for spec in expanded(settings.output.sinks)}
    if source.live or kinds & set(REALTIME_SINKS):
        return source.fps or FALLBACK_FPS
    return None


def seen_by_others(settings: Settings) -> Settings:
    """These settings with those outputs alone that somebody may look at now."""
    kinds = (*REALTIME_SINKS, AUTO)
    specs = tuple(spec for spec in settings.output.sinks if spec.partition(":")[0] in kinds)
    return replace(settings, output=replace(settings.output, sinks=specs))


def expanded(specs: tuple[str, ...]) -> list[str]:
    """The specs with "auto" spelled out: a virtual camera where there is one, and the page."""
    spelled_out: list[str] = []
    for spec in specs:
        if spec != AUTO:
            spelled_out.append(spec)
            continue
        spelled_out += ["virtualcam", "webrtc"] if _has_virtual_camera() else ["webrtc"]
    return list(dict.fromkeys(spelled_out))


def _has_virtual_camera() -> bool:
    if sys.platform != "linux":
        return True  # only to open it tells: the other systems do not list theirs
    from live import v4l2

    return any(node.loopback for node in v4l2.nodes())
