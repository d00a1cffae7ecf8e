"""Follows the plate from frame to frame: holds still, follows, leaps, or looks for it anew.

Every frame is compared with the plate itself and never with the last frame, so nothing drifts.
All geometry in here is in working pixels (about 640x360) of one view; `update` speaks full size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.align.fitter import DOUBTFUL, Fitter
from core.align.flat import FlatPlate
from core.align.follow import COARSE_TO_FINE, SLOW, Fit, Plan, look_at
from core.align.geometry import corner_shift_px, inverse, oriented, plausible
from core.align.hold import LEAVE_AT_ONCE_PX, SURE, Held
from core.align.judge import LEAST_CELLS, NOTHING_SEEN, Verdict, is_dark, judge
from core.align.leap import leap
from core.align.mesh import RoomMesh
from core.align.refine import Belief, Comparison, Step, solve, stepped
from core.align.relight import LIGHT_EVERY, LIGHT_EVERY_MOVING, RoomLight
from core.align.relocalise import Relocaliser
from core.align.search import Place, PlateSearch, Submit
from core.align.template import MIN_SIDE, Template
from core.align.views import WORK_SIDE, SmallFrame, SmallView, Workspace, resize_map, scaled_size, small_views
from core.types import F32, F64, NO_PLATE, U8, Alignment, Frame, Light, Plate, State

# All px are of the working picture.
SETTLE_PX = 0.12  # motion over SETTLE_FRAMES below which the camera stands still
SETTLE_FRAMES = 5
_DAMPING = 0.8  # of the last velocity; hands swing back
_SLOW_PX = 1.8  # a frame; further, the fine levels alone may stop short
_FAST_PX = 1.0  # a frame; slower, the last place is as good a start as the predicted one
_CLEARLY = 4  # cells: what speaks more for another place than for the one that is followed
_BETTER_VIEW = 0.7  # another view must be this much nearer before it takes over


class PlateAligner:
    """The aligner for a plate of any size. One thread calls everything.

    Args:
        plate: one view or a sweep.
        frame_size: (width, height) of the frames; another size later starts afresh.
        seed: which pixels of the plate are compared.
        submit: runs a search for the plate elsewhere (a worker thread) and returns its future;
            None searches at once, which costs that frame about 60 ms.
        relocaliser: another one than SIFT, for comparisons.
        bend: whether a mesh may be added where one homography leaves a residual.
    """

    def __init__(
        self,
        plate: Plate,
        frame_size: tuple[int, int],
        *,
        seed: int = 0,
        submit: Submit | None = None,
        relocaliser: Relocaliser | None = None,
        bend: bool = True,
    ) -> None:
        self._bend = bend
        self._plate, self._seed = plate, seed
        self._views = small_views(plate, seed)
        self._fitter = Fitter(self._views)
        self._elsewhere = PlateSearch(self._views, submit, relocaliser)
        self._flat = FlatPlate(self._views[0])
        self._held: Held | None = None
        self._begin(frame_size)

    def update(self, frame: Frame) -> Alignment:
        """Alignment of this frame. Never raises for what a camera may show."""
        if frame.size != self._size:
            self._begin(frame.size)
        small = SmallFrame(frame, self._work, colours=self._held is None)
        if min(small.size) < MIN_SIDE or min(self._view.size) < MIN_SIDE:
            return self._lost("the picture is too small to compare with the plate")
        if is_dark(small.blurred):
            return self._lost("too dark to see the plate")
        if len(self._views) == 1 and self._fitter.textured(0) < LEAST_CELLS:
            return self._flat.update(small, self._fitter.hidden, resize_map(self._plate.size, self._size))
        held = self._hold(small) if self._held is not None else None
        if held is not None:
            return held
        self._held = None
        return self._follow(small) if self._H is not None else self._search(small)

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        """Remembers where the person is, grown by how far one may move until the next frame."""
        self._fitter.learn(frame.size, alpha_u8)

    def prepare(self, plate: Plate) -> Callable[[], None]:
        """Makes what is needed of a refreshed plate, on any thread: the colours that light is fitted on.

        Where the camera looks goes on being measured against the plate as it was recorded: a refreshed one
        has taken in what a sagging camera saw, and would say for ever that it stands where it stood.
        plate: of the same size and with views at the same places as the one so far.
        Returns: what puts it in place, for the thread of `update`; where the plate was is kept.
        """
        pictures = [view.light_picture for view in small_views(plate, self._seed)]

        def replace() -> None:
            for view, picture in zip(self._views, pictures, strict=True):
                view.light_picture = picture
            if self._held is not None and self._H is not None:
                self._held.plate_light = self._view.light_in_frame(self._H, self._work_size)

        return replace

    def close(self) -> None:
        """Drops a search that is under way."""
        self._elsewhere.drop()

    def _begin(self, size: tuple[int, int]) -> None:
        """Forgets everything but the plate; frames are of this size from now on."""
        self._size = size
        self._work = Workspace(size)
        self._work_size = scaled_size(size, WORK_SIDE)
        self._frame_from_work = np.linalg.inv(resize_map(size, self._work_size))
        self._index = 0
        self._H: F64 | None = None  # frame's from view's working pixels
        self._last_good: Place | None = None
        self._likely: Place | None = None  # where a search saw it, but too little of it agreed
        self._velocity = np.eye(3)
        self._belief = Belief.fresh()
        self._held = None
        self._recent: list[F64] = []
        self._light, self._mesh = RoomLight(), RoomMesh()
        self._frame_per_work = np.array(size, np.float32) / np.array(self._work_size, np.float32)
        self._fitter.hidden = None
        self.close()
        self._elsewhere.begin_again()
        self._shown_mesh: tuple[F32 | None, F32 | None] = None, None  # in working and in frame pixels

    @property
    def _view(self) -> SmallView:
        return self._views[self._index]

    @property
    def _template(self) -> Template:
        return self._fitter.template(self._index)

    def _good(self, verdict: Verdict, least: float) -> bool:
        """Whether the current view may be there."""
        return self._fitter.good(self._index, verdict, least)

    def _fit(self, small: SmallFrame, start: F64, plan: Plan) -> Fit:
        """Of the current view, going on from where it was."""
        return self._fitter.fit(small, (self._index, start), plan, self._belief)

    def _unmoved(self) -> F64:
        """The current view's H if neither plate nor camera had moved, working pixels."""
        plate_to_work = resize_map(self._plate.size, self._work_size)
        return np.asarray(plate_to_work @ np.linalg.inv(self._view.work_from_plate))

    def _hold(self, small: SmallFrame) -> Alignment | None:
        """The held alignment while the plate still fits where it is; None when it does not."""
        held, H = self._held, self._H
        assert held is not None
        assert H is not None
        look = held.look(small, self._fitter.hidden)
        verdict = judge(look)
        if not self._good(verdict, self._fitter.needed.stay):
            return None
        step = solve(look, self._belief.next_frame(), 1.0)
        if step is None:
            return None
        if self._fitter.doubtful(verdict):
            better = self._better(small, verdict)
            if better is not None:
                self._held = None
                return self._accept(small, better, start_of_motion=None)
        else:
            self._elsewhere.sure()
        if held.fewer_agree(look):
            closer = self._fit(small, H, COARSE_TO_FINE)
            shift_px = corner_shift_px(closer.H, H, self._view.size)
            if shift_px > max(LEAVE_AT_ONCE_PX, SURE * closer.error_px):
                return None
            held.agreed = look.agrees
        if held.left_by(step):
            return None
        creep = held.next_creep
        if creep is not None:
            H = stepped(H, Step(creep, 0.0), self._template.levels[0], self._template.focal)
            self._belief = self._belief.after(creep)
            self._start_hold(H, held.agreed, held.creep - creep)
        self._relight(small, look)
        if held.mesh_is_due:
            assert self._H is not None
            self._unbend(small, look_at(self._template, small, self._H, self._fitter.hidden))
        return self._found(verdict, State.LOCKED, "the camera stands still")

    def _follow(self, small: SmallFrame) -> Alignment:
        """Follows a moving camera from where it was expected, then by a leap; else it is lost."""
        H = self._H
        assert H is not None
        predicted = (np.eye(3) + _DAMPING * (self._velocity - np.eye(3))) @ H
        predicted /= predicted[2, 2]
        fast = corner_shift_px(predicted, H, self._view.size) > _FAST_PX
        starts: list[tuple[F64, Plan]] = [(H, COARSE_TO_FINE)]
        doubtful: Fit | None = None
        if not fast:
            starts.insert(0, (H, SLOW))
        elif plausible(predicted, self._view.size, small.size):
            starts.insert(0, (predicted, COARSE_TO_FINE))
        for start, plan in starts:
            fit = self._fit(small, start, plan)
            if plan is SLOW and corner_shift_px(fit.H, start, self._view.size) > _SLOW_PX:
                continue  # the coarse level should have been asked first
            if self._good(fit.verdict, self._fitter.needed.stay):
                if self._fitter.unfinished(fit.verdict):
                    fit = self._fitter.more_fully(small, self._index, fit)
                    if self._fitter.doubtful(fit.verdict):
                        doubtful = fit
                        break
                return self._accept(small, fit, start_of_motion=H)
        jumped = leap(self._view.grey, self._view.corners, small.grey, H, self._fitter.hidden)
        for start in [] if jumped is None else self._fitter.turned_first((self._index, jumped), small):
            fit = self._fit(small, start, COARSE_TO_FINE)
            if self._good(fit.verdict, self._fitter.needed.enter) and (
                doubtful is None or fit.verdict.score > doubtful.verdict.score
            ):
                self._elsewhere.begin_again()
                return self._accept(small, fit, start_of_motion=H)
        if doubtful is not None:
            better = self._better(small, doubtful.verdict)
            if better is not None:
                return self._accept(small, better, start_of_motion=None)
            return self._accept(small, doubtful, start_of_motion=H)
        self._last_good = (self._index, H)
        self._elsewhere.begin_again()
        lost = self._lost(fit.verdict.words, fit.verdict.score)
        # Without a worker nobody waits for the search, so this frame may as well have its answer.
        return self._search(small) if self._elsewhere.at_once else lost

    def _search(self, small: SmallFrame) -> Alignment:
        """Looks where the plate is likely, where it was last, where it would be unmoved, then everywhere."""
        seen = NOTHING_SEEN
        candidates: list[tuple[int, Fit]] = []
        likely, self._likely = self._likely, None
        self._index = next((i for i, view in enumerate(self._views) if view.is_reference), 0)
        home = self._index, self._unmoved()
        heard = False
        for known in (likely, self._last_good, home):
            if known is None:
                continue
            self._index = known[0]
            fit = self._fitter.fit_fully(small, known, Belief.fresh(cold=known is not likely))
            seen = max(seen, fit.verdict, key=lambda verdict: verdict.score)
            needed = self._fitter.needed
            if self._good(fit.verdict, needed.enter_far if known is likely else needed.enter):
                candidates.append((self._index, fit))
                if self._fitter.near((self._index, fit.H), known):
                    return self._accept(small, fit, start_of_motion=None)
                heard = heard or (known is likely and fit.verdict.score >= DOUBTFUL)
            elif known is likely and fit.verdict.agree >= LEAST_CELLS:
                self._likely = self._index, fit.H
        # A fit that had to go far may have ended anywhere: not before all else has been heard.
        around = home if self._last_good is None else self._last_good
        urgent = bool(candidates) and not heard
        guesses = self._elsewhere.guesses(small, self._fitter.hidden, around, urgent=urgent)
        if guesses is None and not heard:
            return self._lost(seen.words, seen.score)
        best = NOTHING_SEEN
        for view, fit, least in self._fitter.from_guesses(guesses or [], small):
            seen = max(seen, fit.verdict, key=lambda verdict: verdict.score)
            if self._fitter.good(view, fit.verdict, least):
                candidates.append((view, fit))
            elif fit.verdict.agree > max(best.agree, LEAST_CELLS - 1):
                best, self._likely = fit.verdict, (view, fit.H)
        if not candidates:
            return self._lost(seen.words, seen.score)
        self._index, fit = max(candidates, key=lambda candidate: self._fitter.weight(candidate[1].verdict))
        return self._accept(small, fit, start_of_motion=None)

    def _better(self, small: SmallFrame, doubtful: Verdict) -> Fit | None:
        """Where the plate fits clearly better than where it is followed, as far as a search has been heard;
        its view is the current one then."""
        assert self._H is not None
        here, fitter = (self._index, self._H), self._fitter
        guesses = self._elsewhere.guesses(small, fitter.hidden, here, followed=True)
        best, weight = None, fitter.weight(doubtful) + _CLEARLY
        for view, fit, least in fitter.from_guesses(guesses or [], small, but_here=here):
            if fitter.weight(fit.verdict) < weight or not fitter.good(view, fit.verdict, least):
                continue
            if fitter.near((view, fit.H), here):
                continue  # following will get there
            best, weight, self._index = fit, fitter.weight(fit.verdict), view
        return best

    def _accept(self, small: SmallFrame, fit: Fit, start_of_motion: F64 | None) -> Alignment:
        """Takes the fit as where the plate is now, and settles when it has not moved for a while."""
        assert fit.look is not None
        calm = max(SETTLE_PX, fit.error_px)
        if not self._fitter.doubtful(fit.verdict):
            self._elsewhere.sure()
        self._likely = None
        self._belief = fit.belief
        if start_of_motion is None:
            self._velocity, self._recent, moved_px = np.eye(3), [], 0.0
            self._belief = fit.belief.settled()
        else:
            self._velocity = fit.H @ np.linalg.inv(start_of_motion)
            self._velocity /= self._velocity[2, 2]
            moved_px = corner_shift_px(fit.H, start_of_motion, self._view.size)
        self._H = fit.H
        self._recent = [*self._recent[1 - SETTLE_FRAMES :], fit.H]
        unmoved = self._unmoved()
        if start_of_motion is None and corner_shift_px(fit.H, unmoved, self._view.size) < calm:
            self._start_hold(unmoved, fit.look.agrees)  # the plate's own pixels: nothing to resample
        elif len(self._recent) == SETTLE_FRAMES and self._calm(calm):
            self._start_hold(np.mean(self._recent, axis=0), fit.look.agrees)
        elif len(self._views) > 1:
            self._change_view(small)
        self._relight(small, fit.look)
        self._unbend(small, fit.look)
        if self._held is not None:
            return self._found(fit.verdict, State.LOCKED, "the camera stands still")
        return self._found(fit.verdict, State.TRACKING, f"following {moved_px:.1f} px a frame")

    def _calm(self, limit_px: float) -> bool:
        last = self._recent[-1]
        return all(corner_shift_px(H, last, self._view.size) < limit_px for H in self._recent[:-1])

    def _start_hold(self, H: F64, agreed: NDArray[np.bool_], creep: F64 | None = None) -> None:
        self._H = H / H[2, 2]
        self._velocity, self._recent = np.eye(3), []
        light = self._view.light_in_frame(self._H, self._work_size)
        self._held = Held(self._template, self._H, self._full(self._H), light, agreed, creep)

    def _change_view(self, small: SmallFrame) -> None:
        """Goes over to the view of a sweep that the camera now looks at."""
        assert self._H is not None
        plate_from_frame = oriented(inverse(self._H @ self._view.work_from_plate))
        x, y = (small.size[0] - 1) / 2, (small.size[1] - 1) / 2
        nearest, distance = self._index, _BETTER_VIEW * self._view.off_centre(plate_from_frame, x, y)
        for index, view in enumerate(self._views):
            off = view.off_centre(plate_from_frame, x, y)
            if off < distance:
                nearest, distance = index, off
        if nearest != self._index:
            plate = self._H @ self._view.work_from_plate
            self._index, self._recent, self._belief = nearest, [], Belief.fresh()
            H = plate @ np.linalg.inv(self._view.work_from_plate)
            self._H = H / H[2, 2]

    def _relight(self, small: SmallFrame, look: Comparison) -> None:
        H, held, view = self._H, self._held, self._view
        assert H is not None
        every = LIGHT_EVERY if held is not None else LIGHT_EVERY_MOVING
        if self._light.due(look, every):
            plate = held.plate_light if held is not None else view.light_in_frame(H, small.size)
            self._light.fit(plate, small.light_rgb, self._fitter.hidden, look)

    def _unbend(self, small: SmallFrame, plain: Comparison) -> None:
        """Looks after the mesh. plain: the comparison at working size under H alone."""
        if self._bend and plain.level is self._template.levels[0]:  # else another view has just taken over
            assert self._H is not None
            still = self._held is not None
            self._mesh.update(self._template, self._H, small, self._fitter.hidden, plain, still)

    def _found(self, verdict: Verdict, state: State, what: str) -> Alignment:
        assert self._H is not None
        assert self._light.light is not None
        self._last_good = (self._index, self._H)
        H = self._held.frame_from_plate if self._held is not None else self._full(self._H)
        mesh = self._mesh.mesh
        if mesh is not self._shown_mesh[0]:
            shown = None if mesh is None else np.asarray(mesh * self._frame_per_work, np.float32)
            self._shown_mesh = mesh, shown
        words = f"{what}: {verdict.words}"
        return Alignment(H, self._light.light, state, verdict.score, words, self._shown_mesh[1])

    def _full(self, H: F64) -> F64:
        """Full-size frame from plate pixels, read-only."""
        full = self._frame_from_work @ H @ self._view.work_from_plate
        full /= full[2, 2]
        full.setflags(write=False)
        return np.asarray(full)

    def _lost(self, reason: str, score: float = 0.0) -> Alignment:
        self._H, self._light, self._mesh, self._recent = None, RoomLight(), RoomMesh(), []
        self._held = None
        self._belief = Belief.fresh()
        return Alignment(None, Light(), State.LOST, score, reason)


class NoPlateAligner:
    """The aligner of a program that has no plate: always NONE."""

    def update(self, frame: Frame) -> Alignment:
        return NO_PLATE

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None: ...

    def close(self) -> None: ...
