"""platenet in OpenVINO, built from the safetensors file without torch.

The graph below is core/nets/platenet.py once more, with batch normalisation folded into the
convolutions and the conversion from uint8 inside, so that pixels cross into the runtime as bytes.
A test holds the two to the same output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import Node
from openvino import opset13 as ov

from core.errors import WeightsError
from core.runtime.base import BATCH, CHANNELS, HALO, SEEN, TILE, WEIGHTS, PlateNetRuntime
from core.runtime.graph import (
    KEEPING_THE_SIZE,
    GraphBuilder,
    GraphWeights,
    Ranges,
    best_precision,
    compile_graph,
    load_ranges,
    on_squares,
    picture_input,
)
from core.runtime.overflow import products_overflow
from core.types import F32, U8

INT8 = "int8"

# platenet's constants once more (core/nets/platenet.py needs torch); a test compares the two.
PLANES = 11
CELL = 4
BLOCKS = (1, 2, 4, 5)
MIXES = (2, 1)
_ROOM, _PRIOR = (3, 4, 5, 9), PLANES - 1  # planes of the plate and its coverage; the last one
_BUT_THE_PRIOR = [k for plane in range(_PRIOR) for k in (plane, plane)]  # from, to
_BUT_THE_ROOM = [k for plane in enumerate(p for p in range(_PRIOR) if p not in _ROOM) for k in plane]
_STRIP = 16  # rows that are copied at once: they stay in the cache while the planes come together

# The refiner's constants once more (core/nets/refiner.py needs torch); a test compares the two.
COARSE = 7
DILATIONS = (1, 2, 2)
LEAST_CONTRAST = (4e-3, 2e-3)
SURE = 0.01
SUREST = 40.0  # of a logit: whatever the weights, its exponential is a number
_BOX = np.ones((1, 1, 3, 3), np.float32)
_INNER = slice(HALO // 2, (SEEN - HALO) // 2)  # squares of 2x2 pixels that a tile delivers


def _precision(weights: Path, asked: str | None) -> tuple[Ranges, Ranges, str]:
    """Ranges of what is to be done on 8-bit integers or else, as limits of it, in floating point, and the
    precision of the rest."""
    ranges = load_ranges(weights) if weights.is_file() else {}
    if asked not in (None, INT8):
        return {}, ranges, asked
    if asked == INT8 and not ranges:
        raise WeightsError(f"{weights} is not calibrated for {INT8}: use bf16 or f32, or calibrate it")
    return ranges, {}, best_precision()


def platenet_graph(
    size: tuple[int, int], weights: Path = WEIGHTS, ranges: Ranges | None = None
) -> tuple[openvino.Model, dict[str, Node]]:
    """platenet for one working size (width, height), multiples of 32. Input: as `stacked` makes it.

    ranges: what is done on 8-bit integers. Also returns what goes into each convolution, for calibration.
    """
    held = GraphWeights(weights)
    b = GraphBuilder(held, ranges)
    pixels, x = _pixels(size)
    features, _ = _body(b, x)
    alpha = _head(b, features)
    held.finish()
    return openvino.Model([alpha], [pixels], "platenet"), b.entering


def platenet_in_two(
    size: tuple[int, int], weights: Path = WEIGHTS, ranges: Ranges | None = None, limits: Ranges | None = None
) -> tuple[openvino.Model, openvino.Model]:
    """The same in two graphs, so that the last of it may be done on another thread. limits: see GraphBuilder.

    The first gives a rough alpha, uint8 1x1xH/8xW/8, and features, 1xH/4xW/4x64, uint8 where the network
    is on 8-bit integers, else float32. The second takes those and gives alpha as `in_rows` takes it: in a
    picture of one channel most of the time would go into writing it.
    """
    held = GraphWeights(weights)
    b = GraphBuilder(held, ranges, limits)
    pixels, x = _pixels(size)
    features, rough = _body(b, x)
    handed = b.handed(features, "head")
    taken, x = b.taken(handed, "head")
    alpha = ov.transpose(_alpha(b.conv(x, "head")), np.array([0, 2, 3, 1], np.int64))
    held.finish()
    body = openvino.Model([rough, handed], [pixels], "platenet, all but the head")
    return body, openvino.Model([alpha], [taken], "platenet, the head")


def _pixels(size: tuple[int, int]) -> tuple[Node, Node]:
    return picture_input("pixels", size[1], size[0], PLANES, together=CELL)


def _body(b: GraphBuilder, x: Node) -> tuple[Node, Node]:
    """Features at a quarter of the size, and the side output as alpha."""
    x1 = x = b.block_of_cells(x, "stem", CELL)
    beside = []
    for k, (count, stride) in enumerate(zip(BLOCKS, (1, 2, 2, 2), strict=True), 2):
        x = b.residuals(b.block(x, f"down{k}.0", stride), f"down{k}", count, first=1)
        beside.append(x)
    x2, x3, x4, x5 = beside
    mean = ov.reduce_mean(x5, np.array([2, 3], np.int64), keep_dims=True)
    x5 = ov.multiply(x5, ov.sigmoid(b.conv(mean, "context.0")))
    y3 = b.residuals(_join(b, _join(b, x5, x4, "up4"), x3, "up3"), "mix3", MIXES[0])
    y2 = b.residuals(_join(b, y3, x2, "up2"), "mix2", MIXES[1])
    return b.block_of_both([y2, x1], "cells"), _alpha(b.conv(y3, "side"))


def _join(b: GraphBuilder, below: Node, beside: Node, name: str) -> Node:
    """_Join of core/nets/platenet.py."""
    up = b.up(b.plain(below, f"{name}.below"), tuple(beside.get_output_shape(0)[2:]))
    return b.block(ov.add(up, b.plain(beside, f"{name}.beside")), f"{name}.both")


def _head(b: GraphBuilder, features: Node) -> Node:
    """Alpha, uint8 1x1xHxW."""
    return _alpha(ov.depth_to_space(b.conv(features, "head"), "depth_first", CELL))


def _alpha(logits: Node) -> Node:
    alpha = ov.multiply(ov.sigmoid(logits), ov.constant(np.float32(255)))
    return ov.convert(ov.round(alpha, "half_to_even"), np.uint8)


def in_rows(alpha: U8) -> U8:
    """HxW of what the second graph of `platenet_in_two` gives, 1xH/4xW/4x16: a cell's pixels row by row."""
    _, height, width, _ = alpha.shape
    fours = alpha.view(np.uint32).reshape(height, width, CELL)
    rows = np.ascontiguousarray(fours.swapaxes(1, 2))
    return rows.view(np.uint8).reshape(CELL * height, CELL * width)


def stacked(frame: U8, plate: U8, coverage: U8, prior: U8) -> U8:
    """What platenet's graph takes, uint8 1xHxWx11: frame, plate, their difference where the plate is
    known, and the maps. The rest as in PlateNetRuntime."""
    stack = _Stack((coverage.shape[1], coverage.shape[0]))
    stack.show(frame, plate, coverage)
    stack.add_prior(prior)
    return stack.pixels


class _Stack:
    """Room for `stacked` pictures of one size (width, height), and for the steps on the way: a fresh array
    of that size costs as much as what is computed into it."""

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = size
        self.pixels = np.empty((1, height, width, PLANES), np.uint8)
        self._difference = np.empty((height, width, 3), np.uint8)
        self._room: tuple[U8, U8] | None = None
        self._known: U8 | None = None  # coverage three times, where it is not everywhere

    def show(self, frame: U8, plate: U8, coverage: U8) -> None:
        """All but the prior; see PlateNetRuntime."""
        again = self._room is not None and self._room[0] is plate and self._room[1] is coverage
        if not again:
            self._room = plate, coverage
            self._known = cv2.merge([coverage] * 3) if cv2.minMaxLoc(coverage)[0] < 255 else None
        difference = cv2.absdiff(frame, plate, dst=self._difference)
        if self._known is not None:
            difference = cv2.multiply(difference, self._known, dst=difference, scale=1 / 255)
        planes = [frame, difference] if again else [frame, plate, difference, coverage]
        order = _BUT_THE_ROOM if again else _BUT_THE_PRIOR
        for y in range(0, len(frame), _STRIP):
            rows = slice(y, y + _STRIP)
            cv2.mixChannels([p[rows] for p in planes], [self.pixels[0, rows]], order)

    def add_prior(self, prior: U8) -> None:
        cv2.insertChannel(prior, self.pixels[0], _PRIOR)


class OpenVinoPlateNet(PlateNetRuntime):
    """PlateNetRuntime on the CPU.

    precision: "f32", "bf16" or, where the weights are calibrated, "int8"; None takes the fastest. What
    is not done on integers is done in the best of the other two.
    """

    def __init__(
        self,
        size: tuple[int, int],
        weights: Path = WEIGHTS,
        threads: int = 2,
        precision: str | None = None,
    ) -> None:
        ranges, limits, rest = _precision(weights, precision)
        precision = (f"{INT8} without VNNI" if products_overflow() else INT8) if ranges else rest
        self._body, self._head = (
            compile_graph(part, threads, rest).create_infer_request()
            for part in platenet_in_two(size, weights, ranges, limits)
        )
        self._stack = _Stack(size)
        self._body.set_input_tensor(0, openvino.Tensor(self._stack.pixels, shared_memory=True))
        self.name = f"OpenVINO on the CPU, {precision}, {threads} {'thread' if threads == 1 else 'threads'}"

    def show(self, frame: U8, plate: U8, coverage: U8) -> None:
        self._stack.show(frame, plate, coverage)

    def begin(self, prior: U8) -> tuple[U8, Callable[[], U8]]:
        self._stack.add_prior(prior)
        self._body.infer()
        # The next picture is written over both.
        rough, features = (self._body.get_output_tensor(k).data.copy() for k in range(2))
        return rough[0, 0], partial(self._finish, features)

    def _finish(self, features: NDArray[Any]) -> U8:
        self._head.set_input_tensor(0, openvino.Tensor(features, shared_memory=True))
        self._head.infer()
        return in_rows(self._head.get_output_tensor(0).data)


def refiner_graph(
    weights: Path, ranges: Ranges | None = None, apart: bool = False
) -> tuple[openvino.Model, dict[str, Node]]:
    """core/nets/refiner.py for BATCH tiles; input as in RefinerRuntime, output uint8 16 x 4 x 16 x 16, of
    which the outer HALO px have not seen all that they should. ranges, and what else it returns: as in
    `platenet_graph`.

    All is done on squares of 2x2 pixels: halving and doubling the size is then a matter of channels, and
    no layer has so few of them that the runtime mostly waits. The features are computed plane by plane:
    what is done to single planes the runtime fuses, while slices and sums over three channels cost it more
    than the convolutions. apart: see GraphBuilder.squares_head.
    """
    held = GraphWeights(weights)
    b = GraphBuilder(held, ranges)
    half = SEEN // 2
    tiles = ov.parameter([CHANNELS, BATCH, 4, half, half], np.uint8, "tiles")
    x = ov.multiply(ov.convert(tiles, np.float32), _scalar(1 / 255))
    planes = [ov.squeeze(p, np.array([0], np.int64)) for p in ov.split(x, 0, CHANNELS).outputs()]
    features, guides = _refiner_features(planes)
    y = b.squares_block(ov.concat(features, 1), "enter", stride=2)
    z = y
    for k, dilation in enumerate(DILATIONS):
        z = b.block(z, f"body.{k}", dilation=dilation)
    y = b.block(ov.add(y, z), "leave")
    change = b.squares_head(ov.concat([y, *guides], 1), "fine", "head", apart)
    coarse = ov.clamp(planes[COARSE], SURE, 1 - SURE)
    # sigmoid(logit(coarse) + change) without the logarithms, which the runtime computes one by one
    person = ov.multiply(coarse, ov.exp(ov.clamp(change, -SUREST, SUREST)))
    alpha = ov.divide(person, ov.add(person, ov.subtract(_scalar(1), coarse)))
    held.finish()
    alpha = ov.convert(ov.round(ov.multiply(alpha, _scalar(255)), "half_to_even"), np.uint8)
    return openvino.Model([alpha], [tiles], "refiner"), b.entering


def _scalar(value: float) -> Node:
    return ov.constant(np.float32(value))


def _refiner_features(planes: list[Node]) -> tuple[list[Node], list[Node]]:
    """All 13, and the four that the last convolution sees too; see refiner_features there."""
    frame, room, coverage, coarse, person = planes[:3], planes[3:6], planes[6], planes[COARSE], planes[8:]

    def minus(u: list[Node], v: list[Node]) -> list[Node]:
        return [ov.subtract(a, b) for a, b in zip(u, v, strict=True)]

    def dot(u: list[Node], v: list[Node]) -> Node:
        r, g, b = (ov.multiply(a, b) for a, b in zip(u, v, strict=True))
        return ov.add(ov.add(r, g), b)

    apart, span, off = minus(frame, room), minus(person, room), minus(frame, person)
    contrast, along = dot(span, span), dot(apart, span)
    mean = ov.convolution(along, ov.constant(on_squares(_BOX, 1)), *KEEPING_THE_SIZE)
    mean = ov.multiply(mean, ov.constant(_share_of_box()))
    projected = [
        ov.clamp(ov.divide(u, ov.add(contrast, _scalar(least))), -0.3, 1.3)
        for u, least in zip((along, mean), LEAST_CONTRAST, strict=True)
    ]
    largest = ov.maximum(ov.maximum(*(ov.abs(u) for u in apart[:2])), ov.abs(apart[2]))
    guides = [
        ov.multiply(largest, _scalar(3)),
        ov.subtract(ov.multiply(coarse, _scalar(2)), _scalar(1)),
        *(ov.subtract(p, _scalar(0.5)) for p in projected),
    ]
    features = [ov.subtract(c, _scalar(0.5)) for c in frame] + [ov.multiply(u, _scalar(3)) for u in apart]
    features += [*guides, ov.subtract(coverage, _scalar(0.5)), ov.sqrt(contrast), ov.sqrt(dot(off, off))]
    return features, guides


def _share_of_box() -> F32:
    """One over the number of pixels of a tile in the 3x3 around each, 1 x 4 x 16 x 16."""
    inside = 3 - (np.arange(SEEN) % (SEEN - 1) == 0)
    squares = np.outer(inside, inside).reshape(SEEN // 2, 2, SEEN // 2, 2)
    return (1 / squares.transpose(1, 3, 0, 2).reshape(1, 4, SEEN // 2, SEEN // 2)).astype(np.float32)


class OpenVinoRefiner:
    """RefinerRuntime on the CPU: a batch a thread, since threads that share a small one mostly wait.

    Each batch of a frame has a request of its own, and keeps it as long as it comes in the same array: to
    tell OpenVINO where a batch lies takes it a fifth as long as to refine it.

    precision: as OpenVinoPlateNet takes it.
    """

    def __init__(self, weights: Path, threads: int = 2, precision: str | None = None) -> None:
        ranges, _, rest = _precision(weights, precision)
        graph, _ = refiner_graph(weights, ranges, apart=rest == "f32")
        self._compiled = compile_graph(graph, threads, rest, streams=threads)
        self._requests: list[tuple[openvino.InferRequest, U8]] = []

    def refine(self, batches: Iterable[U8]) -> U8:
        """As RefinerRuntime: while batches are refined the next ones are cut."""
        under_way = []
        try:
            for number, batch in enumerate(batches):
                request = self._request(number, batch)
                request.start_async()
                under_way.append(request)
        finally:
            for request in under_way:
                request.wait()
        alpha = np.empty((len(under_way), BATCH, TILE, TILE), np.uint8)
        for request, out in zip(under_way, alpha, strict=True):
            squares = request.get_output_tensor(0).data[..., _INNER, _INNER]
            for k in range(4):
                out[:, k // 2 :: 2, k % 2 :: 2] = squares[:, k]
        return alpha.reshape(-1, TILE, TILE)

    def _request(self, number: int, batch: U8) -> openvino.InferRequest:
        if number == len(self._requests):
            self._requests.append((self._compiled.create_infer_request(), np.empty(0, np.uint8)))
        request, held = self._requests[number]
        if held is not batch:
            request.set_input_tensor(0, openvino.Tensor(batch, shared_memory=True))
            self._requests[number] = request, batch
        return request
