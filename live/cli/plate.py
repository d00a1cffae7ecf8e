"""`cleanplate plate`: the picture of the empty room. Never the new background; the words keep them apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from live.cli.options import CameraOption, ConfigOption, FpsOption, SizeOption, read_settings

if TYPE_CHECKING:
    from core.plate import Finding, Recording
    from core.types import Plate
    from live.settings import Plate as PlateSettings
    from live.settings import Web
    from live.sources.base import Source

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The plate: a picture of your EMPTY ROOM, by which cleanplate tells you from it. "
    "(What others see behind you is the background: `cleanplate run --background`.)",
)

ForcePlateOption = Annotated[
    bool, typer.Option("--force", help="Replace a plate of this name, and keep one that looks wrong.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What to call the plate, e.g. desk.")]


@app.command("record")
def record_plate(
    name: NameArgument,
    camera: CameraOption = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Length of the recording.")] = None,
    countdown: Annotated[
        float | None, typer.Option("--countdown", help="Seconds to step out of the picture before it.")
    ] = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    config: ConfigOption = None,
    force: ForcePlateOption = False,
) -> None:
    """Photographs your empty room with the camera. You step out of the picture while it counts down."""
    from core.plate.store import METADATA, checked_name
    from live.cameras import AUTO, device_path, real_camera
    from live.loop import interrupted_by_signals
    from live.plates import plate_of, plates_root
    from live.sources.registry import open_source

    settings = read_settings(
        config,
        camera__source=camera,
        camera__size=size,
        camera__fps=fps,
        plate__record_seconds=seconds,
        plate__countdown_seconds=countdown,
    )
    refuse_taken(plates_root() / checked_name(name) / METADATA, name, force)
    spec = real_camera() if settings.camera.source == AUTO else settings.camera.source
    with interrupted_by_signals():  # else they would leave the camera held
        source = _open(partial(open_source, spec, settings.camera.size, settings.camera.fps), settings.web)
        try:
            typer.echo(f"camera: {source.name}")
            recording, camera_values = _take(source, device_path(spec), settings.plate)
        finally:
            source.close()
    _judge(recording, force=force)
    keep(plate_of(name, recording, camera_values), recording.frames, force)


@app.command("import")
def import_plate(
    name: NameArgument,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="PICTURE_OR_VIDEO...", help="Pictures or videos of the EMPTY room."),
    ],
    as_sweep: Annotated[
        bool, typer.Option("--sweep", help="The camera turns in them: keep many views of the room.")
    ] = False,
    force: ForcePlateOption = False,
) -> None:
    """Makes a plate of pictures of your empty room.

    Videos do as well; several pictures are averaged.
    """
    from core.plate.store import METADATA, checked_name
    from live.plates import average, plate_of, plates_root, sweep_of_files

    refuse_taken(plates_root() / checked_name(name) / METADATA, name, force)
    if as_sweep:
        swept = sweep_of_files(name, files)
        judge_views(swept, force=force)
        keep(swept, 1, force)
        return
    recording = average(files)
    _judge(recording, force=force)
    keep(plate_of(name, recording), recording.frames, force)


@app.command("list")
def list_all() -> None:
    """Lists the plates of this user."""
    from core.plate import list_plates
    from live.plates import plates_root

    plates = list_plates(plates_root())
    if not plates:
        typer.echo("no plate yet; photograph your empty room: cleanplate plate record desk")
        return
    wide = max(len(info.name) for info in plates)
    for info in plates:
        if info.problem:
            typer.echo(f"{info.name:<{wide}}  {info.problem}")
        else:
            width, height = info.size
            views = "" if info.views == 1 else f", {info.views} views"
            typer.echo(
                f"{info.name:<{wide}}  {width}x{height}, {info.frames} pictures{views}, "
                f"{_noise(info.noise)}, recorded {info.recorded}"
            )


@app.command("show")
def show(name: NameArgument) -> None:
    """Says all that is known about a plate, and where its pictures are."""
    from core.plate import find_plate, load_plate
    from live.plates import plates_root

    folder = find_plate(plates_root(), name)
    plate = load_plate(folder)
    typer.echo((folder / "plate.toml").read_text(encoding="utf-8").rstrip())
    typer.echo(f"\nthe empty room of {plate.name}, to look at:")
    for picture in sorted(folder.glob("*.png")):
        typer.echo(f"  {picture}")


@app.command("check")
def check(name: NameArgument) -> None:
    """Looks a kept plate over once more, all views of a sweep.

    Is it dark, blurred, blown out, is somebody in it?
    """
    from core.plate import find_plate, load_plate
    from live.plates import plates_root

    judge_views(load_plate(find_plate(plates_root(), name)), force=False)
    typer.echo(f'the plate "{name}" is fine')


@app.command("remove")
def remove(name: NameArgument) -> None:
    """Deletes a plate."""
    from core.plate import remove_plate
    from live.plates import plates_root

    remove_plate(plates_root(), name)
    typer.echo(f'removed the plate "{name}"')


def _open(opened: Callable[[], Source], web: Web) -> Source:
    """The camera; where it cannot be opened, and a cleanplate runs that may have it, that is said, too."""
    from core.errors import CleanplateError, DeviceError
    from live.web.client import Client

    try:
        return opened()
    except DeviceError as error:
        running = Client(web.host, web.port)
        try:
            running.now()
        except CleanplateError:
            raise error from None
        raise DeviceError(
            f"{error}; a cleanplate runs here: the page at {running.url} photographs the room with its camera"
        ) from error


def _take(source: Source, device: str, settings: PlateSettings) -> tuple[Recording, dict[str, float]]:
    """Count down, settle without the person, hold the camera, record; with a bar on stderr. A film is
    recorded from its first picture: nobody has to leave it.

    Returns: the recording, and the camera's settings that were held meanwhile.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from live.plates import record, record_held, watch

    if not source.live:
        return record(source, settings.record_seconds, lambda share: None), {}
    typer.echo(
        "Please step OUT OF THE PICTURE: cleanplate is about to photograph your EMPTY ROOM.\n"
        "(This is not the new background; it is how cleanplate learns what is room and what is you.)"
    )
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        leave = bar.add_task("step out of the picture", total=1.0)
        watch(source, settings.countdown_seconds, lambda share: bar.update(leave, completed=share))
        keep = bar.add_task("stay out, recording", total=1.0)
        recording, values, words = record_held(
            source, device, settings.record_seconds, lambda share: bar.update(keep, completed=share)
        )
    typer.echo("done, you may come back")
    if values:
        typer.echo("held meanwhile: " + ", ".join(f"{name} {value:g}" for name, value in values.items()))
    if words:
        typer.echo(f"note: {words}", err=True)
    return recording, values


def _judge(recording: Recording, *, force: bool) -> None:
    """Says what speaks against the recording. Raises PlateError when that refuses it, unless forced."""
    from core.plate import check_plate
    from live.plates import person_finder

    _say(check_plate(recording, person_finder()), force)


def judge_views(plate: Plate, *, force: bool) -> None:
    """The same of a plate's pictures, of all views of a sweep."""
    from core.plate import check_views
    from live.plates import person_finder

    _say(check_views(plate, person_finder()), force)


def _say(findings: list[Finding], force: bool) -> None:
    from core.errors import PlateError
    from core.plate import Severity

    refused = [f for f in findings if f.severity is Severity.REFUSE and not force]
    for finding in findings:
        if finding not in refused:
            typer.echo(f"note: {finding.sentence}", err=True)
    if refused:
        reasons = "; ".join(finding.sentence for finding in refused)
        raise PlateError(f"this is not usable as a plate: {reasons} (--force keeps it all the same)")


def refuse_taken(metadata: Path, name: str, force: bool) -> None:
    """Before anybody has to leave the room."""
    from core.errors import PlateError

    if metadata.exists() and not force:
        raise PlateError(
            f'there is already a plate "{name}": choose another name, or add --force to replace it'
        )


def keep(plate: Plate, frames: int, force: bool) -> None:
    """Saves the plate and says where, and how to use it."""
    from core.plate import save_plate
    from live.plates import now_text, plates_root

    folder = save_plate(plates_root(), plate, recorded=now_text(), frames=frames, replace=force)
    width, height = plate.size
    made_of = f"{frames} pictures" if len(plate.views) == 1 else f"{len(plate.views)} views"
    typer.echo(
        f'kept the plate "{plate.name}": {width}x{height}, {made_of}, {_noise(plate.noise)}\n'
        f"in {folder}\nuse it: cleanplate run --plate {plate.name!r}"
    )


def _noise(level: float) -> str:
    return f"camera noise {level:.1f} grey levels" if level > 0 else "camera noise unknown"
