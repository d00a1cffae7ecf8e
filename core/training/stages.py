"""The four stages in which the papers' networks are trained: what each learns in one step.

V2: `base`, then `refine` with the base in it. 2020: `teacher`, then `student`. Rates are those of
the papers' programs; optimisers are Adam.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from core.nets.bgm2020 import PUBLISHED_WIDTH, BackgroundMatting2020
from core.nets.bgmv2 import MattingBase, MattingRefine
from core.nets.weights import load_strictly, read_state_dict
from core.training.discriminator import WIDTH, PatchDiscriminator
from core.training.papers import (
    Terms,
    Truth,
    base_loss,
    composite,
    discriminator_loss,
    refine_loss,
    student_loss,
    supervised_loss,
    teacher_weight,
)

_BASE_RATES = {"backbone": 1e-4, "aspp": 5e-4, "decoder": 5e-4}
_REFINE_RATES = {"backbone": 5e-5, "aspp": 5e-5, "decoder": 1e-4, "refiner": 3e-4}
_RATE_2020, _RATE_DISCRIMINATOR = 1e-4, 1e-5
_STEPS_PER_JUDGE_STEP = 5  # 2020: the discriminator learns once in five steps
_REFINER_KEYS = "refiner."


class Stage(Protocol):
    """One network in training. `parts` are saved and restored by name; `net` is what is shipped."""

    @property
    def net(self) -> nn.Module: ...

    @property
    def parts(self) -> dict[str, Any]: ...

    def step(self, truth: Truth, progress: float) -> dict[str, float]:
        """Learns from a batch of at least two; the loss's terms by name, and "loss". progress: 0..1."""
        ...

    def alpha(self, truth: Truth) -> Tensor:
        """B,1,H,W 0..1 as the network in use would give it; evaluation mode, no gradients."""
        ...


class V2Base:
    """MattingBase at the pictures' own size. start: weights to begin with, of the base or of the whole."""

    def __init__(self, backbone: str, device: torch.device, start: Path | None = None) -> None:
        self.net = MattingBase(backbone)
        if start is not None:
            state = {k: v for k, v in read_state_dict(start).items() if not k.startswith(_REFINER_KEYS)}
            load_strictly(self.net, state, start.name)
        self.net.to(device)
        self._optimizer = _adam(self.net, _BASE_RATES)
        self.parts: dict[str, Any] = {"net": self.net, "optimizer": self._optimizer}

    def step(self, truth: Truth, progress: float) -> dict[str, float]:
        self.net.train()
        alpha, fgr, error, _ = self.net(truth.frame, truth.plate)
        return _learn(self._optimizer, base_loss(alpha, fgr, error, truth))

    @torch.no_grad()
    def alpha(self, truth: Truth) -> Tensor:
        return self.net.eval()(truth.frame, truth.plate)[0]


class V2Refine:
    """MattingRefine: the refiner learns, and the base goes on learning at lower rates.

    start: the finished base's weights, or the whole network's to go on with.
    """

    def __init__(
        self, backbone: str, device: torch.device, start: Path | None = None, scale: float = 0.25
    ) -> None:
        self.net = MattingRefine(backbone, scale)
        if start is not None:
            state = read_state_dict(start)
            if not any(key.startswith(_REFINER_KEYS) for key in state):
                fresh = self.net.refiner.state_dict()
                state |= {_REFINER_KEYS + key: value for key, value in fresh.items()}
            load_strictly(self.net, state, start.name)
        self.net.to(device)
        self._optimizer = _adam(self.net, _REFINE_RATES)
        self.parts: dict[str, Any] = {"net": self.net, "optimizer": self._optimizer}

    def step(self, truth: Truth, progress: float) -> dict[str, float]:
        self.net.train()
        alpha, fgr, *base, _ = self.net(truth.frame, truth.plate)
        return _learn(self._optimizer, refine_loss(alpha, fgr, (base[0], base[1], base[2]), truth))

    @torch.no_grad()
    def alpha(self, truth: Truth) -> Tensor:
        return self.net.eval()(truth.frame, truth.plate)[0]


class Teacher2020:
    """The 2020 network with full supervision. start: weights to go on with."""

    def __init__(self, device: torch.device, start: Path | None = None, width: int = PUBLISHED_WIDTH) -> None:
        self.net = _bgm2020(start, width).to(device)
        self._optimizer = torch.optim.Adam(self.net.parameters(), _RATE_2020)
        self.parts: dict[str, Any] = {"net": self.net, "optimizer": self._optimizer}

    def step(self, truth: Truth, progress: float) -> dict[str, float]:
        alpha, fgr = _layers(self.net.train(), truth)
        return _learn(self._optimizer, supervised_loss(alpha, fgr, truth))

    @torch.no_grad()
    def alpha(self, truth: Truth) -> Tensor:
        return _layers(self.net.eval(), truth)[0].clamp(0, 1)


class Student2020:
    """The same network, taught by a finished teacher and by a discriminator, without any truth.

    teacher: its weights. start: weights to go on with; None begins anew, as the authors do.
    """

    def __init__(
        self,
        device: torch.device,
        teacher: Path,
        start: Path | None = None,
        width: int = PUBLISHED_WIDTH,
        judge_width: int = WIDTH,
    ) -> None:
        self._teacher = _bgm2020(teacher, width).to(device).eval().requires_grad_(False)
        self.net = _bgm2020(start, width).to(device)
        self._judge = PatchDiscriminator(judge_width).to(device)
        self._optimizer = torch.optim.Adam(self.net.parameters(), _RATE_2020)
        self._judge_optimizer = torch.optim.Adam(self._judge.parameters(), _RATE_DISCRIMINATOR)
        self._steps = 0
        self.parts: dict[str, Any] = {
            "net": self.net,
            "optimizer": self._optimizer,
            "judge": self._judge,
            "judge optimizer": self._judge_optimizer,
        }

    def step(self, truth: Truth, progress: float) -> dict[str, float]:
        with torch.no_grad():
            taught = _layers(self._teacher, truth)
        alpha, fgr = _layers(self.net.train(), truth)
        elsewhere = truth.plate.roll(1, 0)  # before the room of another picture of the batch
        fake = composite(alpha, fgr, elsewhere)
        self._judge.requires_grad_(False)
        terms = student_loss(alpha, fgr, taught, self._judge(fake), truth, teacher_weight(progress))
        values = _learn(self._optimizer, terms)
        self._judge.requires_grad_(True)
        if self._steps % _STEPS_PER_JUDGE_STEP == 0:
            loss = discriminator_loss(self._judge(fake.detach()), self._judge(truth.frame))
            values["discriminator"] = _learn(self._judge_optimizer, {"discriminator": loss})["loss"]
        self._steps += 1
        return values

    @torch.no_grad()
    def alpha(self, truth: Truth) -> Tensor:
        return _layers(self.net.eval(), truth)[0].clamp(0, 1)


def _bgm2020(weights: Path | None, width: int) -> BackgroundMatting2020:
    net = BackgroundMatting2020(width)
    if weights is not None:
        load_strictly(net, read_state_dict(weights), weights.name)
    return net


def _layers(net: nn.Module, truth: Truth) -> tuple[Tensor, Tensor]:
    """Alpha and foreground, 0..1; the 2020 network itself works in -1..1."""
    alpha, fgr = net(2 * truth.frame - 1, 2 * truth.plate - 1, 2 * truth.segmentation - 1)
    return (alpha + 1) / 2, (fgr + 1) / 2


def _adam(net: nn.Module, rates: dict[str, float]) -> torch.optim.Adam:
    return torch.optim.Adam(
        [{"params": getattr(net, part).parameters(), "lr": rate} for part, rate in rates.items()]
    )


def _learn(optimizer: torch.optim.Optimizer, terms: Terms) -> dict[str, float]:
    loss = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return {**{name: term.item() for name, term in terms.items()}, "loss": loss.item()}
