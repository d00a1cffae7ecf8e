"""`cleanplate service`: runs in the background from log-in on, looked after by systemd."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import DeviceError, SettingsError
from live.cli.options import ConfigOption, ForceOption, read_settings, user_file
from live.settings import FILE_NAME, settings_in

if TYPE_CHECKING:
    from live.service import Service

app = typer.Typer(help="Runs cleanplate in the background, from log-in on.", no_args_is_help=True)

PrintOption = Annotated[bool, typer.Option("--print", help="Print the unit alone; change nothing.")]


@app.command()
def install(config: ConfigOption = None, print_only: PrintOption = False, force: ForceOption = False) -> None:
    """Starts it now and at each log-in, again after a failure.

    With the settings of --config, else of ./config.toml, else of your configuration folder.
    """
    from live.service import JOURNAL, PAUSE, unit

    if config is None and Path(FILE_NAME).is_file():
        config = Path(FILE_NAME)
    read_settings(config)  # what is wrong in the file is better said here than in the journal
    _refuse_variables(config)
    text = unit(config.resolve(), Path.cwd()) if config else unit()
    if print_only:
        typer.echo(text, nl=False)
        return
    service = _service()
    service.install(text, force=force)
    typer.echo(f"runs, and starts when you log in; the unit is {service.path}, the log {JOURNAL}")
    if config:
        typer.echo(
            f"its settings are in {config.resolve()}; relative paths there are taken from {Path.cwd()}"
        )
    typer.echo(f"pause it, and go on, by: {PAUSE}")


@app.command()
def remove() -> None:
    """Stops it and takes the unit away."""
    typer.echo("removed" if _service().remove() else "there was none")


@app.command()
def status() -> None:
    """Says whether it runs; the exit code is 1 when not."""
    now = _service().status()
    typer.echo(str(now))
    if now.active != "active":
        raise typer.Exit(1)


def _refuse_variables(config: Path | None) -> None:
    """SettingsError where the environment sets what the service, which has another one, would do without."""
    here = settings_in(os.environ)
    if here:
        keys = ", ".join(here.values())
        raise SettingsError(
            f"{', '.join(here)} in the environment would not reach the service: set {keys} in "
            f"{config or user_file()} and unset {'it' if len(here) == 1 else 'them'} here"
        )


def _service() -> Service:
    if sys.platform != "linux":
        raise DeviceError("the service needs systemd, which only Linux has: start `cleanplate run` at log-in")
    import platformdirs

    from live.service import Service

    return Service(platformdirs.user_config_path())
