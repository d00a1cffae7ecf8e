"""Which real cameras there are, what they can do, and which one is meant by "auto"."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from core.errors import DeviceError
from live.modes import modes_of

log = logging.getLogger(__name__)

AUTO = "auto"
DEMO = "demo"  # the built-in scene, in place of a camera
BY_ID = Path("/dev/v4l/by-id")  # kept by udev: links named after maker, model and serial number


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as the system lists it. formats: e.g. "MJPG: 640x480 at 30, 1280x720 at 30"."""

    path: str
    label: str
    formats: tuple[str, ...] = ()
    problem: str = ""


def lists_cameras() -> bool:
    """Whether this system says which cameras there are. Elsewhere they have numbers, and no more is known."""
    return sys.platform == "linux"


def list_cameras() -> list[Camera]:
    """Every camera that is no virtual one; those that cannot be opened with the problem. Linux only."""
    if not lists_cameras():
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
    """What "auto" means here: the first usable camera's device, else the demo.

    Where cameras are not listed, the first one's number, whether it is there or not.
    """
    path, problems = _first_usable()
    for problem in problems:
        log.warning("%s", problem)
    return path or DEMO


def real_camera() -> str:
    """What "auto" means where the demo will not do. DeviceError: there is no usable camera now, and why."""
    path, problems = _first_usable()
    if path:
        return path
    raise DeviceError("; ".join(problems) or "there is no camera; plug one in")


def device_path(spec: str) -> str:
    """The device that SRC means on Linux: its number, path or label; "" for a file or the demo.

    "0" is /dev/video0, "HD Webcam" the first camera of that label.
    """
    if spec.isdecimal():
        return f"/dev/video{spec}"
    if spec.startswith("/dev/"):
        return spec
    if spec == DEMO or Path(spec).expanduser().exists():
        return ""
    named = (camera for camera in list_cameras() if camera.label.casefold() == spec.casefold())
    return next((stable_path(camera.path) for camera in named), "")


def stable_path(path: str, links: Path = BY_ID) -> str:
    """The device's name that stays when it is plugged in again elsewhere; `path` where it has none."""
    device = Path(path).resolve()
    for link in sorted(links.glob("*")):
        if link.resolve() == device:
            return str(link)
    return path


def _first_usable() -> tuple[str, list[str]]:
    """The first usable camera's device, "" where there is none, and what is wrong with those before it."""
    if not lists_cameras():
        return "0", []
    problems: list[str] = []
    for camera in list_cameras():
        if not camera.problem:
            return stable_path(camera.path), problems
        problems.append(camera.problem)
    return "", problems


def _formats(path: Path) -> tuple[str, ...]:
    """Formats with their sizes and highest rates; empty where the driver does not list them."""
    sizes: dict[str, list[str]] = {}
    for mode in modes_of(path):
        sizes.setdefault(mode.code, []).append(f"{mode.size[0]}x{mode.size[1]} at {mode.fps:.3g}")
    return tuple(f"{code}: {', '.join(each)}" for code, each in sizes.items())


def _sysfs_name(entry: Path) -> str:
    try:
        return (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return entry.name
