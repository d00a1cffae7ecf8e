"""Networks as ONNX or OpenVINO files of one fixed size, checked against torch before they are kept."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import openvino
import torch
from torch import Tensor, nn

from core.errors import CleanplateError, SettingsError
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import SIZE_MULTIPLE, MattingRefine, Setting
from core.nets.platenet import PlateNet
from core.nets.rvm import RobustVideoMatting, downsample_ratio_for
from core.runtime.compiled import compile_on_cpu

SUFFIXES = (".onnx", ".xml")
_LEAST_2020_PX = 8  # at a quarter of it a border of one pixel is mirrored
_OPSET = 17  # the oldest that has every operator used here
_TOLERANCE = 1e-3
# Top-k in another runtime: a patch on the verge of refinement may fall on either side.
_MAY_DIFFER = 1e-3


@dataclass(frozen=True, slots=True)
class Exported:
    """A written file.

    inputs: name and shape of each, in order; outputs: names in order.
    worst: largest difference from torch on one random input; differing: share of values over 1e-3.
    """

    path: Path
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[str, ...]
    worst: float
    differing: float


@dataclass(frozen=True, slots=True)
class _Recipe:
    net: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    make: Callable[[], tuple[Tensor, ...]]


def export_model(
    net: nn.Module,
    size: tuple[int, int],
    path: Path,
    ratio: float | None = None,
    setting: Setting | None = None,
) -> Exported:
    """Writes a network of the registry for pictures of one size, and checks it in OpenVINO.

    Pictures are N,3,H,W 0..1 (2020: -1..1) as in the network's own forward; RVM's four states go in
    and out as r1i..r4i and r1o..r4o, its ratio is built in, as is BGMv2's setting; platenet gives
    alpha, not logits.

    Args:
        net: in evaluation mode, float32, on the CPU.
        size: (width, height).
        path: ends in .onnx, or in .xml for OpenVINO (a .bin is written beside it).
        ratio: RVM's downsample ratio; None is the authors' choice for the size.
        setting: BGMv2's; None is the authors' choice for the size. The net keeps it.
    Raises:
        SettingsError: an ending or a size that cannot be, or a wish that this network does not know.
        CleanplateError: the written network differs from torch, or no room; nothing is kept.
    """
    recipe = _recipe(net, size, ratio, setting)
    _make_way(path)
    recipe.net.eval()  # the exporter puts back the wrapper's own mode, in all that is inside
    with TemporaryDirectory() as folder:
        onnx = Path(folder) / "network.onnx"
        _write_onnx(recipe, onnx)
        model = openvino.Core().read_model(onnx)
        exported = _check(recipe, model, path)
        if path.suffix == ".onnx":
            _keep(onnx, path)
        else:
            graph = Path(folder) / "network.xml"
            openvino.save_model(model, graph, compress_to_fp16=False)
            _keep(graph.with_suffix(".bin"), path.with_suffix(".bin"))
            _keep(graph, path)
    return exported


def _make_way(path: Path) -> None:
    """Makes the folder of a file to be written. SettingsError for a name that none can have."""
    if path.suffix not in SUFFIXES:
        raise SettingsError(f"{path} is to be exported; its name must end in {' or '.join(SUFFIXES)}")
    try:
        if path.is_dir():
            raise SettingsError(f"{path} is to be exported, but is a folder: give a file's name")
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written, its folder cannot be made ({error.strerror}): choose another place"
        ) from error


def _keep(written: Path, path: Path) -> None:
    """Copies a whole file to its place, or nothing."""
    part = path.with_name(f"{path.name}.part")
    try:
        shutil.copyfile(written, part)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CleanplateError(
            f"{path} cannot be written ({error.strerror}): check the rights and the room there"
        ) from error


def _write_onnx(recipe: _Recipe, path: Path) -> None:
    with warnings.catch_warnings():
        # torch 2.9 prefers its new exporter, which needs a further package and gives the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            recipe.net,
            recipe.make(),
            path,
            input_names=list(recipe.inputs),
            output_names=list(recipe.outputs),
            opset_version=_OPSET,
            dynamo=False,
        )


def _check(recipe: _Recipe, model: openvino.Model, path: Path) -> Exported:
    inputs = recipe.make()  # others than those it was traced with
    with torch.inference_mode():
        expected = recipe.net(*inputs)
    compiled = compile_on_cpu(model, INFERENCE_PRECISION_HINT="f32")
    result = compiled([x.numpy() for x in inputs])
    differences = np.concatenate([np.abs(result[i] - y.numpy()).ravel() for i, y in enumerate(expected)])
    worst, differing = float(differences.max()), float((differences > _TOLERANCE).mean())
    if not differing <= _MAY_DIFFER:
        raise CleanplateError(
            f"{path.name} is not written: {differing:.1%} of its values differ from torch by more than "
            f"{_TOLERANCE} (at worst {worst:.2g}); use the network in torch"
        )
    shapes = tuple((name, tuple(x.shape)) for name, x in zip(recipe.inputs, inputs, strict=True))
    return Exported(path, shapes, recipe.outputs, worst, differing)


def _recipe(
    net: nn.Module, size: tuple[int, int], ratio: float | None = None, setting: Setting | None = None
) -> _Recipe:
    if ratio is not None and not isinstance(net, RobustVideoMatting):
        raise SettingsError(f"a ratio of {ratio} is given; only Robust Video Matting has one: leave it out")
    if setting is not None and not isinstance(net, MattingRefine):
        raise SettingsError(
            "a mode, backbone scale, sample pixels or threshold is given; only Background Matting V2 has "
            f"them, {type(net).__name__} has not: leave them out"
        )
    if isinstance(net, RobustVideoMatting):
        return _rvm(net, size, downsample_ratio_for(size) if ratio is None else ratio)
    if isinstance(net, MattingRefine):
        _require_multiple(size, SIZE_MULTIPLE)
        (setting or Setting()).apply(net, size)  # as the program runs it
        _require_a_rest(size, net.backbone_scale, "backbone scale")
        return _Recipe(_FirstTwo(net), ("src", "plate"), ("pha", "fgr"), _pictures(size, 3, 3))
    if isinstance(net, BackgroundMatting2020):
        _require_multiple(size, 4)
        if min(size) < _LEAST_2020_PX:
            raise SettingsError(
                f"size is {size[0]}x{size[1]}; "
                f"this network takes {_LEAST_2020_PX} pixels or more on both sides"
            )
        inputs: tuple[str, ...] = ("frame", "plate", "segmentation")
        return _Recipe(_FirstTwo(net), inputs, ("pha", "fgr"), _pictures(size, 3, 3, 1))
    if isinstance(net, PlateNet):
        _require_multiple(size, 32)
        inputs = ("frame", "plate", "coverage", "prior")
        return _Recipe(_AlphaOf(net), inputs, ("alpha",), _pictures(size, 3, 3, 1, 1))
    raise SettingsError(f"{type(net).__name__} cannot be exported; only matting networks can")


def _rvm(net: RobustVideoMatting, size: tuple[int, int], ratio: float) -> _Recipe:
    _require_a_rest(size, ratio, "ratio")
    wrapped = _RvmAt(net, ratio)
    width, height = size
    with torch.inference_mode():
        states = net(torch.zeros(1, 3, height, width), downsample_ratio=ratio)[2:]
    shapes = [tuple(state.shape) for state in states]

    def make() -> tuple[Tensor, ...]:
        # states of a GRU lie in -1..1
        return torch.rand(1, 3, height, width), *(2 * torch.rand(shape) - 1 for shape in shapes)

    inputs = ("src", "r1i", "r2i", "r3i", "r4i")
    return _Recipe(wrapped, inputs, ("fgr", "pha", "r1o", "r2o", "r3o", "r4o"), make)


def _pictures(size: tuple[int, int], *channels: int) -> Callable[[], tuple[Tensor, ...]]:
    width, height = size
    return lambda: tuple(torch.rand(1, c, height, width) for c in channels)


def _require_multiple(size: tuple[int, int], multiple: int) -> None:
    if size[0] % multiple or size[1] % multiple:
        width, height = (max(round(side / multiple), 1) * multiple for side in size)
        raise SettingsError(
            f"size is {size[0]}x{size[1]}; this network takes multiples of {multiple} pixels on both sides: "
            f"--size {width}x{height}"
        )


def _require_a_rest(size: tuple[int, int], scale: float, what: str) -> None:
    if min(size) * scale < 1:
        least = math.ceil(1e4 / min(size)) / 1e4
        raise SettingsError(
            f"size is {size[0]}x{size[1]} and the {what} {scale:.4g}: less than a pixel is left; "
            f"the {what} must be {least:g} or more, or the size larger"
        )


class _RvmAt(nn.Module):
    def __init__(self, net: RobustVideoMatting, ratio: float) -> None:
        super().__init__()
        self.net = net
        self.ratio = ratio

    def forward(self, src: Tensor, r1: Tensor, r2: Tensor, r3: Tensor, r4: Tensor) -> tuple[Tensor, ...]:
        return self.net(src, r1, r2, r3, r4, downsample_ratio=self.ratio)


class _FirstTwo(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        first, second, *_ = self.net(*inputs)
        return first, second


class _AlphaOf(nn.Module):
    def __init__(self, net: PlateNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> tuple[Tensor]:
        return (torch.sigmoid(self.net(*inputs)[0]),)
