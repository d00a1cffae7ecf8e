"""Plates from what a user says: a name in the data folder, a path, a video to average; and recording one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from threading import Event

import platformdirs

from core.errors import PlateError
from core.plate import Recorder, Recording, list_plates, load_plate
from core.plate.checks import SHIFT_REFUSE_PX, UNREST, Segmenter, Severity, check_views
from core.plate.store import METADATA, is_name, shut_to_others
from core.plate.sweep import SweepBuilder, SweepProgress
from core.types import Frame, Plate, View
from live.controls import held_camera
from live.sources.base import Source
from live.sources.registry import open_file

log = logging.getLogger(__name__)

NONE, AUTO = "none", "auto"

SETTLE_LEAST_NS = 500_000_000  # a camera's first frames are dark, whatever they look like
SETTLE_MOST_NS = 4_000_000_000  # one that still hunts then will not settle
SETTLE_WINDOW_NS = 500_000_000
TURNED = 0.25  # share of restless cells: more than a person in front of a camera that stands still
JUMP = 0.1  # of brightness, when the exposure is held: more than light correction should have to undo
SETTLED = 0.01  # 1 % of brightness between two windows: below what the matte notices

Progress = Callable[[float], None]  # share done, 0..1


def plates_root() -> Path:
    """The folder that holds all plates (XDG data folder on Linux)."""
    return platformdirs.user_data_path("cleanplate") / "plates"


def now_text() -> str:
    """The local time as ISO 8601 with its zone, for plate.toml."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def open_plate(spec: str) -> Plate | None:
    """The plate that NAME|PATH|none|auto means; None for none, and for auto when nothing was recorded.

    auto is the one recorded last that can be used; those that cannot are warned of. A path is a plate's
    folder, a picture, or a video or folder of pictures of the empty room: averaged where the camera stood
    still, else taken as a sweep; who is in it is warned of. A name wins over a path of the same spelling.
    Raises: PlateError, MediaError.
    """
    if spec == NONE:
        return None
    shut_to_others(plates_root())
    if spec == AUTO:
        return _newest()
    if is_name(spec) and (plates_root() / spec / METADATA).is_file():
        return load_plate(plates_root() / spec)
    path = Path(spec).expanduser()
    if (path / METADATA).is_file():
        return load_plate(path)
    if path.exists():
        plate = plate_from_files(path.stem or spec, [path])[0]
        if words := people_in(plate):
            log.warning("%s", words)
        return plate
    names = ", ".join(info.name for info in list_plates(plates_root())) or "none yet"
    raise PlateError(
        f'there is no plate "{spec}" and no file of that name; plates: {names} '
        "(record one of your empty room: cleanplate plate record NAME)"
    )


def _newest() -> Plate | None:
    """What auto is, see open_plate. Raises PlateError where plates are there and none can be used: whoever
    recorded them does not expect to be found by looks alone."""
    plates = list_plates(plates_root())
    problems = [info.problem for info in plates if info.problem]
    usable = [info for info in plates if not info.problem]
    for info in sorted(usable, key=lambda info: _instant(info.recorded), reverse=True):
        try:
            plate = load_plate(info.folder)
        except PlateError as error:
            problems.append(str(error))
            continue
        for problem in problems:  # another room's plate does not fit, and then the room is hidden
            log.warning('%s; until then the plate "%s" is used', problem, plate.name)
        return plate
    if problems:
        raise PlateError(f"no plate can be used: {'; '.join(problems)} (or do without: --plate none)")
    return None


def average(paths: Iterable[Path], on_frame: Callable[[], None] = lambda: None) -> Recording:
    """All pictures of these files and folders, as one recording. Raises MediaError, PlateError."""
    recorder = Recorder()
    for path in paths:
        source = open_file(path)
        try:
            for frame in _frames(source):
                recorder.add(frame.rgb)
                on_frame()
        finally:
            source.close()
    return recorder.finish()


def plate_from_files(name: str, paths: list[Path]) -> tuple[Plate, int]:
    """A plate of recordings of the empty room, and how many pictures went into it.

    Averaged where the camera stood still; where it turned, the views are kept side by side (a sweep).
    """
    recording = average(paths)
    if recording.frames > 1 and (
        recording.shift_px >= SHIFT_REFUSE_PX or float((recording.unrest > UNREST).mean()) >= TURNED
    ):
        swept = sweep_of_files(name, paths)
        if len(swept.views) > 1:
            return swept, recording.frames
    return plate_of(name, recording), recording.frames


def sweep_of_files(name: str, paths: list[Path]) -> Plate:
    """The room as these files turn through it, one after another. Raises MediaError, PlateError."""
    builder = SweepBuilder(name)
    for path in paths:
        source = open_file(path)
        try:
            for frame in _frames(source):
                builder.add(frame.rgb)
        finally:
            source.close()
    return builder.finish()


def sweep(
    source: Source,
    name: str,
    seconds: float,
    on_progress: Callable[[SweepProgress, float], None],
    stop: Event,
    on_turned: Callable[[], None] = lambda: None,
) -> Plate:
    """The room as the camera turns through it, until `stop` is set or the time is over.

    on_progress: takes what the last frame did, and the share of the time that is over. on_turned: is told
        when no more is read; to join many views then takes seconds.
    Raises: PlateError with what to do better; DeviceError when the camera went away.
    """
    builder = SweepBuilder(name)
    for frame, share in _for_seconds(source, seconds):
        on_progress(builder.add(frame.rgb), share)
        if stop.is_set():
            break
    on_turned()
    return builder.finish()


def plate_of(name: str, recording: Recording, camera: dict[str, float] | None = None) -> Plate:
    """camera: the settings held while recording."""
    return Plate(name, recording.size, (View(recording.rgb),), recording.noise, camera or {})


def settle(source: Source) -> float:
    """Reads until the camera's automatic exposure rests, at most four seconds by the frames' own times.

    Returns: the brightness it came to rest at, grey levels; 0 when nothing came.
    """
    first_ns: int | None = None
    window_ns, levels, level, before = 0, list[float](), 0.0, float("nan")
    for frame in _frames(source):
        if first_ns is None:
            first_ns = window_ns = frame.time_ns
        levels.append(float(frame.rgb[::8, ::8].mean()))
        age_ns = frame.time_ns - first_ns
        if frame.time_ns - window_ns < SETTLE_WINDOW_NS and age_ns < SETTLE_MOST_NS:
            continue
        level = sum(levels) / len(levels)
        rests = abs(level - before) <= SETTLED * max(before, 1.0)  # false while before is NaN
        if age_ns >= SETTLE_MOST_NS or (rests and age_ns >= SETTLE_LEAST_NS):
            break
        window_ns, levels, before = frame.time_ns, [], level
    return level


def record_held(
    source: Source, device: str, seconds: float, on_progress: Progress
) -> tuple[Recording, dict[str, float], str]:
    """A recording with the camera's exposure, gain, white balance and focus held, where it allows that.

    device: the camera's path; of anything else nothing is held.
    Returns: the recording, what was held, and what could not be, as a sentence ("" when all was).
    """
    level = settle(source)
    with ExitStack() as holding:
        now = holding.enter_context(held_camera(device))
        words = f"the camera does not let its {' and '.join(now.refused)} be held" if now.refused else ""
        values = now.values
        if values and abs(settle(source) - level) > JUMP * level:
            holding.close()  # it told values that it did not use
            settle(source)
            values, words = {}, "the camera changes its picture when its exposure is held, so it is not held"
        return record(source, seconds, on_progress), values, words


def watch(source: Source, seconds: float, on_progress: Progress) -> None:
    """Reads and drops frames for a time, so that none of them is old afterwards."""
    for _, share in _for_seconds(source, seconds):
        on_progress(share)


def record(source: Source, seconds: float, on_progress: Progress) -> Recording:
    """Everything that the source shows for this long, by the frames' own times.

    Raises: PlateError when nothing came; DeviceError when the camera went away.
    """
    recorder = Recorder()
    for frame, share in _for_seconds(source, seconds):
        recorder.add(frame.rgb)
        on_progress(share)
    return recorder.finish()


def people_in(plate: Plate) -> str:
    """A sentence about somebody whom the plate seems to show; "" where nobody is. By looks alone."""
    for found in check_views(plate, person_finder()):
        if found.what == "person" and found.severity is Severity.REFUSE:
            return f"the plate seems to show somebody, who is then taken for room ({found.sentence})"
    return ""


def person_finder() -> Segmenter:
    """The bundled segmenter that finds people from looks alone."""
    from core.matte.prior import SelfieSegmenter

    return SelfieSegmenter()


def _for_seconds(source: Source, seconds: float) -> Iterator[tuple[Frame, float]]:
    first_ns: int | None = None
    for frame in _frames(source):
        first_ns = frame.time_ns if first_ns is None else first_ns
        share = (frame.time_ns - first_ns) / (seconds * 1e9) if seconds > 0 else 1.0
        yield frame, min(share, 1.0)
        if share >= 1.0:
            return


def _frames(source: Source) -> Iterator[Frame]:
    while (frame := source.read()) is not None:
        yield frame


def _instant(recorded: str) -> datetime:
    try:
        return datetime.fromisoformat(recorded).astimezone()
    except ValueError as error:
        raise PlateError(
            f'"{recorded}" in a plate.toml is not a time in ISO 8601: record that plate again'
        ) from error
