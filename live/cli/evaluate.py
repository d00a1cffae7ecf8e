"""`cleanplate evaluate`: tables of quality on material with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measures matte and alignment against truth.",
)

SHARED_FOLDER = Path("../shared")
DATA_FOLDER = SHARED_FOLDER / "data"
PEERS_FOLDER = SHARED_FOLDER / "models"

DataOption = Annotated[Path, typer.Option("--data", metavar="FOLDER", help="People, rooms and panoramas.")]


@app.command("matte")
def matte(
    data: DataOption = DATA_FOLDER,
    peers: Annotated[
        Path,
        typer.Option(
            "--peers", metavar="FOLDER", help="Weights of the peers; left out where there are none."
        ),
    ] = PEERS_FOLDER,
    per_class: Annotated[int, typer.Option("--per-class", min=1, help="Clips of each class of trouble.")] = 4,
    size: Annotated[str, typer.Option("--size", metavar="WxH")] = "1280x720",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda")] = "auto",
) -> None:
    """MAD, MSE, Grad, dtSSD, beside the peers.

    With and without plate, by class of trouble.
    """
    from core.errors import MediaError

    if not data.is_dir():
        raise MediaError(
            f"--data {data} is not a folder: the clips are made of people and rooms that it holds"
        )
    from core.align import PlateAligner
    from core.evaluation.matte import evaluate, ours_tracked, ours_true, ours_without_plate, table
    from core.evaluation.matte import peers as peer_methods
    from core.render.build import MatterOptions, build_platenet
    from live.settings import load

    width_height = load(flags={"camera.size": size}).camera.size
    matter, runs_on = build_platenet(MatterOptions(device))
    methods = {
        "cleanplate, plate tracked": ours_tracked(matter, PlateAligner),
        "cleanplate, true alignment": ours_true(matter),
        "cleanplate, no plate": ours_without_plate(matter),
    }
    if peers.is_dir():
        methods |= peer_methods(peers, threads=2)
    else:
        typer.echo(f"(no peers: {peers} is not there)", err=True)
    results = evaluate(methods, data, width_height, per_class, seed, lambda line: typer.echo(line, err=True))
    typer.echo(f"{runs_on}, {size}, {per_class} clips a class, seed {seed}\n\n{table(results)}")


@app.command("alignment")
def alignment(
    shared: Annotated[
        Path,
        typer.Option("--shared", metavar="FOLDER", help="Holds data/panoramas and data/people_rendered."),
    ] = SHARED_FOLDER,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Few and short scenes, for a first look.")] = False,
) -> None:
    """Corner errors, holding still, finding again, and cost."""
    from core.errors import MediaError

    if not shared.is_dir():
        raise MediaError(f"--shared {shared} is not a folder: the scenes are made of panoramas that it holds")
    from core.evaluation.alignment import run

    typer.echo(run(shared, seed, quick).text())
