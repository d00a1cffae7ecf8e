"""A segmenter's guess of who is a person: the prior channel of platenet.

The networks are MediaPipe's selfie segmenters (Apache-2.0, 0.1 M parameters each, see the model card). The
one for lying pictures finds people anywhere in a picture, but coarsely; the one for squares misses whole
people when a lying picture is squeezed into its square, but given the part in which somebody is it errs by
a third less. So the first says where the second looks. They guess from looks alone: that holds where no
plate is known, and fails on props and hair.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from core.errors import WeightsError
from core.matte.working_size import shrink_into
from core.runtime.compiled import compile_on_cpu
from core.types import F32, U8

_BUNDLED = Path(__file__).resolve().parent.parent / "weights"
WIDE, CLOSE = _BUNDLED / "selfie_segmenter.onnx", _BUNDLED / "selfie_segmenter_close.onnx"
LEAST_ASPECT = 0.675  # of a picture, to that of the network's input; a narrower one gets black sides instead
PERSON_FROM = 0.1  # of the wide mask: somebody may be there
LEAST_PART = 0.05  # of the largest piece's area: what is smaller is nobody
MARGIN = 0.04  # around them, of the longer side
LEAST_SIDE = 0.5  # of the picture's height: a thing that fills the view looks like somebody
REACH = 0.033  # of the height: as far from the mask hair and fingers may stand
COARSER = 4  # times, at which that is measured
STEP = 8  # px by which the part moves, so that it does not follow every frame's noise


class _Segmenter:
    """One network of fixed input size. Not thread-safe."""

    def __init__(self, weights: Path, threads: int) -> None:
        if not weights.is_file():
            raise WeightsError(f"{weights} is missing: install cleanplate again")
        try:
            compiled = compile_on_cpu(str(weights), INFERENCE_NUM_THREADS=threads, PERFORMANCE_HINT="LATENCY")
        except RuntimeError as error:
            raise WeightsError(
                f"{weights} is damaged ({str(error).splitlines()[0]}): install again"
            ) from error
        _, self._height, self._width, _ = compiled.input(0).shape
        self._request = compiled.create_infer_request()
        self._input = np.zeros((1, self._height, self._width, 3), np.uint8)
        self._columns = slice(0, self._width)

    def mask(self, rgb: U8) -> F32:
        """Probability of a person, float32 of the network's size, or narrower for a narrow picture uint8
        HxWx3. The array is reused by the next call."""
        aspect = rgb.shape[1] / rgb.shape[0] * self._height / self._width
        across = self._width if aspect >= LEAST_ASPECT else max(1, round(self._width * aspect))
        first = (self._width - across) // 2
        columns = slice(first, first + across)
        if columns != self._columns:
            self._input[:], self._columns = 0, columns
        shrink_into(rgb, self._input[0, :, columns])
        self._request.infer([self._input], share_inputs=True)
        mask: F32 = self._request.get_output_tensor(0).data[0, 0, :, columns]
        return mask


class SelfieSegmenter:
    """Mask of people in a picture. Not thread-safe: one per thread."""

    def __init__(self, wide: Path = WIDE, close: Path = CLOSE, threads: int = 1) -> None:
        """Raises WeightsError when a file is missing or is no network."""
        self._wide, self._close = _Segmenter(wide, threads), _Segmenter(close, threads)
        self._mask = np.zeros((0, 0), np.uint8)

    def mask(self, rgb: U8) -> U8:
        """Probability of a person, uint8 HxW, 255 being one, of a picture uint8 HxWx3.

        The array is reused by the next call.
        """
        height, width = rgb.shape[:2]
        if self._mask.shape != (height, width):
            self._mask = np.zeros((height, width), np.uint8)
        wide = self._wide.mask(rgb)
        _enlarge(wide, self._mask)
        part = part_with_people(wide, (width, height))
        if part is not None:
            _enlarge(self._close.mask(rgb[part]), self._mask[part])
        return self._mask

    def __call__(self, rgb: U8) -> F32:
        """The same as float32 0..1, an array of the caller's own."""
        return self.mask(rgb) * np.float32(1 / 255)


def part_with_people(mask: F32, size: tuple[int, int]) -> tuple[slice, slice] | None:
    """Rows and columns of the picture, as square as it allows, around all people; None for nobody.

    mask: of the picture, 0..1, of any size. size: the picture's (width, height).
    """
    mask = mask[::2, ::2]  # enough to say where somebody is
    seen = (mask > PERSON_FROM).view(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(seen)
    pieces = found[1:]
    if not len(pieces):
        return None
    areas = pieces[:, cv2.CC_STAT_AREA]
    left, top, across, down, _ = pieces[areas >= LEAST_PART * areas.max()].T
    x0, y0, x1, y1 = left.min(), top.min(), (left + across).max(), (top + down).max()
    x0, x1 = (x * size[0] / mask.shape[1] for x in (x0, x1))
    y0, y1 = (y * size[1] / mask.shape[0] for y in (y0, y1))
    side = max(LEAST_SIDE * size[1], (1 + 2 * MARGIN) * max(x1 - x0, y1 - y0))
    return _interval((y0 + y1) / 2, side, size[1]), _interval((x0 + x1) / 2, side, size[0])


def near_people(mask: U8) -> U8:
    """255 where somebody is near in a mask (uint8 HxW, as SelfieSegmenter.mask gives it), 0 far away, with
    a soft border; a new array."""
    size = (max(1, mask.shape[1] // COARSER), max(1, mask.shape[0] // COARSER))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    small = cv2.threshold(small, 255 * PERSON_FROM, 255, cv2.THRESH_BINARY)[1]
    reach = 2 * max(1, round(REACH * size[1])) + 1
    small = cv2.dilate(small, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _interval(middle: float, length: float, limit: int) -> slice:
    """length px around the middle, moved into 0..limit and cut to it, on a coarse grid."""
    length = min(limit, math.ceil(length / STEP) * STEP)
    begin = min(max(0, round((middle - length / 2) / STEP) * STEP), limit - length)
    return slice(begin, begin + length)


def _enlarge(mask: F32, into: U8) -> None:
    """A mask 0..1 in levels of any size."""
    levels = cv2.convertScaleAbs(mask, alpha=255)
    cv2.resize(levels, into.shape[::-1], dst=into, interpolation=cv2.INTER_LINEAR)
