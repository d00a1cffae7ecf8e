"""`cleanplate train`: makes training material of your footage, and trains the matting networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.types import F32

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)

STOPPED = 130  # exit status, as shells give it to what Ctrl-C ended
LEAST_CHROMA_U8 = 40  # between a wall's strongest and weakest channel: less is grey

OutOption = Annotated[
    Path, typer.Option("--out", help="Folder to write into, in the shape that --data takes.")
]


@app.callback()
def train(
    context: typer.Context,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Holds people, people_rendered, rooms, panoramas, props, or some of them; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for checkpoints, weights and curves.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", help="platenet, bgmv2-mobilenetv2, bgmv2-resnet50, bgmv2-resnet101, bgm2020."
        ),
    ] = "platenet",
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage",
            metavar="NAME",
            help="platenet: net, refiner. bgmv2: base, refine. bgm2020: teacher, student. Default: all.",
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="Weights of the stage before. Default: what it wrote to --out."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start",
            metavar="WEIGHTS",
            help="platenet, with --stage: weights to begin with instead of chance; bundled: those that "
            "cleanplate brings.",
        ),
    ] = None,
    steady: Annotated[
        bool | None,
        typer.Option(
            "--steady/--no-steady",
            help="platenet's stage net: normalisation no longer learns from each batch, with --start all "
            "along, else in the last quarter, and steps are quicker; so unless you say no.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=1e-6,
            max=0.1,
            help="platenet: highest learning rate. Default: 2e-3, refiner 4e-3; with --start 3e-4, refiner "
            "2e-3.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0.01, help="Length of the whole run.")] = 180.0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda")] = "auto",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that synthesise pictures.")] = 1,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads that learn, on the CPU.")] = 2,
    half: Annotated[
        bool,
        typer.Option("--half", help="platenet in bfloat16: faster on GPUs and on CPUs that have it."),
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", metavar="WxH", help="Papers' networks: size of the pictures, multiples of 32."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=2, help="Papers' networks: pictures in a step.")
    ] = None,
    unknown_licences: Annotated[
        bool,
        typer.Option(
            "--unknown-licences",
            help="Also take pictures whose licence nobody stated. `evaluate matte` shows these very "
            "pictures, so its figures say nothing of weights that were trained on them.",
        ),
    ] = False,
    validation: Annotated[
        int,
        typer.Option(
            "--validation", min=0, help="Pairs of held-out people to judge by, if there are some; 0 for none."
        ),
    ] = 16,
    tensorboard: Annotated[
        bool | None,
        typer.Option(
            "--tensorboard/--no-tensorboard",
            help="Curves and pictures, in OUT/curves. Default: where TensorBoard is installed.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Trains the networks, or goes on with a stopped run: the same command again, with the same --out.

    Ctrl-C saves and stops; otherwise a checkpoint is written every five minutes.

    Your own people and rooms: cleanplate train key CLIPS --out MINE, cleanplate train rooms PICTURES --out
    MINE, then --data MINE beside --data DATA, or alone. One identity in eight is held out for judging, by
    the hash of its name, if seven others are left; else all are trained on. Column held_out of SOURCES.tsv:
    auto; write yes or no to choose yourself.

    The bundled network goes on learning with them: cleanplate train --stage net --start bundled --data MINE
    --out RUN. Then use it: cleanplate run --model RUN.

    From nothing, platenet and its refiner: cleanplate train --data DATA --out RUN --half --minutes 1130. In
    one run and as long, it does what the bundled weights had in eleven (core/weights/MODEL_CARD.md); it was
    not yet run to its end.
    """
    if context.invoked_subcommand is not None:
        return
    from importlib.util import find_spec
    from threading import Event

    from core.errors import SettingsError
    from core.training.material import nobody_held_out
    from live.loop import stopped_by_signals
    from live.training import Run, run

    if not data or out is None:
        raise SettingsError(
            "cleanplate train needs --data FOLDER and --out FOLDER; see cleanplate train --help"
        )
    _require_folder(out)
    if validation and nobody_held_out(tuple(data), unknown_licences):
        typer.echo(
            "nobody is held out, so this run is not judged (few people are all trained on); to judge by some "
            "identities, write `yes` into the column held_out of people/SOURCES.tsv"
        )
        validation = 0
    if tensorboard is None:
        tensorboard = find_spec("tensorboard") is not None
    asked = Run(
        data=tuple(data),
        out=out,
        minutes=minutes,
        model=model,
        stage=stage,
        base=base,
        start=start,
        steady=steady,
        rate=rate,
        device=device,
        workers=workers,
        threads=threads,
        half=half,
        seed=seed,
        unknown_licences=unknown_licences,
        validation=validation,
        tensorboard=tensorboard,
        size=None if size is None else _size(size),
        batch=batch,
    )
    stop = Event()
    with stopped_by_signals(stop):
        written = run(asked, typer.echo, stop.is_set)
    for weights in written:
        typer.echo(f"wrote {weights}")
    if stop.is_set():
        typer.echo("stopped, and saved: the same command goes on from here")
        raise typer.Exit(STOPPED)
    if model == "platenet":
        if stage != "refiner":
            typer.echo(f"use them: cleanplate run --model {out}")
    elif stage in (None, "refine", "student"):
        typer.echo(f"use them: cleanplate models import {model} {written[-1]}")
    if tensorboard:
        typer.echo(f"curves and pictures: tensorboard --logdir {asked.folder / 'curves'}")


@app.command("key")
def key_clips(
    clips: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP...", help="Videos of people before a wall of one colour, or folders."),
    ],
    out: OutOption,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="#rrggbb", help="The wall's colour. Default: from the border."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            metavar="X,Y,X,Y,...",
            help="All outside is left out: two corners of a box or more of a polygon, 0 to 1 of the sides.",
        ),
    ] = None,
    every: Annotated[float, typer.Option("--every", min=0.02, help="Seconds between stills.")] = 0.5,
    most: Annotated[int, typer.Option("--most", min=1, help="Cut-outs to keep of a clip.")] = 60,
    picture_format: Annotated[str, typer.Option("--format", metavar="webp|png")] = "webp",
) -> None:
    """Cuts people out of clips filmed before a green (or any one-coloured) wall, into OUT/people.

    The clips must be your own, or free: they are listed as free to train on. One clip is one identity.
    """
    import cv2

    from core.errors import MediaError, SettingsError
    from core.matte.prior import SelfieSegmenter
    from core.training.footage import key_clip, media_in

    if picture_format not in ("webp", "png"):
        raise SettingsError(f"--format is {picture_format!r}; it must be webp or png")
    colour, corners = _colour(key), _region(region)
    _require_folder(out)
    cv2.setNumThreads(1)
    segmenter, kept = SelfieSegmenter(), 0
    for clip in media_in(clips):
        try:
            result = key_clip(
                clip,
                out,
                segmenter,
                every_s=every,
                key=colour,
                region=corners,
                most=most,
                suffix=f".{picture_format}",
            )
        except MediaError as error:  # of this clip; the others may be good
            typer.echo(f"cleanplate: {error}", err=True)
            continue
        kept += result.kept
        typer.echo(f"{clip}: {result}")
    if not kept:
        raise MediaError("no cut-out was kept; the reasons are above")
    typer.echo(
        f"look at {out / 'people'}, delete what is bad, then: cleanplate train --stage net --start bundled "
        f"--data {out} --out RUN"
    )


@app.command("people")
def add_people(
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE...", help="Cut-outs with alpha, or folders.")
    ],
    out: OutOption,
) -> None:
    """Takes cut-outs of people that you have already, into OUT/people. One file is one identity."""
    from core.training.footage import add_people as add
    from core.training.footage import media_in

    _require_folder(out)
    found = media_in(pictures)
    for picture in found:
        add(picture, out)
    typer.echo(f"{len(found)} in {out / 'people'}")


@app.command("rooms")
def add_rooms(
    media: Annotated[
        list[Path], typer.Argument(metavar="PICTURE_OR_VIDEO...", help="Rooms without people, or folders.")
    ],
    out: OutOption,
    every: Annotated[
        float, typer.Option("--every", min=0.02, help="Seconds between a video's stills.")
    ] = 2.0,
) -> None:
    """Takes pictures of empty rooms, and stills of videos of them, into OUT/rooms."""
    from core.training.footage import add_room, media_in

    _require_folder(out)
    for path in media_in(media):
        typer.echo(f"{path}: {add_room(path, out, every)} in {out / 'rooms'}")


def _require_folder(out: Path) -> None:
    """SettingsError where `out` is, or lies in, something that is no folder."""
    from core.errors import SettingsError

    there = next((path for path in (out, *out.parents) if path.exists()), out)
    if there.exists() and not there.is_dir():
        raise SettingsError(f"--out {out} cannot be a folder, since {there} is a file; give another path")


def _colour(text: str | None) -> F32 | None:
    import numpy as np

    from core.errors import SettingsError

    if text is None:
        return None
    try:
        rgb = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        rgb = b""
    if len(rgb) != 3 or max(rgb) - min(rgb) < LEAST_CHROMA_U8:
        raise SettingsError(f"--key is {text!r}; it must be a strong colour like #00b140")
    return np.frombuffer(rgb, np.uint8).astype(np.float32) / np.float32(255)


def _region(text: str | None) -> F32 | None:
    import numpy as np

    from core.errors import SettingsError

    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) < 4 or len(numbers) % 2 or not all(0 <= n <= 1 for n in numbers):
        raise SettingsError(
            f"--region is {text!r}; it must be corners from 0 to 1, two of a box like 0.1,0,0.9,1 "
            "or three and more of a polygon"
        )
    if len(numbers) == 4:
        left, top, right, bottom = numbers
        numbers = [left, top, right, top, right, bottom, left, bottom]
    return np.array(numbers, np.float32).reshape(-1, 2)


def _size(text: str) -> tuple[int, int]:
    from core.errors import SettingsError

    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()) or int(width) % 32 or int(height) % 32 or int(width) < 64:
        raise SettingsError(f"--size is {text!r}; it must be like 512x512, both multiples of 32")
    return int(width), int(height)
