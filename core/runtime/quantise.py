"""Calibration: what range each convolution's input has, so that it can be done on 8-bit integers.

On a processor with AVX-512 VNNI platenet takes two thirds of bfloat16's time, on one with AVX2 alone
half of single precision's; the refiner half to two thirds of either. Alpha changes by a tenth of a grey
level on average, in the refiner's tiles by a third; by three and four tenths where kernels must be
smaller (core/runtime/overflow.py). The ranges stand in the weights' own file, so that they cannot belong to
others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import Node
from safetensors import safe_open
from safetensors.numpy import save_file

from core.runtime.graph import RANGES, Ranges, compile_graph
from core.runtime.openvino import platenet_graph, refiner_graph, stacked
from core.types import U8

# Of a picture's values: the largest few would coarsen all others. 99.9 measures the same, 99.99 2 % worse.
HIGHEST_PERCENT = 99.95
LEAST = 1e-3  # largest value of what is always 0
_SIGNED = 128 / 127  # there is one more integer below 0 than above


def platenet_ranges(weights: Path, samples: list[tuple[U8, ...]]) -> Ranges:
    """Ranges of platenet's convolutions on samples: arrays as PlateNetRuntime.alpha takes them, all of
    one size."""
    height, width = samples[0][0].shape[:2]
    model, entering = platenet_graph((width, height), weights)
    low, high = np.zeros(len(entering)), np.full(len(entering), LEAST)
    for seen in _seen(model, entering, (stacked(*sample) for sample in samples)):
        for k, values in enumerate(seen):
            low[k] = min(low[k], values.min())
            high[k] = max(high[k], np.percentile(values, HIGHEST_PERCENT))
    return {name: (float(low[k]), float(high[k])) for k, name in enumerate(entering)}


def refiner_ranges(weights: Path, batches: list[U8]) -> Ranges:
    """Ranges of the refiner's convolutions on batches as RefinerRuntime takes them, of each channel by
    itself: what enters are colours, differences and ratios. Where there is anything below 0, to both sides
    of it alike."""
    model, entering = refiner_graph(weights)
    largest = [np.full(1, LEAST)] * len(entering)
    signed = [False] * len(entering)
    for seen in _seen(model, entering, batches):
        for k, values in enumerate(seen):
            signed[k] = signed[k] or bool(values.min() < 0)
            of_channels = np.percentile(np.abs(values), HIGHEST_PERCENT, (0, 2, 3))
            largest[k] = np.maximum(largest[k], of_channels)
    lowest = [-_SIGNED * high if below else 0 * high for high, below in zip(largest, signed, strict=True)]
    return {name: (lowest[k].tolist(), largest[k].tolist()) for k, name in enumerate(entering)}


def _seen(
    model: openvino.Model, entering: dict[str, Node], pictures: Iterable[U8]
) -> Iterator[Iterator[NDArray[Any]]]:
    """For each picture, what enters the convolutions."""
    nodes = [node.output(0) for node in entering.values()]
    measured = openvino.Model(nodes, model.get_parameters(), "ranges")
    request = compile_graph(measured, 1, "f32").create_infer_request()
    for picture in pictures:
        request.infer([picture])
        yield (request.get_output_tensor(k).data for k in range(len(nodes)))


def write_ranges(weights: Path, ranges: Ranges) -> None:
    """Puts ranges into a weights file; its arrays, and what else its metadata says, stay as they are."""
    with safe_open(weights, "np") as file:
        metadata = {**(file.metadata() or {}), RANGES: json.dumps(ranges)}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    part = weights.with_suffix(".part")
    save_file(arrays, part, metadata=metadata)
    part.replace(weights)
