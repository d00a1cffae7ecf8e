"""The papers' losses are zero for the truth, and a few steps of each stage lower its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import MediaError, SettingsError, WeightsError
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import MattingBase
from core.nets.weights import load_weights
from core.training.discriminator import PatchDiscriminator
from core.training.pairs import arrays_of, drawn_segmentation
from core.training.paper_run import PaperOptions, build_stage, train_paper
from core.training.papers import (
    Truth,
    base_loss,
    composite,
    discriminator_loss,
    refine_loss,
    sobel,
    student_loss,
    supervised_loss,
    teacher_weight,
    to_truth,
)
from core.training.stages import Stage, Student2020, Teacher2020, V2Base, V2Refine
from core.training.synthesis import Synthesizer
from tests.core.training.drawn import write_data
from tests.core.training.test_synthesis import drawn_material

CPU = torch.device("cpu")
NARROW = 4


@pytest.fixture(autouse=True)
def one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def drawn_truth(side: int) -> Truth:
    """Two pairs of one person before blocks."""
    rng = np.random.default_rng(4)
    synthesizer = Synthesizer(drawn_material(), (side, side), None, rng, layers=True)
    return to_truth([arrays_of(synthesizer.sample(), rng) for _ in range(2)])


def losses(stage: Stage, truth: Truth, steps: int) -> list[float]:
    return [stage.step(truth, progress=0.0)["loss"] for _ in range(steps)]


def true_layers() -> Truth:
    """A frame that is exactly its layers, seen before the room of the plate."""
    truth = drawn_truth(64)
    frame = composite(truth.alpha, truth.fgr, truth.room)
    return Truth(frame, truth.room, truth.alpha, truth.fgr, truth.room, truth.segmentation)


def test_layers_make_up_the_frame_and_the_plate_is_everywhere():
    truth = drawn_truth(96)
    assert (composite(truth.alpha, truth.fgr, truth.room) - truth.frame).abs().mean() < 0.03  # noise, JPEG
    assert truth.fgr.shape == truth.plate.shape == (2, 3, 96, 96)
    assert truth.alpha.shape == truth.segmentation.shape == (2, 1, 96, 96)
    assert (truth.plate.amax(1) > 0).float().mean() > 0.95


def test_a_drawn_segmentation_is_about_right_and_never_exact():
    synthesizer = Synthesizer(drawn_material(), (96, 96), None, np.random.default_rng(1), layers=True)
    samples = [synthesizer.sample() for _ in range(6)]
    samples = [s for s in samples if (s.alpha > 127).mean() > 0.05]
    assert samples
    for sample in samples:
        soft = drawn_segmentation(sample, np.random.default_rng(2))
        assert 0.5 < (soft > 127).sum() / (sample.alpha > 127).sum() < 1.6
        assert (soft != sample.alpha).any()


def test_the_truth_costs_nothing():
    truth = true_layers()
    no_error = torch.zeros_like(truth.alpha)
    base = base_loss(truth.alpha, truth.fgr, no_error, truth)
    refined = refine_loss(truth.alpha, truth.fgr, (truth.alpha, truth.fgr, no_error), truth)
    supervised = supervised_loss(truth.alpha, truth.fgr, truth)
    taught = student_loss(
        truth.alpha, truth.fgr, (truth.alpha, truth.fgr), torch.ones(2, 1, 4, 4), truth, weight=0.05
    )
    for terms in (base, refined, supervised, taught):
        # 2020 takes the frame for the foreground from an alpha of 0.95: all but nothing
        assert sum(term.item() for term in terms.values()) == pytest.approx(0, abs=1e-3)


def test_the_base_is_asked_where_it_errs_and_that_question_does_not_move_its_alpha():
    truth = true_layers()
    alpha = torch.zeros_like(truth.alpha, requires_grad=True)
    terms = base_loss(alpha, truth.fgr, torch.zeros_like(alpha), truth)
    assert terms["base error"].item() == pytest.approx((truth.alpha**2).mean().item())
    assert not terms["base error"].requires_grad


def test_a_person_of_one_colour_keeps_it_at_the_size_of_the_base():
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 5:27, 6:30] = 1
    alpha[..., 4:5, 6:30] = 0.3
    colour = torch.tensor([0.8, 0.5, 0.2]).view(1, 3, 1, 1)
    nothing = torch.zeros(1, 3, 32, 32)
    truth = Truth(nothing, nothing, alpha, colour * (alpha > 0), nothing, alpha)
    small = torch.nn.functional.interpolate(alpha, (8, 8), mode="area")
    terms = base_loss(small, colour.expand(1, 3, 8, 8), torch.zeros_like(small), truth)
    assert terms["base fgr"].item() < 1e-6


def test_foreground_counts_only_where_there_is_any():
    truth = true_layers()
    wrong = torch.where(truth.alpha > 0, truth.fgr, 1 - truth.fgr)
    assert base_loss(truth.alpha, wrong, torch.zeros_like(truth.alpha), truth)["base fgr"] == 0


def test_a_sobel_step_has_half_its_height_and_lies_across_the_edge():
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    along_x, along_y = sobel(step)[0]
    assert along_x.abs().max() == pytest.approx(0.5)
    assert along_y.abs().max() == 0


def test_the_discriminator_wants_ones_for_frames_and_zeros_for_composites():
    ones, zeros = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    assert discriminator_loss(of_composite=zeros, of_frame=ones) == 0
    assert discriminator_loss(of_composite=ones, of_frame=zeros) == 2
    assert PatchDiscriminator(NARROW)(torch.rand(2, 3, 64, 64)).shape == (2, 1, 6, 6)


def test_the_teacher_is_heard_less_and_less():
    weights = [teacher_weight(p) for p in np.linspace(0, 1, 30)]
    assert weights[0] == 0.05
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] < 0.001


def test_the_base_of_v2_learns_and_its_weights_begin_the_refinement(tmp_path: Path):
    truth = drawn_truth(64)
    base = V2Base("mobilenetv2", CPU)
    first, *_, last = losses(base, truth, 4)
    assert last < 0.8 * first
    save_file(base.net.state_dict(), tmp_path / "base.safetensors")

    refine = V2Refine("mobilenetv2", CPU, tmp_path / "base.safetensors", scale=0.5)
    kept = refine.net.backbone.state_dict()
    assert all(torch.equal(value, kept[key]) for key, value in base.net.backbone.state_dict().items())
    before = refine.net.refiner.conv4.weight.detach().clone()
    first, *_, last = losses(refine, truth, 5)
    assert last < 0.9 * first
    assert not torch.equal(before, refine.net.refiner.conv4.weight)
    assert refine.alpha(truth).shape == (2, 1, 64, 64)


def test_a_teacher_learns_and_its_student_learns_from_it_alone(tmp_path: Path):
    truth = drawn_truth(64)
    teacher = Teacher2020(CPU, width=NARROW)
    first, *_, last = losses(teacher, truth, 12)
    assert last < 0.9 * first
    save_file(teacher.net.state_dict(), tmp_path / "teacher.safetensors")

    student = Student2020(CPU, tmp_path / "teacher.safetensors", width=NARROW, judge_width=NARROW)
    blind = Truth(
        truth.frame,
        truth.plate,
        torch.full_like(truth.alpha, torch.nan),
        torch.full_like(truth.fgr, torch.nan),
        torch.full_like(truth.room, torch.nan),
        truth.segmentation,
    )
    values = [student.step(blind, progress=0.0) for _ in range(11)]
    assert values[-1]["loss"] < values[0]["loss"]
    judged = [v["discriminator"] for v in values if "discriminator" in v]
    assert len(judged) == 3, "once in five steps"
    assert 0 <= student.alpha(truth).min() <= student.alpha(truth).max() <= 1

    student = Student2020(CPU, tmp_path / "teacher.safetensors", width=NARROW, judge_width=NARROW)
    weight = next(student._judge.parameters())  # a judge of no opinion: the teacher alone is left
    student._judge.forward = lambda picture: 0 * (picture.mean() + weight.sum())
    values = [student.step(blind, progress=0.0) for _ in range(11)]
    apart = [sum(v[term] for term in ("alpha", "alpha gradient", "fgr")) for v in values]
    assert apart[-1] < 0.9 * apart[0], "it comes nearer to its teacher"


def test_a_stopped_run_goes_on_and_its_weights_are_the_networks(tmp_path: Path):
    lines: list[str] = []
    settings = {
        "data": write_data(tmp_path / "data"),
        "out": tmp_path / "run",
        "model": "bgm2020",
        "stage": "teacher",
        "size": (64, 64),
        "batch": 2,
        "width": NARROW,
        "threads": 1,
        "validation": 1,
    }
    weights = train_paper(PaperOptions(minutes=0.01, **settings), lines.append)
    load_weights(BackgroundMatting2020(NARROW), weights)
    train_paper(PaperOptions(minutes=0.01, **settings), lines.append)
    assert any("goes on at step" in line for line in lines)
    assert any("held out: MAD" in line for line in lines)


def test_what_is_missing_or_does_not_fit_is_said(tmp_path: Path):
    def options(**changes) -> PaperOptions:
        wanted = {"data": tmp_path, "out": tmp_path / "run", "minutes": 1, "model": "bgm2020"}
        return PaperOptions(**{**wanted, "stage": "teacher", **changes})

    with pytest.raises(SettingsError, match="bgmv2: base, refine"):
        train_paper(options(stage="base"), print)
    with pytest.raises(SettingsError, match="--base"):
        build_stage(options(stage="student"), CPU)
    with pytest.raises(MediaError, match="nobody to train on"):
        train_paper(options(), print)
    save_file(MattingBase("mobilenetv2").state_dict(), tmp_path / "v2.safetensors")
    with pytest.raises(WeightsError, match="does not fit"):
        build_stage(options(start=tmp_path / "v2.safetensors", width=NARROW), CPU)
    assert not (tmp_path / "run").exists()
