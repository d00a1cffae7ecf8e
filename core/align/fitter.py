"""Fits of a plate's views to a frame, from one start or from many, and which of two is to be believed."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from core.align.follow import COARSE_TO_FINE, SLOW, Fit, Plan, follow
from core.align.geometry import corner_shift_px, nearest_turn, plausible
from core.align.judge import LEAST_CELLS, NOTHING_SEEN, Needed, Verdict, needed
from core.align.refine import Belief
from core.align.relocalise import Found
from core.align.search import Place
from core.align.template import FOCAL, Template
from core.align.views import SmallFrame, SmallView, scaled_size
from core.types import F32, F64, U8

_SURE_START_PX = 2.0  # a fit this near to its start needs no second opinion; working pixels
DOUBTFUL = 0.9  # score while the person is known; below it, others are asked too
FINISHED = 0.95  # score while the person is known; below it, a fit may not have got there
_MORE_ROUNDS = 4
_MASK_SIDE = 80  # px, the longer side of the remembered alpha
_MASK_GROW = 5  # px of that mask: how far a person moves between two frames
_MASK_ALPHA = 20  # of 255
_MASK_FULL = 0.9  # a mask over more than this share is the network being lost, not a person
_TURN_PX = 12.0  # a homography this close to a turned camera's is tried as one
_AGAINST = 2  # cells that agree, of one that differs, between two places where the plate may be


class Fitter:
    """Views of one plate, and where the person is that hides them.

    hidden: float32 of any size, 0..1; None while nobody has said.
    """

    def __init__(self, views: list[SmallView]) -> None:
        self._views = views
        self.hidden: F32 | None = None

    def learn(self, frame_size: tuple[int, int], alpha_u8: U8 | None) -> None:
        """Takes a matte (uint8 HxW, or None) as where the person is, grown by how far one may move until the
        next frame."""
        if alpha_u8 is None:
            self.hidden = None
            return
        size = scaled_size(frame_size, _MASK_SIDE)
        # Every fourth pixel first: averaging all of them would cost half of a held frame.
        sparse = (min(4 * size[0], alpha_u8.shape[1]), min(4 * size[1], alpha_u8.shape[0]))
        coarse = cv2.resize(
            cv2.resize(alpha_u8, sparse, interpolation=cv2.INTER_NEAREST), size, interpolation=cv2.INTER_AREA
        )
        grown = cv2.dilate((coarse >= _MASK_ALPHA).astype(np.float32), np.ones((_MASK_GROW, _MASK_GROW)))
        self.hidden = None if float(grown.mean()) > _MASK_FULL else np.asarray(grown, np.float32)

    def template(self, view: int) -> Template:
        template = self._views[view].template
        assert template is not None, "views below MIN_SIDE are turned away before"
        return template

    def textured(self, view: int) -> int:
        """Cells of that view that can be compared."""
        return self.template(view).textured_cells

    @property
    def needed(self) -> Needed:
        return needed(person_known=self.hidden is not None)

    def good(self, view: int, verdict: Verdict, least: float) -> bool:
        """Whether the plate may be there. least: score, one of `needed`."""
        return verdict.fits(least, self.textured(view))

    def doubtful(self, verdict: Verdict) -> bool:
        """A person that is masked explains no cells that differ."""
        return self.hidden is not None and verdict.score < DOUBTFUL

    def unfinished(self, verdict: Verdict) -> bool:
        """Likewise: the fit may have stopped short."""
        return self.hidden is not None and verdict.score < FINISHED

    def weight(self, verdict: Verdict) -> int:
        """What is said for a place. While nobody has said where the person is, most that differs is the
        person."""
        return verdict.agree - (0 if self.hidden is None else _AGAINST * verdict.differ)

    def fit(self, small: SmallFrame, place: Place, plan: Plan, belief: Belief) -> Fit:
        """The fit that starts at a place."""
        view, start = place
        if self.textured(view) < LEAST_CELLS:  # a view of a sweep that shows a blank wall
            return Fit(start, belief, NOTHING_SEEN, None, np.inf)
        return follow(self.template(view), small, start, belief, self.hidden, plan)

    def fit_fully(self, small: SmallFrame, place: Place, belief: Belief) -> Fit:
        """A fit from a poor start."""
        return self.more_fully(small, place[0], self.fit(small, place, COARSE_TO_FINE, belief))

    def more_fully(self, small: SmallFrame, view: int, fit: Fit) -> Fit:
        """A fit gone on with for as long as it wins over more cells."""
        for _ in range(_MORE_ROUNDS):
            if fit.verdict.agree < LEAST_CELLS:
                break
            again = self.fit(small, (view, fit.H), SLOW, fit.belief)
            if again.verdict.agree <= fit.verdict.agree:
                break
            fit = again
        return fit

    def from_guesses(
        self, guesses: list[Found], small: SmallFrame, but_here: Place | None = None
    ) -> Iterator[tuple[int, Fit, float]]:
        """Fits from where a search says that the plate may be: view, fit, and the score that it needs there.
        but_here: it is known how well it fits there."""
        for guess in guesses:
            if but_here is not None and self.near((guess.view, guess.H), but_here):
                continue
            if not plausible(guess.H, self._views[guess.view].size, small.size):
                continue
            least = self.needed.enter if guess.sure else self.needed.enter_far
            starts = self.turned_first((guess.view, guess.H), small) if guess.inliers else [guess.H]
            for start in starts:
                carried = guess.inliers > 0 and start is guess.H
                fit = self.fit_fully(small, (guess.view, start), Belief.fresh(cold=carried))
                yield guess.view, fit, least

    def turned_first(self, place: Place, small: SmallFrame) -> list[F64]:
        """H of a place as a turning camera would have it, which noise in few points cannot bend, then as it
        is."""
        view, H = place
        turn = nearest_turn(H, self._views[view].size, small.size, FOCAL)
        near = corner_shift_px(turn, H, self._views[view].size) < _TURN_PX
        return [turn, H] if near else [H]

    def near(self, place: Place, other: Place) -> bool:
        """Whether a fit from the one would get to the other."""
        size = self._views[place[0]].size
        return place[0] == other[0] and corner_shift_px(place[1], other[1], size) < _SURE_START_PX
