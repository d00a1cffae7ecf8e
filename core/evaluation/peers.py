"""The mattes of others, behind one call, for the tables of `evaluate` and `bench`.

Each peer takes an RGB picture and gives alpha at the picture's size, as its authors' own program
would. None of them sees a plate, except the plain difference key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch

from core.evaluation.peer_weights import FILES, require_peers, require_weights
from core.nets.rvm import build_rvm, downsample_ratio_for
from core.nets.sinet import SINet
from core.nets.weights import load_weights
from core.runtime.compiled import compile_on_cpu
from core.types import F32, U8

# What the community feeds SINet with: mean and deviation of BGR levels, then 1/255.
_SINET_MEAN = np.array([102.890434, 111.25247, 126.91212], np.float32)
_SINET_STD = np.array([62.93292, 62.82138, 66.355705], np.float32)
_SINET_SIZE = (224, 224)


class Peer(Protocol):
    """A segmenter or matting network that needs no plate."""

    def __call__(self, rgb: U8) -> F32:
        """Alpha float32 HxW, 0..1, of an RGB picture of any size."""
        ...

    def reset(self) -> None:
        """Forgets earlier frames; call it at the start of each clip."""
        ...


class OnnxSegmenter:
    """A segmenter of fixed input size in an ONNX file, run by OpenVINO on the CPU."""

    def __init__(
        self,
        path: Path,
        prepare: Callable[[U8], F32],
        size: tuple[int, int],
        person: Callable[[F32], F32],
        threads: int,
    ) -> None:
        """
        Args:
            prepare: RGB uint8 of `size` to the network's input.
            size: (width, height) of the network's picture.
            person: the network's output to a float32 mask, 0..1, of that size.
        Raises:
            WeightsError: no such file.
        """
        require_weights(path)
        self._prepare = prepare
        self._size = size
        self._person = person
        config = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._network = compile_on_cpu(str(path), **config)

    def __call__(self, rgb: U8) -> F32:
        output = self._network(self._prepare(_resize(rgb, self._size)))[0]
        return _mask_like(self._person(np.asarray(output, np.float32)), rgb)

    def reset(self) -> None:
        """Nothing to forget."""


def mediapipe_selfie(models: Path, threads: int = 2) -> OnnxSegmenter:
    """MediaPipe selfie segmentation, general, 256x256."""
    path = models / FILES["mediapipe"]
    return OnnxSegmenter(path, _unit_nhwc, (256, 256), lambda y: y[0, :, :, 0], threads)


def meet_full(models: Path, threads: int = 2) -> OnnxSegmenter:
    """Google Meet's full segmentation model, 256x144."""
    path = models / FILES["meet"]
    return OnnxSegmenter(path, _unit_nhwc, (256, 144), lambda y: _softmax_second(y[0], axis=2), threads)


def sinet_obs(models: Path, threads: int = 2) -> OnnxSegmenter:
    """SINet as retrained for the OBS plugin, 320x320."""
    path = models / FILES["sinet-obs"]
    return OnnxSegmenter(path, lambda rgb: _sinet_input(rgb)[None], (320, 320), lambda y: y[0, 1], threads)


class SinetPeer:
    """SINet with its authors' weights, 224x224, in torch on the CPU."""

    def __init__(self, weights: Path) -> None:
        self._net = SINet().eval()
        load_weights(self._net, weights)

    @torch.inference_mode()
    def __call__(self, rgb: U8) -> F32:
        logits = self._net(torch.from_numpy(_sinet_input(_resize(rgb, _SINET_SIZE)))[None])
        return _mask_like(logits.softmax(1)[0, 1].numpy(), rgb)

    def reset(self) -> None:
        """Nothing to forget."""


class RvmPeer:
    """Robust Video Matting (MobileNetV3, fast guided filter) with memory, in torch.

    ratio: reduced size over full size; None takes the authors' automatic one for each size.
    """

    def __init__(self, weights: Path, ratio: float | None = None, device: str = "cpu") -> None:
        net = build_rvm("mobilenetv3", "fast_guided_filter").eval()
        load_weights(net, weights)
        self._net = net.to(device)
        self._device = device
        self._ratio = ratio
        self._states: tuple[torch.Tensor | None, ...] = (None,) * 4
        self._fgr: torch.Tensor | None = None
        self._shape: tuple[int, ...] | None = None

    @torch.inference_mode()
    def __call__(self, rgb: U8) -> F32:
        if rgb.shape != self._shape:
            self.reset()
            self._shape = rgb.shape
        src = (
            torch.from_numpy(np.ascontiguousarray(rgb)).to(self._device).permute(2, 0, 1)[None].float() / 255
        )
        ratio = self._ratio or downsample_ratio_for((rgb.shape[1], rgb.shape[0]))
        fgr, pha, *states = self._net(src, *self._states, downsample_ratio=ratio)
        self._states, self._fgr = tuple(states), fgr
        return pha[0, 0].cpu().numpy()

    def fgr(self) -> F32:
        """The person's colour in the last picture, float32 HxWx3, 0..255, straight; needs a picture."""
        assert self._fgr is not None, "no picture yet"
        return np.ascontiguousarray(self._fgr[0].permute(1, 2, 0).cpu().numpy() * np.float32(255))

    def reset(self) -> None:
        self._states = (None,) * 4


def difference_key(rgb: U8, plate_rgb: U8, low: float = 12.0, high: float = 48.0) -> F32:
    """Alpha float32 HxW of plain difference keying: the largest channel difference, softly cut.

    Args:
        rgb, plate_rgb: uint8 HxWx3 of one size, already aligned.
        low, high: grey levels at which alpha leaves 0 and reaches 1.
    """
    difference = cv2.absdiff(rgb, plate_rgb).max(axis=2).astype(np.float32)
    return np.clip((difference - low) / (high - low), 0.0, 1.0)


def load_peers(
    models: Path, threads: int = 2, names: Collection[str] = FILES, device: str = "cpu"
) -> dict[str, Peer]:
    """The plate-less peers of these names, whose files lie in `models`.

    Args:
        device: of RVM; the segmenters run on the CPU.
    Raises:
        WeightsError: a file is missing or does not fit.
    """
    require_peers(models, names)
    loaders: dict[str, Callable[[], Peer]] = {
        "rvm": lambda: RvmPeer(models / FILES["rvm"], device=device),
        "mediapipe": lambda: mediapipe_selfie(models, threads),
        "meet": lambda: meet_full(models, threads),
        "sinet": lambda: SinetPeer(models / FILES["sinet"]),
        "sinet-obs": lambda: sinet_obs(models, threads),
    }
    return {name: load() for name, load in loaders.items() if name in names}


def _resize(rgb: U8, size: tuple[int, int]) -> U8:
    shrinks = rgb.shape[1] > size[0]
    return np.asarray(
        cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )


def _mask_like(mask: F32, rgb: U8) -> F32:
    resized = cv2.resize(mask, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.clip(resized, 0.0, 1.0).astype(np.float32, copy=False)


def _unit_nhwc(rgb: U8) -> F32:
    return (rgb.astype(np.float32) / np.float32(255))[None]


def _sinet_input(rgb: U8) -> F32:
    bgr = rgb[:, :, ::-1].astype(np.float32)
    return np.ascontiguousarray(((bgr - _SINET_MEAN) / _SINET_STD / np.float32(255)).transpose(2, 0, 1))


def _softmax_second(logits: F32, axis: int) -> F32:
    """Probability of class 1 of two."""
    room, person = np.moveaxis(logits, axis, 0)
    return np.asarray(1 / (1 + np.exp(room - person)), np.float32)
