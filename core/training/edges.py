"""What the refiner learns from: tiles of edges, as platenet leaves them, from workers.

Without torch: see core.training.workers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.matte.prior import SelfieSegmenter
from core.matte.refine import NearBy, TileCutter, edge_tiles, whole_tiles
from core.matte.working_size import STEPS, platenet_size
from core.runtime.base import CHANNELS, HALO
from core.runtime.openvino import OpenVinoPlateNet
from core.training.material import load
from core.training.synthesis import Sample, Synthesizer
from core.training.workers import Feed, Source, give, telling
from core.types import U8, Room

TILE = 64  # px of alpha; larger than the program's, so that pieces can be cut from them
SEEN = TILE + 2 * HALO
TILES_PER_PICTURE = 32
MOST_WAITING = 24  # pictures' tiles

Edges = tuple[U8, U8]  # tiles 11 x N x SEEN x SEEN, and their true alpha N x TILE x TILE


class EdgeFeed:
    """Workers that make tiles of pictures of these sizes, (width, height), drawn from with equal chances."""

    def __init__(self, source: Source, base: Path, sizes: tuple[tuple[int, int], ...], step: int) -> None:
        """base: platenet's weights. step: at which the run begins or goes on; other steps draw others."""
        seeds = [[source.seed, i, step] for i in range(source.workers)]
        self._feed = Feed(_work, (source, base, sizes), seeds, MOST_WAITING)

    def take(self) -> Edges:
        """The next picture's tiles, one at least."""
        edges: Edges = self._feed.take()
        return edges

    def take_if_there(self) -> Edges | None:
        """The same, None where none is ready."""
        edges: Edges | None = self._feed.take_if_there()
        return edges

    def close(self) -> None:
        self._feed.close()


@telling
def _work(
    queue: Any, source: Source, base: Path, sizes: tuple[tuple[int, int], ...], seed: list[int]
) -> None:
    """A worker's life: pictures, platenet on them, edge tiles out."""
    cv2.setNumThreads(1)
    material = load(source.data, source.unknown_licences, source.more)
    rng, segmenter = np.random.default_rng(seed), SelfieSegmenter()
    makers = {size: Synthesizer(material, size, segmenter, rng) for size in dict.fromkeys(sizes)}
    tile_makers = {size: TileMaker(base, size) for size in makers}
    while True:
        size = sizes[rng.integers(len(sizes))]
        tiles, alpha = tile_makers[size].tiles(makers[size].sample(), rng)
        if len(alpha):
            give(queue, (tiles, alpha))


class TileMaker:
    """Runs platenet on samples of one size and cuts tiles where it may have erred."""

    def __init__(self, base: Path, size: tuple[int, int]) -> None:
        # A live run looks at what the machine bears: the refiner meets the mistakes of each size.
        looked_at = dict.fromkeys(platenet_size(size, pixels) for pixels in STEPS)
        self._nets = [(small, OpenVinoPlateNet(small, base, 1)) for small in looked_at]

    def tiles(self, s: Sample, rng: np.random.Generator) -> tuple[U8, U8]:
        """As edge_pairs, platenet having looked at one of the sizes that it may look at."""
        small, net = self._nets[rng.integers(len(self._nets))]
        inputs = [
            cv2.resize(a, small, interpolation=cv2.INTER_AREA)
            for a in (s.frame, s.plate, s.coverage, s.prior)
        ]
        return edge_pairs(s.frame, s.plate, s.coverage, net.alpha(*inputs), s.alpha, rng)


def edge_pairs(
    frame: U8, plate: U8, coverage: U8, alpha_small: U8, alpha: U8, rng: np.random.Generator
) -> tuple[U8, U8]:
    """Tiles as the refiner sees them (11 x N x 72 x 72) and their true alpha (N x 64 x 64), uint8."""
    height, width = alpha.shape
    coarse = cv2.resize(alpha_small, (width, height), interpolation=cv2.INTER_LINEAR)
    spots = edge_tiles(coarse, TILE)
    # whole tiles only: what lies beyond the border has no truth
    spots = spots[(spots + TILE <= (height, width)).all(1)]
    if not len(spots):
        return np.empty((CHANNELS, 0, SEEN, SEEN), np.uint8), np.empty((0, TILE, TILE), np.uint8)
    spots = rng.permutation(spots)[:TILES_PER_PICTURE]
    small = (alpha_small.shape[1], alpha_small.shape[0])
    near_by = NearBy(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), alpha_small)
    room = Room(plate, coverage).part if coverage.any() else None
    tiles = whole_tiles(TileCutter(TILE).cut(frame, room, coarse, near_by, spots))[:, : len(spots)]
    return tiles, np.stack([alpha[y : y + TILE, x : x + TILE] for y, x in spots])
