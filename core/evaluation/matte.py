"""The matte beside its peers: the same clips for everybody, in one run, and the tables made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from core.evaluation import metrics
from core.evaluation.clips import CLASSES, LEAD_IN, TROUBLE, Clip, Stock, make_clips
from core.evaluation.colour import BACKDROPS, Errors, foreground_errors
from core.evaluation.methods import MASKS_ONLY, TRUE, Matted, Method, known_alpha
from core.evaluation.trials import TRIALS, make_trials, require_for_trials, trial_count
from core.types import F32

KINDS = (*CLASSES, *TRIALS)
KNOWN_ALPHA = "true alpha, true alignment"
SHADED = 0.1  # share of light taken from which a pixel counts as shadow
ROOM = 0.01  # true alpha up to which a pixel is room

Figures = dict[str, float]


@dataclass(slots=True)
class Results:
    """figures: by method and kind of clip, one a clip. colours: by method, one a clip of hair."""

    figures: dict[str, dict[str, list[Figures]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    colours: dict[str, list[Errors]] = field(default_factory=lambda: defaultdict(list))

    def add(self, others: Results) -> None:
        """Takes in what was measured on further clips."""
        for name, kinds in others.figures.items():
            for kind, clips in kinds.items():
                self.figures[name][kind] += clips
        for name, errors in others.colours.items():
            self.colours[name] += errors

    def mean(self, method: str, figure: str, kinds: Iterable[str] = CLASSES) -> float | None:
        """Mean over the clips of these kinds, each clip weighing the same; None where there are none."""
        of_method = self.figures.get(method, {})
        found = [clip[figure] for kind in kinds for clip in of_method.get(kind, []) if figure in clip]
        return float(np.mean(found)) if found else None


def score(alphas: Iterable[F32], clip: Clip) -> Figures:
    """What the clip's kind asks for, means over the frames after the lead-in; see core.evaluation.metrics.

    All kinds: mad, dtssd. The classes: mse, grad, band (MAD in the edge band) too. props: recall.
    empty: seen. shadows: precision, clear. hair: sad. leaving: shown, lost.
    """
    rows: list[Figures] = []
    before: tuple[F32 | None, F32 | None] = (None, None)
    for index, (alpha, truth) in enumerate(zip(alphas, clip.alphas, strict=True)):
        if index >= LEAD_IN:
            row = {"mad": metrics.mad(alpha, truth), "dtssd": metrics.dtssd(alpha, truth, *before)}
            rows.append(row | _figures_of_kind(alpha, truth, clip, index))
        before = (alpha, truth)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _figures_of_kind(alpha: F32, truth: F32, clip: Clip, index: int) -> Figures:
    if clip.kind in CLASSES:
        band = metrics.edge_band(truth)
        return {
            "mse": metrics.mse(alpha, truth),
            "grad": metrics.grad(alpha, truth),
            "band": metrics.mad(alpha[band], truth[band]) if band.any() else 0.0,
        }
    if clip.kind == "props":
        return {"recall": metrics.recall(alpha, clip.things[index])}
    if clip.kind == "empty":
        return {"seen": metrics.share_seen(alpha)}
    if clip.kind == "shadows":
        shadow = (clip.shades[index] > SHADED) & (truth <= ROOM)
        return {
            "precision": metrics.precision(alpha, truth, shadow),
            "clear": metrics.share_clear(alpha, shadow),
        }
    if clip.kind == "hair":
        return {"sad": metrics.band_sad(alpha, truth)}
    if clip.kind == "leaving":
        return {"shown": metrics.too_much(alpha, truth), "lost": metrics.too_much(truth, alpha)}
    return {}


def stock_for(data: Path, kinds: tuple[str, ...]) -> Stock:
    """What clips of these kinds are made of. MediaError where the shared data folder lacks some of it."""
    stock = Stock(data)
    require_for_trials(stock, kinds)
    return stock


def evaluate(
    methods: dict[str, Method],
    stock: Stock,
    size: tuple[int, int],
    per_class: int,
    seed: int,
    tell: Callable[[str], None],
    kinds: tuple[str, ...] = KINDS,
    results: Results | None = None,
) -> Results:
    """Everybody on the same clips.

    Args:
        stock: see stock_for. size: (width, height). per_class: clips of each class of trouble.
        kinds: classes and trials wanted; what is drawn for one does not depend on the others.
        tell: takes a line of progress.
        results: takes each clip that everybody has seen: whoever stops the work has these; None is a new one.
    """
    clips: Iterator[Clip] = chain(
        make_clips(stock, size, per_class, seed, kinds), make_trials(stock, size, seed, kinds)
    )
    count = per_class * sum(kind in CLASSES for kind in kinds) + trial_count(kinds)
    results = Results() if results is None else results
    for number, clip in enumerate(clips, 1):
        results.add(_on_one_clip(methods, clip))
        tell(f"clip {number} of {count}: {clip.kind}, {clip.name}")
    return results


def _on_one_clip(methods: dict[str, Method], clip: Clip) -> Results:
    results = Results()
    for name, method in methods.items():
        mattes: Iterable[Matted] = method(clip)
        if clip.fgrs and name not in MASKS_ONLY:
            mattes = list(mattes)
            results.colours[name].append(foreground_errors(mattes, clip))
        results.figures[name][clip.kind].append(score((m.alpha for m in mattes), clip))
    if clip.fgrs and TRUE in methods:
        results.colours[KNOWN_ALPHA].append(foreground_errors(known_alpha(clip), clip))
    return results


def class_table(results: Results) -> str:
    """MAD by class, then the means over all clips of the classes; empty where no class was asked for."""
    kinds = [k for k in CLASSES if any(k in r for r in results.figures.values())]
    if not kinds:
        return ""
    rows = [
        [name, *(_cell(results.mean(name, "mad", [kind])) for kind in kinds)]
        + [_cell(results.mean(name, figure, kinds)) for figure in ("mad", "mse", "grad", "dtssd", "band")]
        for name in results.figures
    ]
    return _table(["MAD x1e-3", *kinds, "all", "MSE", "Grad", "dtSSD", "edge band"], rows)


def trial_table(results: Results) -> str:
    """A column for each trial that was asked for; empty where none was."""
    columns = [column for column in _COLUMNS if any(column[1] in kinds for kinds in results.figures.values())]
    if not columns:
        return ""
    rows = [
        [name, *(_cell(results.mean(name, figure, [kind])) for _, kind, figure in columns)]
        for name in results.figures
    ]
    return _table(["what else", *(title for title, _, _ in columns)], rows)


def colour_table(results: Results) -> str:
    """Error of composites over each backdrop; empty without clips of hair."""
    rows = []
    for name, clips in results.colours.items():
        for way in clips[0]:
            errors = [float(np.mean([clip[way][b] for clip in clips])) for b in BACKDROPS]
            rows.append([name, way, *(_cell(e) for e in (*errors, float(np.mean(errors))))])
    return _table(["composite, MSE x1e-3", "colour", *BACKDROPS, "mean"], rows) if rows else ""


def caption(kind: str) -> str:
    """In words, what the light and the camera do to clips of a class."""
    t = TROUBLE[kind]
    words = [
        f"exposure ±{11 * t.drift:.0f} %, white balance ±{3 * t.drift:.1f} % a channel, "
        f"gamma ±{5 * t.drift:.0f} %, uneven light ±{3 * t.drift:.1f} % (one sigma)",
        f"noise {t.noise:g} levels",
    ]
    if t.jpeg is not None:
        words.append(f"JPEG {t.jpeg}")
    if t.shift_px:
        words.append(f"plate off by {t.shift_px:g} px rms")
    if t.motion_deg:
        words.append(f"camera turning by {t.motion_deg:g}°")
    return f"{kind}: {', '.join(words)}"


_COLUMNS = (
    ("moving: dtSSD", "moving", "dtssd"),
    ("moving: MAD x1e-3", "moving", "mad"),
    ("props: recall %", "props", "recall"),
    ("empty room: % over 0.1", "empty", "seen"),
    ("shadows: precision %", "shadows", "precision"),
    ("shadowed room clear %", "shadows", "clear"),
    ("hair: SAD/1000", "hair", "sad"),
    ("hair: MAD x1e-3", "hair", "mad"),
    ("who leaves: room shown x1e-3", "leaving", "shown"),
    ("of them lost x1e-3", "leaving", "lost"),
)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
