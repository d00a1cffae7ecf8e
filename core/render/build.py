"""Puts a renderer together from what the user asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.matte.platenet import PlateMatter
from core.matte.prior import SelfieSegmenter
from core.matte.refine import Refiner, RefinerRuntime
from core.matte.working_size import WORKING_PIXELS, platenet_size
from core.render.backdrops import Backdrop, Background, ColourBackdrop, Kind, PictureBackdrop
from core.render.renderer import Compositor
from core.runtime.base import REFINER, WEIGHTS, PlateNetRuntime
from core.runtime.choose import resolve_device
from core.types import Matter, Plate

USUAL_SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class MatterOptions:
    """How the network runs.

    device: "auto", "cpu", "cuda". threads: 0 is one per core. overlapping: the network works on a frame
    while the one before is refined, and leaves half of the cores to that. working_pixels: area it works at.
    weights: platenet's file. refiner_weights: the refiner's; None upsamples bilinearly.
    impatient: no frame waits for a network for fewer columns. closer_pixels: area of a second look, None for
    none. doubting: a plate is not believed that would show too much (see PlateMatter for all three).
    """

    device: str = "auto"
    threads: int = 0
    working_pixels: int = WORKING_PIXELS
    weights: Path = WEIGHTS
    refiner_weights: Path | None = REFINER
    overlapping: bool = False
    impatient: bool = False
    closer_pixels: int | None = None
    doubting: bool = False


def build_platenet(options: MatterOptions | None = None) -> tuple[PlateMatter, str]:
    """The bundled matter, and in words what it runs on.

    Raises WeightsError (missing, damaged, of another shape) and DeviceError (no such GPU) now, not later.
    """
    o = options or MatterOptions()
    device = resolve_device(o.device)
    threads = o.threads or os.cpu_count() or 1
    refiner: RefinerRuntime | None = None
    if device == "cpu":
        from core.runtime.openvino import OpenVinoPlateNet, OpenVinoRefiner

        network_threads = max(1, threads // 2) if o.overlapping else threads

        # Made now, so that the weights are checked before a camera is opened; most cameras want this size.
        first_size = platenet_size(USUAL_SIZE, o.working_pixels)
        first = OpenVinoPlateNet(first_size, o.weights, network_threads)
        words = first.name

        def make(size: tuple[int, int]) -> PlateNetRuntime:
            return first if size == first_size else OpenVinoPlateNet(size, o.weights, network_threads)

        if o.refiner_weights is not None:
            refiner = OpenVinoRefiner(o.refiner_weights, threads)
    else:
        from core.runtime.torch import TorchPlateNet, TorchRefiner

        runtime = TorchPlateNet(device, o.weights)
        words = runtime.name
        if o.refiner_weights is not None:
            refiner = TorchRefiner(device, o.refiner_weights)

        def make(size: tuple[int, int]) -> PlateNetRuntime:
            return runtime

    refine = Refiner(refiner) if refiner is not None else None
    # two looks at once are for the one at the head, which only a closer look comes with
    segmenter = SelfieSegmenter(threads=1 if o.closer_pixels is None else threads)
    matter = PlateMatter(
        make,
        segmenter,
        refine,
        o.working_pixels,
        o.impatient,
        closer_pixels=o.closer_pixels,
        doubting=o.doubting,
    )
    return matter, words


def build_backdrop(background: Background) -> Backdrop | None:
    """The pictures of a background; None for those that need none of their own (and for a video,
    which is played by who owns the clock). MediaError when a file is broken."""
    if background.kind is Kind.COLOUR:
        return ColourBackdrop(background.rgb)
    if background.kind is Kind.PICTURE:
        assert background.path is not None
        return PictureBackdrop.read(background.path)
    return None


def build_renderer(
    plate: Plate | None,
    background: Background,
    *,
    backdrop: Backdrop | None = None,
    matter: Matter | None = None,
    options: MatterOptions | None = None,
    when_lost: str = "hide",
) -> tuple[Compositor, str]:
    """A renderer, and in words what its network runs on.

    backdrop: what `build_backdrop` made already, or pictures for a VIDEO background.
    matter: another network than platenet.
    """
    words = "another network"
    if matter is None:
        matter, words = build_platenet(options)
    backdrop = backdrop or build_backdrop(background)
    assert backdrop is not None or background.kind is not Kind.VIDEO, "a video background needs a player"
    return Compositor(plate, matter, background, backdrop, when_lost), words
