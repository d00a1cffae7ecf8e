"""The papers' networks as Matters: RVM, Background Matting V2, Background Matting (2020).

Each runs behind cleanplate's alignment and light correction, on any torch device, in half
precision on CUDA. Odd sizes are padded by repeating the border and cropped again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import PlateError
from core.matte.soft_segmentation import Box, crop_box, keep_supported, person_mask, soft_segmentation
from core.nets import bgm2020, bgmv2
from core.nets.registry import find_model, load_model
from core.nets.rvm import RobustVideoMatting, downsample_ratio_for
from core.runtime.torch import torch_device
from core.types import U8, Matter

PlatelessMatte = Callable[[U8], U8]  # RGB uint8 HxWx3 to alpha uint8 HxW

_BGM2020_SIDE_PX = 512  # the published checkpoints were trained at this size


class _OnDevice:
    """Pictures to tensors and back, in the precision of the device."""

    def __init__(self, device: str) -> None:
        self.device = torch_device(device)
        self.dtype = torch.float16 if self.device.type == "cuda" else torch.float32

    def picture(self, rgb: U8) -> Tensor:
        """1,3,H,W of 0..1."""
        return self._upload(rgb).permute(2, 0, 1)[None].to(self.dtype) / 255

    def mask(self, mask: U8) -> Tensor:
        """1,1,H,W of 0..1."""
        return self._upload(mask)[None, None].to(self.dtype) / 255

    def _upload(self, array: U8) -> Tensor:
        return torch.from_numpy(np.array(array)).to(self.device)


def _alpha_u8(pha: Tensor) -> U8:
    """uint8 HxW from 1,1,H,W of 0..1."""
    return (pha[0, 0].float() * 255).round().to(torch.uint8).cpu().numpy()


def _pad_to(x: Tensor, multiple: int) -> Tensor:
    height, width = x.shape[2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


class RvmMatter:
    """Robust Video Matting with its memory. Takes no notice of a plate.

    ratio: size the network works at over the picture's; None takes the authors' automatic one.
    One thread owns it.
    """

    def __init__(self, net: RobustVideoMatting, device: str = "cpu", ratio: float | None = None) -> None:
        self._io = _OnDevice(device)
        self._net = net.eval().to(self._io.device, self._io.dtype)
        self._ratio = ratio
        self._shape: tuple[int, ...] | None = None
        self._states: tuple[Tensor | None, ...] = (None,) * 4

    @torch.inference_mode()
    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        if rgb.shape != self._shape:
            self.reset()
            self._shape = rgb.shape
        ratio = self._ratio or downsample_ratio_for((rgb.shape[1], rgb.shape[0]))
        _, pha, *states = self._net(self._io.picture(rgb), *self._states, downsample_ratio=ratio)
        self._states = tuple(states)
        return _alpha_u8(pha)

    def reset(self) -> None:
        self._states = (None,) * 4


class Bgmv2Matter:
    """Background Matting V2; every frame for itself.

    Where the plate is unknown the network would have to guess. There the matte of `plateless` is
    taken; without one nobody knows, and alpha is 0: nothing of the room is shown by accident.
    """

    def __init__(
        self,
        net: bgmv2.MattingRefine,
        device: str = "cpu",
        plateless: PlatelessMatte | None = None,
        setting: bgmv2.Setting | None = None,
    ) -> None:
        """setting: how the net works at each size; None is the authors' choice."""
        self._io = _OnDevice(device)
        self._net = net.eval().to(self._io.device, self._io.dtype)
        self._plateless = plateless
        self._setting = setting or bgmv2.Setting()

    @torch.inference_mode()
    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """See core.types.Matter. PlateError without a plate and without `plateless`."""
        if plate_rgb is None:
            return _without_plate("Background Matting V2", self._plateless, rgb)
        height, width = rgb.shape[:2]
        self._setting.apply(self._net, (width, height))
        src = _pad_to(self._io.picture(rgb), bgmv2.SIZE_MULTIPLE)
        plate = _pad_to(self._io.picture(_fill_unknown(plate_rgb, coverage, rgb)), bgmv2.SIZE_MULTIPLE)
        alpha = _alpha_u8(self._net(src, plate)[0][:, :, :height, :width])
        if coverage is None:
            return alpha
        elsewhere = np.zeros_like(alpha) if self._plateless is None else self._plateless(rgb)
        return np.where(coverage > 127, alpha, elsewhere)

    def reset(self) -> None:
        """Nothing to forget."""


class Bgm2020Matter:
    """Background Matting (2020): a square around the person, 512x512, with a soft segmentation.

    The segmentation, DeepLab's in the paper, comes from `plateless`; where that sees nobody, alpha
    is 0. Every frame for itself.
    """

    def __init__(
        self, net: bgm2020.BackgroundMatting2020, plateless: PlatelessMatte, device: str = "cpu"
    ) -> None:
        self._io = _OnDevice(device)
        self._net = net.eval().to(self._io.device, self._io.dtype)
        self._plateless = plateless

    @torch.inference_mode()
    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        """See core.types.Matter. Without a plate the matte of `plateless` is given."""
        person = self._plateless(rgb)
        if plate_rgb is None:
            return person
        out = np.zeros_like(person)
        everybody = person_mask(person)
        box = crop_box(everybody)
        if box is None:
            return out
        frame = self._square(rgb, box)
        plate = self._square(_fill_unknown(plate_rgb, coverage, rgb), box)
        mask = self._square(everybody, box)
        pha, _ = self._net(
            2 * self._io.picture(frame) - 1,
            2 * self._io.picture(plate) - 1,
            2 * self._io.mask(soft_segmentation(mask)) - 1,
        )
        alpha = keep_supported(_alpha_u8((pha + 1) / 2), mask)
        out[box.rows, box.columns] = cv2.resize(alpha, box.size, interpolation=cv2.INTER_LINEAR)
        # The square leaves out the last row and column of the picture: who is cut there goes on.
        if box.bottom == out.shape[0] - 1:
            out[-1] = out[-2]
        if box.right == out.shape[1] - 1:
            out[:, -1] = out[:, -2]
        if coverage is None:
            return out
        return np.where(coverage > 127, out, person)

    def reset(self) -> None:
        """Nothing to forget; what `plateless` remembers is its owner's."""

    def _square(self, picture: U8, box: Box) -> U8:
        side = (_BGM2020_SIDE_PX, _BGM2020_SIDE_PX)
        cut = np.ascontiguousarray(picture[box.rows, box.columns])
        # Linear also where it shrinks, and aliases: the authors' weights are made for what this gives.
        return np.asarray(cv2.resize(cut, side, interpolation=cv2.INTER_LINEAR))


def load_paper_matter(
    name: str, weights: Path, device: str = "cpu", plateless: PlatelessMatte | None = None
) -> Matter:
    """The Matter of a model in the registry other than platenet.

    Args:
        plateless: alpha without a plate, for what has no plate; bgm2020 cannot do without.
    Raises:
        WeightsError: unknown name, or weights that are missing or do not fit.
        DeviceError: no such device.
        ValueError: bgm2020 without `plateless`.
    """
    net = load_model(find_model(name).name, weights)
    if isinstance(net, RobustVideoMatting):
        return RvmMatter(net, device)
    if isinstance(net, bgmv2.MattingRefine):
        return Bgmv2Matter(net, device, plateless)
    if isinstance(net, bgm2020.BackgroundMatting2020):
        if plateless is None:
            raise ValueError("bgm2020 takes its segmentation from a matte without a plate: give plateless")
        return Bgm2020Matter(net, plateless, device)
    raise ValueError(f"{name} is not a network of the papers")


def _without_plate(what: str, plateless: PlatelessMatte | None, rgb: U8) -> U8:
    if plateless is None:
        raise PlateError(
            f"{what} needs a plate: record one with `cleanplate plate record`, or choose another model"
        )
    return plateless(rgb)


def _fill_unknown(plate_rgb: U8, coverage: U8 | None, rgb: U8) -> U8:
    """The plate, with the frame itself where it is unknown: there the network shall see no difference."""
    if coverage is None:
        return plate_rgb
    return np.where((coverage > 127)[:, :, None], plate_rgb, rgb)
