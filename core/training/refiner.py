"""Trains the refiner on edge tiles of full-size synthetic pictures, behind a finished platenet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from core.matte.refine import in_squares
from core.nets.refiner import CHANNELS, RefinerNet
from core.nets.weights import load_strictly, read_state_dict
from core.runtime import base
from core.runtime.base import HALO
from core.runtime.quantise import refiner_ranges, write_ranges
from core.training.curves import Curves
from core.training.edges import SEEN, TILE, EdgeFeed, TileMaker
from core.training.judge import SEED, held_out_of
from core.training.learner import Learner, Schedule
from core.training.losses import gradient_pyramid
from core.training.material import require_people
from core.training.run_clock import RunClock, never
from core.training.synthesis import Sample
from core.training.workers import Source
from core.types import U8

BATCH = 24
CROP = 40  # px of alpha of a tile that a step looks at: many small pieces teach more than few large ones
POOL = 12_000  # tiles held; synthesis is slower than learning, so each is met several times
LEAST_POOL = 400
WARM_UP_STEPS = 100
RATE, RATE_GOING_ON = 4e-3, 2e-3
CHECKPOINT_STEPS = 1000
TOLD_STEPS = 200
CALIBRATION = 80  # batches, which say what range the activations have
SIZES = ((1280, 720), (1280, 720), (1280, 720), (960, 544), (640, 352))


@dataclass(frozen=True, slots=True)
class RefinerOptions:
    """base: platenet's weights, whose mistakes are to be mended. start: weights to go on with, or None.

    checkpoint: file to save to and, where it is there, to go on from. more_data: further folders of
    data's shape. validation: held-out pictures judged at the end, of the first of `sizes`. curves:
    folder for TensorBoard. sizes: (width, height) of the pictures, drawn from with equal chances.
    learning_rate: the highest; None is RATE, with a start RATE_GOING_ON.
    """

    data: Path
    base: Path
    out: Path
    minutes: float
    start: Path | None = None
    learning_rate: float | None = None
    workers: int = 1
    threads: int = 1
    seed: int = 0
    unknown_licences: bool = False
    device: str = "cpu"
    checkpoint: Path | None = None
    more_data: tuple[Path, ...] = ()
    validation: int = 0
    curves: Path | None = None
    sizes: tuple[tuple[int, int], ...] = SIZES


def train_refiner(
    options: RefinerOptions, tell: Callable[[str], None], stopped: Callable[[], bool] = never
) -> Path:
    """Trains for `minutes` and writes the moving average to `options.out` (a .safetensors file).

    tell, stopped: as core.training.train.train takes them; a stopped run writes its checkpoint alone.
    """
    require_people((options.data, *options.more_data), options.unknown_licences)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    net = RefinerNet().train().to(device)
    if options.start is not None:
        load_strictly(net, read_state_dict(options.start), options.start.name)
    highest_rate = options.learning_rate or (RATE if options.start is None else RATE_GOING_ON)
    learner = Learner(net, [Schedule(highest_rate, WARM_UP_STEPS)], options.checkpoint)
    spent = learner.go_on(options.minutes, tell)
    begun_at = learner.step
    held_out = held_out_of(options, options.sizes[0])
    curves = Curves(options.curves)
    source = Source(options.data, options.more_data, options.unknown_licences, options.seed, options.workers)
    feed = EdgeFeed(source, options.base, options.sizes, learner.step)
    clock = RunClock(options.minutes, spent, stopped)
    errors: list[tuple[float, float]] = []
    pool = _Pool(np.random.default_rng([options.seed, learner.step]))
    try:
        while clock.goes_on():
            while len(pool) < LEAST_POOL:
                pool.add(*feed.take())
            if more := feed.take_if_there():
                pool.add(*more)
            x, y = _to_tensors(*pool.draw(BATCH), device)
            loss, refined = refiner_loss(net, x, y)
            learner.learn(loss, clock.progress)
            coarse = _inner(x[:, 7:8])
            errors.append(((coarse - y).abs().mean().item() * 1e3, (refined - y).abs().mean().item() * 1e3))
            if learner.step % TOLD_STEPS == 0:
                before, after = np.mean(errors, axis=0)
                tell(
                    f"step {learner.step}  {clock.elapsed:.1f} min  "
                    f"MAD in edge tiles {before:.2f} -> {after:.2f}  ({pool.seen} tiles so far)"
                )
                numbers = {"train/coarse MAD": float(before), "train/refined MAD": float(after)}
                curves.numbers(learner.step, numbers)
                errors.clear()
            if clock.time_to_save(learner.step, CHECKPOINT_STEPS):
                learner.save(clock.elapsed)
        if not clock.stopped and (learner.step > begun_at or not options.out.is_file()):
            learner.write_weights(options.out, options.unknown_licences)
            if learner.step:
                while len(pool) < LEAST_POOL:
                    pool.add(*feed.take())
                write_ranges(options.out, refiner_ranges(options.out, pool.batches(CALIBRATION)))
        # Now, not before: a checkpoint that says the run has ended finds its weights finished.
        learner.save(clock.to_write_down)
        if held_out and not clock.stopped:
            _judge(options, held_out, learner, curves, tell)
    finally:
        curves.close()
        feed.close()
    return options.out


class _Pool:
    """The last POOL tiles, drawn from at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._tiles = np.empty((CHANNELS, POOL, SEEN, SEEN), np.uint8)
        self._truth = np.empty((POOL, TILE, TILE), np.uint8)
        self._count = self.seen = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tiles: U8, truth: U8) -> None:
        at = (self.seen + np.arange(len(truth))) % POOL
        self._tiles[:, at], self._truth[at] = tiles, truth
        self.seen += len(truth)
        self._count = min(POOL, self.seen)

    def draw(self, count: int, side: int = CROP) -> tuple[U8, U8]:
        """count pieces of side px, with their halo, and their true alpha; flipped at random."""
        rows = self._rng.integers(0, self._count, count)
        y, x = self._rng.integers(0, (TILE - side) // 2 + 1, 2) * 2
        tiles = self._tiles[:, rows, y : y + side + 2 * HALO, x : x + side + 2 * HALO]
        truth = self._truth[rows, y : y + side, x : x + side]
        if self._rng.random() < 0.5:
            tiles, truth = tiles[..., ::-1], truth[..., ::-1]
        return np.ascontiguousarray(tiles), np.ascontiguousarray(truth)

    def batches(self, count: int) -> list[U8]:
        """As RefinerRuntime takes them."""
        return [in_squares(self.draw(base.BATCH, base.TILE)[0]) for _ in range(count)]


def refiner_loss(net: RefinerNet, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and the refined alpha it is of. x: tiles as RefinerNet takes them; y: B,1,h,w, their
    inside."""
    logits = _inner(net(x))
    refined = torch.sigmoid(logits)
    loss = 2 * (refined - y).abs().mean() + 0.15 * F.binary_cross_entropy_with_logits(logits, y)
    return loss + gradient_pyramid(refined, y, levels=2), refined


def _inner(x: torch.Tensor) -> torch.Tensor:
    return x[..., HALO:-HALO, HALO:-HALO]


def _to_tensors(tiles: U8, truth: U8, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(tiles).to(device).transpose(0, 1).float().div_(255)
    return x, torch.from_numpy(truth).to(device)[:, None].float().div_(255)


@torch.inference_mode()
def _judge(
    options: RefinerOptions,
    held_out: list[Sample],
    learner: Learner,
    curves: Curves,
    tell: Callable[[str], None],
) -> None:
    """Says what the moving average gains in the edge tiles of held-out people."""
    rng, size = np.random.default_rng(SEED), options.sizes[0]
    maker = TileMaker(options.base, size)
    pairs = [maker.tiles(sample, rng) for sample in held_out]
    x, y = _to_tensors(
        np.concatenate([t for t, _ in pairs], 1), np.concatenate([a for _, a in pairs]), torch.device("cpu")
    )
    if not len(y):
        return
    net = RefinerNet().eval()
    net.load_state_dict({key: value.cpu() for key, value in learner.average.items()})
    before = (_inner(x[:, 7:8]) - y).abs().mean().item() * 1e3
    after = (torch.sigmoid(_inner(net(x))) - y).abs().mean().item() * 1e3
    tell(f"step {learner.step}  held out: MAD in edge tiles {before:.2f} -> {after:.2f}")
    curves.numbers(learner.step, {"held out/coarse MAD": before, "held out/refined MAD": after})
