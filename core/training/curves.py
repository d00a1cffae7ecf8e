"""A run's curves and pictures, for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.types import U8


class Curves:
    """Writes what TensorBoard shows into a folder; without a folder it takes everything and keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        """Raises SettingsError where TensorBoard is not installed."""
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise SettingsError(
                "curves are written for TensorBoard, which is not installed: run `pip install tensorboard`, "
                "or train without them (--no-tensorboard)"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def numbers(self, step: int, values: dict[str, float]) -> None:
        """One point on each curve; names as "train/loss"."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, rgb: U8) -> None:
        """rgb: uint8 HxWx3."""
        if self._writer is not None:
            self._writer.add_image(name, rgb, step, dataformats="HWC")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
