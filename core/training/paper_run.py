"""Trains the papers' networks, stage by stage, on the same pairs as platenet.

As for platenet a run is measured in minutes, and its checkpoint holds everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from core.errors import SettingsError
from core.nets.bgm2020 import PUBLISHED_WIDTH
from core.training.curves import Curves
from core.training.discriminator import WIDTH
from core.training.judge import SEED, held_out_of, mean_error
from core.training.material import require_people
from core.training.pairs import PairFeed, arrays_of
from core.training.papers import to_truth
from core.training.run_clock import RunClock, never
from core.training.stages import Stage, Student2020, Teacher2020, V2Base, V2Refine
from core.training.synthesis import Sample
from core.training.workers import Source
from core.types import U8

# stages of each model in their order: share of the run, picture size, batch
STAGES: dict[str, dict[str, tuple[float, tuple[int, int], int]]] = {
    "bgmv2": {"base": (0.7, (512, 512), 8), "refine": (0.3, (1024, 768), 4)},
    "bgm2020": {"teacher": (0.7, (512, 512), 4), "student": (0.3, (512, 512), 4)},
}
CHECKPOINT_STEPS = 200
_TOLD_STEPS = 20


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """model: "bgm2020" or "bgmv2-" and a backbone; stage: one of the model's in STAGES.

    out: folder; STAGE.pt (to go on from) and STAGE.safetensors are written there.
    base: weights of the stage before; needed for a student, wise for `refine`.
    start: weights of this stage to begin with. size, batch: None are the table's.
    width, judge_width: of the 2020 network and its discriminator.
    """

    data: Path
    out: Path
    minutes: float
    model: str
    stage: str
    base: Path | None = None
    start: Path | None = None
    size: tuple[int, int] | None = None
    batch: int | None = None
    width: int = PUBLISHED_WIDTH
    judge_width: int = WIDTH
    workers: int = 1
    threads: int = 2
    device: str = "cpu"
    seed: int = 0
    unknown_licences: bool = False
    more_data: tuple[Path, ...] = ()
    validation: int = 0
    curves: Path | None = None


def train_paper(
    options: PaperOptions, tell: Callable[[str], None], stopped: Callable[[], bool] = never
) -> Path:
    """Trains one stage for `minutes`, or goes on with its checkpoint; returns the weights' path.

    tell, stopped: as core.training.train.train takes them.
    Raises:
        SettingsError: no such stage, or a student without a teacher.
        WeightsError: base or start do not fit.
        MediaError: nobody to train on, or nobody held out.
    """
    _, table_size, table_batch = find_stage(options.model, options.stage)
    size, batch_size = options.size or table_size, options.batch or table_batch
    require_people((options.data, *options.more_data), options.unknown_licences)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device(options.device)
    stage = build_stage(options, device)
    checkpoint = options.out / f"{options.stage}.pt"
    step, spent = 0, 0.0
    if checkpoint.is_file():
        held = torch.load(checkpoint, map_location=device, weights_only=True)
        for name, part in stage.parts.items():
            part.load_state_dict(held["parts"][name])
        step, spent = held["step"], held["minutes"]
        tell(f"goes on at step {step}, {spent:.1f} of {options.minutes:.1f} minutes")
    held_out = held_out_of(options, size, layers=True)
    curves = Curves(options.curves)
    source = Source(options.data, options.more_data, options.unknown_licences, options.seed, options.workers)
    feed = PairFeed(source, size, step)
    clock = RunClock(options.minutes, spent, stopped)
    try:
        while clock.goes_on():
            values = stage.step(to_truth(feed.batch(batch_size)).to(device), clock.progress)
            step += 1
            if step % _TOLD_STEPS == 0:
                tell(f"step {step}  {clock.elapsed:.1f} min  loss {values['loss']:.4f}")
                curves.numbers(step, {f"{options.stage}/{name}": v for name, v in values.items()})
            if clock.time_to_save(step, CHECKPOINT_STEPS):
                _save(options, stage, step, clock.elapsed)
                _judge(options, stage, held_out, device, step, curves, tell)
        _save(options, stage, step, clock.to_write_down)
        if not clock.stopped:
            _judge(options, stage, held_out, device, step, curves, tell)
    finally:
        feed.close()
        curves.close()
    return options.out / f"{options.stage}.safetensors"


def find_stage(model: str, stage: str) -> tuple[float, tuple[int, int], int]:
    """The stage's line in STAGES. Raises SettingsError."""
    stages = STAGES.get(model.split("-")[0], {})
    if stage not in stages:
        known = "; ".join(f"{m}: {', '.join(s)}" for m, s in STAGES.items())
        raise SettingsError(f"there is no stage {stage!r} of {model!r}; there are {known}")
    return stages[stage]


def build_stage(options: PaperOptions, device: torch.device) -> Stage:
    """The stage with its networks, ready to learn."""
    if options.model == "bgm2020":
        if options.stage == "teacher":
            return Teacher2020(device, options.start, options.width)
        if options.base is None:
            raise SettingsError("the student learns from a teacher: give its weights with --base")
        return Student2020(device, options.base, options.start, options.width, options.judge_width)
    backbone = options.model.removeprefix("bgmv2-")
    start = options.start or options.base
    return V2Base(backbone, device, start) if options.stage == "base" else V2Refine(backbone, device, start)


def _judge(
    options: PaperOptions,
    stage: Stage,
    held_out: list[Sample],
    device: torch.device,
    step: int,
    curves: Curves,
    tell: Callable[[str], None],
) -> None:
    if not held_out:
        return
    rng = np.random.default_rng(SEED)

    def alpha_of(sample: Sample) -> U8:
        alpha = stage.alpha(to_truth([arrays_of(sample, rng)]).to(device))
        return alpha[0, 0].mul(255).round().to(torch.uint8).cpu().numpy()

    error, picture = mean_error(held_out, alpha_of)
    tell(f"step {step}  held out: MAD {error:.2f}")
    curves.numbers(step, {f"{options.stage} held out/MAD": error})
    curves.picture(step, f"{options.stage} held out/frame, plate, true alpha, alpha", picture)


def _save(options: PaperOptions, stage: Stage, step: int, minutes: float) -> None:
    parts = {name: part.state_dict() for name, part in stage.parts.items()}
    part_file = options.out / f"{options.stage}.part"
    # The weights first: a checkpoint that says the run has ended finds them there.
    save_file({k: v.contiguous().cpu() for k, v in stage.net.state_dict().items()}, part_file)
    part_file.replace(options.out / f"{options.stage}.safetensors")
    torch.save({"parts": parts, "step": step, "minutes": minutes}, part_file)
    part_file.replace(options.out / f"{options.stage}.pt")
