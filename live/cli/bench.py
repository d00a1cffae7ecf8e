"""`cleanplate bench`: how fast this machine is, stage by stage, and beside its peers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from live.cli.options import ConfigOption, DeviceOption, ModelOption, SizeOption, read_settings

PEERS_FOLDER = Path("../shared/models")


def bench(
    size: SizeOption = None,
    frames: Annotated[
        int,
        typer.Option(
            "--frames",
            metavar="N",
            min=2,
            help="Frames as fast as it goes. Warming up and finding the size come before, 5 s live after; "
            "about half a minute, on a slow machine more.",
        ),
    ] = 300,
    model: ModelOption = None,
    device: DeviceOption = None,
    peers: Annotated[
        Path,
        typer.Option(
            "--peers", metavar="FOLDER", help="Weights of the peers; left out where there are none."
        ),
    ] = PEERS_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
    config: ConfigOption = None,
) -> None:
    """Times the program on the demo scene, beside its peers."""
    settings = read_settings(config, camera__size=size, model__name=model, model__device=device)
    import json

    from core.evaluation.peer_weights import holds_peers
    from live.bench import bench as measure
    from live.bench import report

    found = peers if holds_peers(peers) else None
    result = measure(
        settings.model, settings.camera.size, frames, found, lambda line: typer.echo(f"{line} ...", err=True)
    )
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=1))
        return
    typer.echo(report(result))
    if found is None:
        typer.echo(f"(no peers: there are no weights of theirs in {peers})")
