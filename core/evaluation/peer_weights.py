"""Which files hold the peers' weights, and whether they are there, without the second that torch takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.errors import WeightsError

# By the name used in tables.
FILES = {
    "rvm": "rvm_mobilenetv3_int8release.safetensors",
    "mediapipe": "mediapipe_selfie_general_256x256.onnx",
    "meet": "meet_segm_full_144x256.onnx",
    "sinet": "sinet.safetensors",
    "sinet-obs": "sinet_obs_320x320.onnx",
}


def holds_peers(folder: Path) -> bool:
    """Whether the weights of any peer lie there: a folder with none of them means that there are no peers."""
    return any((folder / file).is_file() for file in FILES.values())


def require_peers(models: Path, names: Iterable[str] = FILES) -> None:
    """Raises WeightsError where the folder lacks a file of these peers."""
    for name in names:
        require_weights(models / FILES[name])


def require_weights(path: Path) -> None:
    """Raises WeightsError where there is no such file."""
    if not path.is_file():
        raise WeightsError(f"there is no peer model {path}: name the folder that holds the peers' models")
