"""`cleanplate doctor`: what would stop this machine, each with its fix."""

from __future__ import annotations

import typer

MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


def doctor() -> None:
    """Says what is amiss here, and what mends it."""
    from live.doctor import Machine, Verdict, examine
    from live.plates import plates_root

    checks = examine(Machine(), plates_root())
    for check in checks:
        typer.echo(f"{MARKS[check.verdict.value]}  {check.what}: {check.sentence}")
        for line in check.fix:
            typer.echo(f"        {line}")
    if any(check.verdict is Verdict.BAD for check in checks):
        raise typer.Exit(1)
