"""Full-resolution alpha: bilinear where nothing happens, a learned refiner on tiles of the edge band."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from core.types import U8

TILE, HALO, SEEN, CHANNELS = 64, 8, 80, 8  # as core/nets/refiner.py, which needs torch; a test compares
NO_DIFFERENCE = 128
SURELY_ROOM, SURELY_PERSON = 6, 249  # grey levels of alpha that are no edge: snapped to 0 and 255


class RefinerRuntime(Protocol):
    """Runs the refiner on a batch of tiles."""

    def refine(self, tiles: U8) -> U8:
        """uint8 N x 80 x 80 x 8, filled by `fill_tile` -> alpha uint8 N x 64 x 64."""
        ...


class Refiner:
    """Brings a working-size alpha to the frame's size."""

    def __init__(self, runtime: RefinerRuntime) -> None:
        self._runtime = runtime
        self._shape = (0, 0)
        self._tiles: U8 = np.empty((0, SEEN, SEEN, CHANNELS), np.uint8)
        self._difference: U8 = np.empty((0, 0, 3), np.uint8)

    def refine(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None, alpha_small: U8) -> U8:
        """Alpha uint8 HxW at the size of rgb (uint8 HxWx3); alpha_small is uint8 hxw of the same view.

        plate_rgb, coverage: as in core.types.Matter.
        """
        self._prepare(rgb.shape[0], rgb.shape[1])
        height, width = rgb.shape[:2]
        coarse = cv2.resize(alpha_small, (width, height), interpolation=cv2.INTER_LINEAR)
        alpha = snapped(coarse)
        spots = edge_tiles(coarse)
        if not len(spots):
            return alpha
        if len(spots) > len(self._tiles):
            self._tiles = np.zeros((len(spots), SEEN, SEEN, CHANNELS), np.uint8)
        tiles = self._tiles[: len(spots)]
        difference = None if plate_rgb is None else half_difference(rgb, plate_rgb, out=self._difference)
        for tile, (y, x) in zip(tiles, spots, strict=True):
            fill_tile(tile, y, x, rgb, difference, coverage, coarse)
        refined = self._runtime.refine(tiles)
        for patch, (y, x) in zip(refined, spots, strict=True):
            h, w = min(TILE, height - y), min(TILE, width - x)
            alpha[y : y + h, x : x + w] = patch[:h, :w]
        return alpha

    def _prepare(self, height: int, width: int) -> None:
        if self._shape != (height, width):
            self._shape = (height, width)
            self._tiles = np.zeros((64, SEEN, SEEN, CHANNELS), np.uint8)
            self._difference = np.empty((height, width, 3), np.uint8)


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


def half_difference(rgb: U8, plate_rgb: U8, out: U8 | None = None) -> U8:
    """128 + (frame - plate) / 2, uint8 HxWx3."""
    return cv2.addWeighted(rgb, 0.5, plate_rgb, -0.5, NO_DIFFERENCE, dst=out)


def fill_tile(
    tile: U8, y: int, x: int, rgb: U8, difference: U8 | None, coverage: U8 | None, coarse: U8
) -> None:
    """Fills one tile (uint8 80x80x8) for the 64x64 px of the frame that begin at (y, x).

    Beyond the frame's border it holds zeros. difference: from `half_difference`, None without a plate.
    """
    height, width = coarse.shape
    y0, x0 = max(0, y - HALO), max(0, x - HALO)
    y1, x1 = min(height, y + TILE + HALO), min(width, x + TILE + HALO)
    inside = tile[y0 - y + HALO : y1 - y + HALO, x0 - x + HALO : x1 - x + HALO]
    if inside.shape[:2] != (SEEN, SEEN):
        tile.fill(0)
    inside[..., :3] = rgb[y0:y1, x0:x1]
    if difference is None:
        inside[..., 3:6] = NO_DIFFERENCE
        inside[..., 6] = 0
    else:
        inside[..., 3:6] = difference[y0:y1, x0:x1]
        inside[..., 6] = 255
        if coverage is not None:
            unknown = coverage[y0:y1, x0:x1] != 255
            inside[unknown, 3:6] = NO_DIFFERENCE
            inside[unknown, 6] = 0
    inside[..., 7] = coarse[y0:y1, x0:x1]


_SNAP = np.arange(256, dtype=np.uint8)
_SNAP[: SURELY_ROOM + 1] = 0
_SNAP[SURELY_PERSON:] = 255
