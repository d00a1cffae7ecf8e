"""Times the matte in processes of their own: as this processor is, and as one with AVX2 alone would.

The limit is read by oneDNN when a process starts, hence the processes; and nothing that was loaded
before costs anything there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from core.errors import CleanplateError

LIMITS = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}  # of OpenVINO and torch; of torch
CORES = 2
BUSY = 1.3  # load a core, above which figures are of the others as much as of us; our own run comes to 1
SIZE = (1280, 720)
FRAMES = 24  # poses of the demo scene


@dataclass(frozen=True, slots=True)
class MatteCost:
    """kernel: OpenVINO's for a convolution, in which the instruction set shows. precision: platenet's.

    median_ms: by method. cores: how many it ran on.
    """

    kernel: str
    precision: str
    cores: int
    median_ms: dict[str, float]


def measure(peers: Path | None) -> MatteCost:
    """Times the demo scene at 1280x720 in this process, which is kept to two cores from now on.

    peers: folder with their weights, None to leave them out.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    from core.evaluation import cost
    from core.runtime.base import WEIGHTS
    from core.runtime.graph import best_precision, load_ranges
    from live.sources.demo import LOOP_S, DemoSource

    kernel = cost.convolution_kernel()
    precision = best_precision()
    if is_limited(os.environ):
        cost.never_bf16()
        precision = "f32"
    if load_ranges(WEIGHTS):
        precision = f"int8, rest {precision}"
    demo = DemoSource(SIZE)
    frames = [demo.picture(k * LOOP_S / FRAMES).copy() for k in range(FRAMES)]
    times = cost.costs(frames, demo.plate().rgb, peers, CORES)
    return MatteCost(kernel, precision, min(CORES, os.cpu_count() or 1), times)


def measure_apart(peers: Path | None, limited: bool) -> MatteCost:
    """The same in a new process, limited to AVX2 or not.

    Raises:
        CleanplateError: the process failed.
    """
    command = [sys.executable, "-m", "live", "evaluate", "cost", "--json"]
    command += ["--peers", str(peers) if peers is not None else ""]
    environment = {k: v for k, v in os.environ.items() if k not in LIMITS} | (LIMITS if limited else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CleanplateError(f"the cost could not be measured ({reason}): leave it out with --class")
    return MatteCost(**json.loads(done.stdout))


def is_limited(environment: Mapping[str, str]) -> bool:
    """Whether oneDNN was told to use less than AVX-512."""
    limit = environment.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return limit.startswith(("SSE", "AVX")) and not limit.startswith("AVX512")


def as_json(cost: MatteCost) -> str:
    return json.dumps(asdict(cost))


def cost_table(runs: Mapping[str, MatteCost]) -> str:
    """A column for each run: kernel, precision, then median milliseconds by method."""
    methods = list(dict.fromkeys(name for run in runs.values() for name in run.median_ms))
    lines = [
        "| median ms, 1280x720 | " + " | ".join(runs) + " |",
        "|" + "---|" * (len(runs) + 1),
        "| convolutions run by | " + " | ".join(run.kernel for run in runs.values()) + " |",
        "| cleanplate's precision | " + " | ".join(run.precision for run in runs.values()) + " |",
    ]
    for name in methods:
        cells = [f"{run.median_ms[name]:.1f}" if name in run.median_ms else "–" for run in runs.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def load_per_core() -> float:
    """Processes that wanted a core in the last minute, over the number of cores; 0 if nobody counts them."""
    if not hasattr(os, "getloadavg"):  # Windows
        return 0.0
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def load_words(load: float) -> str:
    """The load per core in a sentence, with a warning where it spoils the figures."""
    busy = ": others were computing too, so these figures are too high" if load > BUSY else ""
    return f"load {load:.1f} a core in the last minute{busy}"
