"""The matter that cleanplate ships: platenet at a working size, refined at full resolution."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

import cv2
import numpy as np

from core.align.geometry import resized_from_original
from core.matte.prior import SelfieSegmenter
from core.matte.refine import Refiner, RoomPart, snapped
from core.matte.region import Box, Region, RegionFinder
from core.matte.working_size import WORKING_PIXELS, shrink_into, shrunk_room
from core.runtime.base import PlateNetRuntime
from core.types import F32, U8, Coarse, Room, SeenRoom

UNKNOWN_U8 = 128  # no prior, no previous alpha; as in training
ROUGH = 8  # px of the frame to one of the rough matte


class PlateMatter:
    """Matter (see core.types) made of platenet, a segmenter's prior and a refiner.

    The prior is computed on every frame: it costs a twentieth of the network and carries the regime
    without a plate. The network's input for the previous alpha stays unknown: fed back, it bought 4 % of
    error and kept a ghost of whoever left the picture within one frame, which is the room shown. So a
    matte depends on its own frame alone, but for where the network looks (see RegionFinder), and frames
    may change their size.
    """

    def __init__(
        self,
        make_runtime: Callable[[tuple[int, int]], PlateNetRuntime],
        segmenter: SelfieSegmenter | None,
        refiner: Refiner | None,
        working_pixels: int = WORKING_PIXELS,
        closer: bool = False,
        impatient: bool = False,
    ) -> None:
        """make_runtime: takes a working size (width, height), on any thread. refiner None: bilinear
        upsampling. closer: with a plate, look where somebody is (see RegionFinder). impatient: no frame
        waits for another size to be made while one that is there will do.
        """
        self._make_runtime, self._segmenter, self._refiner = make_runtime, segmenter, refiner
        self._working_pixels = working_pixels
        self._closer, self._impatient = closer, impatient
        self._opening: Future[None] | None = None
        self._frame_size = (0, 0)
        self._eyes: dict[tuple[int, int], _Eye] = {}
        self._held: _HeldRoom | None = None  # what `matte` was given last

    def reset(self) -> None:
        """Looks for the person anew; there is nothing else to forget: see the class."""
        if self._eyes:
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
        if room is None or not self._closer:
            return self._look(rgb, room, None, self._finder.whole)
        shrink_into(rgb, self._glance)
        mask = None if self._segmenter is None else self._segmenter.mask(self._glance)
        small = room.small(self._finder.glance_size)
        region = self._finder.find(self._glance, small, mask, self._eyes if self._impatient else ())
        coarse = self._look(rgb, room, mask, region)
        if self._impatient:
            self._open(self._finder.wished)
        if self._finder.too_small(region, coarse.alpha_u8[_eighth(region.box)]):
            coarse = self._look(rgb, room, mask, self._finder.whole)
        return coarse

    def refined(self, rgb: U8, room: SeenRoom | None, coarse: Coarse) -> U8:
        """See core.types.PartwiseMatter."""
        small, frame_size = coarse.finish(), (rgb.shape[1], rgb.shape[0])
        seen = rgb[coarse.where]
        if self._refiner is None:
            size = (seen.shape[1], seen.shape[0])
            alpha = snapped(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR))
        else:
            part = None if room is None else _part_of(room, coarse.where)
            alpha = self._refiner.refine(seen, part, coarse.rgb, small, frame_size)
        if alpha.shape == rgb.shape[:2]:
            return alpha
        whole = np.zeros(rgb.shape[:2], np.uint8)
        whole[coarse.where] = alpha
        return whole

    def _look(self, rgb: U8, room: SeenRoom | None, mask: F32 | None, region: Region) -> Coarse:
        """The network on a region of the frame. mask: the segmenter's of the whole; None where that region
        is the whole."""
        eye = self._eye(region.size)
        shrink_into(rgb[region.where], eye.frame)
        if mask is None and self._segmenter is not None:
            mask = self._segmenter.mask(eye.frame)
        plate, coverage = eye.nothing, eye.nowhere
        if room is not None:
            small = room.small(region.size, None if region == self._finder.whole else region.where)
            plate = small.rgb
            coverage = eye.everywhere if small.coverage is None else small.coverage
        if mask is not None:
            _spread(cv2.convertScaleAbs(mask, alpha=255), self._frame_size, region, eye.prior)
        rough, finish = eye.runtime.begin(eye.frame, plate, coverage, eye.prior, eye.unknown)
        width, height = self._frame_size
        whole = np.zeros((-(-height // ROUGH), -(-width // ROUGH)), np.uint8)
        there = whole[_eighth(region.box)]
        cv2.resize(rough, there.shape[::-1], dst=there, interpolation=cv2.INTER_LINEAR)
        # the next frame is written over this one
        return Coarse(whole, eye.frame.copy(), finish, region.where)

    def _prepare(self, frame_size: tuple[int, int]) -> None:
        if frame_size == self._frame_size:
            return
        self._frame_size, self._eyes = frame_size, {}
        self._finder = RegionFinder(frame_size, self._working_pixels)
        width, height = self._finder.glance_size
        self._glance = np.empty((height, width, 3), np.uint8)

    def _eye(self, size: tuple[int, int]) -> _Eye:
        if size not in self._eyes:
            self._eyes[size] = _Eye(size, self._make_runtime(size))
        return self._eyes[size]

    def _open(self, size: tuple[int, int]) -> None:
        """Makes an eye while the others go on looking: it takes as long as ten frames.

        Raises what making the last one raised.
        """
        if self._opening is not None:
            if not self._opening.done():
                return
            opening, self._opening = self._opening, None
            opening.result()
        if size not in self._eyes:
            eyes = self._eyes
            self._opening = _in_background(lambda: eyes.update({size: _Eye(size, self._make_runtime(size))}))


class _Eye:
    """The network at one working size (width, height), and the pictures that it is given."""

    def __init__(self, size: tuple[int, int], runtime: PlateNetRuntime) -> None:
        width, height = size
        self.runtime = runtime
        self.frame = np.empty((height, width, 3), np.uint8)
        self.nothing = np.zeros((height, width, 3), np.uint8)
        self.nowhere = np.zeros((height, width), np.uint8)
        self.everywhere = np.full((height, width), 255, np.uint8)
        self.prior = np.full((height, width), UNKNOWN_U8, np.uint8)
        self.unknown = np.full((height, width), UNKNOWN_U8, np.uint8)


def _in_background(task: Callable[[], None]) -> Future[None]:
    """The task on a thread that the end of the program does not wait for."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            task()
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    Thread(target=run, name="platenet at another size", daemon=True).start()
    return done


def _spread(mask: U8, frame_size: tuple[int, int], region: Region, out: U8) -> None:
    """The part of a mask of the whole frame that shows a region, at the size of `out`."""
    (x0, y0, x1, y1), (width, height) = region.box, frame_size
    if (x1 - x0, y1 - y0) == frame_size:
        cv2.resize(mask, region.size, dst=out, interpolation=cv2.INTER_LINEAR)
        return
    mask_from_frame = resized_from_original(mask.shape[1] / width, mask.shape[0] / height)
    frame_from_region = resized_from_original((x1 - x0) / region.size[0], (y1 - y0) / region.size[1])
    frame_from_region[:2, 2] += x0, y0
    cv2.warpAffine(
        mask,
        (mask_from_frame @ frame_from_region)[:2],
        region.size,
        dst=out,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _eighth(box: Box) -> tuple[slice, slice]:
    """A box of the frame in the rough matte of it."""
    x0, y0, x1, y1 = box
    return slice(y0 // ROUGH, -(-y1 // ROUGH)), slice(x0 // ROUGH, -(-x1 // ROUGH))


def _part_of(room: SeenRoom, where: tuple[slice, slice]) -> RoomPart:
    """Gives parts of that part of the room."""
    down, right = where[0].start, where[1].start

    def part(inner: tuple[slice, slice]) -> Room:
        rows, columns = inner
        return room.part(
            (slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right))
        )

    return part


class _HeldRoom:
    """SeenRoom of a room that is given whole."""

    def __init__(self, whole: Room) -> None:
        self.whole, self.part = whole, whole.part
        self._shrunk: dict[bool, tuple[object, Room]] = {}

    def small(self, size: tuple[int, int], where: tuple[slice, slice] | None = None) -> Room:
        asked_last, small = self._shrunk.get(where is not None, (None, None))
        if small is None or asked_last != (size, where):
            small = shrunk_room(self.whole if where is None else self.part(where), size)
            self._shrunk[where is not None] = (size, where), small
        return small
