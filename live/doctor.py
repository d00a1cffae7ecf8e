"""What would stop cleanplate on this machine, and what mends it."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from core.errors import CleanplateError, DeviceError, PlateError
from live.cameras import Camera, list_cameras, lists_cameras
from live.loopback_setup import (
    APPLY_RULES,
    INSTALL,
    JOIN_VIDEO,
    LOAD,
    LOAD_FILE,
    OPTIONS_FILE,
    RELOAD,
    RULE_FILE,
)

REINSTALL = "make setup"
LEAST_FREE_BYTES = 500_000_000  # a plate has 5 MB; a disk as full as this fails elsewhere first
LEAST_MEMORY_BYTES = 1_000_000_000  # twice what a run at 1280x720 needs

MODULES = ("numpy", "cv2", "av", "openvino", "aiortc", "safetensors")
KEEP = (OPTIONS_FILE.command, LOAD_FILE.command)  # what the next start of the system needs, too


class Verdict(str, Enum):
    GOOD = "good"
    NOTE = "note"  # something is not available; the rest works
    BAD = "bad"  # cleanplate does not run


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. fix: the lines that mend it, ready to be copied."""

    verdict: Verdict
    what: str
    sentence: str
    fix: tuple[str, ...] = ()


def write_and_read_back(path: str) -> str:
    """What the self-test of a virtual camera says. DeviceError: why it fails."""
    from live.sinks.selftest import read_back

    return str(read_back(path))


def open_first_camera() -> str:
    """DeviceError: why it fails."""
    from live.sources.camera import CameraSource

    source = CameraSource(0)
    source.close()
    return source.name


def open_camera_of_obs() -> str:
    """DeviceError: why it fails."""
    from live.sinks.virtualcam import VirtualCameraSink

    sink = VirtualCameraSink((1280, 720), 30)
    sink.close()
    return sink.name.removeprefix("virtual camera ")


@dataclass(frozen=True, slots=True)
class Machine:
    """What is looked at; tests give another root.

    cameras: lists the real cameras. import_module: imports by name. read_back: tries a virtual camera.
    first_camera, camera_of_obs: what was opened, in words, on systems that list neither.
    """

    root: Path = Path("/")
    cameras: Callable[[], list[Camera]] = list_cameras
    import_module: Callable[[str], object] = importlib.import_module
    read_back: Callable[[str], str] = write_and_read_back
    first_camera: Callable[[], str] = open_first_camera
    camera_of_obs: Callable[[], str] = open_camera_of_obs

    def read(self, path: str) -> str | None:
        """A small text file below the root; None where there is none."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None


def examine(machine: Machine, data_folder: Path) -> list[Check]:
    """Everything, in the order of mending; without its packages nothing else is tried."""
    packages = check_python(machine)
    if any(check.verdict is Verdict.BAD for check in packages):
        return packages
    return [
        *packages,
        *check_network(),
        *check_cameras(machine),
        *check_loopback(machine),
        *check_window(),
        *check_gpu(machine),
        *check_memory(machine),
        *check_data(data_folder),
    ]


def check_python(machine: Machine) -> list[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    checks = [Check(Verdict.GOOD, "python", f"Python {version}")]
    for name in MODULES:
        try:
            machine.import_module(name)
        except ImportError as error:
            # The set-up also mends an OpenCV that lacks libraries of the desktop.
            checks.append(Check(Verdict.BAD, name, f"{name} cannot be imported: {error}", (REINSTALL,)))
    return checks


def check_network() -> list[Check]:
    """Loads the bundled network, which also says what it runs on."""
    from core.render.build import build_platenet

    try:
        _, runs_on = build_platenet()
    except CleanplateError as error:
        return [Check(Verdict.BAD, "network", str(error), (REINSTALL,))]
    return [Check(Verdict.GOOD, "network", f"platenet, {runs_on}")]


def check_cameras(machine: Machine) -> list[Check]:
    if not lists_cameras():
        return [_opened("camera", machine.first_camera, "; the built-in demo plays instead")]
    cameras = machine.cameras()
    if not cameras:
        return [
            Check(
                Verdict.NOTE,
                "camera",
                "there is no camera; the built-in demo plays instead (in a container or virtual machine a "
                "camera must be passed in, e.g. docker run --device /dev/video0)",
            )
        ]
    checks = []
    for camera in cameras:
        if not camera.problem:
            checks.append(Check(Verdict.GOOD, "camera", f"{camera.path} ({camera.label})"))
        elif "permission" in camera.problem:
            checks.append(Check(Verdict.BAD, "camera", camera.problem, (JOIN_VIDEO,)))
        else:
            checks.append(Check(Verdict.NOTE, "camera", camera.problem))
    return checks


def check_loopback(machine: Machine) -> list[Check]:
    """v4l2loopback: loaded, sound version, options, and nodes that may be written to. Elsewhere OBS's."""
    what = "virtual camera"
    if sys.platform != "linux":
        return [_opened(what, machine.camera_of_obs, "; the page in the browser works without")]
    if not (machine.root / "sys/module/v4l2loopback").is_dir():
        fix = [INSTALL, LOAD, *KEEP]
        words = "v4l2loopback is not loaded, so Zoom and OBS see no cleanplate camera"
        if _secure_boot(machine):
            words += "; Secure Boot is on: the module must be signed with a key of yours (MOK) to load"
            fix.insert(1, "sudo mokutil --import /var/lib/dkms/mok.pub   # then restart and enrol it")
        return [Check(Verdict.NOTE, what, words, tuple(fix))]
    checks = []
    version = machine.read("sys/module/v4l2loopback/version") or "of a version that it does not say"
    if version.startswith("0.12.") and version.removeprefix("0.12.") in ("5", "6", "7"):
        checks.append(
            Check(
                Verdict.NOTE,
                what,
                f"v4l2loopback {version} forgets what it is after each use with exclusive_caps=1; cleanplate "
                "revives it, other writers (OBS) do not; and seldom it brings the kernel down (its issue "
                "532): 0.13 or newer is better",
            )
        )
    exclusive = machine.read("sys/module/v4l2loopback/parameters/exclusive_caps") or ""
    nodes = _loopback_nodes(machine)
    if not nodes:
        checks.append(Check(Verdict.NOTE, what, "v4l2loopback has made no device", (RELOAD,)))
    if nodes and exclusive.split(",")[0] != "Y":
        checks.append(
            Check(
                Verdict.NOTE,
                what,
                "exclusive_caps is off: Chrome, Zoom and Teams will not list the camera",
                (RELOAD, *KEEP),
            )
        )
    for device, label in nodes:
        if os.access(machine.root / "dev" / device, os.R_OK | os.W_OK):
            checks.append(_tried(machine, device, f"/dev/{device} ({label}), v4l2loopback {version}"))
        else:
            words = f"no permission to write to /dev/{device} ({label})"
            checks.append(Check(Verdict.NOTE, what, words, (JOIN_VIDEO, RULE_FILE.command, APPLY_RULES)))
    return checks


def check_window() -> list[Check]:
    from live.sinks.window import why_no_window

    why = why_no_window()
    if why is None:
        return [Check(Verdict.GOOD, "window", "the preview window can be opened")]
    return [Check(Verdict.NOTE, "window", why)]


def check_gpu(machine: Machine) -> list[Check]:
    if not (machine.root / "dev/nvidiactl").exists():
        return [Check(Verdict.GOOD, "gpu", "no NVIDIA GPU; the network runs on the CPU")]
    try:
        import torch
    except ImportError as error:
        return [
            Check(Verdict.NOTE, "gpu", f"a GPU is there, but torch cannot be imported: {error}", (REINSTALL,))
        ]
    if torch.cuda.is_available():
        return [Check(Verdict.GOOD, "gpu", f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}")]
    words = (
        f"a GPU is there, but torch {torch.__version__} cannot use it (a build for the CPU, or an old driver)"
    )
    fix = (
        "nvidia-smi   # shows the driver",
        ".venv/bin/pip install --force-reinstall --no-deps torch==2.13.0",
    )
    return [Check(Verdict.NOTE, "gpu", words, fix)]


def check_memory(machine: Machine) -> list[Check]:
    for line in (machine.read("proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
            words = f"{free / 1e9:.1f} GB of memory are free"
            if free >= LEAST_MEMORY_BYTES:
                return [Check(Verdict.GOOD, "memory", words)]
            return [Check(Verdict.NOTE, "memory", f"{words}; at least 1 GB is advised: close something")]
    return []


def check_data(folder: Path) -> list[Check]:
    """The folder that holds the plates: it can be written to, and every plate in it can be read."""
    from core.plate import list_plates

    first = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(first, os.W_OK):
        words = f"plates cannot be kept: {first} may not be written to"
        return [Check(Verdict.NOTE, "plates", words, (f"sudo chown $USER {first}",))]
    checks = []
    if shutil.disk_usage(first).free < LEAST_FREE_BYTES:
        checks.append(Check(Verdict.NOTE, "plates", f"the disk of {first} is nearly full"))
    plates = list_plates(folder)
    problems = [plate.problem or _unreadable(plate.folder) for plate in plates]
    broken = [Check(Verdict.NOTE, "plates", problem) for problem in problems if problem]
    usable = len(plates) - len(broken)
    words = (
        f"{usable} in {folder}"
        if usable
        else "none yet; photograph your empty room: cleanplate plate record desk"
    )
    return [*checks, *broken, Check(Verdict.GOOD, "plates", words)]


def _unreadable(plate: Path) -> str:
    """Why the plate in this folder cannot be loaded, pictures and all; "" when it can."""
    from core.plate import load_plate

    try:
        load_plate(plate)
    except PlateError as error:
        return str(error)
    return ""


def _opened(what: str, opens: Callable[[], str], without: str) -> Check:
    try:
        return Check(Verdict.GOOD, what, opens())
    except DeviceError as error:
        return Check(Verdict.NOTE, what, f"{error}{without}")


def _tried(machine: Machine, device: str, words: str) -> Check:
    """A picture is written to the virtual camera and read back, as a meeting would."""
    try:
        return Check(Verdict.GOOD, "virtual camera", f"{words}: {machine.read_back(f'/dev/{device}')}")
    except DeviceError as error:
        return Check(Verdict.NOTE, "virtual camera", str(error))


def _loopback_nodes(machine: Machine) -> list[tuple[str, str]]:
    """(device, label) of each loopback device: they are the ones without a parent on a bus."""
    found = []
    for entry in sorted((machine.root / "sys/devices/virtual/video4linux").glob("video*")):
        found.append((entry.name, machine.read(str(entry.relative_to(machine.root) / "name")) or entry.name))
    return found


def _secure_boot(machine: Machine) -> bool:
    for variable in (machine.root / "sys/firmware/efi/efivars").glob("SecureBoot-*"):
        try:
            return variable.read_bytes()[4:5] == b"\x01"  # four bytes of attributes come first
        except OSError:
            return False
    return False
