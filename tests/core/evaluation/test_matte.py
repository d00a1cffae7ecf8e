"""Each kind of clip is asked its own question, and the tables say what was answered."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation import matte
from core.evaluation.clips import LEAD_IN
from core.evaluation.matte import Results, caption, class_table, colour_table, score, trial_table
from core.evaluation.methods import RVM, TRACKED, Matted
from tests.core.evaluation.made_clips import made_clip


def test_the_lead_in_is_shown_and_not_scored():
    clip = made_clip("webcam")
    nonsense = [1 - alpha for alpha in clip.alphas[:LEAD_IN]]
    figures = score([*nonsense, clip.alphas[LEAD_IN]], clip)
    assert figures["mad"] == figures["mse"] == figures["grad"] == figures["band"] == 0
    assert figures["dtssd"] > 0  # the change from the last frame of the lead-in


def test_flicker_is_measured_between_scored_frames():
    clip = made_clip("moving", scored=2)
    alphas = [*clip.alphas[: LEAD_IN + 1], np.clip(clip.alphas[-1] + np.float32(0.1), 0, 1)]
    # of 60 columns the 20 of the person are full already
    assert score(alphas, clip)["dtssd"] == pytest.approx(100 * np.sqrt(0.01 * 40 / 60) / 2, rel=1e-4)


def test_a_lost_prop_lowers_recall():
    clip = made_clip("props")
    thing = np.zeros((40, 60), bool)
    thing[:, 44:48] = True
    clip.things.extend([thing] * len(clip.frames))
    lost = clip.alphas[0].copy()
    lost[:, 44:46] = 0
    assert score(clip.alphas, clip)["recall"] == 100
    assert score([lost] * len(clip.frames), clip)["recall"] == 50


def test_a_ghost_in_an_empty_room_is_counted():
    clip = made_clip("empty")
    ghost = np.zeros((40, 60), np.float32)
    ghost[:, :6] = 0.2
    assert score([ghost] * len(clip.frames), clip)["seen"] == pytest.approx(10)


def test_a_shadow_that_is_taken_costs_precision_and_clear_room():
    clip = made_clip("shadows")
    shade = np.zeros((40, 60), np.float32)
    shade[:, :20] = 0.3
    shade[:, 30:] = 0.3  # on the person it is no shadow on the room
    clip.shades.extend([shade] * len(clip.frames))
    taken = (clip.alphas[0] > 0.9).astype(np.float32)
    taken[:, 15:20] = 1
    figures = score([taken] * len(clip.frames), clip)
    assert figures["precision"] == pytest.approx(100 * 20 / 25)
    assert figures["clear"] == pytest.approx(75)


def test_hair_is_judged_by_the_sum_in_the_edge_band():
    clip = made_clip("hair")
    bald = (clip.alphas[0] > 0.9).astype(np.float32)
    assert score([bald] * len(clip.frames), clip)["sad"] == pytest.approx(0.5 * 20 * 40 / 1000)


def test_of_who_leaves_the_room_shown_and_what_is_lost_are_counted_apart():
    clip = made_clip("leaving")
    wrong = clip.alphas[0].copy()
    wrong[:, :6], wrong[:, 54:] = 0.5, 0.25
    figures = score([wrong] * len(clip.frames), clip)
    assert figures["shown"] == pytest.approx(50)
    assert figures["lost"] == pytest.approx(75)


def test_who_stops_the_work_has_the_clips_that_everybody_has_seen(monkeypatch):
    clips = [made_clip("drift"), made_clip("drift")]
    monkeypatch.setattr(matte, "make_clips", lambda *arguments: iter(clips))
    monkeypatch.setattr(matte, "make_trials", lambda *arguments: iter(()))

    def right(clip):
        return iter([Matted(alpha) for alpha in clip.alphas])

    def stopped(clip):
        if clip is clips[1]:
            raise KeyboardInterrupt
        return right(clip)

    results, methods = Results(), {TRACKED: right, RVM: stopped}
    with pytest.raises(KeyboardInterrupt):
        matte.evaluate(methods, None, (60, 40), 2, 0, lambda line: None, ("drift",), results)
    assert [len(results.figures[name]["drift"]) for name in methods] == [1, 1]
    methods[RVM] = right
    results = matte.evaluate(methods, None, (60, 40), 2, 0, lambda line: None, ("drift",))
    assert [len(results.figures[name]["drift"]) for name in methods] == [2, 2]


def test_tables_have_a_column_for_what_was_shown_alone():
    results = Results()
    results.figures[TRACKED]["drift"] += [
        {"mad": 2.0, "mse": 1.0, "grad": 3.0, "dtssd": 4.0, "band": 5.0},
        {"mad": 4.0, "mse": 1.0, "grad": 3.0, "dtssd": 4.0, "band": 5.0},
    ]
    results.figures[TRACKED]["props"].append({"mad": 1.0, "dtssd": 1.0, "recall": 97.0})
    assert class_table(results).splitlines() == [
        "| MAD x1e-3 | drift | all | MSE | Grad | dtSSD | edge band |",
        "|---|---|---|---|---|---|---|",
        f"| {TRACKED} | 3.00 | 3.00 | 1.00 | 3.00 | 4.00 | 5.00 |",
    ]
    assert trial_table(results).splitlines()[0] == "| what else | props: recall % |"
    assert trial_table(results).splitlines()[2] == f"| {TRACKED} | 97.00 |"
    assert colour_table(results) == ""
    assert class_table(Results()) == trial_table(Results()) == ""


def test_the_caption_says_what_the_camera_did():
    assert caption("drift").startswith("drift: exposure ±24 %, white balance ±6.6 % a channel")
    assert caption("drift").endswith("noise 2.5 levels, JPEG 80")
    assert "plate off by 3 px" in caption("shifted")
    assert "turning by 4°" in caption("handheld")
