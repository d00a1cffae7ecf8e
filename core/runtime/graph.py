"""Networks as OpenVINO graphs, layer by layer, from a safetensors file and without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import Node
from openvino import opset13 as ov
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from core.errors import WeightsError
from core.runtime.base import BN_EPSILON, way_out
from core.runtime.compiled import compile_on_cpu
from core.runtime.overflow import LEVELS, largest_pairs, products_overflow
from core.types import F32

Ends = float | list[float]  # of all channels, or of each
Ranges = dict[str, tuple[Ends, Ends]]  # of what goes into a convolution, by the convolution's name
RANGES = "ranges"  # under this name they stand in the file's metadata, as JSON
KEEPING_THE_SIZE = ([1, 1], [1, 1], [1, 1], [1, 1])  # strides, padding, padding, dilations of a 3x3


def load_weights(path: Path) -> dict[str, F32]:
    """All arrays of a safetensors file, float32. Raises WeightsError when missing or damaged."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing: {way_out(path)}")
    try:
        return {k: np.asarray(v, np.float32) for k, v in load_file(path).items()}
    except (SafetensorError, ValueError, OSError) as error:
        raise WeightsError(f"{path} is damaged ({error}): {way_out(path)}") from error


def load_ranges(path: Path) -> Ranges:
    """What calibration wrote into the file (core/runtime/quantise.py); empty without one."""
    try:
        with safe_open(path, "np") as file:
            written = (file.metadata() or {}).get(RANGES, "{}")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged ({error}): {way_out(path)}") from error
    try:
        return {str(name): (_ends(low), _ends(high)) for name, (low, high) in json.loads(written).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} has damaged {RANGES} ({error}): {way_out(path)}") from error


def _ends(written: Any) -> Ends:
    return [float(end) for end in written] if isinstance(written, list) and written else float(written)


class GraphWeights:
    """Hands out arrays by name, once each, and complains about what is missing, odd or left over."""

    def __init__(self, path: Path) -> None:
        self._path, self._arrays = path, load_weights(path)

    def take(self, name: str) -> F32:
        try:
            return self._arrays.pop(name)
        except KeyError:
            raise WeightsError(
                f"{self._path} has no array {name!r}: it belongs to another network or version; "
                f"{way_out(self._path)}"
            ) from None

    def finish(self) -> None:
        left = [k for k in self._arrays if not k.endswith("num_batches_tracked")]
        if left:
            raise WeightsError(
                f"{self._path} has {len(left)} arrays too many ({left[0]!r}, …): it is of another network"
            )


class GraphBuilder:
    """The few layers our networks are made of, as OpenVINO nodes.

    ranges: convolutions named here are done on 8-bit integers. Where each channel has ends of its own, the
    lower ones are the same multiple of the upper ones. limits: what goes into the others named here is cut
    to these, of all channels. entering: what goes into each convolution that sees more than a pixel or has no
    bias, for calibration.
    """

    def __init__(
        self, weights: GraphWeights, ranges: Ranges | None = None, limits: Ranges | None = None
    ) -> None:
        self._weights, self._ranges, self._limits = weights, ranges or {}, limits or {}
        self.entering: dict[str, Node] = {}
        self._shares: dict[tuple[str, bytes], Node] = {}

    def conv(self, x: Node, name: str, stride: int = 1) -> Node:
        """A convolution with bias, padding to keep the size."""
        return self._conv(
            x, name, self._weights.take(f"{name}.weight"), self._weights.take(f"{name}.bias"), stride
        )

    def plain(self, x: Node, name: str) -> Node:
        """A convolution without a bias, done on integers too where it sees one pixel."""
        self.entering[name] = x
        return self._conv(x, name, self._weights.take(f"{name}.weight"), None, 1)

    def conv_bn(
        self,
        x: Node,
        conv: str,
        norm: str,
        stride: int = 1,
        dilation: int = 1,
        pad: int | None = None,
    ) -> Node:
        """A convolution and its batch normalisation in one."""
        return self._conv(x, conv, *self._folded(conv, norm), stride, dilation, pad)

    def block(self, x: Node, name: str, stride: int = 1, dilation: int = 1, pad: int | None = None) -> Node:
        """conv, norm, ReLU: `_conv` of platenet and of the refiner. pad: None keeps the size."""
        return ov.relu(self.conv_bn(x, f"{name}.0", f"{name}.1", stride, dilation, pad))

    def squares_block(self, x: Node, name: str, stride: int = 1) -> Node:
        """`block` of a picture of squares, see `on_squares`: again squares, or with stride 2 a pixel each."""
        kernel, bias = self._folded(f"{name}.0", f"{name}.1")
        bias = np.repeat(bias, 4 // stride**2)
        return ov.relu(self._conv(x, f"{name}.0", on_squares(kernel, stride), bias, 1))

    def squares_head(self, x: Node, name: str, head: str, apart: bool) -> Node:
        """A block of squares and a convolution of one pixel with bias behind it, one channel of squares.

        apart: the four pixels of a square one after the other, without the products with zeros that all
        at once take. That is slower where the processor multiplies whole matrices, quicker elsewhere.
        """
        if not apart:
            last = on_squares(self._weights.take(f"{head}.weight"), 1)
            y = self.squares_block(x, name)
        else:
            kernel, bias = self._folded(f"{name}.0", f"{name}.1")
            wide, parts = on_squares(kernel, 1), []
            for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
                seen = wide[2 * down + right :: 4, :, down : down + 2, right : right + 2]
                parts.append(self._conv(x, f"{name}.0", seen, bias, 1, begin=(1 - down, 1 - right)))
            last = np.kron(np.eye(4, dtype=np.float32), self._weights.take(f"{head}.weight")[:, :, 0, 0])
            last, y = last[..., None, None], ov.relu(ov.concat(parts, 1))
        return self._conv(y, head, last, np.repeat(self._weights.take(f"{head}.bias"), 4), 1)

    def block_of_cells(self, x: Node, name: str, side: int) -> Node:
        """`block` with a kernel of side x side that moves by as much, for a picture (NCHW) in which `side`
        neighbours of a row are one pixel, their channels one after the other: nothing is moved for it."""
        kernel, bias = self._folded(f"{name}.0", f"{name}.1")
        columns = kernel.transpose(0, 3, 1, 2).reshape(len(kernel), -1, side, 1)
        return ov.relu(self._conv(x, f"{name}.0", columns, bias, (side, 1), pad=0))

    def block_of_both(self, parts: list[Node], name: str) -> Node:
        """`block` of a concatenation of parts that are nowhere below 0; each keeps a range of its own where
        they are taken as 8-bit integers."""
        kernel, bias = self._folded(f"{name}.0", f"{name}.1")
        names = [f"{name}.0.{k}" for k in range(len(parts))]
        self.entering.update(zip(names, parts, strict=True))
        weights = ov.constant(kernel)
        if all(part in self._ranges for part in names):
            shapes = [(1, x.get_output_partial_shape(0)[1].get_length(), 1, 1) for x in parts]
            largest = map(np.broadcast_to, map(self._largest, names), shapes)
            weights = _kernel_on_integers(np.concatenate([*largest], 1) * kernel)
            parts = [self._as_shares(x, part) for x, part in zip(parts, names, strict=True)]
        y = ov.convolution(ov.concat(parts, 1), weights, *KEEPING_THE_SIZE)
        return ov.relu(ov.add(y, ov.constant(bias[None, :, None, None])))

    def residual(self, x: Node, name: str) -> Node:
        y = self.block(x, f"{name}.body.0")
        return ov.relu(ov.add(x, self.conv_bn(y, f"{name}.body.1", f"{name}.body.2")))

    def residuals(self, x: Node, name: str, count: int, first: int = 0) -> Node:
        for k in range(first, first + count):
            x = self.residual(x, f"{name}.{k}")
        return x

    def up(self, x: Node, size: tuple[int, int]) -> Node:
        """Bilinear resize to (height, width), half-pixel centres as torch with align_corners=False."""
        return ov.interpolate(
            x,
            np.array(size, np.int64),
            "linear_onnx",
            "sizes",
            coordinate_transformation_mode="half_pixel",
            axes=np.array([2, 3], np.int64),
        )

    def handed(self, x: Node, name: str) -> Node:
        """x (NCHW, not below 0), which goes into the convolution `name`, as one graph hands it to another:
        NHWC, and in bytes where that convolution is on 8-bit integers."""
        if name in self._ranges:
            x = ov.convert(_quantised(x, (0, self._largest(name)), (0, LEVELS - 1)), np.uint8)
        return ov.transpose(x, np.array([0, 2, 3, 1], np.int64))

    def taken(self, handed: Node, name: str) -> tuple[Node, Node]:
        """A parameter for what `handed` gave, and the same as NCHW."""
        shape, kind = handed.get_output_shape(0), handed.get_output_element_type(0)
        parameter = ov.parameter([*shape], kind, name)
        x: Node = parameter
        if name in self._ranges:
            scale = ov.constant(self._largest(name) / np.float32(LEVELS - 1))
            x = ov.multiply(ov.convert(x, np.float32), scale)
        return parameter, ov.transpose(x, np.array([0, 3, 1, 2], np.int64))

    def _as_shares(self, x: Node, name: str) -> Node:
        """What enters the convolution `name` in shares of its largest value, or of each channel's: what
        enters two is brought to integers once."""
        low, high = np.array(self._ranges[name][0], np.float32).reshape(1, -1, 1, 1), self._largest(name)
        key = x.get_friendly_name(), low.tobytes() + high.tobytes()
        if key not in self._shares:
            self._shares[key] = _quantised(x, (low, high), (float(low.flat[0] / high.flat[0]), 1))
        return self._shares[key]

    def _largest(self, name: str) -> F32:
        """1 x 1 x 1 x 1, or in the place of the second 1 a value for each channel."""
        return np.array(self._ranges[name][1], np.float32).reshape(1, -1, 1, 1)

    def _folded(self, conv: str, norm: str) -> tuple[F32, F32]:
        """Kernel and bias of a convolution with the normalisation behind it."""
        take = self._weights.take
        kernel = take(f"{conv}.weight")
        gamma, beta = take(f"{norm}.weight"), take(f"{norm}.bias")
        mean, variance = take(f"{norm}.running_mean"), take(f"{norm}.running_var")
        scale = gamma / np.sqrt(variance + BN_EPSILON)
        return np.asarray(kernel * scale[:, None, None, None], np.float32), beta - mean * scale

    def _conv(
        self,
        x: Node,
        name: str,
        kernel: F32,
        bias: F32 | None,
        stride: int | tuple[int, int],
        dilation: int = 1,
        pad: int | None = None,
        begin: tuple[int, int] | None = None,
    ) -> Node:
        """pad: on all sides. begin: above and left, so much less below and right that the size is kept."""
        reach = (kernel.shape[2] - 1) * dilation
        above = begin or [(reach + 1) // 2 if pad is None else pad] * 2
        below = [reach - k if pad is None else pad for k in above]
        channels = x.get_output_partial_shape(0)[1].get_length()
        if channels != kernel.shape[1]:
            raise WeightsError(
                f"the weights expect {kernel.shape[1]} channels where the network has {channels}: "
                "they belong to another network or version; install cleanplate again, or leave --model away"
            )
        weights = ov.constant(kernel)
        if kernel.shape[2] > 1:
            self.entering[name] = x
        if name in self._ranges:
            x, weights = self._as_shares(x, name), _kernel_on_integers(self._largest(name) * kernel)
        elif name in self._limits:
            x = ov.clamp(x, *self._limits[name])
        strides = [stride, stride] if isinstance(stride, int) else [*stride]
        y = ov.convolution(x, weights, strides, [*above], below, [dilation] * 2)
        return y if bias is None else ov.add(y, ov.constant(bias[None, :, None, None]))


def _quantised(x: Node, ends: tuple[float | F32, float | F32], onto: tuple[float, float]) -> Node:
    """x in LEVELS levels from one of the ends to the other, which become those of `onto`."""
    values = (ov.constant(np.atleast_1d(np.array(end, np.float32))) for end in (*ends, *onto))
    return ov.fake_quantize(x, *values, LEVELS)


def _kernel_on_integers(kernel: F32) -> Node:
    """With a range for each channel that comes out, as wide as it must be for no sum to overflow."""
    largest = largest_pairs(kernel) if products_overflow() else np.abs(kernel).max((1, 2, 3), keepdims=True)
    largest = np.maximum(largest, 1e-9)
    ends = [ov.constant(end) for end in (-largest, largest)]
    return ov.fake_quantize(ov.constant(kernel), *ends, *ends, LEVELS - 1)


def on_squares(kernel: F32, stride: int) -> F32:
    """A kernel (O x I x K x K, K 1 or 3) for a picture whose squares of 2x2 pixels are one pixel of four
    times the channels: the same results from fewer and wider steps, most of its products being with zero.

    The channels are ordered by channel, row in the square, column in the square. stride 1: squares come
    out, 4 O x 4 I x K x K. stride 2: a pixel each, O x 4 I x 2 x 2, padded above and left alone.
    """
    out, into, side, _ = kernel.shape
    reach, pixels = side // 2, 2 // stride
    wide = np.zeros((out, pixels, pixels, into, 2, 2, side, side), np.float32)
    for to_y, to_x, y, x in np.ndindex(pixels, pixels, side, side):
        row, column = to_y + y - reach, to_x + x - reach
        wide[:, to_y, to_x, :, row % 2, column % 2, row // 2 + reach, column // 2 + reach] = kernel[..., y, x]
    merged: F32 = wide.reshape(out * pixels**2, into * 4, side, side)
    return merged if stride == 1 else merged[..., :2, :2]


def picture_input(name: str, height: int, width: int, channels: int, together: int = 1) -> tuple[Node, Node]:
    """A uint8 NHWC parameter, and the same as float32 NCHW 0..1. together: neighbours of a row that are one
    pixel there, see `GraphBuilder.block_of_cells`."""
    parameter = ov.parameter([1, height, width, channels], np.uint8, name)
    shape = np.array([1, height, width // together, channels * together], np.int64)
    x = ov.convert(ov.reshape(parameter, shape, special_zero=False), np.float32)
    x = ov.multiply(x, ov.constant(np.float32(1 / 255)))
    return parameter, ov.transpose(x, np.array([0, 3, 1, 2], np.int64))


def compile_graph(
    model: openvino.Model, threads: int, precision: str, streams: int = 1
) -> openvino.CompiledModel:
    """Compiled for the CPU. streams: requests that may run at once, sharing the threads."""
    return compile_on_cpu(
        model,
        INFERENCE_NUM_THREADS=threads,
        NUM_STREAMS=streams,
        INFERENCE_PRECISION_HINT=precision,
    )


def best_precision() -> str:
    """bf16 where the processor has instructions for it, else f32."""
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"
