"""A sweep: many views of one room from a camera that turns, made into one plate.

Frames go in as they come; each is placed against the view it overlaps, new views are kept where
nothing covers the picture yet, and at the end all poses are refined together.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

import cv2
import numpy as np

from core.align.follow import follow
from core.align.geometry import inverse, oriented
from core.align.judge import is_dark
from core.align.light import apply_light, fit_light
from core.align.refine import Belief
from core.align.tracker import PlateAligner
from core.align.views import SmallFrame, SmallView, resize_map
from core.errors import PlateError
from core.plate.poses import Pair, Poses, solve_poses
from core.types import F32, F64, U8, Alignment, Frame, Light, Plate, View

NEW_VIEW = 0.28  # of the width: how far from every view's middle a new one is taken
NEW_VIEW_FAST = 0.5  # so far off, a view is taken although the camera is turning fast (blurred)
FAST = 0.035  # of the width, a frame: a 640 px picture smears by ten pixels at 1/60 s
LOST_SHARE = 0.5  # more lost frames than this and the rest cannot be trusted either
CARRIED_SCORE = 0.55  # neighbours that agree in fewer cells than this were seen from elsewhere
LAST_VIEW = (
    0.02  # of the width or height: what was seen so far beyond the last view becomes one too, at the end
)
MAX_VIEWS = 40  # a full turn of a phone held upright; memory, 6 MB each at 1080p

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # right, left, down, up
_NEAR = 0.06  # of the width: frames this close are averaged into a view
_NEAR_FRAMES = 12
_SAME_LEVELS = 14.0  # what differs more is a person or a fly, not noise
_PAIR_OVERLAP = 0.3
_PAIR_SCORE = 0.5
_DARK_MEAN = 18.0


class SweepState(str, Enum):
    """What the last frame did, for the person who turns the camera."""

    NEW = "new"  # it became a view
    COVERED = "covered"  # seen before
    FAST = "too fast"
    DARK = "too dark"
    LOST = "lost"  # go back to where it was last covered


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """views: how many so far. place: where the frame lies from the first view, in picture widths
    and heights (right, down), summed up from view to view; (0, 0) while lost. lost: frames in a row that
    were not placed.
    """

    state: SweepState
    views: int
    place: tuple[float, float]
    lost: int


@dataclass(slots=True, eq=False)
class _KeyFrame:
    """A view in the making. first_from_this: float64 3x3, its pixels to the first view's. place: as in
    SweepProgress."""

    rgb: U8
    first_from_this: F64
    aligner: PlateAligner
    parent: int
    place: tuple[float, float]
    total: F32 = field(init=False)
    frames: int = 1

    def __post_init__(self) -> None:
        self.total = self.rgb.astype(np.float32)

    def average_in(self, rgb: U8, H: F64, light: Light) -> None:
        """Adds a frame seen from nearly the same direction, where it shows the same thing."""
        size = (self.rgb.shape[1], self.rgb.shape[0])
        back = cv2.warpPerspective(rgb, inverse(H), size, flags=cv2.INTER_CUBIC)
        inside = cv2.warpPerspective(np.full(rgb.shape[:2], 255, np.uint8), inverse(H), size)
        unlit = (back.astype(np.float32) - light.offset) / light.gain
        mean = self.total / self.frames
        same = (np.abs(unlit - mean).max(2) < _SAME_LEVELS) & (inside == 255)
        self.total += np.where(same[..., None], unlit, mean)
        self.frames += 1

    def picture(self) -> U8:
        return np.clip(self.total / self.frames + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Outermost:
    """A frame that lies further out than all others before it, as SweepBuilder placed it against a view."""

    rgb: U8
    first_from_this: F64
    parent: int
    place: tuple[float, float]


class SweepBuilder:
    """Takes frames of an empty room from a turning camera. One thread; about 10 ms a frame.

    Args:
        name: of the plate to be.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._size = (0, 0)
        self._keys: list[_KeyFrame] = []
        self._current = 0
        self._last_place: F64 | None = None
        self._outermost: dict[tuple[int, int], _Outermost] = {}
        self._seen, self._lost, self._lost_in_a_row, self._dark = 0, 0, 0, 0

    def add(self, rgb: U8) -> SweepProgress:
        """Places one frame, uint8 HxWx3.

        Raises:
            PlateError: the frame has another size than the first, or there are too many views.
        """
        self._seen += 1
        size = (rgb.shape[1], rgb.shape[0])
        if self._keys and size != self._size:
            (w, h), (fw, fh) = self._size, size
            raise PlateError(f"the sweep began at {w}x{h} and went on at {fw}x{fh}: record it at one size")
        frame = Frame(rgb, 0, self._seen)
        if is_dark(SmallFrame(frame).picture) or float(rgb[::8, ::8].mean()) < _DARK_MEAN:
            self._dark += 1
            return self._progress(SweepState.DARK)
        if not self._keys:
            self._size = size
            return self._take(rgb, np.eye(3))
        alignment = self._place(frame)
        if alignment is None or alignment.H is None:
            self._lost += 1
            self._lost_in_a_row += 1
            self._last_place = None
            return self._progress(SweepState.LOST)
        self._lost_in_a_row = 0
        key = self._keys[self._current]
        first_from_frame = key.first_from_this @ inverse(alignment.H)
        off = self._off(alignment.H)
        speed = self._speed(first_from_frame)
        self._last_place = first_from_frame
        if off < _NEAR and key.frames < _NEAR_FRAMES and speed < FAST:
            key.average_in(rgb, alignment.H, alignment.light)
        if speed < FAST:
            self._remember(rgb, first_from_frame)
        nearest = self._nearest(first_from_frame)
        if nearest != self._current:
            self._current = nearest
            return self._progress(SweepState.COVERED)
        if off > (NEW_VIEW if speed < FAST else NEW_VIEW_FAST):
            return self._take(rgb, first_from_frame)
        return self._progress(SweepState.FAST if speed > FAST else SweepState.COVERED)

    def finish(self) -> Plate:
        """The plate: poses refined, light evened out, the middle view as reference.

        Raises:
            PlateError: no frame, too dark, lost too often, or a camera that was carried about.
        """
        self._refuse_what_cannot_be_right()
        self._take_the_outermost()
        if len(self._keys) == 1:
            key = self._keys[0]
            return Plate(self._name, self._size, (View(key.picture()),))
        pictures = [key.picture() for key in self._keys]
        pairs, scores = self._pairs(pictures)
        if float(np.median(scores)) < CARRIED_SCORE:
            raise PlateError(
                f"neighbouring views agree in only {np.median(scores):.0%} of their cells: the camera was "
                "carried rather than turned, or something moved; turn it about its own place and try again"
            )
        poses = solve_poses(pairs, len(pictures), self._size)
        pictures = _even_light(pictures, pairs, poses)
        views = [View(rgb, None, H) for rgb, H in zip(pictures, poses.plate_from_view, strict=True)]
        reference = views.pop(poses.reference)
        return Plate(self._name, self._size, (reference, *views))

    def _refuse_what_cannot_be_right(self) -> None:
        if self._dark > self._seen / 2 or (not self._keys and self._dark):
            raise PlateError(
                f"{self._dark} of {self._seen} pictures of the sweep are too dark: switch a light on"
            )
        if not self._keys:
            raise PlateError("the sweep has no picture: record at least one second")
        if self._lost > LOST_SHARE * self._seen:
            raise PlateError(
                f"the room was lost in {self._lost} of {self._seen} pictures of the sweep: turn more slowly "
                "and about the camera's own place, and begin where the room has edges and corners"
            )

    def _take(self, rgb: U8, first_from_this: F64) -> SweepProgress:
        if len(self._keys) >= MAX_VIEWS:
            raise PlateError(f"the sweep has {MAX_VIEWS} views already: turn less far, or zoom out")
        plate = Plate(self._name, self._size, (View(rgb),))
        aligner = PlateAligner(plate, self._size)
        place = self._place_of(first_from_this) if self._keys else (0.0, 0.0)
        self._keys.append(_KeyFrame(rgb, oriented(first_from_this), aligner, self._current, place))
        self._current = len(self._keys) - 1
        self._last_place = first_from_this
        return self._progress(SweepState.NEW)

    def _place(self, frame: Frame) -> Alignment | None:
        """The frame against the current view, else against the ones taken last; None when nowhere."""
        recent = [i for i in reversed(range(len(self._keys))) if i != self._current][:3]
        for index in [self._current, *recent]:
            alignment = self._keys[index].aligner.update(frame)
            if alignment.usable:
                self._current = index
                return alignment
        return None

    def _remember(self, rgb: U8, first_from_frame: F64) -> None:
        """Keeps the frame where none lay further out: when the camera stops, a part of the room less than
        NEW_VIEW wide is in no view, and who turned so far wants it."""
        place = self._place_of(first_from_frame)
        for direction in _DIRECTIONS:
            held = self._outermost.get(direction)
            if _far(place, direction) > (0.0 if held is None else _far(held.place, direction)):
                self._outermost[direction] = _Outermost(rgb, first_from_frame, self._current, place)

    def _take_the_outermost(self) -> None:
        for direction, held in self._outermost.items():
            furthest = max(_far(key.place, direction) for key in self._keys)
            if len(self._keys) < MAX_VIEWS and _far(held.place, direction) > furthest + LAST_VIEW:
                self._current = held.parent
                self._take(held.rgb, held.first_from_this)
        self._outermost.clear()

    def _off(self, H: F64) -> float:
        """How far the frame's middle lies from the view's, in widths; infinite where it lies behind it."""
        x, y = self._seen_at(oriented(inverse(H)))
        return float(np.hypot(x, y * self._size[1] / self._size[0]))

    def _seen_at(self, view_from_frame: F64) -> tuple[float, float]:
        """How far a view sees a frame's middle from its own, in widths and heights.

        view_from_frame: float64 3x3, oriented.
        """
        width, height = self._size
        centre = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
        x, y, depth = view_from_frame @ centre
        if depth <= 1e-6:
            return float("inf"), float("inf")
        return float(x / depth - centre[0]) / width, float(y / depth - centre[1]) / height

    def _place_of(self, first_from_frame: F64) -> tuple[float, float]:
        """As in SweepProgress: the current view's place, and from there."""
        key = self._keys[self._current]
        right, down = self._seen_at(oriented(np.linalg.inv(key.first_from_this) @ first_from_frame))
        return key.place[0] + right, key.place[1] + down

    def _speed(self, first_from_frame: F64) -> float:
        if self._last_place is None:
            return 0.0
        return self._off(inverse(first_from_frame) @ self._last_place)

    def _nearest(self, first_from_frame: F64) -> int:
        frame_from_first = inverse(first_from_frame)
        off = [self._off(frame_from_first @ key.first_from_this) for key in self._keys]
        best = int(np.argmin(off))
        return best if off[best] < 0.8 * off[self._current] else self._current

    def _progress(self, state: SweepState) -> SweepProgress:
        place = (0.0, 0.0) if self._last_place is None else self._place_of(self._last_place)
        return SweepProgress(state, len(self._keys), place, self._lost_in_a_row)

    def _pairs(self, pictures: list[U8]) -> tuple[list[Pair], list[float]]:
        """Every two views that overlap, measured coarse to fine, and how well each agrees."""
        whole = Plate(self._name, self._size, (View(pictures[0]),))
        smalls = [SmallView(View(rgb), whole.size, seed=0) for rgb in pictures]
        frames = [SmallFrame(Frame(rgb, 0, 0)) for rgb in pictures]
        work = resize_map(self._size, frames[0].size)
        pairs, scores = [], []
        for first in range(len(pictures)):
            for second in range(first + 1, len(pictures)):
                H = inverse(self._keys[second].first_from_this) @ self._keys[first].first_from_this
                joined = self._keys[second].parent == first  # placed by this very pair while recording
                if not joined and self._off(inverse(H)) > 1 - _PAIR_OVERLAP:
                    continue
                template = smalls[first].template
                if template is None:
                    continue
                fit = follow(template, frames[second], work @ H @ inverse(work), Belief.fresh(), None)
                if fit.verdict.fits(_PAIR_SCORE, 0):
                    H = inverse(work) @ fit.H @ work
                elif not joined:
                    continue
                scores.append(fit.verdict.score)
                pairs.append(Pair(first, second, H / H[2, 2]))
        return pairs, scores


def _far(place: tuple[float, float], direction: tuple[int, int]) -> float:
    return place[0] * direction[0] + place[1] * direction[1]


def _even_light(pictures: list[U8], pairs: list[Pair], poses: Poses) -> list[U8]:
    """Every view in the reference's light, handed on from neighbour to neighbour."""
    links: dict[int, list[tuple[int, F64]]] = {index: [] for index in range(len(pictures))}
    for pair in pairs:
        links[pair.first].append((pair.second, pair.H))
        links[pair.second].append((pair.first, inverse(pair.H)))
    even = list(pictures)
    done, queue = {poses.reference}, deque([poses.reference])
    while queue:
        known = queue.popleft()
        for new, new_from_known in links[known]:
            if new in done:
                continue
            done.add(new)
            queue.append(new)
            even[new] = _in_light_of(even[known], pictures[new], inverse(new_from_known))
    return even


def _in_light_of(known: U8, new: U8, known_from_new: F64) -> U8:
    """`new` with the gain and offset that make it match `known` where they overlap."""
    small = (160, max(1, round(160 * known.shape[0] / known.shape[1])))
    to_small = resize_map((known.shape[1], known.shape[0]), small)
    H = to_small @ known_from_new @ inverse(to_small)
    here = np.asarray(cv2.resize(new, small, interpolation=cv2.INTER_AREA), np.uint8)
    warped = np.asarray(cv2.warpPerspective(here, H, small), np.uint8)
    inside = cv2.warpPerspective(np.ones((small[1], small[0]), np.uint8), H, small) > 0
    target = np.asarray(cv2.resize(known, small, interpolation=cv2.INTER_AREA), np.uint8)
    light = fit_light(warped, target, inside)
    return apply_light(new, Light(light.gain, light.offset))
