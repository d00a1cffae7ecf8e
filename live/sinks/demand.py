"""Whether anybody reads a virtual camera: the camera's light is on for them alone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import time
from pathlib import Path

from linuxpy.video import raw

from live.sinks.loopback import open_node, tells_of_readers
from live.v4l2 import holders

LOOK_AGAIN_S = 0.5  # looking through /proc costs some 10 ms; with opening the camera it is a second


class Demand:
    """Readers of one loopback node. One thread calls everything.

    by_event: the driver tells when a program starts or stops streaming (0.13.0 and later). Where it
    does not, a program counts from when it opens the node, seen within half a second, and only one of the
    same user: those of others cannot be seen.
    Raises DeviceError when the node cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._readers = 0
        self._looked = -LOOK_AGAIN_S
        self._fd = open_node(path)
        self.by_event = tells_of_readers(self._fd)

    def watched(self) -> bool:
        """Whether somebody reads now. Does not block."""
        if self.by_event:
            self._take_events()
        elif time.monotonic() - self._looked >= LOOK_AGAIN_S:
            self._readers = len(holders(Path(self._path)))
            self._looked = time.monotonic()
        return self._readers > 0

    def wait(self, timeout_ms: int) -> bool:
        """Waits for a change, at most timeout_ms; whether somebody reads then."""
        if self.by_event:
            poll = select.poll()
            poll.register(self._fd, select.POLLPRI)
            if any(not event & select.POLLPRI for _, event in poll.poll(timeout_ms)):
                time.sleep(timeout_ms / 1000)  # the node is gone, which would be told again at once
        else:
            time.sleep(min(timeout_ms / 1000, LOOK_AGAIN_S))
        return self.watched()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take_events(self) -> None:
        while True:
            event = raw.v4l2_event()
            try:
                fcntl.ioctl(self._fd, raw.IOC.DQEVENT, event)
            except OSError:
                return  # ENOENT: no more
            count = ctypes.c_uint32.from_buffer(event.u)  # struct v4l2_event_client_usage
            self._readers = int(count.value)
