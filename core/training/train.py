"""Trains platenet: workers synthesise, one process learns, a curriculum grows the picture.

A run is measured in minutes, not steps: the learning rate comes down over the time that was asked
for, whatever the machine. Checkpoints hold everything, so a stopped run goes on where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.nets.platenet import PlateNet
from core.nets.weights import load_strictly, read_state_dict
from core.runtime.quantise import platenet_ranges, write_ranges
from core.training.cells import on_cells
from core.training.curves import Curves
from core.training.judge import held_out_of, mean_error
from core.training.learner import Learner, Schedule
from core.training.losses import matting_loss
from core.training.material import require_people
from core.training.run_clock import RunClock, never
from core.training.samples import SampleFeed, Size
from core.training.steady import steady
from core.training.synthesis import Sample
from core.training.widen import widened
from core.training.workers import Source
from core.types import U8

Curriculum = tuple[tuple[float, tuple[Size, ...], int], ...]

# With weights to begin with: only what is looked at in use, and larger; slower, or what was learnt is lost.
GOING_ON: Curriculum = ((1.01, ((832, 480), (832, 480), (512, 480), (1024, 576), (640, 576)), 4),)
# share of the run, picture sizes, batch: small pictures teach what a person is, large ones the edges.
# The last are the whole frame and the columns in which somebody is (see core/matte/columns.py).
STEADY_FROM, NEVER = 0.73, 1.0
CURRICULUM: Curriculum = (
    (0.10, ((256, 160),), 16),
    (0.24, ((384, 224),), 10),
    (0.44, ((512, 288),), 6),
    (STEADY_FROM, ((832, 480), (832, 480), (512, 480)), 4),
    *GOING_ON,
)
WARM_UP_STEPS = 200
SETTLING = 0.75  # forgets sooner than a mean would: after the first steps there is all still to learn
RATE, RATE_GOING_ON = 2e-3, 3e-4
CHECKPOINT_STEPS = 500
TOLD_STEPS = 100
CALIBRATION = 48  # last samples, which say what range the activations have


@dataclass(frozen=True, slots=True)
class Options:
    """data: a folder shaped like `data`; out: folder for checkpoints; minutes: length of the whole run.

    half: bfloat16 in the convolutions; 1.6 times as fast on processors that have it, slower elsewhere.
    more_data: further folders of data's shape. validation: held-out pairs judged at each checkpoint.
    curves: folder for TensorBoard, or None. start: weights to begin with instead of chance; of a
    narrower network too, see `widened`, and of one from before cells, see `on_cells`.
    steady_from: share of the run from which on its average goes on learning steadily (see
    core.training.steady), at a rate of its own; or NEVER.
    learning_rate: the highest; None is RATE, with a start RATE_GOING_ON. From nothing the steady part has
    the same share of it as by default. curriculum: None is CURRICULUM, with a start GOING_ON.
    """

    data: Path
    out: Path
    minutes: float
    learning_rate: float | None = None
    workers: int = 1
    threads: int = 2
    device: str = "cpu"
    seed: int = 0
    half: bool = False
    unknown_licences: bool = False
    curriculum: Curriculum | None = None
    more_data: tuple[Path, ...] = ()
    validation: int = 0
    curves: Path | None = None
    start: Path | None = None
    steady_from: float = NEVER


def train(options: Options, tell: Callable[[str], None], stopped: Callable[[], bool] = never) -> Path:
    """Trains, or goes on with the checkpoint in `options.out`; returns the weights' path.

    Writes `checkpoint.pt` (resumable) and `platenet.safetensors` (moving average, to be shipped).
    tell: takes a line of progress. stopped: asked before each step; True saves and ends the run, which then
    can be gone on with.
    """
    require_people((options.data, *options.more_data), options.unknown_licences)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device(options.device)
    highest_rate = options.learning_rate or (RATE if options.start is None else RATE_GOING_ON)
    curriculum = options.curriculum or (CURRICULUM if options.start is None else GOING_ON)
    net = PlateNet()
    if options.start is not None:
        begun = on_cells(read_state_dict(options.start))
        load_strictly(net, widened(begun, net.state_dict()), options.start.name)
    net.to(device)
    # a step in single precision takes a CPU 2.5 s with channels last, 1.9 s without (two cores with AVX2)
    layout = torch.channels_last if options.half or device.type != "cpu" else torch.contiguous_format
    net.to(memory_format=layout)  # type: ignore[call-overload]
    net.train()
    schedules = [Schedule(highest_rate, WARM_UP_STEPS, SETTLING)]
    later = highest_rate * (RATE_GOING_ON / RATE if options.start is None else 1)
    schedules.append(Schedule(later, WARM_UP_STEPS, SETTLING))
    learner = Learner(net, schedules, options.out / "checkpoint.pt")
    spent = learner.go_on(options.minutes, tell)
    if learner.part:
        steady(net)
    begun_at = learner.step

    held_out = held_out_of(options, curriculum[-1][1][0])
    source = Source(options.data, options.more_data, options.unknown_licences, options.seed, options.workers)
    curves, feed = Curves(options.curves), SampleFeed(source, learner.step)
    recent: list[float] = []
    shown: deque[tuple[np.ndarray, ...]] = deque(maxlen=CALIBRATION)
    weights = options.out / "platenet.safetensors"
    if options.start is not None and learner.step == 0 and options.minutes:
        _judge(held_out, learner, curves, tell)  # what it has to become better than
    clock = RunClock(options.minutes, spent, stopped)
    try:
        while clock.goes_on():
            progress = clock.progress
            if options.steady_from < NEVER and progress >= options.steady_from and not learner.part:
                learner.begin_next_part()
                steady(net)
            sizes, batch_size = stage_at(curriculum, progress)
            samples = feed.batch(sizes, batch_size)
            size = samples[0][-1].shape[::-1]
            if size == sizes[0]:
                shown.extend(samples)
            inputs, alpha = _to_tensors(samples, device)
            inputs = tuple(x.contiguous(memory_format=layout) for x in inputs)
            with torch.autocast(device.type, torch.bfloat16, enabled=options.half):
                logits, side = net(*inputs)
            logits, side = logits.float(), side.float()
            loss = matting_loss(logits, side, alpha)
            share = share_of_part(progress, options.steady_from)
            rate = learner.rate_at(share)
            learner.learn(loss, share)
            recent.append((torch.sigmoid(logits.detach()) - alpha).abs().mean().item() * 1e3)
            if learner.step % TOLD_STEPS == 0:
                tell(
                    f"step {learner.step}  {clock.elapsed:.1f} min  {size[0]}x{size[1]}  "
                    f"MAD {np.mean(recent):.2f}  loss {loss.item():.4f}  rate {rate:.1e}"
                )
                numbers = {"loss": loss.item(), "MAD": float(np.mean(recent)), "rate": rate}
                curves.numbers(learner.step, {f"train/{name}": value for name, value in numbers.items()})
                recent.clear()
            if clock.time_to_save(learner.step, CHECKPOINT_STEPS):
                learner.write_weights(weights, options.unknown_licences)
                learner.save(clock.elapsed)
                _judge(held_out, learner, curves, tell)
        # else nothing was learnt, and the file is the finished one
        if learner.step > begun_at or not weights.is_file():
            learner.write_weights(weights, options.unknown_licences)
            if learner.step and not clock.stopped:
                sizes, batch_size = stage_at(curriculum, 1.0)
                # a run that was gone on with near its end has seen few
                while sum(s[-1].shape[::-1] == sizes[0] for s in shown) < CALIBRATION:
                    shown.extend(s for s in feed.batch(sizes, batch_size) if s[-1].shape[::-1] == sizes[0])
                last = [s[:-1] for s in shown if s[-1].shape[::-1] == sizes[0]]
                write_ranges(weights, platenet_ranges(weights, last))
            # Now, not before: a checkpoint that says the run has ended finds its weights finished.
            learner.save(clock.to_write_down)
        if not clock.stopped:
            _judge(held_out, learner, curves, tell)
    finally:
        feed.close()
        curves.close()
    return weights


def stage_at(curriculum: Curriculum, progress: float) -> tuple[tuple[Size, ...], int]:
    """(picture sizes, batch size) at this share of the run."""
    for until, sizes, batch in curriculum:
        if progress < until:
            return sizes, batch
    return curriculum[-1][1], curriculum[-1][2]


def share_of_part(progress: float, steady_from: float) -> float:
    """How much is over of the part that a run is in: of what comes before steady_from, or after it."""
    if progress < steady_from or steady_from == NEVER:
        return progress / steady_from
    return (progress - steady_from) / (1 - steady_from)


@torch.inference_mode()
def _judge(held_out: list[Sample], learner: Learner, curves: Curves, tell: Callable[[str], None]) -> None:
    """Says how the moving average, that is what will be shipped, does on the held-out pairs."""
    if not held_out:
        return
    device = next(learner.net.parameters()).device
    net = PlateNet().to(device)
    net.load_state_dict(learner.average)
    net.eval()

    def alpha_of(s: Sample) -> U8:
        inputs, _ = _to_tensors([(s.frame, s.plate, s.coverage, s.prior, s.alpha)], device)
        alpha = torch.sigmoid(net(*inputs)[0]).mul_(255).round_().to(torch.uint8)
        return alpha[0, 0].cpu().numpy()

    error, picture = mean_error(held_out, alpha_of)
    tell(f"step {learner.step}  held out: MAD {error:.2f}")
    curves.numbers(learner.step, {"held out/MAD": error})
    curves.picture(learner.step, "held out/frame, plate, true alpha, alpha", picture)


def _to_tensors(
    samples: list[tuple[np.ndarray, ...]], device: torch.device
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Batched tensors 0..1 in the order of PlateNet.forward, and alpha B,1,H,W."""
    columns = [torch.from_numpy(np.stack(c)).to(device).float().div_(255) for c in zip(*samples, strict=True)]
    columns = [c.permute(0, 3, 1, 2) if c.ndim == 4 else c[:, None] for c in columns]
    frame, plate, coverage, prior, alpha = columns
    return (frame, plate, coverage, prior), alpha
