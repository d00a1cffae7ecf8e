"""Weights of platenet that somebody trained: the folder that `cleanplate train` wrote."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from core.errors import WeightsError
from core.nets.registry import MODELS

PLATENET = "platenet"
NET, REFINER = "platenet.safetensors", "refiner.safetensors"  # as the stages of training name them
UNKNOWN_LICENCES = "trained_on_unknown_licences"  # "yes" under this name in the file's metadata
_A_FOLDER = "give the folder that `cleanplate train` wrote, or a network's name (`cleanplate models list`)"


@dataclass(frozen=True, slots=True)
class Trained:
    """net: platenet's weights. refiner: those of its refiner; None: the bundled one goes with them."""

    net: Path
    refiner: Path | None


def find_trained(model: str) -> Trained | None:
    """The weights in a folder that `--model` names, or in a file of platenet's; None for a network's name.

    Nothing is read but names. A folder without the refiner's weights (that stage has not run) is allowed.

    Raises:
        WeightsError: a folder without platenet's weights, or a path at which nothing is.
    """
    if model in MODELS:
        return None
    path = Path(model).expanduser()
    if path.is_file():
        return Trained(path, None)
    if path.is_dir():
        if not (path / NET).is_file():
            raise WeightsError(f"the folder {model} has no {NET} in it: {_A_FOLDER}")
        refiner = path / REFINER
        return Trained(path / NET, refiner if refiner.is_file() else None)
    if os.sep in model or (os.altsep is not None and os.altsep in model) or path.suffix == ".safetensors":
        raise WeightsError(f"there is no folder or file {model}: {_A_FOLDER}")
    return None


def trained_on_unknown_licences(net: Path) -> bool:
    """Whether the file says that pictures of unknown licence were trained on, as training writes it down.

    Raises:
        WeightsError: no file, or damaged.
    """
    try:
        with safe_open(net, "np") as file:
            return (file.metadata() or {}).get(UNKNOWN_LICENCES) == "yes"
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{net} cannot be read as weights ({error}): {_A_FOLDER}") from error
