"""Keeps the pace of a camera: the size at which platenet looks is the largest that the machine bears.

The matte gets better with the size (see the README's Decisions), and a picture that comes too late is
worth less than one that is a little softer. How much a machine bears changes while a meeting goes on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from core.matte.working_size import CLOSER_PIXELS, STEPS

log = logging.getLogger(__name__)

WATCHED = 45  # frames whose median decides
CHECKED_EVERY = 15  # frames
MOST_LOAD = 0.95  # of the time between two frames: more is too slow
FAR_TOO_MUCH = 1.6  # of that time, at which CHECKED_EVERY frames decide: there are few in a second then
MOST_EXPECTED = 0.85  # of that time, for a larger size: what is expected is a guess
GROWTH = 0.75  # time grows with the pixels to this power: columns are aligned and masks made at any size
GROWTH_BESIDE = 0.2  # the same of the other thread, which shares the cores
CLOSER_GROWTH, CLOSER_GROWTH_BESIDE = 3.3, 1.4  # times as long with a second look, both threads (measured)
PATIENCE, LONGEST_PATIENCE = 150, 1 << 14  # frames until a larger size is tried
RETRY = 900  # frames: a size that was too slow within them was tried too soon


class ResizableMatter(Protocol):
    """The part of PlateMatter that is used here."""

    @property
    def working_size(self) -> tuple[int, int]: ...

    @property
    def closer_size(self) -> tuple[int, int] | None: ...

    @property
    def changing_size(self) -> bool: ...

    def work_at(self, working_pixels: int, closer_pixels: int | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """How closely is looked: arguments of `work_at`, and how many times as long as at the step before
    frames should take, (begin, finish): a guess."""

    pixels: int
    closer_pixels: int | None
    times: tuple[float, float]


SIZES = tuple(
    Step(pixels, None, ((pixels / before) ** GROWTH, (pixels / before) ** GROWTH_BESIDE))
    for before, pixels in pairwise((STEPS[0], *STEPS))
)
SECOND_LOOK = Step(STEPS[-1], CLOSER_PIXELS, (CLOSER_GROWTH, CLOSER_GROWTH_BESIDE))


def sizes_words(sizes: tuple[tuple[int, int], ...]) -> str:
    """As people read it: 832x480 and 1280x704."""
    return " and ".join(f"{width}x{height}" for width, height in sizes)


class Pace:
    """Watches how long frames take and moves the matter up or down by one step."""

    def __init__(self, matter: ResizableMatter, fps: float, closer: bool = False) -> None:
        """fps: frames a second that the source gives. closer: where there is time for it, a second look."""
        self._matter, self._interval_ms = matter, 1000 / fps
        self._steps = (*SIZES, SECOND_LOOK) if closer else SIZES
        self._at = len(SIZES) - 1
        self._times_ms = np.zeros((2, WATCHED), np.float32)
        self._seen = self._since_change = 0
        self._since_growth = RETRY
        self._patience = PATIENCE
        matter.work_at(self._steps[self._at].pixels)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) at which the network looks now, once or twice; none before the first frame."""
        first, closer = self._looks
        return tuple(size for size in (first, closer) if size is not None and all(size))

    @property
    def _looks(self) -> tuple[tuple[int, int], tuple[int, int] | None]:
        return self._matter.working_size, self._matter.closer_size

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
        elif self._at + 1 < len(self._steps) and self._since_change >= self._patience:
            times = self._steps[self._at + 1].times
            expected_ms = max(begin_ms * times[0], finish_ms * times[1])
            if expected_ms < MOST_EXPECTED * self._interval_ms and self._step(1, slowest_ms):
                self._since_growth = 0

    def _step(self, by: int, frame_ms: float) -> bool:
        """Goes on to the next size that is another one; whether there is one.

        Of a small frame several steps are the same: no larger than the frame, or enlarged to the least.
        """
        self._seen = self._since_change = 0
        before = self._looks
        while 0 <= self._at + by < len(self._steps):
            self._at += by
            step = self._steps[self._at]
            self._matter.work_at(step.pixels, step.closer_pixels)
            if self._matter.changing_size or self._looks != before:
                break
        else:
            return False
        log.info(
            "frames take %.1f of %.1f ms: the network looks at %s pixels now, %d",
            frame_ms,
            self._interval_ms,
            "more" if by > 0 else "fewer",
            step.pixels + (step.closer_pixels or 0),
        )
        return True
