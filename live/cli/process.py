"""`cleanplate process`: the same loop offline, every frame, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from live.cli.options import ConfigOption, DeviceOption, ForceOption, ModelOption, read_settings


def process(
    source: Annotated[Path, typer.Argument(metavar="VIDEO|FOLDER|PICTURE")],
    plate: Annotated[
        str,
        typer.Option(
            "--plate",
            metavar="PICTURE|NAME|VIDEO|FOLDER|none",
            help="The EMPTY ROOM: a plate's name, or a picture or recording of the room.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="PATH",
            help="A folder (RGBA PNG pictures), .mov (ProRes 4444), .webm (VP9 with alpha), .mp4 (H.264), or "
            "a picture for a picture.",
        ),
    ],
    background: Annotated[
        str,
        typer.Option(
            "--background",
            metavar="SPEC",
            help="transparent, blur[:0..1], a colour, a picture, a video, none.",
        ),
    ] = "transparent",
    alpha: Annotated[bool, typer.Option("--alpha", help="Write the matte too.")] = False,
    frames: Annotated[
        str | None,
        typer.Option(
            "--frames",
            metavar="FIRST-LAST",
            help="Only these frames, counted from 0, the last one too: 300-499, 300- (to the end), 300. "
            "In a folder they have these numbers and join what is there; sound is cut to fit.",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a line of JSON for each frame.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    config: ConfigOption = None,
    force: ForceOption = False,
) -> None:
    """Cuts people out of a film or of pictures.

    Stopped (Ctrl-C) it keeps the pictures that a new folder has by then, and says how to go on.
    """
    settings = read_settings(
        config, background__spec=background, plate__name=plate, model__name=model, model__device=device
    )
    from contextlib import ExitStack
    from threading import Event

    from core.render.backdrops import Kind, parse_background
    from core.types import Aligner, Renderer
    from live.assemble import build_parts
    from live.loop import stopped_by_signals
    from live.media import FrameRange
    from live.offline import process as process_file
    from live.offline import refuse_names
    from live.plates import open_plate
    from live.terminal import log_to_terminal

    log_to_terminal(settings.log.level)
    behind = parse_background(settings.background.spec)
    transparent = behind.kind is Kind.TRANSPARENT
    wanted = None if frames is None else FrameRange.parse(frames)
    refuse_names(
        source, output, transparent=transparent, alpha=alpha, report=report, force=force, frames=wanted
    )
    room = open_plate(settings.plate.name)

    opened = ExitStack()

    def build(size: tuple[int, int]) -> tuple[Aligner, Renderer]:
        parts = build_parts(
            room, behind, settings.model, size, when_lost=settings.plate.when_lost, live=False
        )
        opened.callback(parts.close)
        typer.echo(f"{parts.runs_on}; plate: {room.name if room else 'none'}; background: {behind}", err=True)
        return parts.aligner, parts.renderer

    stop = Event()
    with opened, stopped_by_signals(stop):
        result = process_file(
            source,
            output,
            build,
            transparent=transparent,
            alpha=alpha,
            report=report,
            force=force,
            frames=wanted,
            stop=stop,
        )
    written = ", ".join(str(path) for path in result.outputs)
    typer.echo(f"{result.frames} frames, {result.meter.fps:.1f} a second, to {written}")
