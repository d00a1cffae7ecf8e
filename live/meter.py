"""Where the time goes: milliseconds of each stage, age of the pictures at the sinks, drops."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from core.types import F32

KEEP = 600  # samples: 10 s at 60 frames per second


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and 95th percentile of the newest samples, in milliseconds; `count` is of all samples."""

    p50_ms: float
    p95_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the meter knew at one moment.

    frames: finished since the start; fps: over the samples kept, 0 before the second frame.
    stages: by stage name. ages: by sink name, capture of a frame until its push returned.
    counts: drops and faults by name, since the start.
    """

    frames: int
    fps: float
    stages: dict[str, Spread] = field(default_factory=dict)
    ages: dict[str, Spread] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class _Ring:
    """The newest samples of one kind. Written by one thread; a reader may see one sample half old."""

    __slots__ = ("count", "last", "samples")

    def __init__(self, keep: int = KEEP) -> None:
        self.samples: F32 = np.zeros(keep, np.float32)
        self.count = 0
        self.last = 0.0

    def add(self, value: float) -> None:
        self.samples[self.count % len(self.samples)] = value
        self.last = value
        self.count += 1

    def kept(self) -> F32:
        """The samples, in no order."""
        return self.samples[: min(self.count, len(self.samples))]

    def spread(self) -> Spread:
        p50, p95 = np.percentile(self.kept(), (50, 95))
        return Spread(float(p50), float(p95), self.count)


class _Stage:
    """Times one `with` block. One thread uses a stage; it is not re-entrant."""

    __slots__ = ("_clock_ns", "_from_ns", "ring")

    def __init__(self, clock_ns: Callable[[], int], keep: int) -> None:
        self._clock_ns = clock_ns
        self._from_ns = 0
        self.ring = _Ring(keep)

    def __enter__(self) -> None:
        self._from_ns = self._clock_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ring.add((self._clock_ns() - self._from_ns) / 1e6)


class Meter:
    """Always on: a stage costs about a microsecond, a snapshot well under a millisecond.

    Each stage, age and count name belongs to one writing thread; any thread may take a snapshot.
    """

    def __init__(self, clock_ns: Callable[[], int] | None = None, keep: int = KEEP) -> None:
        """
        Args:
            clock_ns: stands in for both clocks, that of the frames' times and the one that times spans.
            keep: how many samples of each kind figures are made of, the newest.
        """
        self._keep = keep
        self._clock_ns = clock_ns or time.monotonic_ns
        # Until Python 3.13 Windows' monotonic clock moves in steps of 16 ms: longer than most stages.
        self._span_clock_ns = clock_ns or time.perf_counter_ns
        self._stages: dict[str, _Stage] = {}
        self._ages: dict[str, _Ring] = {}
        self._counts: Counter[str] = Counter()
        self._frame_gaps = _Ring(keep)
        self._frame_ns: int | None = None
        self._frames = 0

    def stage(self, name: str) -> _Stage:
        """Context manager that times its block, also one that raises."""
        stage = self._stages.get(name)
        if stage is None:
            stage = self._stages[name] = _Stage(self._span_clock_ns, self._keep)
        return stage

    def age(self, sink: str, time_ns: int) -> None:
        """A picture captured at `time_ns` has just left through this sink."""
        self._ages.setdefault(sink, _Ring(self._keep)).add((self._clock_ns() - time_ns) / 1e6)

    def count(self, name: str, more: int = 1) -> None:
        """Counts drops and faults, e.g. "dropped", "fault render"."""
        self._counts[name] += more

    def counted(self, name: str) -> int:
        return self._counts[name]

    def frame_done(self) -> None:
        """One frame has gone through all stages."""
        now_ns = self._span_clock_ns()
        if self._frame_ns is not None:
            self._frame_gaps.add((now_ns - self._frame_ns) / 1e6)
        self._frame_ns = now_ns
        self._frames += 1

    def last_ms(self) -> dict[str, float]:
        """Milliseconds of each stage when it last ran."""
        return {name: stage.ring.last for name, stage in self._stages.items()}

    def snapshot(self) -> Snapshot:
        gaps = self._frame_gaps.kept()
        mean_ms = float(gaps.mean()) if gaps.size else 0.0
        return Snapshot(
            frames=self._frames,
            fps=1000.0 / mean_ms if mean_ms > 0 else 0.0,
            stages={name: s.ring.spread() for name, s in list(self._stages.items()) if s.ring.count},
            ages={name: ring.spread() for name, ring in list(self._ages.items()) if ring.count},
            counts=dict(self._counts),
        )
