"""Full-resolution alpha: bilinear where nothing happens, a learned refiner on tiles of the edge band."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from core.matte.working_size import shrink_into
from core.runtime.base import BATCH, CHANNELS, HALO, TILE
from core.types import F32, U8, Room

RoomPart = Callable[[tuple[slice, slice]], Room]  # rows and columns of the frame

# Of the width, at most, which bounds a frame's time: 192 at 1280, a hair-rich head and arms
TILES_PER_PX = 0.15
LEAST_TILES = 16
LEAST_EDGE = 12  # px of an edge in a tile worth a look: 5 % of the tiles have fewer than 8, 9 % than 16
SURELY_ROOM, SURELY_PERSON = 6, 249  # grey levels of alpha that are no edge: snapped to 0 and 255
NEAR_BY_PIXELS = 128 * 72  # area of the picture that colours near by are gathered in
NEAR, FAR = (5, 17)  # px there: windows that they are gathered in
FAR_WEIGHT = 0.02  # colours from afar count where there are none near by
_ROOM, _COVERAGE, _COARSE, _PERSON = 3, 6, 7, 8  # planes; the frame's are the first three
_WORD = 8  # bytes


class RefinerRuntime(Protocol):
    """Runs the refiner on tiles."""

    def refine(self, tiles: U8) -> U8:
        """uint8 B x 11 x 16 x 4 x 16 x 16, cut by `TileCutter` -> alpha uint8 (16 B) x 24 x 24."""
        ...


class Refiner:
    """Brings a working-size alpha to the frame's size."""

    def __init__(self, runtime: RefinerRuntime) -> None:
        self._runtime = runtime
        self._cutter = TileCutter()

    def refine(self, rgb: U8, room: RoomPart | None, rgb_small: U8, alpha_small: U8) -> U8:
        """Alpha uint8 HxW at the size of rgb (uint8 HxWx3).

        room: gives parts of the room, None without a plate. rgb_small, alpha_small: uint8 hxwx3 and
        hxw, the same frame and its matte at the working size.
        """
        height, width = rgb.shape[:2]
        coarse = cv2.resize(alpha_small, (width, height), interpolation=cv2.INTER_LINEAR)
        most = max(LEAST_TILES, round(width * TILES_PER_PX))
        spots = edge_tiles(coarse, most=most, least=LEAST_EDGE)
        alpha = snapped(coarse)
        if len(spots):
            tiles = self._cutter.cut(rgb, room, coarse, NearBy(rgb_small, alpha_small), spots)
            _put(snapped(self._runtime.refine(tiles)[: len(spots)]), alpha, spots)
        return alpha


class TileCutter:
    """Cuts out what the refiner looks at, in batches of a fixed size. Beyond the frame there are zeros.

    tile: px of alpha that a tile delivers; it is seen with HALO more on every side.
    """

    def __init__(self, tile: int = TILE) -> None:
        self._side = tile + 2 * HALO
        half = self._side // 2
        self._batches = np.zeros((0, CHANNELS, BATCH, 4, half, half), np.uint8)
        self._everywhere = np.zeros((0, 0), np.uint8)

    def cut(self, rgb: U8, room: RoomPart | None, coarse: U8, near_by: NearBy, spots: NDArray[np.intp]) -> U8:
        """Tiles uint8 B x 11 x 16 x 4 x S/2 x S/2 whose inner part begins at the spots, B x 16 being at
        least as many. Written over by the next call.

        The four are the pixels of a square of 2x2, row by row: what looks at every other pixel, or puts
        two where one was, then looks at neighbours in memory (see `whole_tiles` for them as pictures).

        rgb: uint8 HxWx3. room: gives parts of the room, None without a plate. coarse: alpha uint8
        HxW. near_by: colours of that frame. spots: from `edge_tiles`.
        """
        height, width = coarse.shape
        begin = spots - HALO
        count = -(-len(spots) // BATCH)
        if count > len(self._batches):
            self._batches = np.zeros((count, *self._batches.shape[1:]), np.uint8)
        batches = self._batches[:count]

        def windows(picture: U8, origin: tuple[int, int] = (0, 0)) -> U8:
            return _windows(picture, begin - origin, self._side, count * BATCH)

        def enlarged(small: U8) -> U8:
            return windows(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))

        _split(windows(rgb), batches[:, :_ROOM])
        _split(windows(coarse), batches[:, _COARSE : _COARSE + 1])
        _split(enlarged(near_by.person()), batches[:, _PERSON:])
        known = batches[:, _COVERAGE : _COVERAGE + 1]
        if room is None:
            known[:] = 0
            _split(enlarged(near_by.room()), batches[:, _ROOM:_COVERAGE])
            return batches
        y0, x0 = np.maximum(begin.min(0), 0)
        y1, x1 = np.minimum(begin.max(0) + self._side, (height, width))
        seen = room(np.s_[y0:y1, x0:x1])
        behind = windows(seen.rgb, (y0, x0))
        if seen.coverage is None:
            _split(windows(self._whole(seen.rgb.shape[:2]), (y0, x0)), known)
        else:
            covered = windows(seen.coverage, (y0, x0))
            _split(covered, known)
            partly = np.flatnonzero(covered[: len(spots)].min((1, 2, 3)) < 255)
            if len(partly):
                instead = cv2.resize(near_by.room(), (width, height), interpolation=cv2.INTER_LINEAR)
                there = _windows(instead, begin[partly], self._side, len(partly))
                behind[partly] = np.where(covered[partly, ..., None], behind[partly], there)
        _split(behind, batches[:, _ROOM:_COVERAGE])
        return batches

    def _whole(self, shape: tuple[int, ...]) -> U8:
        """A coverage of all, uint8 of that shape."""
        if self._everywhere.shape != shape:
            self._everywhere = np.full(shape, 255, np.uint8)
        return self._everywhere


class NearBy:
    """The person's colour and the room's, each gathered around a pixel from where alpha is sure.

    rgb: uint8 hxwx3 at the working size. alpha: uint8 hxw.
    """

    def __init__(self, rgb: U8, alpha: U8) -> None:
        shrink = math.sqrt(min(1.0, NEAR_BY_PIXELS / alpha.size))
        size = (max(1, round(rgb.shape[1] * shrink)), max(1, round(rgb.shape[0] * shrink)))
        small_rgb, small_alpha = np.empty((size[1], size[0], 3), np.uint8), np.empty(size[::-1], np.uint8)
        shrink_into(rgb, small_rgb)
        shrink_into(alpha, small_alpha)
        self._rgb, self._alpha = small_rgb.astype(np.float32), small_alpha.astype(np.float32)

    def person(self) -> U8:
        """uint8 HxWx3, of about NEAR_BY_PIXELS."""
        return self._gathered((self._alpha - np.float32(230)) / np.float32(25))

    def room(self) -> U8:
        """The same for the room as it is seen in the frame."""
        return self._gathered((np.float32(25) - self._alpha) / np.float32(25))

    def _gathered(self, sure: F32) -> U8:
        """Mean colour weighted by sure (HxW, cut to 0..1), near by or, failing that, far."""
        weight = np.clip(sure, 0, 1) + np.float32(1e-4)
        stack = cv2.merge([*cv2.split(self._rgb * weight[..., None]), weight])
        near = cv2.blur(cv2.blur(stack, (NEAR, NEAR)), (NEAR // 2 | 1, NEAR // 2 | 1))
        near += np.float32(FAR_WEIGHT) * cv2.blur(stack, (FAR, FAR))
        return cv2.convertScaleAbs(near[..., :3] / near[..., 3:])


def snapped(alpha: U8) -> U8:
    """alpha with what is surely room or surely person made exactly so; uint8 of any shape."""
    return cv2.LUT(alpha.reshape(len(alpha), -1), _SNAP).reshape(alpha.shape)


def edge_tiles(coarse: U8, tile: int = TILE, most: int | None = None, least: int = 1) -> NDArray[np.intp]:
    """(y, x) in rows, Nx2, of the tiles that hold pixels which are neither surely room nor surely person.

    coarse: alpha uint8 HxW. least: such pixels that a tile holds. most: where there are more tiles, the
    ones with most such pixels.
    """
    rows, columns = -(-coarse.shape[0] // tile), -(-coarse.shape[1] // tile)
    edge = cv2.inRange(coarse, SURELY_ROOM + 1, SURELY_PERSON - 1)
    if edge.shape[1] % _WORD:
        edge = cv2.copyMakeBorder(edge, 0, 0, 0, -edge.shape[1] % _WORD, cv2.BORDER_CONSTANT, value=(0,))
    np.bitwise_and(edge, 1, out=edge)
    # Eight bytes are added as one number, in each of which there is room for `tile` ones.
    counts = np.add.reduceat(edge.view(np.uint64), np.arange(rows) * tile, axis=0).view(np.uint8)
    counts = np.add.reduceat(counts, np.arange(columns) * tile, axis=1, dtype=np.uint16)
    chosen = counts >= least
    spots = np.argwhere(chosen)
    if most is not None and len(spots) > most:
        order = np.argsort(counts[chosen])[::-1]
        spots = spots[np.sort(order[:most])]
    return spots * tile


def whole_tiles(batches: U8) -> U8:
    """What `TileCutter` cut, as pictures: uint8 11 x (16 B) x S x S."""
    of_channels = batches.swapaxes(0, 1)
    channels, count, size, _, half, _ = of_channels.shape
    blocks = of_channels.reshape(channels, count * size, 2, 2, half, half)
    return blocks.transpose(0, 1, 4, 2, 5, 3).reshape(channels, count * size, 2 * half, 2 * half)


def _windows(picture: U8, begin: NDArray[np.intp], side: int, room_for: int) -> U8:
    """Squares of a picture (HxW or HxWx3), their even rows and then their odd ones: M x 2 x side/2 x side
    (x 3), zeros where they reach beyond it.

    begin: (y, x) of their corners, Nx2. room_for: M, N or more; what is more is zeros.
    """
    height, width = picture.shape[:2]
    found = np.zeros((room_for, 2, side // 2, side, *picture.shape[2:]), np.uint8)
    inside = ((begin >= 0) & (begin + side <= (height, width))).all(1)
    if inside.any():
        row, column = picture.strides[:2]
        every = as_strided(
            picture,
            (height - side + 1, width - side + 1, *found.shape[1:]),
            (row, column, row, 2 * row, column, *picture.strides[2:]),
            writeable=False,
        )
        found[: len(begin)][inside] = every[tuple(begin[inside].T)]
    for k in np.flatnonzero(~inside):
        y, x = begin[k]
        part = picture[max(y, 0) : y + side, max(x, 0) : x + side]
        top, left = max(-y, 0), max(-x, 0)
        square = np.zeros((side, side, *picture.shape[2:]), np.uint8)
        square[top : top + part.shape[0], left : left + part.shape[1]] = part
        found[k, 0], found[k, 1] = square[::2], square[1::2]
    return found


def _split(windows: U8, planes: U8) -> None:
    """The channels of windows (M x 2 x S/2 x S x C, or without C) into planes (B x C x N x 4 x S/2 x S/2,
    M = B N)."""
    count, channels, size = planes.shape[:3]
    area = planes.shape[4] * planes.shape[5]
    pairs = windows.reshape(count, size, 2, area, 2 * channels)  # two pixels side by side as one
    planes = planes.reshape(count, channels, size, 2, 2, area)
    order = [k for channel in range(2 * channels) for k in (channel, channel)]
    for batch, into in zip(pairs, planes, strict=True):
        for row in range(2):
            out = [into[channel, :, row, column] for column in range(2) for channel in range(channels)]
            cv2.mixChannels([batch[:, row]], out, order)


def _put(tiles: U8, picture: U8, spots: NDArray[np.intp]) -> None:
    """Tiles (NxSxS) into a picture (HxW, written to) at spots, multiples of S, as far as they are in it."""
    side = tiles.shape[1]
    height, width = picture.shape
    whole = (spots + side <= (height, width)).all(1)
    if whole.any():
        down, right = picture.strides
        grid = as_strided(
            picture, (height // side, width // side, side, side), (side * down, side * right, down, right)
        )
        grid[tuple(spots[whole].T // side)] = tiles[whole]
    for k in np.flatnonzero(~whole):
        y, x = spots[k]
        inside = picture[y : y + side, x : x + side]
        inside[:] = tiles[k, : inside.shape[0], : inside.shape[1]]


_SNAP = np.arange(256, dtype=np.uint8)
_SNAP[: SURELY_ROOM + 1] = 0
_SNAP[SURELY_PERSON:] = 255
