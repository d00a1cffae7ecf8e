"""Calibration: what range each convolution's input has, so that it can be done on 8-bit integers.

On a processor with AVX-512 VNNI platenet takes two thirds of bfloat16's time, on one with AVX2 alone
half of single precision's; alpha changes by a tenth of a grey level on average. The ranges
stand in the weights' own file, so that they cannot belong to others.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openvino
from safetensors import safe_open
from safetensors.numpy import save_file

from core.runtime.graph import RANGES, Ranges, compile_graph
from core.runtime.openvino import platenet_graph, stacked
from core.types import U8

# Of a picture's values: the largest few would coarsen all others. 99.9 measures the same, 99.99 2 % worse.
HIGHEST_PERCENT = 99.95


def platenet_ranges(weights: Path, samples: list[tuple[U8, ...]]) -> Ranges:
    """Ranges of platenet's convolutions on samples: arrays as PlateNetRuntime.alpha takes them, all of
    one size."""
    height, width = samples[0][0].shape[:2]
    model, entering = platenet_graph((width, height), weights)
    nodes = [node.output(0) for node in entering.values()]
    request = compile_graph(
        openvino.Model(nodes, model.get_parameters(), "ranges"), 1, "f32"
    ).create_infer_request()
    low, high = np.zeros(len(nodes)), np.full(len(nodes), 1e-3)
    for sample in samples:
        request.infer([stacked(*sample)])
        for k in range(len(nodes)):
            values = request.get_output_tensor(k).data
            low[k] = min(low[k], values.min())
            high[k] = max(high[k], np.percentile(values, HIGHEST_PERCENT))
    return {name: (float(low[k]), float(high[k])) for k, name in enumerate(entering)}


def write_ranges(weights: Path, ranges: Ranges) -> None:
    """Puts ranges into a weights file; its arrays stay as they are."""
    with safe_open(weights, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    part = weights.with_suffix(".part")
    save_file(arrays, part, metadata={RANGES: json.dumps(ranges)})
    part.replace(weights)
