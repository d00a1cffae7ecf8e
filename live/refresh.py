"""Keeps the plate of a live run fresh: a lesson a second off the hot path, a new plate when it shows.

Whoever uses the plate prepares for the new one on the worker's thread and takes it over on the loop's,
between two frames, so that a frame is aligned and rendered with one plate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from core.plate.refresh import PlateRefresh
from core.types import NO_PLATE, U8, Aligner, Alignment, Frame, Plate, State

log = logging.getLogger(__name__)

LESSON_NS = 1_000_000_000

Takeover = Callable[[], None]
Lesson = Callable[[], tuple[Takeover, ...]]
Submit = Callable[[Lesson], "Future[tuple[Takeover, ...]]"]


@dataclass(frozen=True, slots=True)
class Refreshing:
    """absorb_after_s: seconds for which a moved thing must lie still before it becomes room; 0 is never."""

    absorb_after_s: float = 0.0

    @property
    def absorb_after(self) -> int | None:
        """The same in lessons."""
        return max(1, round(self.absorb_after_s * 1e9 / LESSON_NS)) if self.absorb_after_s > 0 else None


class PlateUser(Protocol):
    """A part that works with the plate and can change over to a refreshed one."""

    def prepare(self, plate: Plate) -> Takeover:
        """Makes what it needs of the plate, on any thread; the answer, called by the loop's thread,
        puts it in place."""
        ...


class RefreshingAligner:
    """An aligner whose plate is kept fresh. The loop's thread owns it; lessons run where `submit` has them.

    Args:
        aligner: is told everything as before. refresh: learns. users: who takes the new plate.
        submit: runs a lesson and returns its future; there is never more than one under way.
    """

    def __init__(
        self, aligner: Aligner, refresh: PlateRefresh, users: Sequence[PlateUser], submit: Submit
    ) -> None:
        self._aligner, self._refresh, self._users, self._submit = aligner, refresh, users, submit
        self._alignment: Alignment = NO_PLATE
        self._next_ns: int | None = None
        self._under_way: Future[tuple[Takeover, ...]] | None = None
        self._works = True

    def update(self, frame: Frame) -> Alignment:
        self._take_over()
        self._alignment = self._aligner.update(frame)
        return self._alignment

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        """Passes it on; once a second the frame is also a lesson, if the camera stands still."""
        self._aligner.learn(frame, alpha_u8, doubted=doubted)
        alignment = self._alignment
        if not self._works or doubted or alpha_u8 is None or alignment.state is not State.LOCKED:
            return
        if self._under_way is not None or (self._next_ns is not None and frame.time_ns < self._next_ns):
            return
        self._next_ns = frame.time_ns + LESSON_NS
        # Copies: the matte's array is written over by the next frame.
        rgb, alpha = frame.rgb.copy(), alpha_u8.copy()

        def lesson() -> tuple[Takeover, ...]:
            self._refresh.learn(rgb, alpha, alignment)
            news = self._refresh.news()
            return () if news is None else tuple(user.prepare(news) for user in self._users)

        self._under_way = self._submit(lesson)

    def close(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()
            self._under_way = None
        self._aligner.close()

    def _take_over(self) -> None:
        """Puts a new plate in place everywhere; a lesson that raised was the last one."""
        if self._under_way is None or not self._under_way.done():
            return
        done, self._under_way = self._under_way, None
        error = done.exception()
        if error is not None:
            self._works = False
            log.error("the plate is not kept fresh any more: a lesson failed", exc_info=error)
            return
        for take_over in done.result():
            take_over()
