"""Whether this processor's 8-bit products overflow when they are added up.

Processors without VNNI (Intel's before 2019, AMD's before Zen 4) multiply bytes in pairs and add each pair
in 16 bits (the instruction VPMADDUBSW): 255 * 127 twice is more than those hold, and what does not fit is cut
off without a word. oneDNN leaves it to whoever quantises to keep kernels small enough there. Its pairs are
the first and second channel that go in, the third and fourth, and so on, at the same place of the kernel.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import openvino
from openvino import opset13 as ov

from core.runtime.compiled import compile_on_cpu
from core.types import F32

LEVELS = 256  # of 8 bits
CHANNELS, SIDE = 32, 8  # of the picture that asks


@cache
def products_overflow() -> bool:
    """Asks the processor: one convolution of largest values by largest values, and what comes out.

    That is sure of what will run, whatever oneDNN was limited to, and takes 70 ms, once.
    """
    picture = np.ones((1, CHANNELS, SIDE, SIDE), np.float32)
    x = ov.parameter(picture.shape, np.float32)
    ends = [ov.constant(np.float32(end)) for end in (0, 1)]
    levels = ov.fake_quantize(x, *ends, *ends, LEVELS)
    both = [ov.constant(np.float32(end)) for end in (-1, 1)]
    ones = ov.constant(np.ones((CHANNELS, CHANNELS, 3, 3), np.float32))
    kernel = ov.fake_quantize(ones, *both, *both, LEVELS - 1)
    y = ov.convolution(levels, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    compiled = compile_on_cpu(
        openvino.Model([y], [x], "largest products"),
        INFERENCE_NUM_THREADS=1,
        INFERENCE_PRECISION_HINT="f32",
    )
    found = compiled([picture])[0]
    return bool(found.min() < 0.99 * CHANNELS * 3 * 3)


def largest_pairs(kernel: F32) -> F32:
    """For each channel that comes out the largest sum that two products may come to, O x 1 x 1 x 1, of a
    kernel O x I x K x K: of two neighbours with one sign, or the largest by itself.

    As the range of 127 integers it leaves each pair 128 of them, both being rounded up: 255 * 128 fits.
    """
    out, into, *side = kernel.shape
    padded = np.concatenate([kernel, np.zeros((out, into % 2, *side), np.float32)], 1)
    pairs = padded.reshape(out, -1, 2, *side)
    sums = np.maximum(np.maximum(pairs, 0).sum(2), np.maximum(-pairs, 0).sum(2))
    most: F32 = sums.max((1, 2, 3), keepdims=True)
    return most
