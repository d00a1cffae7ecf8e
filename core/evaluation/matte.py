"""The matte beside its peers: one table, the same clips for everybody, in one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.align.light import fit_light
from core.evaluation import metrics
from core.evaluation.clips import CLASSES, LEAD_IN, Clip, make_clips
from core.evaluation.peers import Peer, difference_key, load_peers
from core.render.room import RoomWarper
from core.types import F32, Aligner, Alignment, Frame, Light, Matter, Plate, State, View

SMALL = (160, 90)  # where light is fitted
Alphas = Iterator[F32]
Method = Callable[[Clip], Alphas]


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the scored frames of a clip; see core.evaluation.metrics. band: MAD in the edge band."""

    mad: float
    mse: float
    grad: float
    dtssd: float
    band: float


def ours_tracked(matter: Matter, make_aligner: Callable[[Plate, tuple[int, int]], Aligner]) -> Method:
    """The program's own path: the aligner finds plate and light, and learns from the matte."""

    def run(clip: Clip) -> Alphas:
        plate = Plate("evaluation", (clip.plate.shape[1], clip.plate.shape[0]), (View(clip.plate),))
        warper, size = RoomWarper(plate), (clip.frames[0].shape[1], clip.frames[0].shape[0])
        aligner = make_aligner(plate, size)
        matter.reset()
        for index, rgb in enumerate(clip.frames):
            frame = Frame(rgb, index * 33_000_000, index)
            alignment = aligner.update(frame)
            if alignment.usable:
                room = warper.room(alignment, size)
                alpha = matter.matte(rgb, room.rgb, room.coverage)
            else:
                alpha = matter.matte(rgb, None, None)
            aligner.learn(frame, alpha)
            yield alpha.astype(np.float32) / np.float32(255)
        aligner.close()

    return run


def ours_true(matter: Matter) -> Method:
    """The same with the true homography, light fitted: what alignment could give at best."""

    def run(clip: Clip) -> Alphas:
        plate = Plate("evaluation", (clip.plate.shape[1], clip.plate.shape[0]), (View(clip.plate),))
        warper, size = RoomWarper(plate), (clip.frames[0].shape[1], clip.frames[0].shape[0])
        light: Light | None = None
        background: F32 | None = None
        matter.reset()
        for rgb, H in zip(clip.frames, clip.H_true, strict=True):
            plain = warper.room(Alignment(H, Light(), State.LOCKED, 1.0, ""), size)
            small = [cv2.resize(a, SMALL, interpolation=cv2.INTER_AREA) for a in (plain.rgb, rgb)]
            light = fit_light(small[0], small[1], background, light)
            room = warper.room(Alignment(H, light, State.LOCKED, 1.0, ""), size)
            alpha = matter.matte(rgb, room.rgb, room.coverage)
            background = 1 - cv2.resize(alpha, SMALL, interpolation=cv2.INTER_AREA).astype(
                np.float32
            ) / np.float32(255)
            yield alpha.astype(np.float32) / np.float32(255)

    return run


def ours_without_plate(matter: Matter) -> Method:
    """The same network with no plate."""

    def run(clip: Clip) -> Alphas:
        matter.reset()
        for rgb in clip.frames:
            yield matter.matte(rgb, None, None).astype(np.float32) / np.float32(255)

    return run


def peer_method(peer: Peer) -> Method:
    """A network that takes no plate."""

    def run(clip: Clip) -> Alphas:
        peer.reset()
        for rgb in clip.frames:
            yield peer(rgb)

    return run


def keyed(clip: Clip) -> Alphas:
    """Plain difference keying with the plate at its true place."""
    size = (clip.plate.shape[1], clip.plate.shape[0])
    for rgb, H in zip(clip.frames, clip.H_true, strict=True):
        yield difference_key(rgb, cv2.warpPerspective(clip.plate, H, size))


def score(alphas: Alphas, clip: Clip) -> Score:
    """Means over the frames after the lead-in."""
    rows: list[tuple[float, ...]] = []
    before: tuple[F32 | None, F32 | None] = (None, None)
    for index, (alpha, truth) in enumerate(zip(alphas, clip.alphas, strict=True)):
        if index >= LEAD_IN:
            band = metrics.edge_band(truth)
            rows.append(
                (
                    metrics.mad(alpha, truth),
                    metrics.mse(alpha, truth),
                    metrics.grad(alpha, truth),
                    metrics.dtssd(alpha, truth, *before),
                    metrics.mad(alpha[band], truth[band]) if band.any() else 0.0,
                )
            )
        before = (alpha, truth)
    return Score(*(float(x) for x in np.mean(rows, axis=0)))


def evaluate(
    methods: dict[str, Method],
    data: Path,
    size: tuple[int, int],
    per_class: int,
    seed: int,
    tell: Callable[[str], None],
) -> dict[str, dict[str, list[Score]]]:
    """Scores by method and class. tell: takes a line of progress."""
    results: dict[str, dict[str, list[Score]]] = {name: defaultdict(list) for name in methods}
    for number, clip in enumerate(make_clips(data, size, per_class, seed), 1):
        for name, method in methods.items():
            results[name][clip.kind].append(score(method(clip), clip))
        tell(f"clip {number} of {per_class * len(CLASSES)}: {clip.kind}, {clip.name}")
    return results


def table(results: dict[str, dict[str, list[Score]]]) -> str:
    """MAD by class, then the means over all clips, as a Markdown table."""
    kinds = [k for k in CLASSES if any(k in r for r in results.values())]
    head = ["MAD x1e-3", *kinds, "all", "MSE", "Grad", "dtSSD", "edge band"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, by_kind in results.items():
        everything = [s for kind in kinds for s in by_kind[kind]]
        cells = [f"{np.mean([s.mad for s in by_kind[kind]]):.2f}" for kind in kinds]
        for field in ("mad", "mse", "grad", "dtssd", "band"):
            cells.append(f"{np.mean([getattr(s, field) for s in everything]):.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def peers(models: Path, threads: int) -> dict[str, Method]:
    """RVM, the segmenters, and difference keying, from the folder of peers' weights."""
    methods = {name: peer_method(peer) for name, peer in load_peers(models, threads).items()}
    return {"difference keying": keyed, **methods}
