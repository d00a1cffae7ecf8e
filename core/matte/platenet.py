"""The matter that cleanplate ships: platenet at a working size, refined at full resolution."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import cv2

from core.matte.columns import Columns, change_of, distance_of
from core.matte.desks import Desk, Desks
from core.matte.doubt import PlateDoubt
from core.matte.looks import may_lack, with_edges_of, with_large_of
from core.matte.overlooked import evidence_of, with_overlooked
from core.matte.prior import SelfieSegmenter, inside_people, near_people, near_people_small
from core.matte.refine import Refiner, snapped
from core.matte.shaded import shaded_room, without_shaded
from core.matte.working_size import AFAR_PIXELS, WORKING_PIXELS, platenet_size, shrink_into, shrunk_room
from core.runtime.base import PlateNetRuntime
from core.types import U8, Coarse, Room, SeenRoom


class PlateMatter:
    """Matter (see core.types) made of platenet, a segmenter's prior and a refiner.

    With a plate the network looks at the columns in which somebody is (see ColumnFinder); elsewhere is
    nobody. The prior is computed on every frame: it carries the regime without a plate, where only what is
    near to somebody in its eyes may be a person, and what is well inside is one; by itself the network sees
    people in a room, and takes bare arms and shirts for it. With a plate it overlooks whoever is small,
    which training hardly showed: somebody is where the prior is sure and the room clearly another. The alpha
    of the frame before is no input: fed back, it bought 4 % of error and kept a ghost of whoever left the
    picture within one frame, which is the room shown. So a matte depends on its own frame alone, but for
    which columns are looked at and, by some pixels, what the segmenter sees of them; and frames may change
    their size.

    Somebody's shadow is taken out where the room's own pattern shows what it is (see shaded).

    Where the plate is wrong all of the room is new to the network. So a doubting matter asks the segmenter
    too: a plate by which much appears at once where that sees nobody is not used for this frame (see doubt).
    """

    def __init__(
        self,
        make_runtime: Callable[[tuple[int, int]], PlateNetRuntime],
        segmenter: SelfieSegmenter | None,
        refiner: Refiner | None,
        working_pixels: int = WORKING_PIXELS,
        impatient: bool = False,
        closer_pixels: int | None = None,
        doubting: bool = False,
    ) -> None:
        """make_runtime: takes a working size (width, height), on any thread. refiner None: bilinear
        upsampling. working_pixels, closer_pixels: see work_at. impatient: no frame waits for fewer columns,
        or another working size, to be made ready. doubting: see the class; a film may be about a dog or a
        car.
        """
        self._segmenter, self._refiner = segmenter, refiner
        self._desks = Desks(make_runtime)
        self._working_pixels, self._impatient = working_pixels, impatient
        self._closer_pixels = closer_pixels
        self._doubt = PlateDoubt() if doubting else None
        self._frame_size = (0, 0)
        self._desk: Desk | None = None
        self._next: tuple[Future[Desk], int | None] | None = None  # and its closer_pixels
        self._held: _HeldRoom | None = None  # what `matte` was given last
        self._expected: tuple[U8, Desk, Callable[[], U8] | None] | None = None

    @property
    def working_size(self) -> tuple[int, int]:
        """(width, height) at which the last frame was looked at; (0, 0) before there was one."""
        return (0, 0) if self._desk is None else self._desk.size

    @property
    def closer_size(self) -> tuple[int, int] | None:
        """(width, height) of the second look, where there is a plate; None without one."""
        return None if self._desk is None else self._closer_than(self._desk.size, self._closer_pixels)

    def work_at(self, working_pixels: int, closer_pixels: int | None = None) -> None:
        """Looks at coming frames at about so many pixels: see `platenet_size`. An impatient matter does so
        from the frame on for which the networks of that size are ready. To be called between frames.

        closer_pixels: of a second look, see `_looked_closer`; None spares that, and the segmenter's look at
        the head.
        """
        self._working_pixels, self._next = working_pixels, None
        if self._desk is None:
            self._closer_pixels = closer_pixels
            return
        size = platenet_size(self._frame_size, working_pixels)
        closer = self._closer_than(size, closer_pixels)
        if not self._impatient or (size, closer) == (self._desk.size, self.closer_size):
            self._closer_pixels = closer_pixels
            self._move_to(self._desks.at(size))
            return
        share = None if size == self._desk.size else self._desk.share
        self._next = self._desks.made_ready(size, share, closer), closer_pixels

    def _closer_than(self, size: tuple[int, int], closer_pixels: int | None) -> tuple[int, int] | None:
        """Where a second look would be taken; None where it would see no more."""
        if closer_pixels is None:
            return None
        closer = platenet_size(self._frame_size, closer_pixels)
        return None if closer == size else closer

    @property
    def changing_size(self) -> bool:
        """Whether another working size is being made ready."""
        return self._next is not None

    def reset(self) -> None:
        """Looks for people anew; there is nothing else to forget: see the class."""
        self._drop_expected()
        if self._desk is not None:
            self._desk.finder.forget()
        if self._segmenter is not None:
            self._segmenter.forget()
        if self._doubt is not None:
            self._doubt.forget()

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """Alpha uint8 HxW; see core.types.Matter. The room is taken as unchanged when the same
        array objects come again, so what was made of them is kept."""
        if plate_rgb is None:
            return self.refined(rgb, None, self.coarse(rgb, None))
        held = self._held
        if held is None or held.whole.rgb is not plate_rgb or held.whole.coverage is not coverage:
            held = self._held = _HeldRoom(Room(plate_rgb, coverage))
        return self.refined(rgb, held, self.coarse(rgb, held))

    def expect(self, rgb: U8) -> None:
        """See core.types.PartwiseMatter: the segmenter begins to look, but where a closer look has it look
        at the head too, for which it must be known whether there is a room."""
        self._drop_expected()
        if self._closer_pixels is not None:
            return
        desk = self._prepared((rgb.shape[1], rgb.shape[0]))
        self._expected = rgb, desk, self._begun_on(desk, rgb)

    def coarse(self, rgb: U8, room: SeenRoom | None) -> Coarse:
        """See core.types.PartwiseMatter."""
        desk = self._prepared((rgb.shape[1], rgb.shape[0]))
        first = self._looked(desk, rgb, room)
        if room is None or first.doubted:
            return first
        size = self.closer_size
        return first if size is None else self._looked_closer(desk, self._desks.at(size), rgb, room, first)

    def _looked_closer(self, desk: Desk, closer: Desk, rgb: U8, room: SeenRoom, first: Coarse) -> Coarse:
        """A look at a larger size that moves edges and nothing else: see `with_edges_of`.

        Without a plate it would not even draw them better.
        """
        ready = closer.runtimes if self._impatient else ()
        columns = closer.finder.around(first.alpha_u8, ready)
        second = self._look_again(desk, closer, rgb, room, columns)
        return Coarse(first.alpha_u8, second.rgb, lambda: with_edges_of(first.finish(), second.finish()))

    def _looked_from_afar(self, desk: Desk, rgb: U8, room: SeenRoom, near: U8, first: Coarse) -> Coarse:
        """A look at a smaller size, which sees more of what is around: see `with_large_of`.

        Taken at every frame, not only where somebody may be lost, it would find more things in hand, and more
        of the room.
        """
        afar = self._desks.at(platenet_size(self._frame_size, AFAR_PIXELS))
        if afar is desk:
            return first
        whole = afar.finder.whole
        if self._impatient and whole.width not in afar.runtimes:
            self._desks.open(afar, whole.width)
            return first
        look = self._look_again(desk, afar, rgb, room, whole)
        return replace(
            first,
            alpha_u8=with_large_of(first.alpha_u8, look.alpha_u8, near),
            finish=lambda: with_large_of(first.finish(), look.finish(), near),
        )

    def _look_again(self, desk: Desk, other: Desk, rgb: U8, room: SeenRoom, columns: Columns) -> Coarse:
        """The network at another size, with the prior of the first."""
        self._take(other, rgb)
        cv2.resize(desk.prior, other.size, dst=other.prior, interpolation=cv2.INTER_LINEAR)
        small = room.small(other.size)
        coverage = other.everywhere if small.coverage is None else small.coverage
        return self._look(other, small.rgb, coverage, columns)

    def _looked(self, desk: Desk, rgb: U8, room: SeenRoom | None) -> Coarse:
        looking = self._looking_at(desk, rgb, closely=self._closer_pixels is not None and room is not None)
        if room is None:
            return self._by_looks(desk, self._mask(desk, looking))
        small = room.small(desk.size)
        coverage = desk.everywhere if small.coverage is None else small.coverage
        apart = distance_of(desk.frame, small)
        change = change_of(apart)
        likely = desk.finder.now
        if likely.width in desk.runtimes:  # the segmenter has one thread now, so this one has time
            self._show(desk, small.rgb, coverage, likely)
        mask = self._mask(desk, looking)
        ready = (*desk.runtimes, desk.size[0]) if self._impatient else ()
        columns = desk.finder.find(change, mask, ready)
        coarse = self._look(desk, small.rgb, coverage, columns)
        if self._impatient:
            self._desks.open(desk, desk.finder.wished)
        if desk.finder.too_few(columns, coarse.alpha_u8):
            coarse = self._look(desk, small.rgb, coverage, desk.finder.whole)
        if mask is None:
            return coarse
        evidence = evidence_of(mask, apart, coarse.alpha_u8)
        if evidence is not None:
            coarse = _altered(coarse, lambda alpha: with_overlooked(alpha, evidence))
        near = near_people_small(mask)
        if may_lack(coarse.alpha_u8, mask):
            coarse = self._looked_from_afar(desk, rgb, room, near, coarse)
        if small.coverage is not None:
            inside = cv2.bitwise_and(inside_people(mask), cv2.bitwise_not(coverage))
            around = cv2.resize(near, desk.size, interpolation=cv2.INTER_LINEAR)
            coarse = _limited(coarse, cv2.max(around, coverage), inside)
        if self._doubt is not None and self._doubt.of(coarse.alpha_u8, near):
            desk.shown = None  # else the network would go on seeing the plate
            return replace(self._by_looks(desk, mask), doubted=True)
        shaded = shaded_room(desk.frame, small.rgb, small.coverage, near, coarse.alpha_u8)
        if shaded is not None:  # after the doubt, which is to see all of what a lamp that went out bares
            coarse = _altered(coarse, lambda alpha: without_shaded(alpha, shaded))
        return coarse

    def _by_looks(self, desk: Desk, mask: U8 | None) -> Coarse:
        coarse = self._look(desk, desk.nothing, desk.nowhere, desk.finder.whole)
        return coarse if mask is None else _limited(coarse, near_people(mask), inside_people(mask))

    def _looking_at(self, desk: Desk, rgb: U8, closely: bool) -> Callable[[], U8] | None:
        """Prepares a frame; the segmenter's look at it, None without one, which may be under way already."""
        if self._expected is not None:
            expected, there, looking = self._expected
            if expected is rgb and there is desk:
                self._expected = None
                return looking
        self._drop_expected()
        return self._begun_on(desk, rgb, closely)

    def _begun_on(self, desk: Desk, rgb: U8, closely: bool = False) -> Callable[[], U8] | None:
        self._take(desk, rgb)
        return None if self._segmenter is None else self._segmenter.begin(desk.frame, closely)

    def _drop_expected(self) -> None:
        """A frame was expected in vain: a look that was begun must come to its end before the next."""
        if self._expected is not None:
            _, _, looking = self._expected
            self._expected = None
            if looking is not None:
                looking()

    def refined(self, rgb: U8, room: SeenRoom | None, coarse: Coarse) -> U8:
        """See core.types.PartwiseMatter."""
        alpha = coarse.finish()
        if self._refiner is not None:
            part = None if room is None or coarse.doubted else room.part
            return self._refiner.refine(rgb, part, coarse.rgb, alpha)
        size = (rgb.shape[1], rgb.shape[0])
        return snapped(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR))

    def _look(self, desk: Desk, plate: U8, coverage: U8, columns: Columns) -> Coarse:
        """The network on some columns of the frame that was prepared, zero beyond them."""
        if desk.shown != columns:
            self._show(desk, plate, coverage, columns)
        rough, finish = self._desks.runtime(desk, columns.width).begin(desk.prior[columns.where])
        kept = desk.frame.copy()  # the next one is written over this one
        if columns == desk.finder.whole:
            return Coarse(rough, kept, finish)
        return Coarse(desk.spread(rough, columns), kept, lambda: desk.spread(finish(), columns))

    def _take(self, desk: Desk, rgb: U8) -> None:
        """Prepares a frame to be looked at."""
        shrink_into(rgb, desk.frame)
        desk.shown = None

    def _show(self, desk: Desk, plate: U8, coverage: U8, columns: Columns) -> None:
        """Gives the network all but the prior."""
        runtime = self._desks.runtime(desk, columns.width)
        runtime.show(desk.frame[columns.where], *desk.part(plate, coverage, columns))
        desk.shown = columns

    def _mask(self, desk: Desk, looking: Callable[[], U8] | None) -> U8 | None:
        """The segmenter's mask, which becomes the prior."""
        if looking is None:
            return None
        desk.prior = looking()
        return desk.prior

    def _prepared(self, frame_size: tuple[int, int]) -> Desk:
        """Where frames of this size are looked at now."""
        if frame_size != self._frame_size or self._desk is None:
            self._frame_size, self._next = frame_size, None
            desk = self._move_to(self._desks.at(platenet_size(frame_size, self._working_pixels)))
            desk.finder.forget()  # also where it is looked at in the same size: people are elsewhere in it
            return desk
        if self._next is not None and self._next[0].done():
            (made, closer_pixels), self._next = self._next, None
            desk, self._closer_pixels = made.result(), closer_pixels
            return self._move_to(desk)
        return self._desk

    def _move_to(self, desk: Desk) -> Desk:
        if desk is not self._desk:
            desk.finder.forget()
            self._desk = desk
        return desk


def _limited(coarse: Coarse, most: U8, least: U8) -> Coarse:
    """A matte that is nowhere above or below what it may be, both uint8 of the working size."""

    def within(alpha: U8) -> U8:
        size = alpha.shape[::-1]
        bounds = (
            b if b.shape == alpha.shape else cv2.resize(b, size, interpolation=cv2.INTER_AREA)
            for b in (most, least)
        )
        return cv2.max(cv2.min(alpha, next(bounds)), next(bounds))

    return _altered(coarse, within)


def _altered(coarse: Coarse, change: Callable[[U8], U8]) -> Coarse:
    """A matte that is changed, so far and when it is finished."""
    return replace(coarse, alpha_u8=change(coarse.alpha_u8), finish=lambda: change(coarse.finish()))


class _HeldRoom:
    """SeenRoom of a room that is given whole."""

    def __init__(self, whole: Room) -> None:
        self.whole, self.part = whole, whole.part
        self._shrunk: dict[tuple[int, int], Room] = {}

    def small(self, size: tuple[int, int]) -> Room:
        if size not in self._shrunk:
            self._shrunk[size] = shrunk_room(self.whole, size)
        return self._shrunk[size]
