"""What the rows of the alignment table share: the table, what a method said, and the scenes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.errors import MediaError
from core.evaluation import scenes
from core.evaluation.scenes import Person, Scene, Trouble

SMALL, LARGE = (640, 360), (1280, 720)
LARGE_MIN_WIDTH = 3840
PERSON_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    goal: str
    measured: str
    holds: bool | None  # None: a peer, or for information


@dataclass(slots=True)
class Table:
    """What `cleanplate evaluate alignment` prints."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, goal: str, measured: str, holds: bool | None = None) -> None:
        self.rows.append(Row(what, goal, measured, holds))

    def text(self) -> str:
        """The table as lines of text, aligned."""
        marks = {True: "yes", False: "NO", None: ""}
        cells = [("what", "goal", "measured", "holds")]
        cells += [(row.what, row.goal, row.measured, marks[row.holds]) for row in self.rows]
        widths = [max(len(line[i]) for line in cells) for i in range(4)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines + [f"note: {note}" for note in self.notes])


@dataclass(slots=True)
class Track:
    """What one method said over some scenes."""

    errors: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    frames: int = 0
    light: list[float] = field(default_factory=list)

    def summary(self) -> str:
        known = len(self.errors) / max(self.frames, 1)
        median, p95 = percentiles(self.errors)
        return f"median {median:.3f}, p95 {p95:.3f} px, {known:.1%} of frames, {np.median(self.ms):.1f} ms"


class Stopwatch:
    """Wall time, and the processor time of all threads, which another program's load does not stretch."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self, track: Track) -> None:
        track.ms.append((time.perf_counter() - self._wall) * 1e3)
        track.cpu_ms.append((time.process_time() - self._cpu) * 1e3)


def percentiles(values: list[float]) -> tuple[float, float]:
    """Median and 95th percentile; nan when there are none."""
    if not values:
        return float("nan"), float("nan")
    return float(np.median(values)), float(np.percentile(values, 95))


def require_for_scenes(shared: Path) -> None:
    """Raises MediaError where the shared folder lacks what draw_scenes draws from."""
    needed = {
        "two JPEG panoramas in data/panoramas": len(scenes.panoramas(shared)) >= 2,
        f"one of them {LARGE_MIN_WIDTH} px wide or more": bool(scenes.panoramas(shared, LARGE_MIN_WIDTH)),
        "people with alpha in data/people_rendered, as WebP": bool(scenes.people(shared)),
    }
    lacking = [words for words, there in needed.items() if not there]
    if lacking:
        raise MediaError(
            f"{shared} is not enough to judge an alignment with, it lacks {'; '.join(lacking)}: "
            "give --shared a folder that has them"
        )


def has_held_out_places(shared: Path) -> bool:
    """Whether there are places that nothing was tuned on."""
    return any(path.name.startswith(scenes.HELD_OUT_PLACES) for path in scenes.panoramas(shared))


def draw_scenes(
    shared: Path, seed: int, count: int, frames: int, size: tuple[int, int], held_out: bool | None = None
) -> Iterator[Scene]:
    """Scenes with a moving camera and a person, each from another place and direction.

    held_out: only places that nothing was tuned on (True), only the others (False), or all (None).
    """
    rng = np.random.default_rng([seed, size[0]])
    places = scenes.panoramas(shared, LARGE_MIN_WIDTH if size == LARGE else 0)
    if held_out is not None:
        places = [p for p in places if p.name.startswith(scenes.HELD_OUT_PLACES) == held_out]
    people = scenes.people(shared)
    order = [places[i] for i in rng.permutation(len(places))]
    for index in range(count):
        panorama = scenes.load_panorama(order[index % len(order)])
        kind = index % 3
        angle = (2.5, 6.0, 0.0)[kind]
        draw = int(rng.integers(1 << 30))
        poses = scenes.pan(frames, angle, draw) if angle else scenes.hand_held(frames, draw)
        person = Person.load(people[int(rng.integers(len(people)))], rng.uniform(0.25, PERSON_SHARE), draw)
        trouble = Trouble(
            noise=rng.uniform(1.5, 3.5),
            drift=rng.uniform(0, 0.15),
            jpeg=int(rng.integers(70, 96)),
            blur_px=rng.uniform(0, 0.6),
            shutter=0.4 * (index % 2),
        )
        yaw = scenes.direction_to_follow(panorama, size, rng)
        yield Scene(order[index % len(order)].stem, panorama, yaw, 0.0, size, poses, person, trouble, draw)
