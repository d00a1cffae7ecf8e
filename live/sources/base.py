"""What every source promises."""

from __future__ import annotations

from typing import Protocol

from core.types import Frame
from live.media import Clip


class Source(Protocol):
    """Gives frames. One thread calls `read` and `close`.

    name: for people, e.g. "camera /dev/video0 (HD Webcam), 1280x720 MJPG at 30".
    size: (width, height) as granted; fps: as granted, 0 when unknown.
    live: frames come in real time and the newest matters; else every frame matters, in order.
    """

    name: str
    size: tuple[int, int]
    fps: float
    live: bool

    def read(self) -> Frame | None:
        """The next frame; None at the end of a finite source. Blocks for at most one frame time
        and a grace period. Raises DeviceError when a device is gone, MediaError on bad files."""
        ...

    def close(self) -> None:
        """Safe to call twice and after a failed open."""
        ...


class FileSource(Source, Protocol):
    """A finite source from disk, not live; time_ns of its frames is their time in the file.

    clip: what a result keeps of it besides the pixels.
    total: how many frames there are; None when the file does not say.
    """

    clip: Clip
    total: int | None

    def skip(self) -> bool:
        """Passes over a frame without making pixels of it; False at the end. Raises as `read`."""
        ...
