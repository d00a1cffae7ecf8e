"""`cleanplate background`: changes what stands behind you while cleanplate runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from live.cli.options import ConfigOption, read_settings


def background(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="SPEC",
            help="blur[:0..1], a colour (#00b140, green), a file on offer, or another picture, of which a "
            "copy is put on offer. Without SPEC what is on offer is listed.",
        ),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="TCP port of its page.")] = None,
    config: ConfigOption = None,
) -> None:
    """Changes what others see behind you, live.

    Until the program ends that runs; for good: spec under [background] in its settings.
    """
    from live.web.client import Client

    web = read_settings(config, web__port=port).web
    running = Client(web.host, web.port)
    now = running.now()
    folder, files = running.offered()
    if spec is None:
        typer.echo(f"now       {now}\non offer  blur:0 to blur:1, colours like #00b140")
        for name in files:
            typer.echo(f"          {name}")
        typer.echo(f"what you put into {folder} is on offer, too")
        return
    path = Path(spec).expanduser()
    if spec not in files and path.is_file():
        spec = running.add(path.name, path.read_bytes())
    typer.echo(f"behind you now: {running.choose(spec)}")
