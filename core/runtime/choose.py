"""Which runtime and device run platenet on this machine."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path


def resolve_device(wanted: str) -> str:
    """ "cpu" or "cuda" for "auto"; anything else unchanged. Does not import torch without a GPU in sight."""
    if wanted != "auto":
        return wanted
    gpu = Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None
    if not gpu or importlib.util.find_spec("torch") is None:
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
