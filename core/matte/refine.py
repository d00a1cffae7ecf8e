"""Full-resolution alpha: bilinear where nothing happens, a learned refiner on tiles of the edge band."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.runtime.base import CHANNELS, HALO, TILE
from core.types import F32, U8, Room

RoomPart = Callable[[tuple[slice, slice]], Room]  # rows and columns of the frame

TILES_PER_PX = (
    0.1  # of the width, at most, which bounds a frame's time: 128 at 1280, a hair-rich head and arms
)
LEAST_TILES = 16
SURELY_ROOM, SURELY_PERSON = 6, 249  # grey levels of alpha that are no edge: snapped to 0 and 255
SHRINK = 4  # colours near by are gathered at a quarter of the working size
NEAR, FAR = (5, 17)  # px there: windows that they are gathered in
FAR_WEIGHT = 0.02  # colours from afar count where there are none near by
_ROOM, _COVERAGE, _COARSE, _PERSON = 3, 6, 7, 8  # planes; the frame's are the first three


class RefinerRuntime(Protocol):
    """Runs the refiner on a batch of tiles."""

    def refine(self, tiles: U8) -> U8:
        """uint8 11 x N x 32 x 32, cut by `Planes` -> alpha uint8 N x 24 x 24."""
        ...


class Refiner:
    """Brings a working-size alpha to the frame's size."""

    def __init__(self, runtime: RefinerRuntime) -> None:
        self._runtime = runtime
        self._planes: Planes | None = None

    def refine(self, rgb: U8, room: RoomPart | None, rgb_small: U8, alpha_small: U8) -> U8:
        """Alpha uint8 HxW at the size of rgb (uint8 HxWx3).

        room: gives parts of the room, None without a plate. rgb_small, alpha_small: uint8 hxwx3 and
        hxw, the same frame and its matte at the working size.
        """
        height, width = rgb.shape[:2]
        coarse = cv2.resize(alpha_small, (width, height), interpolation=cv2.INTER_LINEAR)
        spots = edge_tiles(coarse, most=max(LEAST_TILES, round(width * TILES_PER_PX)))
        alpha = snapped(coarse)
        if len(spots):
            if self._planes is None or self._planes.size != (width, height):
                self._planes = Planes((width, height))
            self._planes.fill(rgb, room, coarse, NearBy(rgb_small, alpha_small), spots)
            for patch, (y, x) in zip(self._runtime.refine(self._planes.cut(spots)), spots, strict=True):
                inside = alpha[y : y + TILE, x : x + TILE]
                cv2.LUT(patch[: inside.shape[0], : inside.shape[1]], _SNAP, dst=inside)
        return alpha


class Planes:
    """What the refiner looks at, one plane a channel, at the size of the frame and a halo around it.

    size: (width, height) of the frames. tile: px of alpha that a tile delivers. Beyond the frame
    there are zeros.
    """

    def __init__(self, size: tuple[int, int], tile: int = TILE) -> None:
        self.size, self._tile = size, tile
        rows, columns = -(-size[1] // tile), -(-size[0] // tile)
        shape = (CHANNELS, rows * tile + 2 * HALO, columns * tile + 2 * HALO)
        self._planes = np.zeros(shape, np.uint8)
        self._windows = sliding_window_view(self._planes, (tile + 2 * HALO,) * 2, axis=(1, 2))

    def fill(
        self,
        rgb: U8,
        room: RoomPart | None,
        coarse: U8,
        near_by: NearBy,
        spots: NDArray[np.intp],
    ) -> None:
        """Takes a frame in, as far as tiles at `spots` will look.

        rgb: uint8 HxWx3. room: gives parts of the room, None without a plate. coarse: alpha uint8
        HxW. near_by: colours of that frame. spots: from `edge_tiles`.
        """
        width, height = self.size
        y0, x0 = np.maximum(spots.min(0) - HALO, 0)
        y1, x1 = np.minimum(spots.max(0) + self._tile + HALO, (height, width))
        here = np.s_[y0:y1, x0:x1]
        into = self._planes[:, y0 + HALO : y1 + HALO, x0 + HALO : x1 + HALO]
        into[_COARSE] = coarse[here]
        _split(rgb[here], into[:_ROOM])
        _split(_enlarged(near_by.person(), self.size)[here], into[_PERSON:])
        known = into[_COVERAGE]
        seen = None if room is None else room(here)
        if seen is None:
            known.fill(0)
        elif seen.coverage is None:
            known.fill(255)
        else:
            cv2.threshold(seen.coverage, 254, 255, cv2.THRESH_BINARY, dst=known)
        if seen is not None and cv2.countNonZero(known) == known.size:
            _split(seen.rgb, into[_ROOM:_COVERAGE])
            return
        behind = _enlarged(near_by.room(), self.size)[here]
        if seen is not None:
            behind = cv2.copyTo(seen.rgb, known, behind.copy())
        _split(behind, into[_ROOM:_COVERAGE])

    def cut(self, spots: NDArray[np.intp]) -> U8:
        """Tiles uint8 11 x N x S x S whose inner part begins at the spots, S the tile with its halo."""
        return np.ascontiguousarray(self._windows[:, spots[:, 0], spots[:, 1]])


class NearBy:
    """The person's colour and the room's, each gathered around a pixel from where alpha is sure.

    rgb: uint8 hxwx3 at the working size. alpha: uint8 hxw.
    """

    def __init__(self, rgb: U8, alpha: U8) -> None:
        size = (max(1, rgb.shape[1] // SHRINK), max(1, rgb.shape[0] // SHRINK))
        self._rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        self._alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32)

    def person(self) -> U8:
        """uint8 HxWx3, a SHRINK-th of the working size."""
        return self._gathered((self._alpha - 230) / 25)

    def room(self) -> U8:
        """The same for the room as it is seen in the frame."""
        return self._gathered((25 - self._alpha) / 25)

    def _gathered(self, sure: F32) -> U8:
        """Mean colour weighted by sure (HxW, cut to 0..1), near by or, failing that, far."""
        weight = np.clip(sure, 0, 1) + np.float32(1e-4)
        stack = cv2.merge([*cv2.split(self._rgb * weight[..., None]), weight])
        near = cv2.blur(cv2.blur(stack, (NEAR, NEAR)), (NEAR // 2 | 1, NEAR // 2 | 1))
        near += np.float32(FAR_WEIGHT) * cv2.blur(stack, (FAR, FAR))
        return cv2.convertScaleAbs(near[..., :3] / near[..., 3:])


def snapped(alpha: U8) -> U8:
    """alpha with what is surely room or surely person made exactly so; uint8 HxW."""
    return cv2.LUT(alpha, _SNAP)


def edge_tiles(coarse: U8, tile: int = TILE, most: int | None = None) -> NDArray[np.intp]:
    """(y, x) in rows, Nx2, of the tiles that hold a pixel which is neither surely room nor surely person.

    coarse: alpha uint8 HxW. most: where there are more, the ones with most such pixels.
    """
    edge = cv2.inRange(coarse, SURELY_ROOM + 1, SURELY_PERSON - 1)
    np.bitwise_and(edge, 1, out=edge)
    rows, columns = -(-edge.shape[0] // tile), -(-edge.shape[1] // tile)
    counts = np.add.reduceat(edge, np.arange(rows) * tile, axis=0, dtype=np.uint8)  # at most `tile` each
    counts = np.add.reduceat(counts, np.arange(columns) * tile, axis=1, dtype=np.uint16)
    spots = np.argwhere(counts)
    if most is not None and len(spots) > most:
        order = np.argsort(counts[counts > 0])[::-1]
        spots = spots[np.sort(order[:most])]
    return spots * tile


def _enlarged(small: U8, size: tuple[int, int]) -> U8:
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)


def _split(picture: U8, planes: U8) -> None:
    """The channels of picture (HxWx3) into planes (3xHxW, may be part of a larger array)."""
    cv2.mixChannels([picture], list(planes), [0, 0, 1, 1, 2, 2])


_SNAP = np.arange(256, dtype=np.uint8)
_SNAP[: SURELY_ROOM + 1] = 0
_SNAP[SURELY_PERSON:] = 255
