"""The renderer: warps the plate, runs the network, composites. OpenCV for the pixels.

Fail closed: what is not surely the person is the backdrop. Without a usable plate and with a plate
lost, the network works from looks alone, and in the latter case only what it is sure of is shown. A plate
that the matter doubts is lost for that frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from core.render.backdrops import Backdrop, Background, Kind
from core.render.behind import Behind, Wanted, refuse_change
from core.render.blur import RoomBlur
from core.render.composite import (
    bounds,
    fgr_with_room,
    fgr_without_room,
    looked_around_px,
    over,
    three,
    unmultiplied,
)
from core.render.room import RoomWarper, begin_matte
from core.types import (
    U8,
    Alignment,
    Begun,
    Frame,
    Matter,
    PartwiseMatter,
    Picture,
    Plate,
    Room,
    SeenRoom,
    State,
)

HIDDEN_RGB = (32, 34, 38)  # what stands behind while nothing of the room may be shown
SURE_FROM = 0.6  # alpha below which a lost plate hides a pixel wholly
DOUBT = "too much is not as in the plate, where nobody is seen"


class Compositor:
    """Renderer (see core.types) for one plate, one background, one network."""

    def __init__(
        self,
        plate: Plate | None,
        matter: Matter,
        background: Background,
        backdrop: Backdrop | None,
        when_lost: str = "hide",
    ) -> None:
        """
        Args:
            plate: the empty room, or None.
            background: what the user asked for. backdrop: its pictures for COLOUR, PICTURE and VIDEO.
            when_lost: "hide", "blur" or "freeze": what to do while the plate does not fit.
        """
        self._warper = RoomWarper(plate) if plate is not None else None
        self._matter = matter
        self._behind = self._finished = Behind.of(background, backdrop, plate)
        self._wanted = Wanted()
        self._heavy_blur = RoomBlur(1.0, None)
        self._when_lost = when_lost
        self._was_usable = False
        self._last: Picture | None = None
        self._last_usable: Alignment | None = None

    def render(self, frame: Frame, alignment: Alignment) -> Picture:
        """Both steps at once."""
        return self.begin(frame, alignment).finish()

    def expect(self, frame: Frame) -> None:
        """See core.types.Renderer."""
        if self._behind.background.kind is not Kind.NONE and isinstance(self._matter, PartwiseMatter):
            self._matter.expect(frame.rgb)

    def begin(self, frame: Frame, alignment: Alignment) -> Begun:
        """See core.types.Renderer: the network's part, up to a matte at its own size."""
        if (wanted := self._wanted.take()) is not None:
            self._behind = wanted.before(self._behind.plate)
        if self._behind.background.kind is Kind.NONE:
            picture = Picture(frame.rgb, None, frame.time_ns, frame.index)
            return Begun(None, lambda: picture)
        room = None
        if self._warper is not None and alignment.usable:
            room = self._warper.room(alignment, frame.size)
        if (room is not None) != self._was_usable:
            self._was_usable = room is not None
            self._matter.reset()  # the history belongs to another regime
        matte = begin_matte(self._matter, frame.rgb, room)
        doubt = DOUBT if matte.doubted else ""
        if doubt:
            room, alignment = None, replace(alignment, H=None, state=State.LOST, reason=doubt)
        so_far = matte.alpha_u8
        if alignment.state is State.LOST:
            so_far = cv2.LUT(so_far, _SURE_ONLY)
        finish = partial(self._finish, self._behind, frame, alignment, room, matte.finish)
        return Begun(so_far, finish, doubt)

    def prepare(self, plate: Plate) -> Callable[[], None]:
        """Makes what rendering needs of a refreshed plate, on any thread.

        Returns: what puts it in place, for the thread of `begin`. The network's history stays: it is
        the same room.
        """
        warper, blur = RoomWarper(plate), RoomBlur(self._behind.background.strength, plate)

        def replace() -> None:
            self._warper, self._behind = warper, self._behind.before(plate, blur)

        return replace

    def renew(self, plate: Plate) -> Callable[[], None]:
        """As `prepare`, of another plate: nothing that was learnt with the one before stays."""
        put_in_place = self.prepare(plate)

        def replace() -> None:
            put_in_place()
            self._was_usable, self._last_usable = False, None
            self._matter.reset()

        return replace

    def change(self, background: Background, backdrop: Backdrop | None) -> None:
        """From the next frame on that stands behind. On any thread; what it needs is made here.

        backdrop: as for `Compositor`, and from here on ours: it is closed when no frame needs it any more.
        Raises: SettingsError for what cannot be changed to or from while frames come (see `refuse_change`).
        """
        refuse_change(self._behind.background, background)
        self._wanted.put(Behind.of(background, backdrop, self._behind.plate))

    def close(self) -> None:
        """Closes the backdrop, too. Safe to call twice."""
        self._last = None
        for behind in (self._wanted.take(), self._behind, self._finished):
            if behind is not None:
                behind.close()

    def _finish(
        self,
        behind: Behind,
        frame: Frame,
        alignment: Alignment,
        room: SeenRoom | None,
        alpha_of: Callable[[], U8],
    ) -> Picture:
        if behind.background is not self._finished.background:  # in the frames' order: none needs it any more
            self._finished.close()
            self._last = None  # what is held while the plate is lost has it behind the person
        self._finished = behind
        alpha, lost = alpha_of(), alignment.state is State.LOST
        if lost:
            alpha = cv2.LUT(alpha, _SURE_ONLY)
            if (
                self._when_lost == "freeze"
                and self._last is not None
                and self._last.rgb.shape == frame.rgb.shape
            ):
                held = self._last
                return Picture(held.rgb, held.alpha_u8, frame.time_ns, frame.index, straight=held.straight)
        picture = self._compose(behind, frame, alpha, room, alignment)
        if not lost and self._when_lost == "freeze":
            self._last = picture
        return picture

    def _compose(
        self, behind: Behind, frame: Frame, alpha: U8, room: SeenRoom | None, alignment: Alignment
    ) -> Picture:
        straight = behind.background.kind is Kind.TRANSPARENT
        where = bounds(alpha)
        alpha3 = three(np.ascontiguousarray(alpha[where])) if alpha[where].size else alpha[where]
        if straight:
            out = np.zeros_like(frame.rgb)
        else:
            out = self._picture_of(behind, frame, alpha, alignment)
        if alpha3.size:
            here = None if room is None else room.part(where)
            fgr = premultiplied_fgr(frame.rgb[where], alpha[where], alpha3, here, frame.size[0])
            out[where] = unmultiplied(fgr, alpha3) if straight else over(fgr, alpha3, out[where])
        return Picture(out, alpha, frame.time_ns, frame.index, straight=straight)

    def _picture_of(self, behind: Behind, frame: Frame, alpha: U8, alignment: Alignment) -> U8:
        """The picture behind the person, uint8 HxWx3, for the caller to draw on."""
        if behind.background.kind is not Kind.BLUR:
            assert behind.backdrop is not None
            return behind.backdrop.picture(frame.size, frame.time_ns).copy()
        if self._warper is not None and alignment.usable:
            self._last_usable = alignment
        elif alignment.state is not State.LOST:
            return behind.blur.of_frame(frame.rgb, alpha)
        elif self._when_lost == "blur":
            return self._heavy_blur.of_frame(frame.rgb, alpha)
        if self._last_usable is None:
            return np.full_like(frame.rgb, HIDDEN_RGB)
        return behind.blur.of_plate(self._last_usable, frame.size)  # nothing of this frame is in it


def premultiplied_fgr(rgb: U8, alpha: U8, alpha3: U8, room: Room | None, of_width: int | None = None) -> U8:
    """Premultiplied foreground, with the known room where it is known, else with estimated colours.

    of_width: width of the frame that all are a part of; None: the whole.
    """
    of_width = of_width or alpha.shape[1]
    if room is None:
        return fgr_without_room(rgb, alpha, of_width)
    fgr = fgr_with_room(rgb, alpha3, room.rgb)
    if room.coverage is None:
        return fgr
    # Only a mixed pixel needs the room: a handful at the frame's border, where the camera shakes.
    wanted = cv2.bitwise_and(cv2.inRange(alpha, 1, 254), cv2.bitwise_not(room.coverage))
    where = bounds(wanted)
    if wanted[where].size:
        reach = looked_around_px(of_width)
        around = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in where)
        estimated = fgr_without_room(rgb[around], alpha[around], of_width)
        cv2.copyTo(estimated, wanted[around], fgr[around])
    return fgr


_SURE_ONLY = np.clip((np.arange(256) / 255 - SURE_FROM) / (1 - SURE_FROM) * 255, 0, 255).astype(np.uint8)
