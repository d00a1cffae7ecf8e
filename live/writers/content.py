"""What of a picture is written, and which pictures of a sequence are there."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

from live.media import FrameRange

_NUMBERED = re.compile(r"[0-9]{6,}\.png")


class Content(Enum):
    """What of a picture a writer keeps."""

    OPAQUE = "opaque"  # the composite
    STRAIGHT = "straight"  # foreground colour and alpha
    ALPHA = "alpha"  # the matte alone, as grey


def numbered(folder: Path, frames: FrameRange | None = None) -> list[Path]:
    """The pictures of a sequence that lie in this folder, in order; only those of these numbers."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name))
    wanted = (path for path in found if frames is None or int(path.stem) in frames)
    return sorted(wanted, key=lambda path: int(path.stem))
