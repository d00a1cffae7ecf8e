"""Video devices: what they are, who has them open, and how they are opened. Linux only."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from linuxpy.video import raw

from live.loopback_setup import JOIN_COMMAND

LOOPBACK = "v4l2 loopback"  # driver name of v4l2loopback
JOIN = f"join the group video ({JOIN_COMMAND}) and log in anew"


@dataclass(frozen=True, slots=True)
class Node:
    """A video device. captures: it gives pictures now; outputs: it takes pictures now."""

    path: Path
    driver: str
    card: str
    captures: bool
    outputs: bool

    @property
    def loopback(self) -> bool:
        return self.driver == LOOPBACK


def query(path: Path) -> Node:
    """What the device is.

    Raises:
        OSError: it does not exist, may not be opened, or is no video device.
    """
    answer = raw.v4l2_capability()
    with opened(path) as fd:
        fcntl.ioctl(fd, raw.IOC.QUERYCAP, answer)
    every, own = answer.capabilities, answer.device_caps  # of the whole device, of this node
    caps = own if every & raw.Capability.DEVICE_CAPS else every
    captures, outputs = caps & raw.Capability.VIDEO_CAPTURE, caps & raw.Capability.VIDEO_OUTPUT
    return Node(path, _text(answer.driver), _text(answer.card), bool(captures), bool(outputs))


def nodes() -> list[Node]:
    """All video devices that may be opened, by number."""
    found = []
    for path in sorted(Path("/dev").glob("video*"), key=_number):
        try:
            found.append(query(path))
        except OSError:  # a metadata node, or not ours to open; who names it gets the reason
            continue
    return found


def is_busy(path: Path) -> bool:
    """Whether another program has the camera run: then not even its present format can be set.

    Raises: OSError as `query`.
    """
    now = raw.v4l2_format()
    now.type = raw.BufType.VIDEO_CAPTURE
    with opened(path) as fd:
        try:
            fcntl.ioctl(fd, raw.IOC.G_FMT, now)
            fcntl.ioctl(fd, raw.IOC.S_FMT, now)
        except OSError as error:
            return error.errno == errno.EBUSY
    return False


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A file descriptor of the device, not blocking. OSError as `query`."""
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def holders(path: Path) -> list[tuple[int, str]]:
    """Other processes that have the device open: (process id, name). Those of other users are not seen."""
    try:
        wanted = path.stat().st_rdev
    except OSError:
        return []
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            if any(fd.stat().st_rdev == wanted for fd in _open_devices(process)):
                found.append((int(process.name), _name(process)))
        except OSError:
            continue  # ended meanwhile, or another user's
    return sorted(found)


def lockers(path: Path) -> list[tuple[int, str]]:
    """Other processes that hold a lock (flock) on the file: (process id, name), of all users."""
    try:
        file = path.stat()
        lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    wanted = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    found = []
    for line in lines:
        words = line.split()  # 1: FLOCK ADVISORY WRITE 1234 00:06:431 0 EOF; "1: ->" is one that waits
        if len(words) < 6 or words[1] != "FLOCK" or words[5] != wanted or int(words[4]) == os.getpid():
            continue
        process = Path("/proc") / words[4]
        try:
            found.append((int(words[4]), _name(process)))
        except OSError:  # of another container, or it has just ended
            continue
    return found


def by(processes: list[tuple[int, str]], words: str = "") -> str:
    """`words` and " by NAME (process N)", to go on a sentence with; nothing where none is known."""
    named = ", ".join(f"{name} (process {pid})" for pid, name in processes)
    return f"{words} by {named}" if named else ""


def fourcc(name: str) -> int:
    """The number of a four-letter format: "YU12" to 0x32315559."""
    return int.from_bytes(name.encode("ascii"), "little")


def fourcc_name(number: int) -> str:
    return int(number).to_bytes(4, "little").decode("latin1")


def _open_devices(process: Path) -> Iterator[Path]:
    for fd in (process / "fd").iterdir():
        if os.readlink(fd).startswith("/dev/"):
            yield fd


def _name(process: Path) -> str:
    return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()


def _number(path: Path) -> int:
    digits = re.search(r"\d+$", path.name)
    return int(digits.group()) if digits else -1


def _text(raw_bytes: bytes) -> str:
    return raw_bytes.split(b"\0", 1)[0].decode(errors="replace")
