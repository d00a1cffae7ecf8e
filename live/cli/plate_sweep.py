"""`cleanplate plate sweep`: the empty room from a camera that turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from live.cli.options import CameraOption, ConfigOption, FpsOption, SizeOption, read_settings
from live.cli.plate import ForcePlateOption, NameArgument, judge_views, keep, refuse_taken

if TYPE_CHECKING:
    from core.plate.sweep import SweepProgress

ADVICE = {"too fast": "slower", "too dark": "more light", "lost": "go back to where you were"}


def sweep_plate(
    name: NameArgument,
    camera: CameraOption = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, help="It ends after so long at the latest.")
    ] = 30.0,
    countdown: Annotated[
        float | None, typer.Option("--countdown", help="Seconds to step behind the camera before it.")
    ] = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    config: ConfigOption = None,
    force: ForcePlateOption = False,
) -> None:
    """Photographs your empty room as you turn the camera.

    For a camera that moves: turn it slowly about its own place, over all that it may see later.
    """
    from threading import Event

    from core.plate.store import METADATA, checked_name
    from live.cameras import AUTO, real_camera
    from live.loop import stopped_by_signals
    from live.plates import plates_root, settle, sweep, watch
    from live.sources.registry import open_source

    settings = read_settings(
        config, camera__source=camera, camera__size=size, camera__fps=fps, plate__countdown_seconds=countdown
    )
    refuse_taken(plates_root() / checked_name(name) / METADATA, name, force)
    spec = real_camera() if settings.camera.source == AUTO else settings.camera.source
    source = open_source(spec, settings.camera.size, settings.camera.fps)
    try:
        typer.echo(f"camera: {source.name}")
        if source.live:  # a film is swept from its first picture
            typer.echo(
                "Please stay BEHIND THE CAMERA: cleanplate is about to photograph your EMPTY ROOM.\n"
                "Turn the camera slowly to and fro. Ctrl-C when done."
            )
            watch(source, settings.plate.countdown_seconds, lambda share: None)
            settle(source)
        stop = Event()
        with stopped_by_signals(stop):
            plate = sweep(source, name, seconds, _show, stop, _say_turned)
    finally:
        source.close()
        typer.echo("", err=True)  # ends the line that was written last
    judge_views(plate, force=force)
    keep(plate, 1, force)


def _say_turned() -> None:
    """Else whoever sees nothing happen presses Ctrl-C again, and loses all."""
    typer.echo("\nputting the views together; that takes some seconds", err=True, nl=False)


def _show(progress: SweepProgress, share: float) -> None:
    """One line that is written over: how much there is, where the camera looks, what to do."""
    right, down = progress.place
    words = ADVICE.get(progress.state.value, "fine, go on")
    line = f"{progress.views} views, {right:+.1f} to the right, {-down:+.1f} up: {words}"
    typer.echo(f"\r{line:<70}{share:4.0%}", err=True, nl=False)
