"""What the papers' networks minimise: Background Matting V2 and Background Matting (2020).

V2: Lin et al., "Real-Time High-Resolution Background Matting" (2020), sec. 3.3. 2020: Sengupta et
al., "Background Matting: The World is Your Green Screen" (2020), sec. 3.1 and 3.2. Everything is
0..1 here: alpha B,1,H,W; colours B,3,H,W. Each loss comes as its terms by name; their sum is minimised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.types import U8

Terms = dict[str, Tensor]

LAMBDA_START = 0.05  # 2020, sec. 3.2: weight of the teacher beside the discriminator
LAMBDA_HALVINGS = 7  # halved every second of 15 epochs; here spread over the run
_OPAQUE = 0.975  # 2020, the authors' program: above it the frame itself is the foreground
_SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a frame was made of. frame = alpha fgr + (1 - alpha) room, up to the camera's noise.

    frame, plate, fgr, room: B,3,H,W; plate is the room at another moment. alpha, segmentation: B,1,H,W.
    """

    frame: Tensor
    plate: Tensor
    alpha: Tensor
    fgr: Tensor
    room: Tensor
    segmentation: Tensor

    def to(self, device: torch.device) -> Truth:
        return Truth(*(getattr(self, name).to(device) for name in self.__slots__))


def to_truth(pairs: Sequence[tuple[U8, ...]]) -> Truth:
    """A batch of what core.training.pairs gives."""
    columns = [torch.from_numpy(np.stack(column)).float().div_(255) for column in zip(*pairs, strict=True)]
    return Truth(*(c.permute(0, 3, 1, 2).contiguous() if c.ndim == 4 else c[:, None] for c in columns))


def sobel(x: Tensor) -> Tensor:
    """Gradients along x and y, B,2,H,W for B,1,H,W, a step from 0 to 1 giving 1/2; the border is repeated."""
    kernel = x.new_tensor(_SOBEL) / 8
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), torch.stack([kernel, kernel.T])[:, None])


def alpha_loss(alpha: Tensor, truth: Tensor) -> Tensor:
    """|alpha - alpha*| + |grad alpha - grad alpha*|. V2, sec. 3.3, L_alpha."""
    return F.l1_loss(alpha, truth) + F.l1_loss(sobel(alpha), sobel(truth))


def foreground_loss(fgr: Tensor, truth: Tensor, alpha_truth: Tensor) -> Tensor:
    """|F - F*| where alpha* > 0: elsewhere a foreground has no meaning. V2, sec. 3.3, L_F."""
    seen = alpha_truth > 0
    return F.l1_loss(fgr * seen, truth * seen)


def error_loss(error: Tensor, alpha: Tensor, truth: Tensor) -> Tensor:
    """(E - E*)^2 with E* = |alpha - alpha*|, no gradient into alpha. V2, sec. 3.3, L_E."""
    return F.mse_loss(error, (alpha.detach() - truth).abs())


def base_loss(alpha: Tensor, fgr: Tensor, error: Tensor, truth: Truth) -> Terms:
    """L_base = L_alpha + L_F + L_E, the truth resized to the outputs. V2, sec. 3.3."""
    size = alpha.shape[-2:]
    true_alpha, true_fgr = _resized(truth.alpha, size), _resized_fgr(truth.fgr, truth.alpha, size)
    return {
        "base alpha": alpha_loss(alpha, true_alpha),
        "base fgr": foreground_loss(fgr, true_fgr, true_alpha),
        "base error": error_loss(error, alpha, true_alpha),
    }


def refine_loss(alpha: Tensor, fgr: Tensor, base: tuple[Tensor, Tensor, Tensor], truth: Truth) -> Terms:
    """L_base + L_refine, L_refine = L_alpha + L_F at full size; both nets learn. V2, sec. 3.3.

    base: alpha, foreground and error at the reduced size.
    """
    return {
        **base_loss(*base, truth),
        "alpha": alpha_loss(alpha, truth.alpha),
        "fgr": foreground_loss(fgr, truth.fgr, truth.alpha),
    }


def supervised_loss(alpha: Tensor, fgr: Tensor, truth: Truth) -> Terms:
    """The teacher's loss. 2020, sec. 3.1: alpha + its gradient + 2 F + the composite.

    F counts where alpha* > 0, and in the composite the frame stands for F where alpha is above
    0.975: so does the authors' program, whose alpha is -1..1, from 0.95 on.
    """
    opaque = (alpha > _OPAQUE).to(alpha.dtype)
    colour = truth.frame * opaque + fgr * (1 - opaque)
    return {
        "alpha": F.l1_loss(alpha, truth.alpha),
        "alpha gradient": F.l1_loss(sobel(alpha), sobel(truth.alpha)),
        "fgr": 2 * foreground_loss(fgr, truth.fgr, truth.alpha),
        "composite": F.l1_loss(composite(alpha, colour, truth.room), truth.frame),
    }


def student_loss(
    alpha: Tensor,
    fgr: Tensor,
    teacher: tuple[Tensor, Tensor],
    judgement: Tensor,
    truth: Truth,
    weight: float,
) -> Terms:
    """The student's loss; of the truth it sees frame and plate alone. 2020, sec. 3.2.

    (D - 1)^2 + weight (2 |alpha - alpha~| + 4 |grad| + |F - F~| + |I - composite|), ~ the teacher's.
    Args:
        judgement: the discriminator's answer to the composite before another room.
        weight: lambda, see teacher_weight.
    """
    taught_alpha, taught_fgr = teacher
    return {
        "adversarial": ((judgement - 1) ** 2).mean(),
        "alpha": weight * 2 * F.l1_loss(alpha, taught_alpha),
        "alpha gradient": weight * 4 * F.l1_loss(sobel(alpha), sobel(taught_alpha)),
        "fgr": weight * foreground_loss(fgr, taught_fgr, taught_alpha),
        "composite": weight * F.l1_loss(composite(alpha, fgr, truth.plate), truth.frame),
    }


def discriminator_loss(of_composite: Tensor, of_frame: Tensor) -> Tensor:
    """D(composite)^2 + (D(frame) - 1)^2. 2020, sec. 3.2; least squares as Mao et al. 2017."""
    return (of_composite**2).mean() + ((of_frame - 1) ** 2).mean()


def teacher_weight(progress: float) -> float:
    """lambda at this share of the run: 0.05, halved in steps, so that the discriminator takes over."""
    return LAMBDA_START * 0.5 ** int(min(progress, 1.0) * (LAMBDA_HALVINGS + 1))


def composite(alpha: Tensor, fgr: Tensor, room: Tensor) -> Tensor:
    """alpha F + (1 - alpha) B."""
    return alpha * fgr + (1 - alpha) * room


def _resized_fgr(fgr: Tensor, alpha: Tensor, size: tuple[int, ...]) -> Tensor:
    """The straight colour of what there is of the person in each cell; the black beside it does not count."""
    if fgr.shape[-2:] == size:
        return fgr
    return _resized(fgr * alpha, size) / _resized(alpha, size).clamp_min(1e-6)


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return x if x.shape[-2:] == size else F.interpolate(x, size, mode="area")
