"""`cleanplate setup`: what the system needs, printed or written out for a person to put in place."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import DeviceError
from live.cli.options import ForceOption

app = typer.Typer(help="Prints what the system needs; changes nothing by itself.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Prints what the system needs; changes nothing by itself."""


@app.command()
def virtualcam(
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the commands (also what happens without options).")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Write the files below this folder, not into /etc."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """The virtual camera of Linux: modprobe command, options file, modules-load file and udev rule."""
    if sys.platform != "linux":
        raise DeviceError(
            "v4l2loopback is Linux's; on macOS and Windows install OBS Studio 30 or newer and start its "
            "virtual camera once"
        )
    from live.loopback_setup import APPLY_RULES, INSTALL, LOAD, script, write_files

    if out is None or print_only:
        typer.echo(script())
    if out is None:
        return
    written = write_files(out, force=force)
    typer.echo(f"# written below {out}; put them in place with")
    typer.echo(INSTALL)
    for path in written:
        typer.echo(f"sudo install -D -m 644 {shlex.quote(str(path))} /{path.relative_to(out)}")
    typer.echo(APPLY_RULES)
    typer.echo(LOAD)
