"""Held-out pairs, the same for a whole run: what nobody trained on says whether it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from core.errors import MediaError
from core.training.material import load
from core.training.synthesis import Sample, Segmenter, Synthesizer
from core.types import U8

SEED = 20_260  # never that of a run: the pairs are to be the same for all runs
_SHOWN = 6  # pairs in a picture


class Judged(Protocol):
    """The options of a run, whatever it trains."""

    @property
    def data(self) -> Path: ...
    @property
    def more_data(self) -> tuple[Path, ...]: ...
    @property
    def unknown_licences(self) -> bool: ...
    @property
    def validation(self) -> int: ...


def held_out_of(run: Judged, size: tuple[int, int], layers: bool = False) -> list[Sample]:
    """The run's held-out samples, with the program's own prior; none where it asks for none."""
    if not run.validation:
        return []
    from core.matte.prior import SelfieSegmenter

    return held_out_samples(
        run.data, run.more_data, run.unknown_licences, size, run.validation, SelfieSegmenter(), layers
    )


def held_out_samples(
    data: Path,
    more: tuple[Path, ...],
    unknown_licences: bool,
    size: tuple[int, int],
    count: int,
    segmenter: Segmenter | None,
    layers: bool = False,
) -> list[Sample]:
    """`count` samples of held-out identities.

    Raises:
        MediaError: nobody is held out.
    """
    material = load(data, unknown_licences, more, held_out=True)
    if not material.people:
        raise MediaError(
            f"nobody in {', '.join(map(str, (data, *more)))} is held out for validation: write `yes` into "
            "the column held_out of people/SOURCES.tsv for some identities, or train with --validation 0"
        )
    synthesizer = Synthesizer(material, size, segmenter, np.random.default_rng(SEED), layers)
    return [synthesizer.sample() for _ in range(count)]


def mean_error(samples: list[Sample], alpha_of: Callable[[Sample], U8]) -> tuple[float, U8]:
    """(mean absolute error of alpha x 1000, a picture of some pairs).

    The picture, uint8 HxWx3, has a pair per row: frame, plate, true alpha, alpha found.
    """
    errors: list[float] = []
    rows: list[U8] = []
    for sample in samples:
        found = alpha_of(sample)
        errors.append(float(cv2.absdiff(found, sample.alpha).mean()) / 255 * 1e3)
        if len(rows) < _SHOWN:
            mattes = [cv2.cvtColor(a, cv2.COLOR_GRAY2RGB) for a in (sample.alpha, found)]
            rows.append(np.hstack([sample.frame, sample.plate, *mattes]))
    return float(np.mean(errors)), np.vstack(rows)
