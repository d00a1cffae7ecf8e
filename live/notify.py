"""Tells systemd that we are ready and alive: datagrams to the socket that it names. See sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

from core.types import Frame
from live.sources.base import Source

log = logging.getLogger(__name__)


class Notifier:
    """Speaks to the service manager. One thread calls everything; nothing blocks and nothing raises.

    address: of an AF_UNIX datagram socket; a leading "@" is the abstract namespace.
    watchdog_ns: without a sign of life for this long we are restarted; 0: it does not watch.
    """

    def __init__(
        self, address: str, watchdog_ns: int = 0, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period_ns = watchdog_ns // 3  # two may be lost
        self._clock_ns = clock_ns
        self._next_ns: int | None = None
        self._failed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str], process: int | None = None) -> Notifier | None:
        """The one that the service manager asks for; None when it asks for none, as on a terminal.

        process: our id. A watchdog meant for another process is not ours to feed.
        """
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        ours = environ.get("WATCHDOG_PID", "") in ("", str(process or os.getpid()))
        microseconds = environ.get("WATCHDOG_USEC", "")
        watched = ours and microseconds.isdecimal()
        return cls(address, int(microseconds) * 1000 if watched else 0)

    def beat(self) -> None:
        """We are at work: the first call says ready, the others, as seldom as will do, alive."""
        now_ns = self._clock_ns()
        if self._next_ns is None:
            self._send(b"READY=1")
        elif not self._period_ns or now_ns < self._next_ns:
            return
        else:
            self._send(b"WATCHDOG=1")
        self._next_ns = now_ns + self._period_ns

    def close(self) -> None:
        """We stop now, on purpose. Safe to call twice."""
        if self._socket.fileno() >= 0:
            self._send(b"STOPPING=1")
            self._socket.close()

    def _send(self, words: bytes) -> None:
        try:
            self._socket.sendto(words, self._address)
        except OSError as error:
            if not self._failed:
                log.warning("the service manager cannot be told that we are alive: %s", error.strerror)
            self._failed = True


class BeatingSource:
    """A source that gives a sign of life at each read: no loop, no sign, whatever the other threads do."""

    def __init__(self, source: Source, notifier: Notifier) -> None:
        self.name, self.size, self.fps, self.live = source.name, source.size, source.fps, source.live
        self._source, self._notifier = source, notifier

    def read(self) -> Frame | None:
        self._notifier.beat()
        return self._source.read()

    def close(self) -> None:
        self._source.close()
