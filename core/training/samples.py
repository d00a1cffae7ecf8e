"""Samples of the sizes that platenet looks at now, from workers. Without torch: see core.training.workers."""

from __future__ import annotations

import multiprocessing
from typing import Any

import cv2
import numpy as np

from core.matte.prior import SelfieSegmenter
from core.training.material import load
from core.training.synthesis import Synthesizer
from core.training.workers import Feed, Source, give, telling
from core.types import U8

Size = tuple[int, int]  # (width, height) of a picture
Arrays = tuple[U8, ...]  # frame, plate, coverage, prior and alpha
MOST_SIZES = 8  # that take turns
MOST_WAITING = 48


class SampleFeed:
    """Workers that synthesise samples of the sizes asked for last."""

    def __init__(self, source: Source, step: int) -> None:
        """step: at which the run begins or goes on; other steps draw other samples."""
        self._sizes = multiprocessing.get_context("spawn").Array("i", 2 * MOST_SIZES)
        self._waiting: dict[Size, list[Arrays]] = {}
        seeds = [[source.seed, step, i] for i in range(source.workers)]
        self._feed = Feed(_work, (self._sizes, source), seeds, MOST_WAITING)

    def batch(self, sizes: tuple[Size, ...], count: int) -> list[Arrays]:
        """Samples of one of the sizes, which take turns by chance; one that stands twice has two."""
        if set(self._waiting) != set(sizes):
            self._waiting = {size: [] for size in sizes}
            self._sizes[:] = [n for size in sizes for n in size] + [0] * 2 * (MOST_SIZES - len(sizes))
        while True:
            sample = self._feed.take()
            of_its_size = self._waiting.get(sample[-1].shape[::-1])
            if of_its_size is None:  # left over from the stage before
                continue
            of_its_size.append(sample)
            if len(of_its_size) == count:
                samples = of_its_size.copy()
                of_its_size.clear()
                return samples

    def close(self) -> None:
        self._feed.close()


@telling
def _work(queue: Any, sizes: Any, source: Source, seed: list[int]) -> None:
    """A worker's life: one sample after the other until it is killed."""
    cv2.setNumThreads(1)
    material = load(source.data, source.unknown_licences, source.more)
    rng = np.random.default_rng(seed)
    segmenter = SelfieSegmenter()
    synthesizers: dict[Size, Synthesizer] = {}
    while True:
        numbers = sizes[:]
        wanted = [size for size in zip(numbers[::2], numbers[1::2], strict=True) if all(size)]
        synthesizers = {size: s for size, s in synthesizers.items() if size in wanted}
        size = wanted[rng.integers(len(wanted))]
        if size not in synthesizers:
            synthesizers[size] = Synthesizer(material, size, segmenter, rng)
        s = synthesizers[size].sample()
        give(queue, (s.frame, s.plate, s.coverage, s.prior, s.alpha))
