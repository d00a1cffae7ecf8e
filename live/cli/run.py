"""`cleanplate run`: the main job, live."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from core.errors import CleanplateError, MediaError
from live.cli.options import (
    BackgroundOption,
    CameraOption,
    ConfigOption,
    DeviceOption,
    ForceOption,
    FpsOption,
    ModelOption,
    SizeOption,
    read_settings,
)


def run(
    config: ConfigOption = None,
    camera: CameraOption = None,
    plate: Annotated[
        str | None,
        typer.Option(
            "--plate",
            metavar="NAME|PATH|none",
            help="The picture of your EMPTY ROOM, made by `plate record`.",
        ),
    ] = None,
    background: BackgroundOption = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            metavar="SPEC",
            help="virtualcam[:device], webrtc, whip:URL (a media server), window, file:PATH or null; "
            "may be repeated.",
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="Port of the page.")] = None,
    frames: Annotated[
        int | None, typer.Option("--frames", metavar="N", min=1, help="Stop after so many.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a line of JSON for each frame.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Puts a new background behind you, live. Without options: your camera and virtual camera where there
    are some, else the built-in demo in the browser. SIGUSR1, or the button on the page, pauses it: the camera
    is closed and others see an idle picture; once more, and it goes on. A film that goes into a file alone is
    not paused."""
    settings = read_settings(
        config,
        camera__source=camera,
        camera__size=size,
        camera__fps=fps,
        plate__name=plate,
        background__spec=background,
        output__sinks=output or None,
        model__name=model,
        model__device=device,
        web__port=port,
    )
    from live.journal import Discreet, goes_to_journal, log_discreetly
    from live.plates import plates_root
    from live.session import run_session
    from live.terminal import log_to_terminal

    log_to_terminal(settings.log.level)
    discreet = Discreet(settings, [plates_root()]) if goes_to_journal(os.environ) else None
    if discreet is not None:
        log_discreetly(discreet)
    try:
        outcome = run_session(settings, typer.echo, frames=frames, report=report, force=force)
    except CleanplateError as error:
        if discreet is None:
            raise
        raise type(error)(discreet(str(error))) from None
    drops, stale = (outcome.meter.counts.get(name, 0) for name in ("dropped", "stale"))
    late = f", {stale} too old" if stale else ""
    typer.echo(f"{outcome.frames} frames, {outcome.meter.fps:.1f} a second at the end, {drops} dropped{late}")
    if outcome.lost:
        words = f"not all outputs lasted until the end; these failed, see above: {', '.join(outcome.lost)}"
        raise MediaError(words if discreet is None else discreet(words))
