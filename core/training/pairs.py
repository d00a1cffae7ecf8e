"""Pairs for the papers' networks: the same synthesis as platenet's, with a plate everywhere.

Without torch: see core.training.workers.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from core.matte.prior import SelfieSegmenter
from core.matte.soft_segmentation import person_mask, soft_segmentation
from core.training.material import load
from core.training.synthesis import UNKNOWN_U8, Sample, Synthesizer
from core.training.workers import Feed, Source, give, telling
from core.types import U8

_SEGMENTATION_PX = 512  # soft_segmentation's sizes are meant for this side
_MOST_WRONG_PX = 12  # of 512: how much too large or small a segmentation is drawn
_MOST_WAITING = 24
Arrays = tuple[U8, ...]


class PairFeed:
    """Workers that draw pairs of one size, (width, height), multiples of 32."""

    def __init__(self, source: Source, size: tuple[int, int], step: int) -> None:
        """step: at which the run begins or goes on; other steps draw other pairs."""
        seeds = [[source.seed, i, step] for i in range(source.workers)]
        self._feed = Feed(_work, (source, size), seeds, _MOST_WAITING)

    def batch(self, count: int) -> list[Arrays]:
        return [self._feed.take() for _ in range(count)]

    def close(self) -> None:
        self._feed.close()


def arrays_of(sample: Sample, rng: np.random.Generator) -> Arrays:
    """uint8 arrays in the order of Truth's fields, of a sample that was asked for its layers."""
    assert sample.fgr is not None
    assert sample.room is not None
    segmentation = drawn_segmentation(sample, rng)
    return sample.frame, sample.plate, sample.alpha, sample.fgr, sample.room, segmentation


def drawn_segmentation(sample: Sample, rng: np.random.Generator) -> U8:
    """A soft segmentation, uint8 HxW, as wrong as those met in use.

    2020, sec. 3: the truth's outline, eroded or dilated at random and blurred; every second time
    the segmenter's mask instead, where the sample has one.
    """
    height, width = sample.alpha.shape
    guessed = bool((sample.prior != UNKNOWN_U8).any()) and rng.random() < 0.5
    scale = _SEGMENTATION_PX / max(height, width)
    size = round(width * scale), round(height * scale)
    mask = cv2.resize(sample.prior if guessed else sample.alpha, size, interpolation=cv2.INTER_LINEAR)
    wrong = int(rng.integers(-_MOST_WRONG_PX, _MOST_WRONG_PX + 1))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(wrong) + 1,) * 2)
    mask = cv2.dilate(mask, disc) if wrong > 0 else cv2.erode(mask, disc)
    soft = soft_segmentation(person_mask(np.asarray(mask, np.uint8)))
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


@telling
def _work(queue: Any, source: Source, size: tuple[int, int], seed: list[int]) -> None:
    """A worker's life: one pair after the other until it is killed."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    material = load(source.data, source.unknown_licences, source.more)
    synthesizer = Synthesizer(material, size, SelfieSegmenter(), rng, layers=True)
    while True:
        give(queue, arrays_of(synthesizer.sample(), rng))
