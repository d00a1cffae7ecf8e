"""Builds aligner and renderer from what the user asked for; the loop is given them ready."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import cv2

from core.align import NoPlateAligner, PlateAligner
from core.errors import PlateError
from core.matte.working_size import CLOSER_PIXELS, FILM_PIXELS, WORKING_PIXELS
from core.nets.registry import find_model
from core.nets.trained import PLATENET, Trained, find_trained
from core.plate.refresh import PlateRefresh
from core.render.backdrops import Backdrop, Background
from core.render.build import MatterOptions, build_platenet, build_renderer
from core.render.renderer import Compositor
from core.runtime.base import REFINER, WEIGHTS
from core.runtime.choose import resolve_device
from core.types import U8, Aligner, Matter, Plate
from live.backdrop import open_backdrop
from live.models_store import ModelStore
from live.pace import Pace
from live.refresh import Refreshing, RefreshingAligner
from live.settings import AUTO_SIZE, Model

MOST_ASPECT_CHANGE = 1.5  # a 4:3 plate of a 16:9 camera is 1.33: some cameras crop between their modes


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands between source and sinks.

    runs_on: network, runtime and device in words. pace: chooses the size at which the network looks; None
    where that is fixed. aligner_of: makes an aligner for another plate, in tenths of a second, on any thread;
    whoever asks closes it. It raises PlateError for one that cannot be of this camera.
    """

    aligner: Aligner
    renderer: Compositor
    runs_on: str
    _open: ExitStack
    pace: Pace | None = None
    aligner_of: Callable[[Plate], Aligner] | None = None

    def close(self) -> None:
        """Safe to call twice."""
        self._open.close()


def build_parts(
    plate: Plate | None,
    background: Background,
    model: Model,
    frame_size: tuple[int, int],
    *,
    backdrop: Backdrop | None = None,
    when_lost: str = "hide",
    live: bool,
    fps: float | None = None,
    refreshing: Refreshing | None = None,
) -> Parts:
    """Aligner and renderer for frames of this size.

    backdrop: what core.render.build_backdrop made of the background, where that was done already.
    live: a lost plate is searched on a thread of its own, so that no frame waits for it; offline every
        frame gets the answer that belongs to it.
    fps: frames a second that must be kept up with; None: every frame is waited for.
    refreshing: how a live run keeps its plate fresh (on the same thread); None leaves it as recorded.
    Raises: PlateError (a plate of quite another shape), WeightsError, DeviceError (no such GPU), MediaError
        (a broken backdrop), SettingsError.
    """
    if plate is not None:
        refuse_other_shape(plate, frame_size)
    # The loop keeps two cores busy with two frames: a third and fourth thread would only be waited for.
    cv2.setNumThreads(1)
    with ExitStack() as parts:
        worker: ThreadPoolExecutor | None = None
        if live:
            worker = ThreadPoolExecutor(1, thread_name_prefix="find plate")
            parts.callback(worker.shutdown, wait=False, cancel_futures=True)
        if backdrop is None:
            shown_live = live or fps is not None  # a film may be, too: while paused its times run on
            backdrop = open_backdrop(background, frame_size, live=shown_live)
        if backdrop is not None:
            parts.callback(backdrop.close)
        matter, name, pace = _matter(model, live=live, fps=fps)
        renderer, _ = build_renderer(plate, background, backdrop=backdrop, matter=matter, when_lost=when_lost)
        parts.callback(renderer.close)

        def aligner_of(plate: Plate) -> Aligner:
            refuse_other_shape(plate, frame_size)
            follower = PlateAligner(plate, frame_size, submit=worker.submit if worker else None)
            if worker is None or refreshing is None or len(plate.views) > 1:
                return follower
            refresh = PlateRefresh(plate, refreshing.absorb_after)
            return RefreshingAligner(follower, refresh, (follower, renderer), worker.submit)

        aligner = aligner_of(plate) if plate is not None else NoPlateAligner()
        parts.callback(aligner.close)
        return Parts(aligner, renderer, name, parts.pop_all(), pace, aligner_of)


def refuse_other_shape(plate: Plate, frame_size: tuple[int, int]) -> None:
    """PlateError for a plate that cannot be of this camera: upright for lying, say.

    Another size, zoom or crop is for the aligner to find, and a sweep has a shape of its own.
    """
    (pw, ph), (w, h) = plate.size, frame_size
    ratio = (pw * h) / (ph * w)
    if len(plate.views) == 1 and max(ratio, 1 / ratio) > MOST_ASPECT_CHANGE:
        raise PlateError(
            f'the plate "{plate.name}" is {pw}x{ph}, the camera gives {w}x{h}: it cannot be of this camera; '
            "record again, or use --plate none"
        )


def _matter(model: Model, *, live: bool, fps: float | None) -> tuple[Matter, str, Pace | None]:
    """The network, what it runs on, and what chooses its size where that is not fixed.

    Where a network of the papers needs a plate and has none, the bundled one mattes without.
    """
    trained = find_trained(model.name)
    if trained is not None or model.name == PLATENET:
        platenet, runtime = build_platenet(_options(model, live or fps is not None, trained))
        pace = Pace(platenet, fps, model.closer) if fps is not None and model.size == AUTO_SIZE else None
        name = PLATENET if trained is None else f"{PLATENET} of {model.name}"
        return platenet, f"{name}, {runtime}", pace
    line = find_model(model.name)
    weights = ModelStore().weights(line.name)
    import torch  # not above: the bundled network runs without it

    from core.matte.papers import load_paper_matter

    if model.threads:
        torch.set_num_threads(model.threads)
    device = resolve_device(model.device)
    plateless: Callable[[U8], U8] | None = None
    if line.needs_plate:
        own, _ = build_platenet(_options(model, paced=False, trained=None))
        plateless = partial(own.matte, plate_rgb=None, coverage=None)
    matter = load_paper_matter(line.name, weights, device, plateless)
    return matter, f"{line.name}, torch on {device}", None


def _options(model: Model, paced: bool, trained: Trained | None) -> MatterOptions:
    if model.size == AUTO_SIZE:  # a film has time for a second look, a live run only now and then: see Pace
        working_pixels, closer = WORKING_PIXELS, not paced
    else:
        working_pixels, closer = model.size[0] * model.size[1], model.closer
    refiner = REFINER if trained is None or trained.refiner is None else trained.refiner
    return MatterOptions(
        model.device,
        model.threads,
        working_pixels,
        weights=WEIGHTS if trained is None else trained.net,
        refiner_weights=refiner if model.refine else None,
        overlapping=True,
        impatient=paced,
        closer_pixels=(CLOSER_PIXELS if paced else FILM_PIXELS) if closer else None,
        doubting=paced,  # others look on
    )
