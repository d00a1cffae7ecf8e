"""From a SRC on the command line to a source."""

from __future__ import annotations

import sys
from pathlib import Path

from core.errors import DeviceError, MediaError
from live.cameras import DEMO, device_path, lists_cameras
from live.media import is_picture
from live.sources.base import FileSource, Source


def open_source(spec: str, size: tuple[int, int] | None = None, fps: float | None = None) -> Source:
    """Opens what SRC names: `demo`, a camera's index, device path or label, a video, a picture, a folder.

    Files come as fast as they are read; ThreadedSource(pace=True) holds them to their own rate.
    Args:
        size: (width, height) to ask a camera or the demo for; None leaves the choice to them.
            Files keep their own.
        fps: likewise the rate; a folder of pictures, which has none, gets it (30 by default).
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
    if not path.exists():
        from live.sources.camera import CameraSource

        labelled = device_path(spec)
        if labelled:
            return CameraSource(labelled, size, fps)
        more = ", its device path, /dev/video0, or its label" if lists_cameras() else ""
        raise MediaError(
            f"no source {spec!r}: there is no file or folder of this name (a camera is named by its index, "
            f"0{more}; the built-in scene is {DEMO!r})"
        )
    return open_file(path, fps)


def open_file(path: Path, fps: float | None = None) -> FileSource:
    """Opens a video, a picture or a folder of pictures.

    Raises:
        MediaError: there is nothing of this name, or it cannot be read.
    """
    from live.sources.folder import FolderSource
    from live.sources.video import VideoSource

    refuse_missing(path)
    if path.is_dir():
        return FolderSource.of_folder(path, fps)
    if is_picture(path):
        return FolderSource([path], str(path), fps)
    return VideoSource(path)


def refuse_missing(path: Path) -> None:
    """Raises MediaError where open_file would since there is nothing of this name."""
    if not path.exists():
        raise MediaError(
            f"there is no file or folder {str(path)!r}: give a video, a picture or a folder of pictures"
        )


def _is_camera(spec: str, path: Path) -> bool:
    if spec.isdecimal():
        return True
    if spec.startswith("/dev/") and not path.exists():
        raise DeviceError(
            f"no camera {spec}: the device does not exist; `cleanplate devices` lists those there are"
        )
    return sys.platform == "linux" and path.is_char_device()
