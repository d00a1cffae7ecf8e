"""Shows pictures in a browser on this machine, by WebRTC."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import web

from core.errors import DeviceError
from core.types import Picture
from live.panel import Panel
from live.web.loop_thread import LoopThread
from live.web.video import Broadcast
from live.web.whep import Whep

START_TIMEOUT_S = 10
STOP_TIMEOUT_S = 2
STALE_NS = 2_000_000_000  # after this long without a picture the page says that none come
RATE_WINDOW_NS = 2_000_000_000  # pictures of this last time give the rate that the page shows
RATE_PICTURES = 500  # at most


class WebRtcSink:
    """A web page with the pictures at `url`, and WHEP for players at `url`whep.

    Has a thread of its own with an event loop, and a second one that encodes; `push` only puts the
    picture in a slot. While nobody watches nothing is encoded.

    size: (width, height) of what is sent, made even; other pictures are resized.
    fps: the rate that bits are reckoned for; the pictures' own times are what is sent.
    host: a loopback address; watching from elsewhere is refused.
    port: 0 takes a free one.
    panel: what the page tells beside the pictures, and may turn; None: nothing.
    Raises DeviceError: host is not this machine's own, or the port is taken or not allowed.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: float,
        host: str = "127.0.0.1",
        port: int = 8770,
        panel: Panel | None = None,
    ) -> None:
        self._socket = listen(host, port)
        address, granted = self._socket.getsockname()[:2]
        self.url = f"http://{address}:{granted}/"
        self.name = f"WebRTC at {self.url}"
        self._size = size
        self._fps = fps
        self._panel = panel or Panel()
        self._address = (address, granted)
        self._times: deque[int] = deque(maxlen=RATE_PICTURES)
        self._last: tuple[int, bool] | None = None  # (when pushed, idle)
        self._broadcast: Broadcast | None = None
        self._closed = False
        self._thread = LoopThread("cleanplate-webrtc", self._serve)
        if not self._thread.wait(START_TIMEOUT_S):
            self.close()
            raise DeviceError(f"the web server at {self.url} did not start in {START_TIMEOUT_S} s: try again")
        self._raise_failure()

    def push(self, picture: Picture) -> None:
        """Hands the picture over; never blocks. DeviceError: the server has stopped."""
        self._raise_failure()
        if self._closed or self._broadcast is None:
            raise DeviceError(f"the web server at {self.url} is closed: open the output again")
        self._times.append(picture.time_ns)
        self._last = (time.monotonic_ns(), picture.idle)
        self._broadcast.push(picture)

    def close(self) -> None:
        """Ends all sessions, the server and its threads, within a second."""
        self._closed = True
        self._thread.stop(STOP_TIMEOUT_S)
        self._socket.close()

    def state(self) -> dict[str, Any]:
        """What the page shows: state (live, paused, idle or waiting), size, rate, pictures encoded, and what
        the panel tells. While waiting the rate is 0."""
        last, times, told = self._last, list(self._times), self._panel.state()
        times = [time_ns for time_ns in times if times[-1] - time_ns <= RATE_WINDOW_NS]
        state = "waiting"
        if last is not None and time.monotonic_ns() - last[0] < STALE_NS:
            state = "live" if not last[1] else "paused" if told["paused"] else "idle"
        span_ns = times[-1] - times[0] if len(times) > 1 else 0
        fps = (len(times) - 1) * 1e9 / span_ns if span_ns > 0 and state != "waiting" else 0.0
        encoded = self._broadcast.encoded if self._broadcast is not None else 0
        return {"state": state, "size": list(self._size), "fps": round(fps, 1), "encoded": encoded} | told

    def _raise_failure(self) -> None:
        failure = self._thread.failure
        if failure is not None:
            raise DeviceError(
                f"the web server at {self.url} stopped: {failure}: open the output again"
            ) from failure

    async def _serve(self, ready: Callable[[], None]) -> None:
        self._broadcast = broadcast = Broadcast(self._size, self._fps, asyncio.get_running_loop())
        whep = Whep(broadcast, *self._address, self.state, self._panel)
        runner = web.AppRunner(whep.app(), access_log=None, shutdown_timeout=0.1)
        try:
            await runner.setup()
            await web.SockSite(runner, self._socket).start()
            ready()
            await broadcast.run()
        finally:
            await whep.close()
            await runner.cleanup()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on one of this machine's own addresses. DeviceError with what to do."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        own = ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        own = False
    if not own:
        raise DeviceError(
            f"WebRTC cannot listen on {host}: only this machine may watch; use 127.0.0.1 or localhost"
        )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A server that has just stopped leaves the port waiting for a minute; this takes it at once.
            # (On Windows the option would take the port of a running one.)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            why = "is taken by another program"
        elif error.errno == errno.EACCES:
            why = "is reserved for the system"
        else:
            why = f"cannot be opened ({error.strerror})"
        raise DeviceError(f"port {port} on {address} {why}: choose another with --port") from error
    return listener
