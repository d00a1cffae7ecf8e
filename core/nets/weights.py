"""State dicts from files, as the networks' authors publish them.

Read: safetensors, PyTorch checkpoints (tensors only, nothing in the file is executed) and
TorchScript archives (the weights are taken out, the code in them is not used). Loading is strict.
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.errors import WeightsError

# Wrappers that published files were saved through; their name heads every key.
_WRAPPERS = ("module.", "model.")
_SHOWN_KEYS = 3
# What the readers raise for a file that is something else, or cut off, or damaged.
_UNREADABLE = (SafetensorError, RuntimeError, OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Names to tensors on the CPU, in the file's own precision, freed of wrapper prefixes.

    Raises:
        WeightsError: no such file, or not a state dict in a known format.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}: fetch or import the model first")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
    except _UNREADABLE as error:
        raise WeightsError(
            f"{path} cannot be read as weights ({_first_line(error)}): give a safetensors file, "
            "a PyTorch state dict or a TorchScript archive"
        ) from error
    for prefix in _WRAPPERS:
        if state and all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state


def load_strictly(net: nn.Module, state: dict[str, Tensor], what: str) -> None:
    """Fills `net`: every name and shape must match, nothing more, nothing less.

    Halves are widened to the network's own precision. `what` names the file in errors.

    Raises:
        WeightsError: names or shapes differ; `net` is unchanged then.
    """
    own = net.state_dict()
    missing = [key for key in own if key not in state]
    unknown = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    found = [
        f"{len(keys)} {word} ({', '.join(keys[:_SHOWN_KEYS])}{', ...' if len(keys) > _SHOWN_KEYS else ''})"
        for word, keys in (("missing", missing), ("unknown", unknown), ("of another shape", reshaped))
        if keys
    ]
    if found:
        raise WeightsError(
            f"{what} does not fit {type(net).__name__}: {'; '.join(found)}: "
            "choose the model that these weights were made for"
        )
    net.load_state_dict(state, strict=True)


def load_weights(net: nn.Module, path: Path) -> None:
    """Fills `net` from a file, strictly. Raises WeightsError."""
    load_strictly(net, read_state_dict(path), path.name)


def _read_torch(path: Path) -> dict[str, Tensor]:
    if _is_torchscript(path):
        with warnings.catch_warnings():
            # torch 2.9 deprecates the format; what was published in it has no other reader.
            warnings.simplefilter("ignore", DeprecationWarning)
            return dict(torch.jit.load(path, map_location="cpu").state_dict())
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises many kinds, also UnpicklingError of a private class
        raise ValueError(_first_line(error)) from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ValueError("it holds something other than a state dict")
    return dict(loaded)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False  # the older format of torch.save
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
