"""A network that learns: its optimiser, the moving average of its weights, and both on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from core.nets.trained import UNKNOWN_LICENCES

LONGEST_MEMORY = 0.998  # of the moving average, a step
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How fast a network learns. highest_rate: comes down as a cosine over the run; see Learner.rate_at.

    settling: the moving average forgets its beginning as the steps to this power; 1 is a plain mean at first.
    """

    highest_rate: float
    warm_up_steps: int
    settling: float = 1.0


class Learner:
    """A network in training and `average`, the moving average of its weights: what is judged and shipped.

    part: which of its schedules it follows. step: counts through all parts.
    """

    def __init__(self, net: nn.Module, schedules: Sequence[Schedule], checkpoint: Path | None) -> None:
        """schedules: one for each part of the run. checkpoint: file to save to; None keeps nothing."""
        self.net, self._schedules, self._checkpoint = net, schedules, checkpoint
        self.average = {key: value.detach().clone().float() for key, value in net.state_dict().items()}
        self.step = self.part = self._part_from = 0
        self._optimizer = self._new_optimizer()

    def go_on(self, minutes: float, tell: Callable[[str], None]) -> float:
        """Takes up the checkpoint, if there is one. Returns the minutes that were spent before."""
        if self._checkpoint is None or not self._checkpoint.is_file():
            return 0.0
        device = next(self.net.parameters()).device
        held = torch.load(self._checkpoint, map_location=device, weights_only=True)
        self.net.load_state_dict(held["net"])
        self._optimizer.load_state_dict(held["optimizer"])
        self.average, self.step = held["average"], held["step"]
        self.part, self._part_from = held.get("part", 0), held.get("part_from", 0)  # older ones have none
        spent = float(held["minutes"])
        tell(f"goes on at step {self.step}, {spent:.1f} of {minutes:.1f} minutes")
        return spent

    def save(self, minutes: float) -> None:
        """Writes the checkpoint, whole or not at all. minutes: how much of the run is over."""
        if self._checkpoint is None:
            return
        held = {
            "net": self.net.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "part": self.part,
            "part_from": self._part_from,
            "minutes": minutes,
        }
        part = self._checkpoint.with_suffix(".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        torch.save(held, part)
        part.replace(self._checkpoint)

    def begin_next_part(self) -> None:
        """The average goes on learning, by the next schedule and as if it were new."""
        like = self.net.state_dict()
        self.net.load_state_dict({key: value.to(like[key].dtype) for key, value in self.average.items()})
        self.part, self._part_from = self.part + 1, self.step
        self._optimizer = self._new_optimizer()

    def rate_at(self, progress: float) -> float:
        """The rate of the next step. progress: share of the part that is over."""
        schedule = self._schedules[self.part]
        warm = min(1.0, (self.step - self._part_from + 1) / schedule.warm_up_steps)
        return schedule.highest_rate * warm * (0.5 * (1 + math.cos(math.pi * progress)) + 0.01)

    def learn(self, loss: Tensor, progress: float) -> None:
        """One step down the gradient of `loss`."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate_at(progress)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)
        self._optimizer.step()
        self.step += 1
        self._take_into_average()

    def write_weights(self, path: Path, unknown_licences: bool) -> None:
        """The average as a safetensors file, in the dtypes of the network, and what it was trained on."""
        like = self.net.state_dict()
        arrays = {k: v.to(like[k].dtype).contiguous().cpu() for k, v in self.average.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        save_file(arrays, part, metadata={UNKNOWN_LICENCES: "yes"} if unknown_licences else None)
        part.replace(path)

    def _new_optimizer(self) -> torch.optim.AdamW:
        rate = self._schedules[self.part].highest_rate
        return torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=1e-4, fused=True)

    @torch.no_grad()
    def _take_into_average(self) -> None:
        steps = self.step - self._part_from
        decay = min(LONGEST_MEMORY, 1 - 1 / (steps + 1) ** self._schedules[self.part].settling)
        for key, value in self.net.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[key].mul_(decay).add_(value.float(), alpha=1 - decay)
            else:
                self.average[key].copy_(value)
