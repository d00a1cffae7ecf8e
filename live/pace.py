"""Keeps the pace of a camera: the size at which platenet looks is the largest that the machine bears.

The matte gets better with the size (see the README's Decisions), and a picture that comes too late is
worth less than one that is a little softer. How much a machine bears changes while a meeting goes on.
"""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np

from core.matte.working_size import STEPS

log = logging.getLogger(__name__)

WATCHED = 45  # frames whose median decides
CHECKED_EVERY = 15  # frames
MOST_LOAD = 0.95  # of the time between two frames: more is too slow
FAR_TOO_MUCH = 1.6  # of that time, at which CHECKED_EVERY frames decide: there are few in a second then
MOST_EXPECTED = 0.85  # of that time, for a larger size: what is expected is a guess
GROWTH = 0.75  # time grows with the pixels to this power: columns are aligned and masks made at any size
GROWTH_BESIDE = 0.2  # the same of the other thread, which shares the cores
PATIENCE, LONGEST_PATIENCE = 150, 1 << 14  # frames until a larger size is tried
RETRY = 900  # frames: a size that was too slow within them was tried too soon


class ResizableMatter(Protocol):
    """The part of PlateMatter that is used here."""

    @property
    def working_size(self) -> tuple[int, int]: ...

    @property
    def changing_size(self) -> bool: ...

    def work_at(self, working_pixels: int) -> None: ...


class Pace:
    """Watches how long frames take and moves the matter's working size up or down by one step."""

    def __init__(self, matter: ResizableMatter, fps: float) -> None:
        """fps: frames a second that the source gives."""
        self._matter, self._interval_ms = matter, 1000 / fps
        self._at = len(STEPS) - 1
        self._times_ms = np.zeros((2, WATCHED), np.float32)
        self._seen = self._since_change = 0
        self._since_growth = RETRY
        self._patience = PATIENCE
        matter.work_at(STEPS[self._at])

    @property
    def working_size(self) -> tuple[int, int]:
        """(width, height) at which the network looks now."""
        return self._matter.working_size

    def note(self, begin_ms: float, finish_ms: float) -> None:
        """A frame was begun and another finished, each on a thread of its own, in so many milliseconds."""
        self._since_growth += 1
        if self._matter.changing_size:  # making a network ready slows the others down
            self._seen = 0
            return
        self._times_ms[:, self._seen % WATCHED] = begin_ms, finish_ms
        self._seen += 1
        self._since_change += 1
        if self._seen % CHECKED_EVERY:
            return
        begin_ms, finish_ms = (float(ms) for ms in np.median(self._times_ms[:, : self._seen], axis=1))
        slowest_ms = max(begin_ms, finish_ms)
        if self._seen < WATCHED and slowest_ms <= FAR_TOO_MUCH * self._interval_ms:
            return
        if slowest_ms > MOST_LOAD * self._interval_ms:
            if self._at > 0:
                if self._since_growth < RETRY:
                    self._patience = min(2 * self._patience, LONGEST_PATIENCE)
                self._step(-1, slowest_ms)
        elif self._at + 1 < len(STEPS) and self._since_change >= self._patience:
            times = STEPS[self._at + 1] / STEPS[self._at]
            expected_ms = max(begin_ms * times**GROWTH, finish_ms * times**GROWTH_BESIDE)
            if expected_ms < MOST_EXPECTED * self._interval_ms and self._step(1, slowest_ms):
                self._since_growth = 0

    def _step(self, by: int, frame_ms: float) -> bool:
        """Goes on to the next size that is another one; whether there is one.

        Of a small frame several steps are the same: no larger than the frame, or enlarged to the least.
        """
        self._seen = self._since_change = 0
        before = self._matter.working_size
        while 0 <= self._at + by < len(STEPS):
            self._at += by
            self._matter.work_at(STEPS[self._at])
            if self._matter.changing_size or self._matter.working_size != before:
                break
        else:
            return False
        log.info(
            "frames take %.1f of %.1f ms: the network looks at %s pixels now, %d",
            frame_ms,
            self._interval_ms,
            "more" if by > 0 else "fewer",
            STEPS[self._at],
        )
        return True
