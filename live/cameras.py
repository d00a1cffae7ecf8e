"""Which real cameras there are, what they can do, and which one is meant by "auto"."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from live.sources.registry import DEMO

log = logging.getLogger(__name__)

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as the system lists it. formats: e.g. "MJPEG: 640x480 at 30, 1280x720 at 30"."""

    path: str
    label: str
    formats: tuple[str, ...] = ()
    problem: str = ""


def list_cameras() -> list[Camera]:
    """Every camera that is no virtual one; those that cannot be opened with the problem. Linux only."""
    if sys.platform != "linux":
        return []
    from live import v4l2

    found = []
    for entry in sorted(Path("/sys/class/video4linux").glob("video*"), key=lambda p: int(p.name[5:])):
        path = Path("/dev") / entry.name
        try:
            node = v4l2.query(path)
        except PermissionError:
            problem = f"no permission for {path} (join the group video)"
            found.append(Camera(str(path), _sysfs_name(entry), problem=problem))
            continue
        except OSError as error:
            problem = f"{path} cannot be opened: {error.strerror}"
            found.append(Camera(str(path), _sysfs_name(entry), problem=problem))
            continue
        if node.captures and not node.loopback:
            found.append(Camera(str(path), node.card, _formats(path)))
    return found


def default_camera() -> str:
    """What "auto" means here: the first usable camera's device, else the demo."""
    if sys.platform != "linux":
        return "0"
    for camera in list_cameras():
        if not camera.problem:
            return camera.path
        log.warning("%s", camera.problem)
    return DEMO


def device_path(spec: str) -> str:
    """The device that SRC means on Linux: "0" is /dev/video0; "" for a file or the demo."""
    if spec.isdecimal():
        return f"/dev/video{spec}"
    return spec if spec.startswith("/dev/") else ""


def _formats(path: Path) -> tuple[str, ...]:
    """Formats with their sizes and highest rates; empty where the driver does not list them."""
    from linuxpy.video.device import (
        BufferType,
        Device,
        iter_read_formats,
        iter_read_pixel_formats_frame_intervals,
    )

    with Device(path) as device:
        # Not device.info.formats: linuxpy 0.25 fails there for nodes that also have VBI formats.
        formats = [fmt.pixel_format for fmt in iter_read_formats(device, BufferType.VIDEO_CAPTURE)]
        rates: dict[str, dict[tuple[int, int], float]] = {}
        for kind in iter_read_pixel_formats_frame_intervals(device, formats):
            sizes = rates.setdefault(kind.pixel_format.name, {})
            size = (kind.width, kind.height)
            # linuxpy swaps the two ends of a stepwise range.
            sizes[size] = max(sizes.get(size, 0.0), float(kind.min_fps), float(kind.max_fps))
    return tuple(
        f"{name}: " + ", ".join(f"{width}x{height} at {fps:.3g}" for (width, height), fps in sizes.items())
        for name, sizes in rates.items()
    )


def _sysfs_name(entry: Path) -> str:
    try:
        return (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return entry.name
