"""The report: one JSON line a frame, for whoever wants to know what happened in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.errors import MediaError
from core.types import Alignment, Frame, Light


class Report:
    """Writes a line for each frame, at once, so that it can be followed while it grows.

    lost: a line could not be written; there is no use in writing more.
    Raises:
        MediaError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = f"report {path}"
        self.lost = False
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise MediaError(f"cannot write the report {path}: {error.strerror}") from error

    def write(self, frame: Frame, alignment: Alignment, stage_ms: dict[str, float], dropped: int) -> None:
        """One line: index, time_ns, state, score, reason, H, light, stage_ms, dropped.

        H: nine numbers row by row, plate to frame pixels; null while lost or without a plate.
        dropped: frames of the source left out since the start.
        """
        line = {
            "index": frame.index,
            "time_ns": frame.time_ns,
            "state": alignment.state.value,
            "score": round(float(alignment.score), 4),
            "reason": alignment.reason,
            "H": None if alignment.H is None else [float(value) for value in alignment.H.ravel()],
            "light": _light(alignment.light),
            "stage_ms": {name: round(ms, 3) for name, ms in stage_ms.items()},
            "dropped": dropped,
        }
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            self.lost = True
            raise MediaError(f"cannot write the report {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Safe to call twice."""
        try:
            self._file.close()
        except OSError as error:
            if self.lost:  # the same line again, which the buffer still holds
                return
            self.lost = True
            raise MediaError(f"cannot write the report {self._path}: {error.strerror}") from error


def _light(light: Light) -> dict[str, Any]:
    grid = None if light.grid is None else [[round(float(v), 4) for v in row] for row in light.grid]
    tone = None if light.tone is None else [[round(float(v), 2) for v in row] for row in light.tone]
    return {
        "gain": [round(float(value), 4) for value in light.gain],
        "offset": [round(float(value), 3) for value in light.offset],
        "grid": grid,
        "tone": tone,
    }
