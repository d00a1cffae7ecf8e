"""What the journal may know: it is kept for long and read by others, so no names of the user's files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from live.settings import Settings

INSTEAD = "(a file of yours)"


def goes_to_journal(environ: Mapping[str, str], stderr: int = 2) -> bool:
    """Whether that descriptor is the journal; a program that a service merely started has another one."""
    try:
        status = os.fstat(stderr)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Discreet:
    """Takes the files that the settings name, and what lies below them, out of words.

    folders: further ones of the user, e.g. the one of the plates.
    """

    def __init__(self, settings: Settings, folders: Iterable[Path] = ()) -> None:
        named = [settings.camera.source, settings.plate.name, settings.background.spec, settings.model.name]
        named += [spec.partition(":")[2] for spec in settings.output.sinks if spec.startswith("file:")]
        files = [Path(text) for text in named if _is_file(text)]
        forms = {path.name for path in files}
        for path in (*files, *folders):
            forms |= {str(path), str(path.expanduser()), str(path.expanduser().resolve())}
        longest_first = sorted(forms, key=len, reverse=True)
        below = r"(?:/[^\s'\":;,]+)*"
        self._files = re.compile("(?:" + "|".join(map(re.escape, longest_first)) + ")" + below)
        self._none = not longest_first

    def __call__(self, words: str) -> str:
        return words if self._none else self._files.sub(INSTEAD, words)


class DiscreetFormatter(logging.Formatter):
    """Formats as `inner` does, tracebacks included, and then leaves the files out."""

    def __init__(self, discreet: Discreet, inner: logging.Formatter | None) -> None:
        super().__init__()
        self._discreet, self._inner = discreet, inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return self._discreet(self._inner.format(record))


def log_discreetly(discreet: Discreet) -> None:
    """From here on every handler of the program leaves the files out."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(DiscreetFormatter(discreet, handler.formatter))


def _is_file(text: str) -> bool:
    # "blur:0.5" has no suffix, "us.jpg" has.
    return not text.startswith("/dev/") and ("/" in text or re.search(r"\.[a-zA-Z]\w*$", text) is not None)
