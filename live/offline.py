"""The loop offline: every frame of a file, in order, into another file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.errors import MediaError
from core.types import Aligner, Picture, Renderer
from live.idle import IdlePicture
from live.loop import run_loop
from live.media import FrameRange, is_picture
from live.meter import Meter, Snapshot
from live.report import Report
from live.sinks.base import Sink
from live.sinks.file import FileSink
from live.sources.base import FileSource
from live.sources.excerpt import Excerpt
from live.sources.registry import open_file, refuse_missing
from live.threads import ThreadedSink, ThreadedSource
from live.writers.formats import is_folder, refuse_result

Build = Callable[[tuple[int, int]], tuple[Aligner, Renderer]]


@dataclass(frozen=True, slots=True)
class Result:
    """What an offline run made: the files, how many frames, where the time went."""

    outputs: tuple[Path, ...]
    frames: int
    meter: Snapshot


def process(
    source: Path,
    output: Path,
    build: Build,
    *,
    transparent: bool = True,
    alpha: bool = False,
    report: Path | None = None,
    force: bool = False,
    frames: FrameRange | None = None,
    progress: bool = True,
    stop: Event | None = None,
) -> Result:
    """Takes every frame of a video, a folder or a picture through the loop into `output`.

    Args:
        source: video, picture, or folder of pictures (read in name order).
        output: folder (PNG sequence), .mov, .webm, .mp4, or for a single picture a picture.
        build: called once with the frames' (width, height), after the output is known to be
            possible; returns the parts, which are closed here.
        transparent: the renderer gives straight foregrounds; the result keeps their alpha.
        alpha: write the matte too: folder/alpha/000000.png, or NAME.alpha.EXT.
        report: write a JSON line a frame.
        force: replace results that are there already.
        frames: only these; None is all. In a folder of results they have their own numbers, and others stay.
        progress: show a bar with the time left on stderr.
        stop: set from outside, ends the work. The pictures made by then stay, in a folder that is new or
            gets a range; they, and the rest, are what `frames` makes. Of anything else nothing is left.
    Raises:
        MediaError: source not readable, output not writable, there already, or stopped.
            Nothing half-written is left. Whatever `build` or a stage raises comes out too.
    """
    refuse_names(
        source, output, transparent=transparent, alpha=alpha, report=report, force=force, frames=frames
    )
    stop = stop or Event()
    meter = Meter()
    empty = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    in_pieces = is_folder(output) and (empty or frames is not None)
    with ExitStack() as open_parts:
        file = open_file(source)
        if frames is not None:
            file = _excerpt(file, frames, stop, shown=progress)
            if stop.is_set():
                file.close()
                raise MediaError(f"stopped before frame {frames.first}; {output} was not written")
        threaded = ThreadedSource(file, meter=meter, stop=stop)
        open_parts.callback(threaded.close)
        sink = FileSink(
            output,
            file.size,
            file.clip,
            transparent=transparent,
            alpha=alpha,
            single=is_picture(source),
            force=force,
        )
        outbox = ThreadedSink(sink, newest=False, meter=meter)
        try:
            lines = open_parts.enter_context(_report(report))
            aligner, renderer = build(file.size)
            open_parts.callback(renderer.close)
            open_parts.callback(aligner.close)
            with _bar(output.name or str(output), file.total, shown=progress) as advance:
                done = run_loop(
                    threaded,
                    aligner,
                    renderer,
                    [outbox, _Counter(advance)],
                    idle=IdlePicture(file.size),
                    meter=meter,
                    stop=stop,
                    report=lines,
                    strict=True,
                )
            stopped = stop.is_set() and done != file.total
            if stopped and not (in_pieces and done):
                raise MediaError(f"stopped after {done} frames; {output} was not written")
        except BaseException:
            sink.abandon()
            _close_quietly(outbox)
            raise
        outbox.close()
    if stopped:
        first, last = (frames.first, frames.last) if frames is not None else (0, None)
        raise MediaError(
            f"stopped after {done} frames, which are in {output}; the rest is made by the same command with "
            f"--frames {FrameRange(first + done, last)}"
        )
    return Result(sink.outputs, done, meter.snapshot())


def _excerpt(file: FileSource, frames: FrameRange, stop: Event, *, shown: bool) -> FileSource:
    with _bar("passing over", frames.first, shown=shown and frames.first > 0) as advance:
        return Excerpt(file, frames, stop=stop, passed=advance)


def refuse_names(
    source: Path,
    output: Path,
    *,
    transparent: bool,
    alpha: bool,
    report: Path | None,
    force: bool,
    frames: FrameRange | None,
) -> None:
    """Raises MediaError where `process` would by the names alone: before a film of the room is read, say."""
    refuse_missing(source)
    if output.resolve() == source.resolve():
        raise MediaError(f"{output} is the source itself; choose another name for the result")
    refuse_result(
        output, transparent=transparent, alpha=alpha, single=is_picture(source), force=force, frames=frames
    )
    if report is not None and report.exists() and not force:
        raise MediaError(
            f"the report {report} is there already; choose another name, or use --force to replace it"
        )


class _Counter:
    """A sink that only says that a picture is done."""

    name = "progress"

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance

    def push(self, picture: Picture) -> None:
        self._advance()

    def close(self) -> None:
        pass


@contextmanager
def _bar(what: str, total: int | None, *, shown: bool) -> Iterator[Callable[[], None]]:
    """A progress bar; yields what to call after each frame. The time left follows the last 30 s."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def _report(path: Path | None) -> Iterator[Report | None]:
    """The report under a temporary name, which becomes the final one only at a good end."""
    if path is None:
        yield None
        return
    growing = path.with_name(f".{path.name}.partial")
    report = Report(growing)
    try:
        yield report
        report.close()
        growing.replace(path)
    finally:
        report.close()
        growing.unlink(missing_ok=True)


def _close_quietly(outbox: Sink) -> None:
    """After a failure the first error is the one to tell."""
    with suppress(Exception):
        outbox.close()
