"""Who has a device open, and who holds its lock: told by other processes that really do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from live import v4l2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is for Linux")

LOCK = "fcntl.flock(file, fcntl.LOCK_EX)"


@contextmanager
def another(path: Path, then: str = "pass") -> Iterator[int]:
    """A process that has the file open, and has done `then` with it; its id."""
    text = f"import fcntl, sys; file = open({str(path)!r}); {then}; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", text]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid


def test_who_has_a_device_open_is_named_also_by_another_path(tmp_path):
    link = tmp_path / "usb-Webcam-video-index0"
    link.symlink_to("/dev/zero")
    with another(Path("/dev/zero")) as pid:
        assert pid in dict(v4l2.holders(link))
        assert pid not in dict(v4l2.holders(Path("/dev/full")))
        assert f"{dict(v4l2.holders(link))[pid]} (process {pid})" in v4l2.by(v4l2.holders(link))


def test_one_has_not_the_device_open_for_oneself(tmp_path):
    with open("/dev/zero") as _:
        assert os.getpid() not in dict(v4l2.holders(Path("/dev/zero")))


def test_who_holds_a_lock_is_named_and_no_one_else():
    # On /dev, like the devices: an overlay file system has other device numbers than its locks.
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        path = Path(file.name)
        with another(path), another(path, LOCK) as pid:
            assert list(dict(v4l2.lockers(path))) == [pid]
        assert v4l2.lockers(path) == []


def test_nothing_is_said_of_nobody():
    assert v4l2.by([], ", used") == ""
    assert v4l2.holders(Path("/dev/video987")) == v4l2.lockers(Path("/dev/video987")) == []


def test_formats_have_a_number_and_a_name():
    assert v4l2.fourcc("YU12") == 0x32315559
    assert v4l2.fourcc_name(v4l2.fourcc("MJPG")) == "MJPG"
