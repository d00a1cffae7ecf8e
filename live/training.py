"""One training run as asked for on the command line: which stages, in which order, on what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.errors import MediaError, SettingsError, WeightsError

PLATENET_STAGES = {"net": 0.85, "refiner": 0.15}  # of the minutes
BUNDLED = "bundled"  # for --start: the weights that cleanplate brings
Work = Callable[[Callable[[str], None], Callable[[], bool]], Path]  # takes tell and stopped, as `run` does
MODELS = ("platenet", "bgmv2-mobilenetv2", "bgmv2-resnet50", "bgmv2-resnet101", "bgm2020")


@dataclass(frozen=True, slots=True)
class Run:
    """data: one folder or more. stage: None takes all of the model's in turn.

    base: weights of the stage before; None takes what that stage wrote into `out`.
    start: weights of a platenet stage to begin with instead of chance, "bundled" are those that cleanplate
    brings; it needs stage too. steady: whether stage net is steady (see core.training.steady), with start
    all along, else in the end; None is True.
    rate: highest learning rate of platenet's stages; None is the stage's own, lower with start.
    size, batch: of the papers' networks; None is the stage's own.
    """

    data: tuple[Path, ...]
    out: Path
    minutes: float
    model: str = "platenet"
    stage: str | None = None
    base: Path | None = None
    start: Path | None = None
    steady: bool | None = None
    rate: float | None = None
    device: str = "auto"
    workers: int = 1
    threads: int = 2
    half: bool = False
    seed: int = 0
    unknown_licences: bool = False
    validation: int = 16
    tensorboard: bool = True
    size: tuple[int, int] | None = None
    batch: int | None = None

    @property
    def folder(self) -> Path:
        """Where checkpoints, weights and curves go; a paper's network has one of its own in `out`."""
        return self.out if self.model == "platenet" else self.out / self.model


def run(asked: Run, tell: Callable[[str], None], stopped: Callable[[], bool] = lambda: False) -> list[Path]:
    """Trains stage after stage; the weights' paths. A stopped run, asked again, goes on where it was.

    stopped: asked before each step; True saves and ends the run. The stage it is in is not in the result.
    Raises:
        SettingsError: unknown model or stage, or TensorBoard is missing.
        MediaError: a folder is missing, nobody to train on, nobody held out.
        WeightsError: the stage before has left no weights.
        DeviceError: no such device.
    """
    from core.runtime.choose import resolve_device
    from core.runtime.torch import torch_device

    for folder in asked.data:
        if not folder.is_dir():
            raise MediaError(
                f"--data {folder} is not a folder: give one with people/ and rooms/ in it, "
                "as `cleanplate train key` and `cleanplate train rooms` write"
            )
    shares = stages_of(asked.model)
    if asked.stage is not None and asked.stage not in shares:
        raise SettingsError(
            f"--stage is {asked.stage!r}; {asked.model} is trained in the stages {', '.join(shares)}"
        )
    if asked.model == "platenet" and (asked.size is not None or asked.batch is not None):
        raise SettingsError("--size and --batch are for the papers' networks; platenet's grow with the run")
    if asked.base is not None and asked.stage in (None, next(iter(shares))):
        later = ", ".join(list(shares)[1:])
        raise SettingsError(f"--base is for a later stage alone: give --stage too, one of {later}")
    if asked.start is not None:
        if asked.model != "platenet" or asked.stage is None:
            raise SettingsError(
                "--start is for one stage of platenet: give --stage net or --stage refiner too"
            )
        if not _start(asked).is_file():
            raise WeightsError(
                f'--start {asked.start} is not a file: give a stage\'s .safetensors file, or "{BUNDLED}"'
            )
    if asked.steady is not None and (asked.model != "platenet" or asked.stage == "refiner"):
        raise SettingsError("--steady is for platenet's stage net; leave it out")
    if asked.rate is not None and asked.model != "platenet":
        raise SettingsError("--rate is for platenet; the papers' networks learn at their papers' rates")
    device = resolve_device(asked.device)
    torch_device(device)
    written: list[Path] = []
    for stage in [asked.stage] if asked.stage is not None else list(shares):
        minutes = asked.minutes if asked.stage is not None else asked.minutes * shares[stage]
        tell(f"{asked.model}, {stage}: {minutes:.1f} minutes on {device}")
        prepared = _platenet_stage if asked.model == "platenet" else _paper_stage
        weights = prepared(asked, stage, minutes, device)(tell, stopped)
        if stopped():
            break
        written.append(weights)
    return written


def stages_of(model: str) -> dict[str, float]:
    """A model's stages in their order, and each one's share of the minutes. Raises SettingsError."""
    from core.training.paper_run import STAGES

    if model not in MODELS:
        raise SettingsError(f"--model is {model!r}; it must be one of {', '.join(MODELS)}")
    if model == "platenet":
        return PLATENET_STAGES
    return {name: share for name, (share, _, _) in STAGES[model.split("-")[0]].items()}


def _platenet_stage(asked: Run, stage: str, minutes: float, device: str) -> Work:
    from core.training.refiner import RefinerOptions, train_refiner
    from core.training.train import NEVER, STEADY_FROM, Options, train

    first, *more = asked.data
    curves = asked.folder / "curves" if asked.tensorboard else None
    start = None if asked.start is None else _start(asked)
    if stage == "net":
        options = Options(
            data=first,
            out=asked.out,
            minutes=minutes,
            workers=asked.workers,
            threads=asked.threads,
            device=device,
            seed=asked.seed,
            half=asked.half,
            unknown_licences=asked.unknown_licences,
            more_data=tuple(more),
            validation=asked.validation,
            curves=curves,
            start=start,
            steady_from=NEVER if asked.steady is False else STEADY_FROM if start is None else 0.0,
            learning_rate=asked.rate,
        )
        return partial(train, options)
    refiner_options = RefinerOptions(
        data=first,
        base=_base(asked, "platenet.safetensors"),
        out=asked.out / "refiner.safetensors",
        minutes=minutes,
        workers=asked.workers,
        threads=asked.threads,
        seed=asked.seed,
        unknown_licences=asked.unknown_licences,
        device=device,
        checkpoint=asked.out / "refiner.pt",
        more_data=tuple(more),
        validation=asked.validation,
        curves=curves,
        start=start,
        learning_rate=asked.rate,
    )
    return partial(train_refiner, refiner_options)


def _paper_stage(asked: Run, stage: str, minutes: float, device: str) -> Work:
    from core.training.paper_run import PaperOptions, train_paper

    first, *more = asked.data
    earliest = next(iter(stages_of(asked.model)))
    options = PaperOptions(
        data=first,
        out=asked.folder,
        minutes=minutes,
        model=asked.model,
        stage=stage,
        base=None if stage == earliest else _base(asked, f"{earliest}.safetensors"),
        size=asked.size,
        batch=asked.batch,
        workers=asked.workers,
        threads=asked.threads,
        device=device,
        seed=asked.seed,
        unknown_licences=asked.unknown_licences,
        more_data=tuple(more),
        validation=asked.validation,
        curves=asked.folder / "curves" if asked.tensorboard else None,
    )
    return partial(train_paper, options)


def _start(asked: Run) -> Path:
    """The file that --start means."""
    from core.runtime.base import REFINER, WEIGHTS

    assert asked.start is not None
    if asked.start != Path(BUNDLED):
        return asked.start
    return WEIGHTS if asked.stage == "net" else REFINER


def _base(asked: Run, name: str) -> Path:
    """Weights of the stage before, which must be there."""
    base = asked.base or asked.folder / name
    if not base.is_file():
        raise WeightsError(
            f"{base} is missing, which this stage of {asked.model} builds on: train the stage before it "
            "into the same --out, or give its weights with --base"
        )
    return base
