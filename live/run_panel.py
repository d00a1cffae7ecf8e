"""What of a run its panel turns: the background, and the plate."""

from __future__ import annotations

from collections.abc import Mapping

from core.render.backdrops import Background, Kind
from core.types import Plate
from live.assemble import Parts
from live.backgrounds import Backgrounds, backgrounds_folder
from live.opener import SourceOpener
from live.plates import plates_root
from live.replaceable import ReplaceableAligner, Tap
from live.retake import Retake
from live.settings import Settings
from live.sources.base import Source


def backgrounds_of(parts: Parts, background: Background, size: tuple[int, int]) -> Backgrounds | None:
    """What may be changed to while it runs; nothing where outputs are open for transparency."""
    if background.kind is Kind.TRANSPARENT:
        return None
    return Backgrounds(parts.renderer.change, background, backgrounds_folder(), size)


def retake_of(
    parts: Parts,
    aligner: ReplaceableAligner,
    opener: SourceOpener,
    plate: Plate | None,
    source: Source,
    settings: Settings,
) -> Retake | None:
    """What photographs the room anew while it runs; nothing where it plays a film."""
    aligner_of = parts.aligner_of
    if aligner_of is None or not source.live:
        return None

    def tap() -> Tap:
        made = Tap(source.name, source.size, source.fps)
        aligner.tap(made)
        return made

    def take_up(plate: Plate) -> None:
        aligner.replace(aligner_of(plate), parts.renderer.renew(plate))

    def hold(values: Mapping[str, float]) -> Mapping[str, float]:
        before = opener.values
        opener.hold(values)
        return before

    return Retake(
        tap,
        take_up,
        hold,
        opener.device,
        root=plates_root(),
        spec=settings.plate.name,
        used=plate,
        seconds=settings.plate.record_seconds,
        countdown=settings.plate.countdown_seconds,
    )
