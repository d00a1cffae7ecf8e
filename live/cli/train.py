"""`cleanplate train`: trains platenet on a folder of people, props and rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[
        Path, typer.Option("--data", help="Folder with people, people_rendered, props, rooms, panoramas.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the checkpoint and the weights.")],
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Length of the whole run.")] = 180.0,
    device: Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda")] = "auto",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that synthesise pictures.")] = 1,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads that learn, on the CPU.")] = 2,
    half: Annotated[
        bool,
        typer.Option("--half", help="bfloat16: faster on GPUs and on CPUs that have it, slower elsewhere."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Trains the network, or goes on with a stopped run.

    Writes OUT/platenet.safetensors, and OUT/checkpoint.pt to go on from.
    """
    from core.errors import MediaError

    if not data.is_dir():
        raise MediaError(f"--data {data} is not a folder: give one shaped as core/weights/MODEL_CARD.md says")
    from core.runtime.choose import resolve_device
    from core.training.train import Options
    from core.training.train import train as run_training

    options = Options(
        data=data,
        out=out,
        minutes=minutes,
        workers=workers,
        threads=threads,
        device=resolve_device(device),
        seed=seed,
        half=half,
    )
    weights = run_training(options, typer.echo)
    typer.echo(f"wrote {weights}")
