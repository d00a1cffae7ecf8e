"""Where frames are looked at: a desk for each working size, and the networks that are made for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TypeVar

import numpy as np

from core.matte.columns import ColumnFinder, Columns
from core.runtime.base import PlateNetRuntime
from core.types import U8

T = TypeVar("T")
UNKNOWN_U8 = 128  # no prior; as in training


class Desk:
    """All that belongs to one working size: what is looked at there, and by what.

    size: (width, height).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = width, height = size
        self.finder = ColumnFinder(size)
        self.runtimes: dict[int, PlateNetRuntime] = {}  # by how many columns they look at
        self.frame = np.empty((height, width, 3), np.uint8)
        self.shown: Columns | None = None  # of that frame, to the network
        self.nothing = np.zeros((height, width, 3), np.uint8)
        self.nowhere = np.zeros((height, width), np.uint8)
        self.everywhere = np.full((height, width), 255, np.uint8)
        self.prior = np.full((height, width), UNKNOWN_U8, np.uint8)
        self._part: tuple[U8, U8, Columns, tuple[U8, U8]] | None = None

    def part(self, plate: U8, coverage: U8, columns: Columns) -> tuple[U8, U8]:
        """Some columns of both: the same objects while the three are the same, see PlateNetRuntime."""
        held = self._part
        if held is None or held[0] is not plate or held[1] is not coverage or held[2] != columns:
            views = plate[columns.where], coverage[columns.where]
            self._part = held = plate, coverage, columns, views
        return held[3]

    @property
    def share(self) -> int:
        """The place among the finder's widths of the one that would do."""
        return self.finder.widths.index(self.finder.wished)

    def spread(self, alpha: U8, columns: Columns) -> U8:
        """A matte of some columns as one of the frame."""
        times = columns.width // alpha.shape[1]
        whole = np.zeros((alpha.shape[0], self.finder.whole.width // times), np.uint8)
        whole[columns.shrunk(times)] = alpha
        return whole


class Desks:
    """The desks of one matter. They are kept: what was compiled is never freed.

    make_runtime: takes a working size (width, height), on any thread.
    """

    def __init__(self, make_runtime: Callable[[tuple[int, int]], PlateNetRuntime]) -> None:
        self._make_runtime = make_runtime
        self._desks: dict[tuple[int, int], Desk] = {}
        self._opening: Future[PlateNetRuntime] | None = None

    def at(self, size: tuple[int, int]) -> Desk:
        if size not in self._desks:
            self._desks[size] = Desk(size)
        return self._desks[size]

    def runtime(self, desk: Desk, width: int) -> PlateNetRuntime:
        """What looks at so many columns; made where there is none yet."""
        if width not in desk.runtimes:
            made = self._make_runtime((width, desk.size[1]))
            desk.runtimes.setdefault(width, made)  # two threads may make it: the first may have been shown
        return desk.runtimes[width]

    def open(self, desk: Desk, width: int) -> None:
        """Makes a runtime while the others go on looking: it takes as long as ten frames.

        Raises what making the last one raised.
        """
        if self._opening is not None:
            if not self._opening.done():
                return
            opening, self._opening = self._opening, None
            opening.result()
        if width not in desk.runtimes:
            self._opening = _in_background(partial(self.runtime, desk, width))

    def made_ready(
        self, size: tuple[int, int], share: int | None, closer: tuple[int, int] | None
    ) -> Future[Desk]:
        """The desk of a size, once there are the runtimes that the next frame will ask for: of the columns
        that are looked at now, the narrowest being `share` 0, and of all, lest somebody reaches beyond them.
        None: it has them. closer: size of a second look, for the fewest columns and for all."""

        def make() -> Desk:
            desk = self.at(size)
            if share is not None:
                narrow = desk.finder.widths[min(share, len(desk.finder.widths) - 1)]
                for width in {narrow, desk.finder.whole.width}:
                    self.runtime(desk, width)
            if closer is not None:
                there = self.at(closer)
                for width in {there.finder.widths[0], there.finder.whole.width}:
                    self.runtime(there, width)
            return desk

        return _in_background(make)


def _in_background(task: Callable[[], T]) -> Future[T]:
    """The task on a thread that the end of the program waits for: OpenVINO is not torn down under it."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            made = task()
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(made)

    Thread(target=run, name="a network for platenet").start()
    return done
