"""Full-resolution alpha: bilinear where nothing happens, a learned refiner on tiles of the edge band."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from core.matte.working_size import shrink_into
from core.runtime.base import BATCH, CHANNELS, HALO, TILE
from core.types import F32, U8, Room

RoomPart = Callable[[tuple[slice, slice]], Room]  # rows and columns of the frame

# Of the longer side, at most, which bounds a frame's time: 192 at 1280, a hair-rich head and arms
TILES_PER_PX = 0.15
LEAST_TILES = 16
LEAST_EDGE = 12  # px of an edge in a tile worth a look: 5 % of the tiles have fewer than 8, 9 % than 16
SURELY_ROOM, SURELY_PERSON = 6, 249  # grey levels of alpha that are no edge: snapped to 0 and 255
NEAR_BY_PIXELS = 128 * 72  # area of the picture that colours near by are gathered in
NEAR, FAR = (5, 17)  # px there: windows that they are gathered in
FAR_WEIGHT = 0.02  # colours from afar count where there are none near by
_ROOM, _COVERAGE, _COARSE, _PERSON = 3, 6, 7, 8  # planes; the frame's are the first three
_WORD = 8  # bytes
_IN_ORDER = [k for plane in range(2 * 3) for k in (plane, plane)]


class RefinerRuntime(Protocol):
    """Runs the refiner on tiles."""

    def refine(self, batches: Iterable[U8]) -> U8:
        """B batches, uint8 11 x 16 x 4 x 16 x 16 each, which may be cut while those before are refined ->
        alpha uint8 (16 B) x 24 x 24. None is written to before all are done."""
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
        most = max(LEAST_TILES, round(max(width, height) * TILES_PER_PX))
        spots = edge_tiles(coarse, most=most, least=LEAST_EDGE)
        alpha = snapped(coarse)
        if len(spots):
            batches = self._cutter.cut(rgb, room, coarse, NearBy(rgb_small, alpha_small), spots)
            _put(snapped(self._runtime.refine(batches)[: len(spots)]), alpha, spots)
        return alpha


class TileCutter:
    """Cuts out what the refiner looks at, in batches of a fixed size. Beyond the frame there are zeros.

    tile: px of alpha that a tile delivers; it is seen with HALO more on every side.
    """

    def __init__(self, tile: int = TILE) -> None:
        self._side = tile + 2 * HALO
        self._batches: list[_Batch] = []

    def cut(
        self, rgb: U8, room: RoomPart | None, coarse: U8, near_by: NearBy, spots: NDArray[np.intp]
    ) -> Iterator[U8]:
        """Batches of tiles, uint8 11 x 16 x 4 x S/2 x S/2, whose inner part begins at the spots; the last
        spot fills up the last one. Each is cut when it is asked for; the next call writes over all.

        The four are the pixels of a square of 2x2, row by row: what looks at every other pixel, or puts
        two where one was, then looks at neighbours in memory (see `whole_tiles` for them as pictures).

        rgb: uint8 HxWx3. room: gives parts of the room, None without a plate. coarse: alpha uint8
        HxW. near_by: colours of that frame. spots: from `edge_tiles`, one at least.
        """
        height, width = rgb.shape[:2]
        begin = np.concatenate([spots, spots[-1:].repeat(-len(spots) % BATCH, 0)]) - HALO

        def enlarged(small: U8) -> U8:
            return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)

        def windows(picture: U8, y0: int = 0, x0: int = 0) -> _Windows:
            return _Windows(picture, begin - np.array([y0, x0]), self._side)

        frame, alpha, person = windows(rgb), windows(coarse), windows(enlarged(near_by.person()))
        instead: _Windows | None = None
        if room is None:
            behind = windows(enlarged(near_by.room()))
            coverage = windows(np.broadcast_to(np.uint8(0), coarse.shape))
        else:
            y0, x0 = (max(0, int(n)) for n in begin.min(0))
            y1, x1 = (int(n) + self._side for n in begin.max(0))
            seen = room(np.s_[y0 : min(y1, height), x0 : min(x1, width)])
            known = seen.coverage
            if known is None:
                known = np.broadcast_to(np.uint8(255), seen.rgb.shape[:2])
            elif cv2.minMaxLoc(known)[0] < 255:
                instead = windows(enlarged(near_by.room()))
            behind, coverage = windows(seen.rgb, y0, x0), windows(known, y0, x0)
        for k in range(len(begin) // BATCH):
            if k == len(self._batches):
                self._batches.append(_Batch(self._side // 2))
            batch, some = self._batches[k], slice(k * BATCH, (k + 1) * BATCH)
            colours, covered = behind.cut(some), coverage.cut(some)
            if instead is not None:
                colours = np.where(covered[..., None], colours, instead.cut(some))
            batch.put(frame.cut(some), 0)
            batch.put(colours, _ROOM)
            batch.put(covered, _COVERAGE)
            batch.put(alpha.cut(some), _COARSE)
            batch.put(person.cut(some), _PERSON)
            yield batch.tiles


class _Windows:
    """Squares of a picture (HxW or HxWx3), zeros where they reach beyond it.

    begin: (y, x) of their corners, Nx2. side: px, even.
    """

    def __init__(self, picture: U8, begin: NDArray[np.intp], side: int) -> None:
        height, width = picture.shape[:2]
        self._picture, self._begin, self._side = picture, begin, side
        self._inside = np.all((begin >= 0) & (begin + side <= (height, width)), axis=1)
        self._shape = (2, side // 2, side, *picture.shape[2:])
        row, column = picture.strides[:2]
        self._every = as_strided(
            picture,
            (max(0, height - side + 1), max(0, width - side + 1), *self._shape),
            (row, column, row, 2 * row, column, *picture.strides[2:]),
            writeable=False,
        )

    def cut(self, some: slice) -> U8:
        """Some of them, their even rows and then their odd ones: M x 2 x side/2 x side (x 3)."""
        begin, inside = self._begin[some], self._inside[some]
        if inside.all():
            return self._every[tuple(begin.T)]
        found = np.zeros((len(begin), *self._shape), np.uint8)
        found[inside] = self._every[tuple(begin[inside].T)]
        side = self._side
        for k in np.flatnonzero(~inside):
            y, x = begin[k]
            part = self._picture[max(y, 0) : y + side, max(x, 0) : x + side]
            top, left = max(-y, 0), max(-x, 0)
            square = np.zeros((side, side, *part.shape[2:]), np.uint8)
            square[top : top + part.shape[0], left : left + part.shape[1]] = part
            found[k, 0], found[k, 1] = square[::2], square[1::2]
        return found


class _Batch:
    """One batch of tiles, CHANNELS x BATCH x 4 x half x half, and its planes as windows are put into them."""

    def __init__(self, half: int) -> None:
        self.tiles = np.zeros((CHANNELS, BATCH, 4, half, half), np.uint8)
        planes = self.tiles.reshape(CHANNELS, 2 * BATCH, 2, half * half)
        self._planes = [[planes[channel, :, column] for channel in range(CHANNELS)] for column in range(2)]

    def put(self, windows: U8, first: int) -> None:
        """The channels of BATCH windows into planes from the first on."""
        channels = windows.shape[4] if windows.ndim == 5 else 1
        # two pixels side by side as one
        pairs = windows.reshape(*self._planes[0][0].shape, 2 * channels)
        out = [plane for planes in self._planes for plane in planes[first : first + channels]]
        cv2.mixChannels([pairs], out, _IN_ORDER[: 4 * channels])


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


def whole_tiles(batches: Iterable[U8]) -> U8:
    """What `TileCutter` cut, as pictures: uint8 11 x N x S x S."""
    of_channels = np.concatenate(list(batches), 1)
    channels, count, _, half, _ = of_channels.shape
    blocks = of_channels.reshape(channels, count, 2, 2, half, half)
    return blocks.transpose(0, 1, 4, 2, 5, 3).reshape(channels, count, 2 * half, 2 * half)


def in_squares(tiles: U8) -> U8:
    """The other way: pictures (11 x N x S x S) as `TileCutter` cuts them, 11 x N x 4 x S/2 x S/2."""
    channels, count, side, _ = tiles.shape
    blocks = tiles.reshape(channels, count, side // 2, 2, side // 2, 2).transpose(0, 1, 3, 5, 2, 4)
    return np.ascontiguousarray(blocks).reshape(channels, count, 4, side // 2, side // 2)


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
