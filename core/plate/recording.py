"""Many frames of the empty room into one: robust mean, noise, and what moved meanwhile.

Memory is bounded however long the recording is: frames are summed into blocks, and when there are
MAX_BLOCKS of them, neighbours are merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from core.errors import PlateError
from core.types import F32, U8

MAX_BLOCKS = 16  # block means in memory: 16 x 5.5 MB at 1280x720
FIRST_BLOCK_FRAMES = 4  # short, so that a passer-by spoils few blocks; grows by merging
CLIP_SIGMAS = 3.0  # block means further from the median than this are left out of the mean
CELL_PX = 16  # side of the cells in which movement is looked for, in pixels of the recording
NOISE_STEP_PX = 4  # noise is measured on every fourth pixel each way: 57 600 samples at 720p
SHIFT_WIDTH_PX = 640  # width at which the camera's own shift is measured
SHIFT_EVERY = 5  # frames; a camera that was knocked stays where it went
MIN_CORNERS = 12  # fewer say nothing about the whole picture
TOGETHER_PX = 3.0  # at that width; a knock turns the camera a little, too


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What many frames of a room say together.

    rgb: uint8 HxWx3, robust mean.
    noise: standard deviation of one frame's pixel around the mean, grey levels; 0 for one frame.
    frames: how many were taken in.
    unrest: float32 ceil(H/16) x ceil(W/16): standard deviation over time of each cell's brightness, in grey
        levels, after the whole picture's brightness was evened out. About 0.3 where nothing moves.
    light_drift: largest change of a frame's brightness since the beginning, as a factor minus one.
    shift_px: largest shift of the whole picture against its beginning, in pixels; 0 when not measurable.
    """

    rgb: U8
    noise: float
    frames: int
    unrest: F32
    light_drift: float
    shift_px: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


class Recorder:
    """Takes frames one by one; `finish` gives the recording. Used by one thread.

    Somebody who crosses the picture in less than half of the time leaves no trace in the mean, but shows in
    the recording's unrest.
    """

    def __init__(self) -> None:
        self._sum: F32 | None = None
        self._in_sum = 0
        self._block_frames = FIRST_BLOCK_FRAMES
        self._blocks: list[F32] = []
        self._noise = _Noise()
        self._unrest = _Unrest()
        self._shift = _Shift()
        self.frames = 0

    def add(self, rgb: U8) -> None:
        """One more frame, uint8 HxWx3. Raises PlateError when its size differs from the first one's."""
        if self._sum is None:
            self._sum = np.zeros(rgb.shape, np.float32)
        if rgb.shape != self._sum.shape:
            raise PlateError(
                f"the pictures of a plate must have one size: the first is {_size_text(self._sum.shape)}, "
                f"picture {self.frames} is {_size_text(rgb.shape)}"
            )
        cv2.accumulate(rgb, self._sum)
        self._in_sum += 1
        self.frames += 1
        self._noise.add(rgb)
        self._unrest.add(rgb)
        self._shift.add(rgb)
        if self._in_sum == self._block_frames:
            self._end_block()

    def finish(self) -> Recording:
        """The recording so far. Raises PlateError when there was no frame."""
        if self._sum is None:
            raise PlateError("a plate needs at least one picture of the empty room, there was none")
        blocks = list(self._blocks)
        if self._in_sum and (not blocks or self._in_sum * 2 >= self._block_frames):
            blocks.append(self._sum / np.float32(self._in_sum))
        return Recording(
            rgb=_clipped_mean(blocks),
            noise=self._noise.sigma(),
            frames=self.frames,
            unrest=self._unrest.deviation(),
            light_drift=self._unrest.light_drift,
            shift_px=self._shift.worst_px,
        )

    def _end_block(self) -> None:
        assert self._sum is not None
        self._blocks.append(self._sum / np.float32(self._in_sum))
        self._sum[:] = 0
        self._in_sum = 0
        if len(self._blocks) == MAX_BLOCKS:
            self._blocks = [
                (a + b) * np.float32(0.5) for a, b in zip(self._blocks[::2], self._blocks[1::2], strict=True)
            ]
            self._block_frames *= 2


def _clipped_mean(blocks: list[F32]) -> U8:
    """Mean of the block means that agree with their median; uint8 HxWx3. Row by row, to save memory."""
    height = blocks[0].shape[0]
    rgb = np.empty(blocks[0].shape, np.uint8)
    for top in range(0, height, 64):
        stack = np.stack([block[top : top + 64] for block in blocks])
        median = np.median(stack, axis=0)
        distance = np.abs(stack - median)
        # 1.4826: MAD to standard deviation; the floor keeps still, noiseless pixels from losing all blocks.
        reach = np.maximum(CLIP_SIGMAS * 1.4826 * np.median(distance, axis=0), 1.0)
        kept = distance <= reach
        mean = (stack * kept).sum(axis=0) / kept.sum(axis=0)
        rgb[top : top + 64] = np.clip(np.rint(mean), 0, 255)
    return rgb


class _Noise:
    """Temporal noise from the differences of neighbouring frames: light drift and the scene drop out."""

    def __init__(self) -> None:
        self._last: F32 | None = None
        self._squares: F32 | None = None
        self._count = 0
        self._clipped: np.ndarray | None = None

    def add(self, rgb: U8) -> None:
        sample = rgb[::NOISE_STEP_PX, ::NOISE_STEP_PX].astype(np.float32)
        if self._last is not None and self._squares is not None and self._clipped is not None:
            self._squares += (sample - self._last) ** 2
            self._count += 1
            self._clipped |= (sample <= 2) | (sample >= 253)  # where values are cut, so is the noise
        else:
            self._squares = np.zeros_like(sample)
            self._clipped = (sample <= 2) | (sample >= 253)
        self._last = sample

    def sigma(self) -> float:
        """Standard deviation in grey levels; 0 when it cannot be known."""
        if self._squares is None or self._clipped is None or self._count == 0:
            return 0.0
        usable = self._squares[~self._clipped]
        if usable.size == 0:
            return 0.0
        # The median over pixels leaves out what moved. A difference of two has twice one's variance.
        variance = float(np.median(usable)) / self._count / 2
        return float(np.sqrt(variance / _median_of_mean_square(self._count)))


def _median_of_mean_square(count: int) -> float:
    """Median of the mean of `count` squared standard normals (Wilson-Hilferty)."""
    return (1 - 2 / (9 * count)) ** 3


class _Unrest:
    """Welford's running deviation of each cell's brightness, with the whole picture's light evened out."""

    def __init__(self) -> None:
        self._mean: F32 | None = None
        self._squares: F32 | None = None
        self._count = 0
        self.light_drift = 0.0

    def add(self, rgb: U8) -> None:
        cells = _cells(rgb)
        self._count += 1
        if self._mean is None or self._squares is None:
            self._mean, self._squares = cells, np.zeros_like(cells)
            return
        factor = float(np.median((cells + 1) / (self._mean + 1)))
        self.light_drift = max(self.light_drift, abs(factor - 1))
        cells /= np.float32(max(factor, 1e-3))
        step = cells - self._mean
        self._mean += step / np.float32(self._count)
        self._squares += step * (cells - self._mean)

    def deviation(self) -> F32:
        assert self._squares is not None
        return np.sqrt(self._squares / self._count).astype(np.float32)


def _cells(rgb: U8) -> F32:
    """Mean brightness of each cell, float32 ceil(H/16) x ceil(W/16), grey levels."""
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    size = (-(-width // CELL_PX), -(-height // CELL_PX))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


class _Shift:
    """How far the whole picture went since the first frame: by corners that went together.

    Corners and not phase correlation: OpenCV 5.0's is off by up to a pixel on equal pictures.
    """

    def __init__(self) -> None:
        self._first: U8 | None = None
        self._corners: F32 | None = None
        self._seen = 0
        self.worst_px = 0.0

    def add(self, rgb: U8) -> None:
        self._seen += 1
        if (self._seen - 1) % SHIFT_EVERY:
            return
        height, width = rgb.shape[:2]
        scale = min(1.0, SHIFT_WIDTH_PX / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._first is None or self._corners is None:
            corners = cv2.goodFeaturesToTrack(grey, 120, 0.02, 8)
            self._first = grey
            self._corners = (
                np.zeros((0, 1, 2), np.float32) if corners is None else np.asarray(corners, np.float32)
            )
            return
        if len(self._corners) < MIN_CORNERS:
            return
        evened = cv2.convertScaleAbs(grey, alpha=self._first.mean() / max(float(grey.mean()), 1.0))
        found, good, _ = cv2.calcOpticalFlowPyrLK(self._first, evened, self._corners, self._corners.copy())
        way = (np.asarray(found) - self._corners).reshape(-1, 2)[np.asarray(good).ravel() == 1]
        self.worst_px = max(self.worst_px, _common_way(way) / scale)


def _common_way(way: F32) -> float:
    """Length of the way that more than half of the corners went together; 0 where there is none.

    way: float32 Nx2, px. People in front of a still camera scatter the corners that they cover.
    """
    if len(way) < MIN_CORNERS:
        return 0.0
    apart = way - np.median(way, axis=0)
    together = np.hypot(apart[:, 0], apart[:, 1]) < TOGETHER_PX
    if together.mean() <= 0.5:
        return 0.0
    return float(np.median(np.hypot(way[together, 0], way[together, 1])))


def _size_text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
