"""One protocol for platenet, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from core.types import U8

_BUNDLED = Path(__file__).resolve().parent.parent / "weights"
WEIGHTS, REFINER = _BUNDLED / "platenet.safetensors", _BUNDLED / "refiner.safetensors"
BN_EPSILON = 1e-5  # of torch.nn.BatchNorm2d


def way_out(weights: Path) -> str:
    """What to do about a file of weights that cannot be used: the end of an error's sentence."""
    if weights.parent == _BUNDLED:
        return "install cleanplate again"
    return "take weights that `cleanplate train` wrote with this version, or leave --model away"


class PlateNetRuntime(Protocol):
    """Runs platenet at one working size.

    name: runtime and device in words, e.g. "OpenVINO on the CPU, bf16, 2 threads".
    """

    name: str

    def show(self, frame: U8, plate: U8, coverage: U8) -> None:
        """What is to be looked at; of what is shown before `begin` the last counts.

        Args:
            frame, plate: RGB uint8 HxWx3 at the working size; plate is 0 where not covered.
            coverage: uint8 HxW, as in PlateNet.forward times 255.
                When the same objects come again as plate and coverage, they have not been written to.
        """
        ...

    def begin(self, prior: U8) -> tuple[U8, Callable[[], U8]]:
        """A rough alpha, uint8 of any size, and what gives alpha at the working size, uint8 HxW.

        The latter is called at most once, on any one thread, also while the next picture is begun; what
        it gives is written over by the next.

        prior: uint8 HxW, as in PlateNet.forward times 255.
        """
        ...

    def alpha(self, frame: U8, plate: U8, coverage: U8, prior: U8) -> U8:
        """All at once."""
        self.show(frame, plate, coverage)
        return self.begin(prior)[1]()


# The refiner's input (core/nets/refiner.py, which needs torch; a test compares the two)
CHANNELS = 11
TILE = 24  # px of alpha that a tile delivers; smaller ones waste less on what is no edge, but have more halo
HALO = 4  # px seen on every side of it; 8 were 0.3 % better and a third slower
SEEN = TILE + 2 * HALO
BATCH = 16  # tiles a call: a fixed shape, since a new one costs OpenVINO tens of milliseconds
