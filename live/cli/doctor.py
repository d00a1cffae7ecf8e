"""`cleanplate doctor`: what would stop this machine, each with its fix."""

from __future__ import annotations

import typer

MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


def doctor() -> None:
    """Says what is amiss here, and what mends it."""
    try:
        from live.doctor import Machine, Verdict, examine
        from live.plates import plates_root
    except ImportError as error:  # the doctor itself stands on what may be missing
        typer.echo(f"{MARKS['bad']}  packages: {error}\n        make setup")
        raise typer.Exit(1) from error

    checks = examine(Machine(), plates_root())
    for check in checks:
        typer.echo(f"{MARKS[check.verdict.value]}  {check.what}: {check.sentence}")
        for line in check.fix:
            typer.echo(f"        {line}")
    if any(check.verdict is Verdict.BAD for check in checks):
        raise typer.Exit(1)
