"""platenet in torch: on a GPU in half precision, on the CPU for training's sake and as the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import DeviceError, WeightsError
from core.nets.platenet import PlateNet
from core.nets.refiner import RefinerNet
from core.runtime.base import HALO, WEIGHTS, PlateNetRuntime, way_out
from core.runtime.graph import Ranges, load_ranges
from core.types import U8

Net = TypeVar("Net", bound=nn.Module)


def torch_device(name: str) -> torch.device:
    """The device of that name. DeviceError when it is not there."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise DeviceError(
            f"device {name!r} was asked for, but torch sees no CUDA GPU: check the driver with nvidia-smi, "
            "or use --device cpu"
        )
    return torch.device(name)


def load_platenet(weights: Path = WEIGHTS) -> PlateNet:
    """platenet with the weights of a safetensors file, strictly. WeightsError when they do not fit."""
    return _load(PlateNet(), weights)


def load_refiner(weights: Path) -> RefinerNet:
    """The refiner, likewise."""
    return _load(RefinerNet(), weights)


def _load(net: Net, weights: Path) -> Net:
    if not weights.is_file():
        raise WeightsError(f"{weights} is missing: {way_out(weights)}")
    try:
        net.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise WeightsError(f"{weights} does not fit the network ({first}): {way_out(weights)}") from error
    net.eval()
    return net


def cut_to_ranges(net: nn.Module, ranges: Ranges) -> None:
    """Cuts what goes into each convolution to the range that calibration saw, from now on, as 8-bit integers
    do: what is beyond comes of pictures that training never showed, and leads astray."""
    held = next(net.parameters())
    for name, module in net.named_modules():
        if name in ranges:
            low, high = (held.new_tensor(end).reshape(1, -1, 1, 1) for end in ranges[name])
            module.register_forward_pre_hook(partial(_cut, low, high))


def _cut(low: Tensor, high: Tensor, _: nn.Module, entering: tuple[Tensor]) -> Tensor:
    return entering[0].clamp(low, high)


class TorchPlateNet(PlateNetRuntime):
    """PlateNetRuntime on any torch device; any working size."""

    def __init__(self, device: str = "cpu", weights: Path = WEIGHTS) -> None:
        self._device = torch_device(device)
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._net = load_platenet(weights).to(self._device, self._dtype)
        cut_to_ranges(self._net, load_ranges(weights))
        self._shown: list[Tensor] = []
        self.name = f"torch on {self._device}, {'fp16' if self._dtype == torch.float16 else 'fp32'}"

    @torch.inference_mode()
    def show(self, frame: U8, plate: U8, coverage: U8) -> None:
        pictures = [self._on_device(a).permute(2, 0, 1)[None] for a in (frame, plate)]
        self._shown = [*pictures, self._on_device(coverage)[None, None]]

    @torch.inference_mode()
    def begin(self, prior: U8) -> tuple[U8, Callable[[], U8]]:
        logits, _ = self._net(*self._shown, self._on_device(prior)[None, None])
        alpha = torch.sigmoid(logits.float()).mul_(255).round_().to(torch.uint8)[0, 0].cpu().numpy()
        return alpha, lambda: alpha

    def _on_device(self, levels: U8) -> Tensor:
        """The same as numbers 0..1."""
        return torch.from_numpy(levels).to(self._device, non_blocking=True).to(self._dtype).div_(255)


class TorchRefiner:
    """RefinerRuntime on any torch device."""

    def __init__(self, device: str, weights: Path) -> None:
        self._device = torch_device(device)
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._net = load_refiner(weights).to(self._device, self._dtype)

    @torch.inference_mode()
    def refine(self, batches: Iterable[U8]) -> U8:
        """As RefinerRuntime."""
        tiles = np.concatenate(list(batches), 1)
        x = torch.from_numpy(tiles).to(self._device).transpose(0, 1).flatten(1, 2)
        x = F.pixel_shuffle(x.to(self._dtype).div_(255), 2)
        logits = self._net(x)[:, 0, HALO:-HALO, HALO:-HALO].float()
        return torch.sigmoid(logits).mul_(255).round_().to(torch.uint8).cpu().numpy()
