"""What of a picture is written, and which pictures of a sequence are there."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

_NUMBERED = re.compile(r"\d{6,}\.png")


class Content(Enum):
    """What of a picture a writer keeps."""

    OPAQUE = "opaque"  # the composite
    STRAIGHT = "straight"  # foreground colour and alpha
    ALPHA = "alpha"  # the matte alone, as grey


def numbered(folder: Path) -> list[Path]:
    """The pictures of a sequence that lie in this folder, in order."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if _NUMBERED.fullmatch(p.name))
