"""Full-resolution alpha: bilinear where nothing happens, a learned refiner on tiles of the edge band."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from core.types import F32, U8

TILE, HALO, SEEN, CHANNELS = 64, 8, 80, 11  # as core/nets/refiner.py, which needs torch; a test compares
SURELY_ROOM, SURELY_PERSON = 6, 249  # grey levels of alpha that are no edge: snapped to 0 and 255
COLOURS_WIDTH = 320  # px: width at which the colours near by are gathered
NEAR, FAR = (11, 41)  # px at that width: side of the windows they are gathered in
FAR_WEIGHT = 0.02  # colours from afar count where there are none near by


class RefinerRuntime(Protocol):
    """Runs the refiner on a batch of tiles."""

    def refine(self, tiles: U8) -> U8:
        """uint8 N x 80 x 80 x 11, filled by `Layers.fill` -> alpha uint8 N x 64 x 64."""
        ...


class Refiner:
    """Brings a working-size alpha to the frame's size."""

    def __init__(self, runtime: RefinerRuntime) -> None:
        self._runtime = runtime
        self._tiles: U8 = np.zeros((64, SEEN, SEEN, CHANNELS), np.uint8)

    def refine(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None, alpha_small: U8) -> U8:
        """Alpha uint8 HxW at the size of rgb (uint8 HxWx3); alpha_small is uint8 hxw of the same view.

        plate_rgb, coverage: as in core.types.Matter.
        """
        height, width = rgb.shape[:2]
        coarse = cv2.resize(alpha_small, (width, height), interpolation=cv2.INTER_LINEAR)
        alpha = snapped(coarse)
        spots = edge_tiles(coarse)
        if not len(spots):
            return alpha
        if len(spots) > len(self._tiles):
            self._tiles = np.zeros((len(spots), SEEN, SEEN, CHANNELS), np.uint8)
        layers = Layers(rgb, plate_rgb, coverage, coarse)
        tiles = self._tiles[: len(spots)]
        for tile, (y, x) in zip(tiles, spots, strict=True):
            layers.fill(tile, y, x)
        refined = self._runtime.refine(tiles)
        for patch, (y, x) in zip(refined, spots, strict=True):
            h, w = min(TILE, height - y), min(TILE, width - x)
            alpha[y : y + h, x : x + w] = patch[:h, :w]
        return snapped(alpha)


class Layers:
    """What the refiner looks at, at the frame's size, to be cut into tiles.

    Args: as Refiner.refine; coarse: alpha uint8 HxW.
    """

    def __init__(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None, coarse: U8) -> None:
        self._rgb, self._coarse = rgb, coarse
        person, room = colours_near_by(rgb, coarse)
        size = (rgb.shape[1], rgb.shape[0])
        self._person = cv2.resize(person, size, interpolation=cv2.INTER_LINEAR)
        self._coverage = coverage
        if plate_rgb is None:
            self._room, self._known = cv2.resize(room, size, interpolation=cv2.INTER_LINEAR), 0
        elif coverage is None or cv2.countNonZero(coverage) == coverage.size:
            self._room, self._known, self._coverage = plate_rgb, 255, None
        else:
            room = cv2.resize(room, size, interpolation=cv2.INTER_LINEAR)
            self._room, self._known = cv2.copyTo(plate_rgb, cv2.compare(coverage, 254, cv2.CMP_GT), room), 255

    def fill(self, tile: U8, y: int, x: int) -> None:
        """Fills one tile (uint8 80x80x11) for the 64x64 px of the frame that begin at (y, x).

        Beyond the frame's border it holds zeros.
        """
        height, width = self._coarse.shape
        y0, x0 = max(0, y - HALO), max(0, x - HALO)
        y1, x1 = min(height, y + TILE + HALO), min(width, x + TILE + HALO)
        inside = tile[y0 - y + HALO : y1 - y + HALO, x0 - x + HALO : x1 - x + HALO]
        if inside.shape[:2] != (SEEN, SEEN):
            tile.fill(0)
        here = np.s_[y0:y1, x0:x1]
        inside[..., :3] = self._rgb[here]
        inside[..., 3:6] = self._room[here]
        inside[..., 6] = self._known
        if self._coverage is not None and self._known:
            inside[..., 6][self._coverage[here] != 255] = 0
        inside[..., 7] = self._coarse[here]
        inside[..., 8:] = self._person[here]


def colours_near_by(rgb: U8, coarse: U8) -> tuple[U8, U8]:
    """The person's colour and the room's, each gathered around a pixel from where alpha is sure.

    rgb: uint8 HxWx3. coarse: alpha uint8 HxW. Two small uint8 pictures of the same view.
    """
    scale = min(1.0, COLOURS_WIDTH / rgb.shape[1])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = cv2.resize(coarse, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return _gathered(small, (alpha - 230) / 25), _gathered(small, (25 - alpha) / 25)


def snapped(alpha: U8) -> U8:
    """alpha with what is surely room or surely person made exactly so; uint8 HxW."""
    return cv2.LUT(alpha, _SNAP)


def edge_tiles(coarse: U8) -> list[tuple[int, int]]:
    """(y, x) of the tiles that hold a pixel which is neither surely room nor surely person.

    coarse: alpha uint8 HxW.
    """
    edge = cv2.inRange(coarse, SURELY_ROOM + 1, SURELY_PERSON - 1)
    rows, columns = -(-edge.shape[0] // TILE), -(-edge.shape[1] // TILE)
    # a maximum over each tile: INTER_AREA would dilute a single hair
    hits = np.maximum.reduceat(edge, np.arange(rows) * TILE, axis=0)
    hits = np.maximum.reduceat(hits, np.arange(columns) * TILE, axis=1)
    return [(int(y) * TILE, int(x) * TILE) for y, x in np.argwhere(hits)]


def _gathered(small: F32, sure: F32) -> U8:
    """Mean of small (HxWx3 0..255) weighted by sure (HxW, cut to 0..1), near by or, failing that, far."""
    weight = np.clip(sure, 0, 1) + np.float32(1e-4)
    stack = np.dstack([small * weight[..., None], weight])
    near = cv2.blur(cv2.blur(stack, (NEAR, NEAR)), (NEAR // 2 | 1, NEAR // 2 | 1))
    near += np.float32(FAR_WEIGHT) * cv2.blur(stack, (FAR, FAR))
    return cv2.convertScaleAbs(near[..., :3] / near[..., 3:])


_SNAP = np.arange(256, dtype=np.uint8)
_SNAP[: SURELY_ROOM + 1] = 0
_SNAP[SURELY_PERSON:] = 255
