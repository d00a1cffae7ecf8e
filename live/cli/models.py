"""`cleanplate models`: the matting networks that `--model` may name, and their weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.nets.bgmv2 import Setting
    from core.nets.registry import Model
    from live.download import Progress
    from live.models_store import ModelStore, Stored

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Matting networks. cleanplate brings its own; the papers' are fetched only when you ask.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `cleanplate models list` names it.")]
AcceptOption = Annotated[
    bool,
    typer.Option("--accept-licence", help="You have read the licence and accept it; no question is asked."),
]


@app.command("list")
def list_models() -> None:
    """Lists the networks: what is here, what needs a plate, and under which licence."""
    from core.nets.registry import MODELS

    store = _store()
    rows = [("NAME", "HERE", "PLATE", "LICENCE", "")]
    for name, model in MODELS.items():
        here = "yes" if model.bundled or store.stored(name) is not None else "no"
        plate = "needed" if model.needs_plate else "used" if model.bundled else "not used"
        rows.append((name, here, plate, model.licence, model.note))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        columns = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False))
        typer.echo(f"{columns}  {row[-1]}".rstrip())


@app.command("fetch")
def fetch_model(name: NameArgument, accept_licence: AcceptOption = False) -> None:
    """Downloads the official weights of a network. Broken off, the same command goes on from there."""
    from core.nets.registry import find_model

    store, model = _store(), find_model(name)
    stored = store.stored(name)
    if stored is not None and stored.licence != model.licence:  # the text changed since
        _agree(model, accept_licence)
        store.accept(name, model.licence)
        typer.echo(f"{name} is here already, its checksum is right; its licence is accepted now")
        return
    if stored is not None and stored.origin == model.url:
        store.weights(name)
        typer.echo(f"{name} is here already, its checksum is right")
        return
    if model.url is not None:
        _agree(model, accept_licence)
        typer.echo(f"from {model.url}")
    with _progress_bar(name) as progress:
        stored = store.fetch(name, model.licence, progress)
    _tell(store, name, stored)


@app.command("import")
def import_model(
    name: NameArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pth, TorchScript or safetensors file of that network.")
    ],
    accept_licence: AcceptOption = False,
) -> None:
    """Takes a network's weights from a file."""
    from core.nets.registry import find_model

    store, model = _store(), find_model(name)
    if not model.bundled:
        _agree(model, accept_licence)
    _tell(store, name, store.import_file(name, file, model.licence))


@app.command("remove")
def remove_model(name: NameArgument) -> None:
    """Deletes a network's weights from this machine."""
    _store().remove(name)
    typer.echo(f"{name} removed")


@app.command("export")
def export_model(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="As `cleanplate models list` names it, or the folder that `cleanplate train` wrote.",
        ),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .onnx, or in .xml for OpenVINO.")],
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="WxH",
            help="The one size of pictures that the file will take; default: 1280x720, of platenet 832x480, "
            "at which it looks.",
        ),
    ] = None,
    ratio: Annotated[
        float | None, typer.Option("--ratio", help="RVM only: the network's size over the picture's, 0 to 1.")
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            help="BGMv2 only: where to refine. sampling (default): the worst --sample-pixels of each "
            "picture; thresholding: what is likely wrong by more than --threshold; full: everything.",
        ),
    ] = None,
    backbone_scale: Annotated[
        float | None,
        typer.Option(
            "--backbone-scale",
            help="BGMv2 only: the base's size over the picture's, up to 0.5; default: the authors' for "
            "the size, 0.25 at HD, 0.125 at 4K.",
        ),
    ] = None,
    sample_pixels: Annotated[
        int | None,
        typer.Option(
            "--sample-pixels",
            help="BGMv2 only; default: the authors' for the size, 80000 up to HD, 320000 at 4K.",
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="BGMv2 only: 0 to 1; default: the authors' 0.1.")
    ] = None,
) -> None:
    """Writes a network as ONNX or for OpenVINO, for pictures of one size, and compares it with torch."""
    from core.errors import SettingsError
    from core.nets.platenet import PlateNet
    from core.nets.registry import load_model
    from core.nets.trained import PLATENET, find_trained
    from core.runtime.export import export_model as export
    from core.runtime.graph import load_ranges
    from core.runtime.torch import cut_to_ranges

    trained = find_trained(name)
    size = size or ("832x480" if trained is not None or name == PLATENET else "1280x720")
    width, _, height = size.lower().partition("x")
    if not (width.isdigit() and height.isdigit()) or min(int(width), int(height)) < 1:
        raise SettingsError(f"--size is {size!r}; it must be like 1280x720")
    if ratio is not None and not 0 < ratio <= 1:
        raise SettingsError(f"--ratio is {ratio}; it must be above 0 and at most 1")
    setting = _bgmv2_setting(mode, backbone_scale, sample_pixels, threshold)
    weights = _store().weights(name) if trained is None else trained.net
    net = load_model(name if trained is None else PLATENET, weights)
    if isinstance(net, PlateNet):  # as the program runs it
        cut_to_ranges(net, load_ranges(weights))
    exported = export(net, (int(width), int(height)), file, ratio, setting)
    for label, shape in exported.inputs:
        typer.echo(f"input {label} {'x'.join(map(str, shape))}")
    typer.echo(f"outputs {' '.join(exported.outputs)}")
    typer.echo(f"{exported.path}: differs from torch by {exported.worst:.1g} at most")


def _bgmv2_setting(
    mode: str | None, backbone_scale: float | None, sample_pixels: int | None, threshold: float | None
) -> Setting | None:
    """What was asked for of Background Matting V2; None for nothing."""
    from core.errors import SettingsError
    from core.nets.bgmv2 import MODES, Setting

    if mode is None and backbone_scale is None and sample_pixels is None and threshold is None:
        return None
    chosen = "sampling" if mode is None else mode
    if chosen not in MODES:
        raise SettingsError(f"--mode is {mode!r}; it must be one of {', '.join(MODES)}")
    if backbone_scale is not None and not 0 < backbone_scale <= 0.5:
        raise SettingsError(f"--backbone-scale is {backbone_scale}; it must be above 0 and at most 0.5")
    if sample_pixels is not None and sample_pixels < 16:
        raise SettingsError(f"--sample-pixels is {sample_pixels}; it must be 16 or more, a patch of 4x4")
    if threshold is not None and not 0 <= threshold <= 1:
        raise SettingsError(f"--threshold is {threshold}; it must be from 0 to 1")
    for option, value, its_mode in (
        ("--sample-pixels", sample_pixels, "sampling"),
        ("--threshold", threshold, "thresholding"),
    ):
        if value is not None and chosen != its_mode:
            raise SettingsError(
                f"{option} is for --mode {its_mode}, not for {chosen}: give that mode or leave {option} out"
            )
    return Setting(chosen, backbone_scale, sample_pixels, threshold)


def _store() -> ModelStore:
    from live.models_store import ModelStore

    return ModelStore()


def _agree(model: Model, accepted: bool) -> None:
    """Shows the licence and asks, unless it was accepted already. WeightsError where nobody can answer."""
    from core.errors import WeightsError

    typer.echo(f"{model.name}: weights by the authors of {model.page}")
    typer.echo(f"licence: {model.licence}, {model.licence_url}")
    if accepted:
        return
    if not _somebody_can_answer():
        raise WeightsError(f"{model.name} is under {model.licence}: give --accept-licence if you accept that")
    if not typer.confirm("Do you accept this licence?", default=False):
        raise WeightsError(f"the licence of {model.name} was not accepted: nothing was done")


def _somebody_can_answer() -> bool:
    return sys.stdin.isatty()


def _tell(store: ModelStore, name: str, stored: Stored) -> None:
    typer.echo(
        f"{store.folder / name / stored.file}: {stored.size_bytes / 1e6:.1f} MB, sha256 {stored.sha256}"
    )
    typer.echo(f"use it with --model {name}")


@contextmanager
def _progress_bar(name: str) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(name, *columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
