"""A goal is met, missed or not judged; nothing that was not measured passes."""

from __future__ import annotations

from core.evaluation.clips import CLASSES
from core.evaluation.goals import Goal, goal_table, goals
from core.evaluation.matte import Results
from core.evaluation.methods import MEDIAPIPE, PLATELESS, RVM, TRACKED, TRUE


def results(tracked: float, plateless: float, rvm: float, mediapipe: float) -> Results:
    made = Results()
    for name, mad in ((TRACKED, tracked), (PLATELESS, plateless), (RVM, rvm), (MEDIAPIPE, mediapipe)):
        for kind in CLASSES:
            made.figures[name][kind].append({"mad": mad, "grad": mad})
    return made


def met(rows: list[Goal]) -> dict[tuple[str, str], bool | None]:
    return {(goal.what, goal.wanted): goal.met for goal in rows}


def test_bounds_beside_others_are_made_of_their_figures():
    judged = met(goals(results(tracked=2.9, plateless=7.0, rvm=6.0, mediapipe=12.0)))
    assert judged["MAD with plate, mean of the six classes", "≤ 3.0"] is True
    assert judged["the same", "≤ half of RVM's"] is True
    assert judged["MAD with plate, class drift", "≤ 4.5"] is True
    assert judged["MAD without plate", "≤ RVM's + 20 %"] is True
    assert judged["the same", "≤ half of MediaPipe's"] is False


def test_a_mean_of_some_classes_is_not_judged_as_one_of_all():
    made = results(tracked=1.0, plateless=1.0, rvm=6.0, mediapipe=12.0)
    del made.figures[TRACKED]["noisy"]
    judged = met(goals(made))
    assert judged["MAD with plate, mean of the six classes", "≤ 3.0"] is None
    assert judged["MAD with plate, class drift", "≤ 4.5"] is True


def test_what_was_not_measured_is_not_met():
    judged = goals(Results())
    assert all(goal.met is None for goal in judged)
    assert "yes" not in goal_table(judged)


def test_a_lower_bound_is_met_from_above():
    made = Results()
    made.figures[TRACKED]["props"].append({"recall": 94.9})
    made.figures[TRACKED]["shadows"].append({"precision": 98.0})
    judged = {goal.what: goal.met for goal in goals(made)}
    assert judged["props: recall, %"] is False
    assert judged["shadows: precision, %"] is True


def test_tracking_may_cost_a_tenth_over_the_true_alignment():
    made = Results()
    for name, mad, dtssd in ((TRACKED, 4.3, 3.4), (TRUE, 4.0, 3.0)):
        for kind in ("handheld", "moving"):
            made.figures[name][kind].append({"mad": mad, "dtssd": dtssd})
    judged = {goal.what: goal.met for goal in goals(made)}
    assert judged["clips with a moving camera, tracked: MAD"] is True
    assert judged["clips with a moving camera, tracked: dtSSD"] is False


def test_cost_has_a_bound_and_avx2_is_only_told():
    rows = goals(Results(), cost_ms=11.9, cost_avx2_ms=40.0)
    assert [goal.met for goal in rows[-2:]] == [True, None]
    assert "| cost, two cores, 1280x720, median ms | ≤ 12 | 11.90 | 12.00 | yes |" in goal_table(rows)
    assert goals(Results(), cost_ms=11.9, busy=True)[-2].met is None
    assert "| the same, AVX2 only | no bound set | 40.00 | – | – |" in goal_table(rows)
