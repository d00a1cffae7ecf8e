"""How far composites are from the truth where person and room mix: what is left of the old room in hair.

Every method's alpha is composed in each way that its inputs allow, over backdrops far from the old
room, and compared with the composite of true alpha and true colour.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from core.evaluation import metrics
from core.evaluation.clips import LEAD_IN, Clip
from core.evaluation.methods import Matted
from core.render.composite import three
from core.render.renderer import premultiplied_fgr
from core.types import F32, U8

HELD = "I + (1-α)(B'-B), held in 0..α: the program with a plate"
ESTIMATED = "estimated: the program without a plate"
OPEN = "I + (1-α)(B'-B)"
PLAIN = "αI + (1-α)B'"
OWN = "its own colour"
BACKDROPS = ("white", "black", "green", "picture")
_LEVELS = {"white": (255, 255, 255), "black": (0, 0, 0), "green": (0, 177, 64)}
_MIXED = (0.01, 0.99)  # alpha of a pixel that is neither person nor room

Errors = dict[str, dict[str, float]]  # by way of composing, then by backdrop


def foreground_errors(mattes: Iterable[Matted], clip: Clip) -> Errors:
    """MSE x1e-3 of the composite where 0 < alpha < 1, mean over the frames after the lead-in.

    clip: one that holds `fgrs`.
    """
    sums: Errors = {}
    for index, matted in enumerate(mattes):
        if index < LEAD_IN:
            continue
        truth, rgb = clip.alphas[index], clip.frames[index]
        mixed = (truth > _MIXED[0]) & (truth < _MIXED[1])
        share = (1 - matted.alpha[mixed])[:, None]
        true_alpha = truth[mixed][:, None]
        for way, fgr in _premultiplied(matted, rgb).items():
            errors = sums.setdefault(way, dict.fromkeys(BACKDROPS, 0.0))
            for name in BACKDROPS:
                behind = _backdrop(name, clip.plate, mixed)
                found = np.clip(fgr[mixed] + share * behind, 0, 255)
                expected = clip.fgrs[index][mixed] * true_alpha + (1 - true_alpha) * behind
                errors[name] += metrics.colour_mse(found, expected)
    scored = len(clip.frames) - LEAD_IN
    return {way: {name: e / scored for name, e in errors.items()} for way, errors in sums.items()}


def _premultiplied(matted: Matted, rgb: U8) -> dict[str, F32]:
    """Foreground times alpha, float32 HxWx3 0..255, by way of composing."""
    alpha = matted.alpha[..., None]
    alpha_u8 = (matted.alpha * 255 + 0.5).astype(np.uint8)
    fgr = premultiplied_fgr(rgb, alpha_u8, three(alpha_u8), matted.room).astype(np.float32)
    ways = {ESTIMATED if matted.room is None else HELD: fgr, PLAIN: alpha * rgb}
    if matted.room is not None:
        known = matted.room.coverage
        # where the room is unknown, taking the frame for it makes the formula the plain one
        behind = matted.room.rgb if known is None else np.where(known[..., None] > 0, matted.room.rgb, rgb)
        ways[OPEN] = rgb - (1 - alpha) * behind
    if matted.fgr is not None:
        ways[OWN] = alpha * matted.fgr
    return ways


def _backdrop(name: str, plate: U8, where: NDArray[np.bool_]) -> F32:
    """float32 Nx3 or 3. The picture is the room upside down: detail that is elsewhere than the old room's."""
    if name == "picture":
        return cv2.flip(plate, -1)[where].astype(np.float32)
    return np.array(_LEVELS[name], np.float32)
