"""Frames whose plate was not believed: counted, and told when they do not end."""

from __future__ import annotations

import logging

from live.meter import Meter

log = logging.getLogger(__name__)

DOUBTED = "plate doubted"  # the count's name
TOLD_AFTER = 90  # frames in a row: three seconds; a torn frame, or a lamp that goes out, needs nobody's help


class Doubts:
    """Counts them in the meter; a warning when there are many in a row. One thread calls it."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._in_a_row = 0

    def note(self, doubt: str) -> None:
        """doubt: why the plate of the next frame was not believed; "" where it was."""
        if not doubt:
            if self._in_a_row >= TOLD_AFTER:
                log.info("the plate fits again")
            self._in_a_row = 0
            return
        self._meter.count(DOUBTED)
        self._in_a_row += 1
        if self._in_a_row == TOLD_AFTER:
            log.warning(
                "%s, so only what is surely you is shown: put the room as it was, or record the plate again",
                doubt,
            )
