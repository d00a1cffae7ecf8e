"""The matter that cleanplate ships: platenet at a working size, refined at full resolution."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

import cv2
import numpy as np

from core.matte.columns import ColumnFinder, Columns
from core.matte.prior import SelfieSegmenter, near_people
from core.matte.refine import Refiner, snapped
from core.matte.working_size import WORKING_PIXELS, platenet_size, shrink_into, shrunk_room
from core.runtime.base import PlateNetRuntime
from core.types import U8, Coarse, Room, SeenRoom

UNKNOWN_U8 = 128  # no prior; as in training


class PlateMatter:
    """Matter (see core.types) made of platenet, a segmenter's prior and a refiner.

    With a plate the network looks at the columns in which somebody is (see ColumnFinder); elsewhere is
    nobody. The prior is computed on every frame: it carries the regime without a plate, where only what is
    near to somebody in its eyes may be a person; by itself the network sees people in a room. The alpha of
    the frame before is no input: fed back, it bought 4 % of error and kept a ghost of whoever left the
    picture within one frame, which is the room shown. So a matte depends on its own frame alone, but for
    which columns are looked at, and frames may change their size.
    """

    def __init__(
        self,
        make_runtime: Callable[[tuple[int, int]], PlateNetRuntime],
        segmenter: SelfieSegmenter | None,
        refiner: Refiner | None,
        working_pixels: int = WORKING_PIXELS,
        impatient: bool = False,
    ) -> None:
        """make_runtime: takes a working size (width, height), on any thread. refiner None: bilinear
        upsampling. impatient: no frame waits for fewer columns to be made ready while more will do.
        """
        self._make_runtime, self._segmenter, self._refiner = make_runtime, segmenter, refiner
        self._working_pixels, self._impatient = working_pixels, impatient
        self._frame_size = (0, 0)
        self._opening: Future[None] | None = None
        self._held: _HeldRoom | None = None  # what `matte` was given last

    def reset(self) -> None:
        """Looks for people anew; there is nothing else to forget: see the class."""
        if self._frame_size != (0, 0):
            self._finder.forget()

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """Alpha uint8 HxW; see core.types.Matter. The room is taken as unchanged when the same
        array objects come again, so what was made of them is kept."""
        if plate_rgb is None:
            return self.refined(rgb, None, self.coarse(rgb, None))
        held = self._held
        if held is None or held.whole.rgb is not plate_rgb or held.whole.coverage is not coverage:
            held = self._held = _HeldRoom(Room(plate_rgb, coverage))
        return self.refined(rgb, held, self.coarse(rgb, held))

    def coarse(self, rgb: U8, room: SeenRoom | None) -> Coarse:
        """See core.types.PartwiseMatter."""
        self._prepare((rgb.shape[1], rgb.shape[0]))
        shrink_into(rgb, self._frame)
        mask = None if self._segmenter is None else self._segmenter.mask(self._frame)
        if mask is not None:
            self._prior = mask
        if room is None:
            coarse = self._look(self._nothing, self._nowhere, self._finder.whole)
            return coarse if mask is None else _limited(coarse, near_people(mask))
        small = room.small(self._size)
        coverage = self._everywhere if small.coverage is None else small.coverage
        ready = (*self._runtimes, self._size[0]) if self._impatient else ()
        columns = self._finder.find(self._frame, small, mask, ready)
        coarse = self._look(small.rgb, coverage, columns)
        if self._impatient:
            self._open(self._finder.wished)
        if self._finder.too_few(columns, coarse.alpha_u8):
            coarse = self._look(small.rgb, coverage, self._finder.whole)
        if mask is None or small.coverage is None:
            return coarse
        return _limited(coarse, cv2.max(near_people(mask), coverage))

    def refined(self, rgb: U8, room: SeenRoom | None, coarse: Coarse) -> U8:
        """See core.types.PartwiseMatter."""
        alpha = coarse.finish()
        if self._refiner is not None:
            part = None if room is None else room.part
            return self._refiner.refine(rgb, part, coarse.rgb, alpha)
        size = (rgb.shape[1], rgb.shape[0])
        return snapped(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR))

    def _look(self, plate: U8, coverage: U8, columns: Columns) -> Coarse:
        """The network on some columns of the frame that was prepared, zero beyond them."""
        seen = (p[columns.where] for p in (self._frame, plate, coverage, self._prior))
        rough, finish = self._runtime(columns.width).begin(*seen)
        frame = self._frame.copy()  # the next one is written over this one
        if columns == self._finder.whole:
            return Coarse(rough, frame, finish)
        return Coarse(self._spread(rough, columns), frame, lambda: self._spread(finish(), columns))

    def _spread(self, alpha: U8, columns: Columns) -> U8:
        """A matte of some columns as one of the frame."""
        times = columns.width // alpha.shape[1]
        whole = np.zeros((alpha.shape[0], self._finder.whole.width // times), np.uint8)
        whole[columns.shrunk(times)] = alpha
        return whole

    def _prepare(self, frame_size: tuple[int, int]) -> None:
        if frame_size == self._frame_size:
            return
        self._frame_size = frame_size
        self._size = width, height = platenet_size(frame_size, self._working_pixels)
        self._finder = ColumnFinder(self._size)
        self._runtimes: dict[int, PlateNetRuntime] = {}
        self._frame = np.empty((height, width, 3), np.uint8)
        self._nothing = np.zeros((height, width, 3), np.uint8)
        self._nowhere = np.zeros((height, width), np.uint8)
        self._everywhere = np.full((height, width), 255, np.uint8)
        self._prior = np.full((height, width), UNKNOWN_U8, np.uint8)

    def _runtime(self, width: int) -> PlateNetRuntime:
        if width not in self._runtimes:
            self._runtimes[width] = self._make_runtime((width, self._size[1]))
        return self._runtimes[width]

    def _open(self, width: int) -> None:
        """Makes a runtime while the others go on looking: it takes as long as ten frames.

        Raises what making the last one raised.
        """
        if self._opening is not None:
            if not self._opening.done():
                return
            opening, self._opening = self._opening, None
            opening.result()
        if width not in self._runtimes:
            runtimes, size = self._runtimes, (width, self._size[1])
            self._opening = _in_background(lambda: runtimes.update({width: self._make_runtime(size)}))


def _limited(coarse: Coarse, limit: U8) -> Coarse:
    """A matte that is nowhere above a limit, uint8 of the working size."""
    rough = cv2.resize(limit, coarse.alpha_u8.shape[::-1], interpolation=cv2.INTER_AREA)
    return Coarse(cv2.min(coarse.alpha_u8, rough), coarse.rgb, lambda: cv2.min(coarse.finish(), limit))


def _in_background(task: Callable[[], None]) -> Future[None]:
    """The task on a thread that the end of the program waits for: OpenVINO is not torn down under it."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            task()
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    Thread(target=run, name="platenet for fewer columns").start()
    return done


class _HeldRoom:
    """SeenRoom of a room that is given whole."""

    def __init__(self, whole: Room) -> None:
        self.whole, self.part = whole, whole.part
        self._shrunk: Room | None = None

    def small(self, size: tuple[int, int]) -> Room:
        if self._shrunk is None or self._shrunk.rgb.shape[1::-1] != size:
            self._shrunk = shrunk_room(self.whole, size)
        return self._shrunk
