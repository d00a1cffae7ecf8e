"""What the matte is to reach, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass

from core.evaluation.matte import Results
from core.evaluation.methods import MEDIAPIPE, PLATELESS, RVM, TRACKED


@dataclass(frozen=True, slots=True)
class Goal:
    """One line: the goal in words, what was reached, and the bound; None where it was not measured.

    at_least: the bound is a lower one.
    """

    what: str
    wanted: str
    reached: float | None
    bound: float | None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """None where reached or bound is not known."""
        if self.reached is None or self.bound is None:
            return None
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound


def goals(results: Results, cost_ms: float | None = None, cost_avx2_ms: float | None = None) -> list[Goal]:
    """Every goal, in the order in which they were set.

    cost_ms: median of network and refinement at 1280x720 on two cores, and with the processor limited
    to AVX2, for which no bound was set.
    """
    ours, plateless = TRACKED, PLATELESS
    mad = results.mean(ours, "mad")
    bare = results.mean(plateless, "mad")
    return [
        Goal("MAD with plate, mean of the six classes", "≤ 3.0", mad, 3.0),
        Goal("the same", "≤ half of RVM's", mad, _times(results.mean(RVM, "mad"), 0.5)),
        Goal("MAD with plate, class drift", "≤ 4.5", results.mean(ours, "mad", ["drift"]), 4.5),
        Goal("Grad with plate", "≤ RVM's", results.mean(ours, "grad"), results.mean(RVM, "grad")),
        Goal("MAD without plate", "≤ RVM's + 20 %", bare, _times(results.mean(RVM, "mad"), 1.2)),
        Goal("the same", "≤ half of MediaPipe's", bare, _times(results.mean(MEDIAPIPE, "mad"), 0.5)),
        Goal(
            "moving clips, tracked: dtSSD",
            "≤ RVM's",
            results.mean(ours, "dtssd", ["moving"]),
            results.mean(RVM, "dtssd", ["moving"]),
        ),
        Goal("props: recall, %", "≥ 95", results.mean(ours, "recall", ["props"]), 95.0, at_least=True),
        Goal("empty room: pixels over alpha 0.1, %", "≤ 0.1", results.mean(ours, "seen", ["empty"]), 0.1),
        Goal(
            "shadows: precision, %", "≥ 98", results.mean(ours, "precision", ["shadows"]), 98.0, at_least=True
        ),
        Goal(
            "hair: SAD in the edge band, /1000",
            "≤ half of RVM's",
            results.mean(ours, "sad", ["hair"]),
            _times(results.mean(RVM, "sad", ["hair"]), 0.5),
        ),
        Goal("cost, two cores, 1280x720, median ms", "≤ 12", cost_ms, 12.0),
        Goal("the same, AVX2 only", "no bound set", cost_avx2_ms, None),
    ]


def goal_table(rows: list[Goal]) -> str:
    """A Markdown table; a dash stands for what was not measured."""
    lines = ["| what | goal | reached | bound | met |", "|" + "---|" * 5]
    for goal in rows:
        met = {True: "yes", False: "**no**", None: "–"}[goal.met]
        lines.append(
            f"| {goal.what} | {goal.wanted} | {_figure(goal.reached)} | {_figure(goal.bound)} | {met} |"
        )
    return "\n".join(lines)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
