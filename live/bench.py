"""Where the time goes on this machine: the demo scene through the whole program, and its peers beside it."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from core.evaluation.peer_weights import require_peers
from core.render.backdrops import parse_background
from core.render.composite import fgr_without_room, over, three
from core.types import U8, Frame, Picture
from live.assemble import Parts, build_parts
from live.i420 import i420_of
from live.idle import IdlePicture
from live.loop import run_loop
from live.meter import KEEP, Meter, Snapshot
from live.pace import sizes_words
from live.settings import Model
from live.sinks.base import Sink
from live.sinks.null import NullSink
from live.sources.base import Source
from live.sources.demo import LOOP_S, DemoSource
from live.threads import ThreadedSink, ThreadedSource

WARM_UP = 30  # frames: states fill, caches warm, the demo composes its poses;
WARM_UP_S, LEAST_WARM_UP = 5.0, 10  # of a slow machine fewer
SETTLING = 300  # frames flat out, in which the size is found that keeps up with LIVE_FPS;
SETTLING_S, LEAST_SETTLING = 15.0, 60  # fewer, too: where it is far too slow, 15 decide for a smaller size
LIVE_S, LEAST_LIVE = 5.0, 10  # length of the live part, whose age and drops are told, and its fewest frames
LIVE_FPS = 30.0
BACKDROP = "#00b140"
JPEG_QUALITY = 85  # a middling one
CONVERSIONS = 30  # times each
PEERS = ("rvm", "mediapipe")  # of core.evaluation.peers: the best of them, and the fastest
PEER_FRAMES, PEER_WARM_UP = 60, 3
PEER_BUDGET_MS = 8000.0  # a slow peer gets fewer frames

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StageTimes:
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class PeerTimes:
    """One peer on the same frames: alpha and a composite over a colour, one frame after another."""

    name: str
    fps: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Bench:
    """All figures of one run.

    working_sizes: (width, height) at which the network looked flat out, once or twice, where the program
    chose it; live_working_sizes: at the end of the live part, in which it goes on choosing.
    fps: frames through source, align, render and sink when nothing waits. live_*: at 30 frames per second,
    over live_s seconds. added_latency: capture until the picture left through the sink, live.
    conversions: of pictures, which a camera and a virtual camera need besides. first_picture_s: from the
    start of the process; None where the system does not say when that was. memory in MiB, at the end of
    the live part; peak before the peers.
    """

    machine: str
    runs_on: str
    size: tuple[int, int]
    working_sizes: tuple[tuple[int, int], ...]
    frames: int
    fps: float
    stages: dict[str, StageTimes]
    conversions: dict[str, StageTimes]
    live_fps: float
    live_s: float
    live_dropped: int
    live_working_sizes: tuple[tuple[int, int], ...]
    added_latency: StageTimes
    first_picture_s: float | None
    memory_mib: float | None
    peak_memory_mib: float | None
    peers: list[PeerTimes] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def bench(model: Model, size: tuple[int, int], frames: int, peers: Path | None, tell: Tell) -> Bench:
    """Runs the program on the demo, flat out and live, then the peers on the same frames.

    frames: of the part flat out, two or more. peers: folder with their weights, None to leave them out.
    tell: takes a line of progress.
    Raises: WeightsError, before anything is measured: a peer's file is missing. All that build_parts does.
    """
    if peers is not None:
        require_peers(peers, PEERS)
    demo = DemoSource(size, LIVE_FPS)
    first = _FirstPicture()
    parts = build_parts(demo.plate(), parse_background(BACKDROP), model, size, live=True, fps=LIVE_FPS)
    try:
        tell("warming up")
        _run(_Kept(demo), parts, [first], frames=WARM_UP, enough=_Enough(WARM_UP_S, LEAST_WARM_UP))
        unpaced = _Unpaced(demo)
        if parts.pace is not None:
            tell(f"finding the size that keeps up with {LIVE_FPS:g} frames per second")
            _run(unpaced, parts, [], frames=SETTLING, enough=_Enough(SETTLING_S, LEAST_SETTLING))
        tell("as fast as it goes")
        fast = _run(unpaced, replace(parts, pace=None), [], frames=frames)  # at one size from end to end
        working_sizes = parts.pace.sizes if parts.pace is not None else ()
        tell(f"live, at {LIVE_FPS:g} frames per second")
        live_part = _Enough(LIVE_S, LEAST_LIVE)
        live = _run(_Kept(demo), parts, [], enough=live_part)
        now_mib, peak_mib = _memory_mib(), _peak_memory_mib()
    finally:
        parts.close()
    age = live.ages[NullSink.name]
    return Bench(
        machine=_machine(),
        runs_on=parts.runs_on,
        size=size,
        working_sizes=working_sizes,
        frames=frames,
        fps=fast.fps,
        stages={name: StageTimes(spread.p50_ms, spread.p95_ms) for name, spread in fast.stages.items()},
        conversions=_conversions(demo.picture(0.0)),
        live_fps=live.fps,
        live_s=live_part.lasted_s,
        live_dropped=live.counts.get("dropped", 0),
        live_working_sizes=parts.pace.sizes if parts.pace is not None else (),
        added_latency=StageTimes(age.p50_ms, age.p95_ms),
        first_picture_s=first.after_start_s,
        memory_mib=now_mib,
        peak_memory_mib=peak_mib,
        peers=list(_peers(peers, model, unpaced, tell)) if peers is not None else [],
    )


def report(result: Bench) -> str:
    """The figures as a table for people."""
    width, height = result.size
    latency = result.added_latency
    looks = in_the_end = ""
    if result.working_sizes:
        looks = f", the network looks at {sizes_words(result.working_sizes)}"
    if result.live_working_sizes != result.working_sizes:
        in_the_end = f", in the end at {sizes_words(result.live_working_sizes)}"
    lines = [
        f"{result.machine}; {result.runs_on}; demo scene at {width}x{height}{looks}",
        "",
        f"{'stage':<24}{'p50 ms':>8}{'p95 ms':>9}",
        *(f"{name:<24}{t.p50_ms:8.2f}{t.p95_ms:9.2f}" for name, t in result.stages.items()),
        "",
        "with a camera and a virtual one, on threads of their own:",
        *(f"{name:<24}{t.p50_ms:8.2f}{t.p95_ms:9.2f}" for name, t in result.conversions.items()),
        "",
        f"{'as fast as it goes':<24}{result.fps:8.1f} frames a second over {result.frames} frames",
        f"{'live':<24}{result.live_fps:8.1f} of {LIVE_FPS:g} frames a second, {result.live_dropped} dropped "
        f"in {result.live_s:.1f} s{in_the_end}",
        f"{'added latency, live':<24}{latency.p50_ms:8.1f} ms (p95 {latency.p95_ms:.1f})",
        f"{'memory':<24}{_mib(result.memory_mib):>8} now, {_mib(result.peak_memory_mib)} at most",
    ]
    if result.first_picture_s is not None:
        lines.append(
            f"first picture            {result.first_picture_s:.2f} s after the start of the process"
        )
    if result.peers:
        lines += ["", f"{'on the same frames':<24}{'p50 ms':>8}{'p95 ms':>9}{'frames/s':>10}"]
        lines += [f"{p.name:<24}{p.p50_ms:8.2f}{p.p95_ms:9.2f}{p.fps:10.1f}" for p in result.peers]
    return "\n".join(lines)


def _run(
    source: Source, parts: Parts, more: list[Sink], frames: int | None = None, enough: _Enough | None = None
) -> Snapshot:
    """Takes frames through the whole loop, threads and all, into a sink that keeps nothing.

    Ends after `frames`, or when there were enough; figures are of all frames.
    """
    meter, stop = Meter(keep=max(frames or 0, KEEP)), Event()
    if enough is not None:
        enough.stop, more = stop, [*more, enough]
    threaded = ThreadedSource(source, meter=meter, stop=stop)
    sink = ThreadedSink(NullSink(), meter=meter)
    try:
        run_loop(
            threaded,
            parts.aligner,
            parts.renderer,
            [sink, *more],
            idle=IdlePicture(source.size),
            meter=meter,
            stop=stop,
            frames=frames,
            strict=True,
            pace=parts.pace,
        )
    finally:
        threaded.close()
        sink.close()
    return meter.snapshot()


def _conversions(rgb: U8) -> dict[str, StageTimes]:
    """What the demo and the sink that keeps nothing are spared."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1]
    yuyv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_YUYV)
    picture = Picture(rgb, None, 0, 0)
    even = (rgb.shape[1] & ~1, rgb.shape[0] & ~1)
    ways: dict[str, Callable[[], object]] = {
        "decode MJPG": lambda: cv2.imdecode(jpeg, cv2.IMREAD_COLOR),
        "decode YUYV": lambda: cv2.cvtColor(yuyv, cv2.COLOR_YUV2BGR_YUYV),
        "BGR to RGB": lambda: cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
        "RGB to I420": lambda: i420_of(picture, even),
    }
    return {name: _timed(way) for name, way in ways.items()}


def _timed(way: Callable[[], object]) -> StageTimes:
    times_ms = []
    for _ in range(CONVERSIONS):
        begin_ns = time.perf_counter_ns()
        way()
        times_ms.append((time.perf_counter_ns() - begin_ns) / 1e6)
    p50, p95 = np.percentile(times_ms, (50, 95))
    return StageTimes(float(p50), float(p95))


class _Enough:
    """A sink that stops a run of its pictures after so long, though never before so many.

    The clock runs from the first picture; an idle one is none. lasted_s: until it stopped.
    """

    name = "enough"

    def __init__(self, seconds: float, least: int, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._seconds, self._least, self._clock_ns = seconds, least, clock_ns
        self._count, self._first_ns = 0, 0
        self.stop, self.lasted_s = Event(), 0.0

    def push(self, picture: Picture) -> None:
        if picture.idle or self.stop.is_set():
            return
        now_ns = self._clock_ns()
        if self._count == 0:
            self._first_ns = now_ns
        self._count += 1
        self.lasted_s = (now_ns - self._first_ns) / 1e9
        if self._count >= self._least and self.lasted_s >= self._seconds:
            self.stop.set()

    def close(self) -> None:
        pass


class _Kept:
    """The live demo, whose composed poses outlast a run."""

    live = True

    def __init__(self, demo: DemoSource) -> None:
        self.name, self.size, self.fps, self.read = demo.name, demo.size, demo.fps, demo.read

    def close(self) -> None:
        pass


class _Unpaced:
    """The demo as an endless source that is never waited for, every pose composed beforehand."""

    live = False

    def __init__(self, demo: DemoSource) -> None:
        self.name, self.size, self.fps = demo.name, demo.size, demo.fps
        self._demo, self._index = demo, 0
        for index in range(round(demo.fps * LOOP_S) + 1):
            demo.picture(index / demo.fps)

    def read(self) -> Frame:
        frame = Frame(self._demo.picture(self._index / self.fps), time.monotonic_ns(), self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        pass


class _FirstPicture:
    """A sink that notes when the first real picture came."""

    name = "first picture"

    def __init__(self) -> None:
        self.after_start_s: float | None = None
        self._seen = False

    def push(self, picture: Picture) -> None:
        if not self._seen and not picture.idle:
            self._seen = True
            self.after_start_s = _process_age_s()

    def close(self) -> None:
        pass


def _peers(models: Path, model: Model, source: _Unpaced, tell: Tell) -> Iterator[PeerTimes]:
    """Each peer's alpha, and the composite over the same colour that the program uses.

    They have the threads and the device that the program has; the segmenter has no GPU to run on.
    """
    import torch

    from core.evaluation.peers import load_peers
    from core.runtime.choose import resolve_device

    threads = model.threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    peers = load_peers(models, threads, PEERS, resolve_device(model.device))
    frames = [source.read().rgb.copy() for _ in range(PEER_FRAMES)]  # torch warns of read-only arrays
    backdrop = np.full_like(frames[0], (0, 0xB1, 0x40))
    for name, peer in peers.items():
        tell(f"{name}, on the same frames")
        times_ms: list[float] = []
        for rgb in frames:
            if sum(times_ms) > PEER_BUDGET_MS and len(times_ms) > 2 * PEER_WARM_UP:
                break
            begin_ns = time.perf_counter_ns()
            alpha = cv2.convertScaleAbs(peer(rgb), alpha=255)
            over(fgr_without_room(rgb, alpha), three(alpha), backdrop)
            times_ms.append((time.perf_counter_ns() - begin_ns) / 1e6)
        measured = np.array(times_ms[PEER_WARM_UP:])
        p50, p95 = np.percentile(measured, (50, 95))
        yield PeerTimes(name, float(1000 / measured.mean()), float(p50), float(p95))


def _machine() -> str:
    count = os.cpu_count() or 1
    return f"{_processor()}, {count} {'thread' if count == 1 else 'threads'}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _process_age_s() -> float | None:
    """Seconds since this process was started; None where the system has no /proc."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
    # Not /proc/uptime: it may be the container's (lxcfs), while processes count from the machine's start.
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_ticks / os.sysconf("SC_CLK_TCK")


def _memory_mib() -> float | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak_memory_mib() -> float | None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere


def _mib(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} MiB"
