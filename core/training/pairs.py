"""Pairs for the papers' networks: the same synthesis as platenet's, with a plate everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.multiprocessing as mp

from core.matte.soft_segmentation import person_mask, soft_segmentation
from core.training.papers import Truth
from core.training.synthesis import UNKNOWN_U8, Sample
from core.training.workers import give, start, take, telling
from core.types import U8

_SEGMENTATION_PX = 512  # soft_segmentation's sizes are meant for this side
_MOST_WRONG_PX = 12  # of 512: how much too large or small a segmentation is drawn
Arrays = tuple[U8, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where pairs come from. size: (width, height), multiples of 32. more: further data folders."""

    data: Path
    size: tuple[int, int]
    more: tuple[Path, ...] = ()
    unknown_licences: bool = False
    seed: int = 0
    workers: int = 1


class PairFeed:
    """Worker processes that draw pairs. The thread that made it takes from it, and closes it."""

    def __init__(self, source: Source, step: int) -> None:
        """step: at which the run begins or goes on; other steps draw other pairs."""
        context = mp.get_context("spawn")
        self._queue = context.Queue(24)
        self._workers = [
            context.Process(target=_work, args=(self._queue, source, [source.seed, i, step]), daemon=True)
            for i in range(source.workers)
        ]

    def batch(self, count: int) -> Truth:
        if self._workers[0].pid is None:  # a finished run that is asked again starts none
            start(self._workers)
        return to_truth([take(self._queue, self._workers) for _ in range(count)])

    def close(self) -> None:
        for worker in self._workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()
        self._queue.cancel_join_thread()


def to_truth(pairs: list[Arrays]) -> Truth:
    """A batch of what `arrays_of` gives."""
    columns = [torch.from_numpy(np.stack(column)).float().div_(255) for column in zip(*pairs, strict=True)]
    return Truth(*(c.permute(0, 3, 1, 2).contiguous() if c.ndim == 4 else c[:, None] for c in columns))


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
def _work(queue: Any, source: Source, seed: list[int]) -> None:
    """A worker's life: one pair after the other until it is killed."""
    from core.matte.prior import SelfieSegmenter
    from core.training.material import load
    from core.training.synthesis import Synthesizer

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    material = load(source.data, source.unknown_licences, source.more)
    synthesizer = Synthesizer(material, source.size, SelfieSegmenter(), rng, layers=True)
    while True:
        give(queue, arrays_of(synthesizer.sample(), rng))
