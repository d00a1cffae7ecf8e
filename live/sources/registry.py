"""From a SRC on the command line to a source."""

from __future__ import annotations

import sys
from pathlib import Path

from core.errors import DeviceError, MediaError
from live.sources.base import Source

DEMO = "demo"


def open_source(
    spec: str, size: tuple[int, int] | None = None, fps: float | None = None, *, paced: bool = True
) -> Source:
    """Opens what SRC names: `demo`, a camera's index or device path, a video, a picture, a folder.

    Args:
        size: (width, height) to ask a camera or the demo for; None leaves the choice to them.
            Files keep their own.
        fps: likewise the rate; a folder of pictures, which has none, is played at it (30 by default).
        paced: files are played no faster than their own rate (live); False: as fast as they are taken.
    Raises:
        DeviceError: no such camera, busy, not allowed. MediaError: no such file, or not readable.
    """
    if spec == DEMO:
        from live.sources.demo import DemoSource

        return DemoSource(size, fps)
    path = Path(spec).expanduser()
    if _is_camera(spec, path):
        from live.sources.camera import CameraSource

        return CameraSource(int(spec) if spec.isdecimal() else spec, size, fps)
    if path.is_dir():
        from live.sources.folder import FolderSource

        return FolderSource.of_folder(path, fps, paced=paced)
    if not path.exists():
        raise MediaError(
            f"no source {spec!r}: it is no file or folder here; a camera is named by its index (0) or "
            f"device path (/dev/video0), the built-in scene by {DEMO!r}"
        )
    from live.media import is_picture

    if is_picture(path):
        from live.sources.folder import FolderSource

        return FolderSource([path], str(path), fps, paced=paced)
    from live.sources.video import VideoSource

    return VideoSource(path, paced=paced)


def _is_camera(spec: str, path: Path) -> bool:
    if spec.isdecimal():
        return True
    if spec.startswith("/dev/") and not path.exists():
        raise DeviceError(f"no camera {spec}: the device does not exist; `cleanplate devices` lists those there are")
    return path.is_char_device() and sys.platform == "linux"
