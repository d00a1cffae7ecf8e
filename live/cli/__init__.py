"""The command line: one file a command. Heavy imports wait inside the functions, so that --help is quick."""

from live.cli.app import main

__all__ = ["main"]
