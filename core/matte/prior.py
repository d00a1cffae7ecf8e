"""A segmenter's guess of who is a person: the prior channel of platenet.

The networks are MediaPipe's selfie segmenters (Apache-2.0, 0.1 M parameters each, see the model card). The
one for lying pictures finds people anywhere in a picture, but coarsely; the one for squares misses whole
people when a lying picture is squeezed into its square, but given the part in which somebody is it errs by
a third less. So the first says where the second looks: at all people and, where time does not count, once
more at a head and what is around it, because hair is where a matte errs most. They guess from looks alone:
that holds where no plate is known, and fails on props and hair.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import openvino

from core.errors import WeightsError
from core.matte.working_size import shrink_into
from core.runtime.compiled import compile_on_cpu
from core.types import F32, U8

Part = tuple[slice, slice]  # rows and columns of a picture

_BUNDLED = Path(__file__).resolve().parent.parent / "weights"
WIDE, CLOSE = _BUNDLED / "selfie_segmenter.onnx", _BUNDLED / "selfie_segmenter_close.onnx"
LEAST_ASPECT = 0.675  # of a picture, to that of the network's input; a narrower one gets black sides instead
PERSON_FROM = 0.1  # of the wide mask: somebody may be there
LEAST_PART = 0.05  # of the largest piece's area: what is smaller is nobody
MARGIN = 0.04  # around them, of the longer side
LEAST_SIDE = 0.5  # of the picture's height: a thing that fills the view looks like somebody
LEAST_HEAD = 0.45  # the same of the part with a head
HEAD_SHARE = 0.6  # of a person's height: what is looked at once more
HEAD_ABOVE = 0.08  # of that, above the head
SOFT = 0.06  # of that: as wide is the seam to what is around
LARGER = 1.15  # times, that the view of everybody must be, or a second one would show the same
REACH = 0.033  # of the height: as far from the mask hair and fingers may stand
SURE_FROM = 0.9  # of the mask: somebody is there,
INSIDE = 0.02  # of the height: so far from the mask's edge, which is off by less
COARSER = 4  # times, at which that is measured
STEP = 8  # px by which the part moves, so that it does not follow every frame's noise
SLACK = 2 * STEP  # px by which each side of a part may be off that is looked at all the same


class SelfieSegmenter:
    """Mask of people in a picture. Not thread-safe: one per thread."""

    def __init__(self, wide: Path = WIDE, close: Path = CLOSE, threads: int = 1) -> None:
        """threads: 2 look at all people and at the head at once.

        Raises WeightsError when a file is missing or is no network.
        """
        self._wide = _View(_compiled(wide, 1))
        compiled = _compiled(close, min(2, threads))
        self._close, self._closest = _View(compiled), _View(compiled)
        self._mask = np.zeros((0, 0), np.uint8)
        self._people: Part | None = None  # the part looked at closely last
        self._settled = False  # whether it was nearly that of the time before

    def mask(self, rgb: U8) -> U8:
        """Probability of a person, uint8 HxW, 255 being one, of a picture uint8 HxWx3.

        The array is reused by the next call.
        """
        self.forget()
        return self.begin(rgb)()

    def forget(self) -> None:
        """The next picture is another camera's, or of another moment."""
        self._people, self._settled = None, False

    def begin(self, rgb: U8, at_head: bool = False) -> Callable[[], U8]:
        """Begins to look, on other threads. Returns what gives the mask, to be called before the next.

        Pictures follow each other: where people keep their place, the close look begins beside the wide one,
        at the part of the last picture, which stands where the wide look then says nearly the same part.

        at_head: whether to look at the head once more.
        """
        self._wide.begin(rgb)
        if self._mask.shape != rgb.shape[:2]:
            self._mask = np.zeros(rgb.shape[:2], np.uint8)
            self.forget()
        guess = self._people if self._settled else None
        if guess is not None:
            self._close.begin(rgb[guess])
        return partial(self._finish, rgb, guess, at_head)

    def _finish(self, rgb: U8, guess: Part | None, at_head: bool) -> U8:
        height, width = rgb.shape[:2]
        wide = self._wide.mask()
        parts = parts_with_people(wide, (width, height))
        if guess is not None and (parts is None or not _alike(guess, parts[0])):
            self._close.mask()  # in vain
            guess = None
        if parts is None:
            self.forget()
            _enlarge(wide, self._mask)
            return self._mask
        people, head = guess or parts[0], parts[1] if at_head else None
        self._settled = self._people is not None and _alike(self._people, people)
        self._people = people
        if guess is None:
            self._close.begin(rgb[people])
        if head is not None:
            self._closest.begin(rgb[head])
        _enlarge(wide, self._mask)
        _enlarge(self._close.mask(), self._mask[people])
        if head is not None:
            _lay_softly(self._closest.mask(), self._mask, head)
        return self._mask

    def __call__(self, rgb: U8) -> F32:
        """The same as float32 0..1, an array of the caller's own."""
        return self.mask(rgb) * np.float32(1 / 255)


class _View:
    """One look at a time by a network of fixed input size."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        _, self._height, self._width, _ = compiled.input(0).shape
        self._request = compiled.create_infer_request()
        self._input = np.zeros((1, self._height, self._width, 3), np.uint8)
        self._request.set_input_tensor(0, openvino.Tensor(self._input, shared_memory=True))
        self._columns = slice(0, self._width)

    def begin(self, rgb: U8) -> None:
        """Looks at a picture, uint8 HxWx3, which may then be written to."""
        aspect = rgb.shape[1] / rgb.shape[0] * self._height / self._width
        across = self._width if aspect >= LEAST_ASPECT else max(1, round(self._width * aspect))
        first = (self._width - across) // 2
        columns = slice(first, first + across)
        if columns != self._columns:
            self._input[:], self._columns = 0, columns
        shrink_into(rgb, self._input[0, :, columns])
        self._request.start_async()

    def mask(self) -> F32:
        """Probability of a person, float32 of the network's size, or narrower for a narrow picture. The
        next look writes over it."""
        self._request.wait()
        mask: F32 = self._request.get_output_tensor(0).data[0, 0, :, self._columns]
        return mask


def _compiled(weights: Path, streams: int) -> openvino.CompiledModel:
    """streams: looks at once, a thread each."""
    if not weights.is_file():
        raise WeightsError(f"{weights} is missing: install cleanplate again")
    try:
        return compile_on_cpu(
            str(weights), INFERENCE_NUM_THREADS=streams, NUM_STREAMS=streams, PERFORMANCE_HINT="LATENCY"
        )
    except RuntimeError as error:
        raise WeightsError(f"{weights} is damaged ({str(error).splitlines()[0]}): install again") from error


def parts_with_people(mask: F32, size: tuple[int, int]) -> tuple[Part, Part | None] | None:
    """Two parts of the picture, as square as it allows: around all people, and around the head of the
    largest of them unless that would show nearly the same. None for nobody.

    mask: of the picture, 0..1, of any size. size: the picture's (width, height).
    """
    mask = mask[::2, ::2]  # enough to say where somebody is
    _, labels, found, _ = cv2.connectedComponentsWithStats((mask > PERSON_FROM).view(np.uint8))
    pieces = found[1:]
    if not len(pieces):
        return None
    per_column, per_row = size[0] / mask.shape[1], size[1] / mask.shape[0]
    areas = pieces[:, cv2.CC_STAT_AREA]
    left, top, across, down, _ = pieces[areas >= LEAST_PART * areas.max()].T
    x0, x1 = left.min() * per_column, (left + across).max() * per_column
    y0, y1 = top.min() * per_row, (top + down).max() * per_row
    side = max(LEAST_SIDE * size[1], (1 + 2 * MARGIN) * max(x1 - x0, y1 - y0))
    all_of_them = _square((x0 + x1) / 2, (y0 + y1) / 2, side, size)

    largest = int(areas.argmax())
    _, top, _, down, _ = pieces[largest]
    side = max(LEAST_HEAD * size[1], HEAD_SHARE * down * per_row)
    if max(s.stop - s.start for s in all_of_them) < LARGER * side:
        return all_of_them, None
    rows = labels[top : top + max(1, round(HEAD_SHARE * side / per_row))]
    columns = np.flatnonzero((rows == 1 + largest).any(0))
    middle = (columns[0] + columns[-1] + 1) / 2 * per_column
    return all_of_them, _square(middle, top * per_row + (0.5 - HEAD_ABOVE) * side, side, size)


def near_people(mask: U8) -> U8:
    """255 where somebody is near in a mask (uint8 HxW, as SelfieSegmenter.mask gives it), 0 far away, with
    a soft border; a new array."""
    return cv2.resize(near_people_small(mask), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)


def near_people_small(mask: U8) -> U8:
    """The same, COARSER times smaller and with a hard border, in less time."""
    size = (max(1, mask.shape[1] // COARSER), max(1, mask.shape[0] // COARSER))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    small = cv2.threshold(small, 255 * PERSON_FROM, 255, cv2.THRESH_BINARY)[1]
    return cv2.dilate(small, disc(REACH * size[1]))


def inside_people(mask: U8) -> U8:
    """255 well inside somebody in a mask (as `near_people` takes it), 0 elsewhere, with a soft border; a new
    array. The picture's own border is no edge of anybody."""
    sure = surely_people(mask)
    sure = cv2.erode(sure, disc(INSIDE * len(sure)))
    return cv2.resize(sure, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)


def surely_people(mask: U8) -> U8:
    """255 where the mask is sure of somebody, else 0, COARSER times smaller."""
    size = (max(1, mask.shape[1] // COARSER), max(1, mask.shape[0] // COARSER))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(small, 255 * SURE_FROM, 255, cv2.THRESH_BINARY)[1], np.uint8)


def disc(radius_px: float) -> U8:
    """A kernel for dilation and erosion by at least 1 px."""
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _square(x: float, y: float, side: float, size: tuple[int, int]) -> Part:
    """As much of a square around a point as is in a picture of that (width, height), and moved into it."""
    return _interval(y, side, size[1]), _interval(x, side, size[0])


def _alike(part: Part, other: Part) -> bool:
    """Whether one may be looked at in place of the other."""
    sides = ((a.start - b.start, a.stop - b.stop) for a, b in zip(part, other, strict=True))
    return max(abs(off) for both in sides for off in both) <= SLACK


def _interval(middle: float, length: float, limit: int) -> slice:
    """length px around the middle, moved into 0..limit and cut to it, on a coarse grid."""
    length = min(limit, math.ceil(length / STEP) * STEP)
    begin = min(max(0, round((middle - length / 2) / STEP) * STEP), limit - length)
    return slice(begin, begin + length)


def _enlarge(mask: F32, into: U8) -> None:
    """A mask 0..1 in levels of any size."""
    levels = cv2.convertScaleAbs(mask, alpha=255)
    cv2.resize(levels, into.shape[::-1], dst=into, interpolation=cv2.INTER_LINEAR)


def _lay_softly(mask: F32, into: U8, part: Part) -> None:
    """A mask 0..1 in place of a part of another one, fading at the sides that are not the picture's."""
    there = into[part]
    closer = np.empty(there.shape, np.uint8)
    _enlarge(mask, closer)
    seam = max(1, round(SOFT * max(there.shape)))
    down, across = (
        _ramp(s.stop - s.start, seam, s.start > 0, s.stop < limit)
        for s, limit in zip(part, into.shape, strict=True)
    )
    weight = down[:, None] * across
    into[part] = cv2.blendLinear(closer, there, weight, 1 - weight)


def _ramp(length: int, seam: int, first: bool, last: bool) -> F32:
    """Ones that rise from 0 at the first and last end, where wanted."""
    x = (np.arange(length, dtype=np.float32) + 0.5) / seam
    ends = [end for end, wanted in ((x, first), (x[::-1], last)) if wanted]
    return np.minimum.reduce([np.ones_like(x), *ends])
