"""Builds aligner and renderer from what the user asked for; the loop is given them ready."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from core.align import NoPlateAligner, PlateAligner
from core.render.backdrops import Backdrop, Background, Kind
from core.render.build import MatterOptions, build_renderer
from core.types import Aligner, Matter, Plate, Renderer
from live.backdrop import VideoBackdrop
from live.settings import Model

PLATENET = "platenet"


@dataclass(frozen=True, slots=True)
class Parts:
    """What stands between source and sinks. runs_on: network, runtime and device in words."""

    aligner: Aligner
    renderer: Renderer
    runs_on: str
    _open: ExitStack

    def close(self) -> None:
        """Safe to call twice."""
        self._open.close()


def build_parts(
    plate: Plate | None,
    background: Background,
    model: Model,
    frame_size: tuple[int, int],
    *,
    when_lost: str = "hide",
    live: bool,
) -> Parts:
    """Aligner and renderer for frames of this size.

    live: a lost plate is searched on a thread of its own, so that no frame waits for it; offline every
        frame gets the answer that belongs to it.
    Raises: WeightsError, DeviceError (no such GPU), MediaError (a broken backdrop), SettingsError.
    """
    with ExitStack() as parts:
        aligner: Aligner
        if plate is None:
            aligner = NoPlateAligner()
        elif live:
            searcher = ThreadPoolExecutor(1, thread_name_prefix="find plate")
            parts.callback(searcher.shutdown, wait=False, cancel_futures=True)
            aligner = PlateAligner(plate, frame_size, submit=searcher.submit)
        else:
            aligner = PlateAligner(plate, frame_size)
        parts.callback(aligner.close)
        backdrop: Backdrop | None = None
        if background.kind is Kind.VIDEO:
            assert background.path is not None
            backdrop = parts.enter_context(VideoBackdrop(background.path, frame_size))
        matter, name = _matter(model)
        renderer, runtime = build_renderer(
            plate,
            background,
            backdrop=backdrop,
            matter=matter,
            options=MatterOptions(model.device, model.threads, model.size[0] * model.size[1]),
            when_lost=when_lost,
        )
        parts.callback(renderer.close)
        return Parts(aligner, renderer, f"{name}, {runtime}", parts.pop_all())


def _matter(model: Model) -> tuple[Matter | None, str]:
    """None for the bundled network, which the renderer builds itself."""
    return None, PLATENET
