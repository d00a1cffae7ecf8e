"""What every sink promises."""

from __future__ import annotations

from typing import Protocol

from core.types import Picture


class Sink(Protocol):
    """Takes pictures. One thread calls `push` and `close`; `push` may block for one frame time.

    name: for people, e.g. "virtual camera /dev/video10, 1280x720 I420".
    """

    name: str

    def push(self, picture: Picture) -> None:
        """Shows, sends or writes one picture. DeviceError: the device is gone (retry later);
        MediaError: nothing more can be written."""
        ...

    def close(self) -> None:
        """Finishes what was written. Safe to call twice."""
        ...
