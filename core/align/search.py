"""Looks for the plate all over the picture: one search at a time, ever more rarely while none finds it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import cv2
import numpy as np

from core.align.relocalise import Found, Relocaliser
from core.align.template import LEVELS
from core.align.turn import likely_turns
from core.align.views import SmallFrame, SmallView
from core.types import F32, F64

Place = tuple[int, F64]  # index of a view, and its homography to the frame, in working pixels
Search = Callable[[], list[Found]]
Submit = Callable[[Search], "Future[list[Found]]"]

_PAUSE_MAX = 16  # frames between searches for a plate that was not found again and again,
_PAUSE_MAX_DOUBT = 256  # and for a better place than where it is followed
_CALM = 64  # frames without a doubt after which one is new
_BEST = 2  # guesses of features that are worth a fit


class PlateSearch:
    """Searches for a plate of these views.

    submit: runs a search elsewhere (a worker thread) and returns its future; None searches at once.
    relocaliser: what searches; None makes one for the first time that it is needed.
    """

    def __init__(
        self, views: list[SmallView], submit: Submit | None, relocaliser: Relocaliser | None
    ) -> None:
        self._views, self._submit, self._relocaliser = views, submit, relocaliser
        self._pending: Future[list[Found]] | None = None
        self._pause, self._waited, self._sure_frames = 1, 0, 0

    @property
    def at_once(self) -> bool:
        """Whether a search is answered in the frame that asks for it."""
        return self._submit is None

    def begin_again(self) -> None:
        """The next search need not wait: the plate was found, or all is new."""
        self._pause, self._waited, self._sure_frames = 1, 0, 0

    def sure(self) -> None:
        """The place that is followed is not doubted in this frame. The next search need not wait after many
        of these in a row, and no sooner: a place may be doubted in every other frame, as behind a chair that
        was moved."""
        self._sure_frames += 1
        if self._sure_frames == _CALM:
            self.begin_again()

    def drop(self) -> None:
        """Forgets a search that is under way."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def guesses(
        self,
        small: SmallFrame,
        hidden: F32 | None,
        around: Place,
        *,
        urgent: bool = False,
        followed: bool = False,
    ) -> list[Found] | None:
        """Where the plate may be: in this frame, or in the one that the search was begun with; None while
        one is under way, or waits for its turn.

        hidden: where the person is, 0..1, of any size. around: from where the camera may have turned.
        urgent: it is its turn. followed: there is a place already, which is only doubted.
        """
        self._sure_frames = 0
        if self._pending is not None:
            if not self._pending.done():
                return None
            done, self._pending = self._pending, None  # a search that raised is not asked again
            found = done.result()
        else:
            self._waited += 1
            if self._waited < self._pause and not urgent:
                return None
            self._waited = 0
            search = self._of(small, hidden, around)
            if self._submit is not None:
                self._pending = self._submit(search)
                return None
            found = search()
        self._pause = min(2 * self._pause, _PAUSE_MAX_DOUBT if followed else _PAUSE_MAX)
        return found

    def _of(self, small: SmallFrame, hidden: F32 | None, around: Place) -> Search:
        if self._relocaliser is None:
            self._relocaliser = Relocaliser([(view.grey, view.coverage) for view in self._views])
        usable = None
        if hidden is not None:
            shown = ((1 - hidden) * 255).astype(np.uint8)
            usable = np.asarray(cv2.resize(shown, small.size, interpolation=cv2.INTER_NEAREST), np.uint8)
        relocaliser = self._relocaliser
        grey = small.grey if self.at_once else small.grey.copy()  # the next frame is written over it
        coarsest = small.level(LEVELS - 1)
        view, H = around
        template = self._views[view].template

        def search() -> list[Found]:
            found = relocaliser.find(grey, usable)[:_BEST]
            if template is not None and not any(guess.sure for guess in found):
                found += [Found(view, turn) for turn in likely_turns(template, coarsest, H, hidden)]
            return found

        return search
