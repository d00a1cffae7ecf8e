"""Puts the commands together, and turns an error that a person can act on into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys

import typer

from core.errors import CleanplateError
from live.cli import (
    background,
    bench,
    devices,
    doctor,
    evaluate,
    models,
    plate,
    plate_sweep,
    process,
    run,
    service,
    setup,
    train,
)
from live.heap import share_one_heap

FAILED = 1  # exit code; 2 is a wrong use of the command line

# Plain help: rich alone would take a fifth of a second to import.
app = typer.Typer(
    name="cleanplate",
    help="A real-time webcam virtual background that knows your room.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
plate.app.command("sweep")(plate_sweep.sweep_plate)
app.add_typer(plate.app, name="plate")
app.command()(background.background)
app.command()(process.process)
app.command()(devices.devices)
app.command()(doctor.doctor)
app.add_typer(setup.app, name="setup")
app.add_typer(service.app, name="service")
app.command()(bench.bench)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(models.app, name="models")


@app.callback()
def root() -> None:
    """A real-time webcam virtual background that knows your room."""
    share_one_heap()


def main() -> None:
    """The program's entry. Anything but a CleanplateError is a bug and shows its traceback."""
    if sys.platform == "win32":
        # Some cameras take a minute to open while Windows looks for hardware to convert their colours
        # (OpenCV's issue 17687). Here, since OpenCV reads it when it is imported.
        os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr does by itself: in a file or pipe Windows has no "≤", and a file's name may be any bytes.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except CleanplateError as error:
        print(f"cleanplate: {error}", file=sys.stderr)
        sys.exit(FAILED)
