"""Sends pictures to a media server, by WHIP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.errors import DeviceError
from core.types import Picture
from live.web.endpoint import parsed_endpoint
from live.web.loop_thread import LoopThread
from live.web.signalling import ANSWER_TIMEOUT_S
from live.web.video import Broadcast
from live.web.whip import CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S, Whip

START_TIMEOUT_S = ANSWER_TIMEOUT_S + CONNECT_TIMEOUT_S + CLOSE_TIMEOUT_S + 5  # only if it hangs
STOP_TIMEOUT_S = 1
KEYFRAME_S = 2.0  # some servers do not ask for those that new viewers, recordings and HLS need


class WhipSink:
    """A stream to the WHIP endpoint at an address, once it is connected.

    Has a thread of its own with an event loop, and a second one that encodes; `push` only puts the
    picture in a slot.

    url: of the endpoint, https or http.
    size: (width, height) of what is sent, made even; other pictures are resized.
    fps: the rate that bits are reckoned for; the pictures' own times are what is sent.
    token: sent to this server alone. mbps: the most that is sent, in megabits a second.
    Raises SettingsError: the address is none. DeviceError: the server refuses, or cannot be reached, in
    half a minute; from `push`: the connection is lost.
    """

    def __init__(
        self, url: str, size: tuple[int, int], fps: float, *, token: str = "", mbps: float = 2.5
    ) -> None:
        self._endpoint = parsed_endpoint(url, token)
        self.name = f"WHIP to {self._endpoint}"
        self._size = size
        self._fps = fps
        self._rate = round(mbps * 1e6)
        self._broadcast: Broadcast | None = None
        self._closed = False
        self._thread = LoopThread("cleanplate-whip", self._serve)
        try:
            if not self._thread.wait(START_TIMEOUT_S):
                raise DeviceError(f"{self._endpoint} did not start in {START_TIMEOUT_S:g} s: try again")
            self._raise_failure()
        except BaseException:  # also of whoever does not want to wait
            self.close()
            raise

    @property
    def encoded(self) -> int:
        """Pictures encoded so far."""
        return self._broadcast.encoded if self._broadcast is not None else 0

    def push(self, picture: Picture) -> None:
        """Hands the picture over; never blocks. DeviceError: the connection is lost."""
        self._raise_failure()
        if self._closed or self._broadcast is None:
            raise DeviceError(f"the stream to {self._endpoint} is closed: open the output again")
        self._broadcast.push(picture)

    def close(self) -> None:
        """Ends the session and the threads, within a second."""
        self._closed = True
        self._thread.stop(STOP_TIMEOUT_S)

    def _raise_failure(self) -> None:
        failure = self._thread.failure
        if isinstance(failure, DeviceError):
            raise failure
        if failure is not None:
            raise DeviceError(f"the stream to {self._endpoint} stopped: {failure}") from failure

    async def _serve(self, ready: Callable[[], None]) -> None:
        keyframe_every = max(1, round(KEYFRAME_S * self._fps))
        loop = asyncio.get_running_loop()
        broadcast = Broadcast(self._size, self._fps, loop, rate=self._rate, keyframe_every=keyframe_every)
        whip = Whip(self._endpoint, broadcast)
        tasks: set[asyncio.Task[None]] = set()
        try:
            await whip.connect()
            self._broadcast = broadcast
            ready()
            encoding, losing = asyncio.create_task(broadcast.run()), asyncio.create_task(whip.lost())
            tasks |= {encoding, losing}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if encoding.done():
                encoding.result()
            raise DeviceError(f"the connection to {self._endpoint} is lost")
        finally:
            for task in tasks:
                task.cancel()
            await whip.close()
