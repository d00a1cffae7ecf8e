"""How a camera's controls were before it was held, on disk: who is killed cannot put them back."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger(__name__)


class EarlierControls:
    """One file of one camera, there only while something has to be put back. Not for two processes at a time.

    Without it a run would take the values of the one that was killed for those that the user has chosen.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[int, int]:
        """The values by the controls' numbers; empty where all is as it was."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return {int(number): int(value) for number, value in kept.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning(
                "%s cannot be read (%s): if the camera has stayed too dark or out of focus, plug it in anew",
                *(self._file, error),
            )
            return {}

    def write(self, values: Mapping[int, int]) -> None:
        """Keeps these alone; none: there is nothing to put back any more."""
        new = self._file.with_name(f".{self._file.name}.partial")
        try:
            if not values:
                self._file.unlink(missing_ok=True)
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(values), encoding="utf-8")
            os.replace(new, self._file)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): if cleanplate is killed, plug the camera in anew",
                *(self._file, error.strerror),
            )
