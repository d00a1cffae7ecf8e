"""A small media server that takes a stream by WHIP, on 127.0.0.1 and a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from live.web.loop_thread import LoopThread
from live.web.transport import gather_here

SDP = "application/sdp"
PATIENCE_S = 30

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asked:
    """One request as it came."""

    def __init__(self, request: web.Request, body: str) -> None:
        self.method, self.path = request.method, request.path_qs
        self.headers = dict(request.headers)
        self.body = body


class WhipServer:
    """`with WhipServer() as server`: answers at `url`, and keeps what was asked and the frames that came.

    handle: takes a POST instead; DELETE is always taken, at any path.
    codec: the only one that is answered with. location: of the session.
    port: 0 takes a free one.
    deleting: called on DELETE before it is answered. tls: of a server by https.
    """

    def __init__(
        self,
        handle: Handler | None = None,
        *,
        codec: str | None = None,
        location: str = "/session/1",
        port: int = 0,
        deleting: Callable[[], Awaitable[None]] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.asked: list[Asked] = []
        self.frames: list[Any] = []
        self.pcs: list[RTCPeerConnection] = []
        self._came = threading.Condition()
        self._handle = handle or self.publish
        self._codec = codec
        self._location = location
        self._deleting = deleting
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._tls = tls
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/live/whip"

    def __enter__(self) -> WhipServer:
        self._thread = LoopThread("whip-server", self._serve)
        assert self._thread.wait(PATIENCE_S)
        assert self._thread.failure is None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.stop(PATIENCE_S)
        self._socket.close()

    def requests(self, method: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == method]

    def wait(self, condition: Callable[[], Any]) -> None:
        """Until the condition holds, which what is asked and what comes may change."""
        with self._came:
            assert self._came.wait_for(condition, PATIENCE_S)

    def wait_for_frames(self, count: int) -> list[Any]:
        """The next frames, so many."""
        before = len(self.frames)
        self.wait(lambda: len(self.frames) >= before + count)
        return self.frames[before:]

    async def publish(self, request: web.Request, role: str = "auto") -> web.StreamResponse:
        """Takes the stream. role: in DTLS, "server" for one that waits; "auto" begins."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pcs.append(pc)
        pc.on("track", lambda track: asyncio.ensure_future(self._take(track)))
        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        (transceiver,) = pc.getTransceivers()
        if self._codec is not None:
            known = transceiver.receiver.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in known if c.mimeType == self._codec])
            await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        transceiver.receiver.transport._set_role(role)
        gather_here("127.0.0.1", transceiver.receiver.transport, strict=True)
        await pc.setLocalDescription(await pc.createAnswer())
        extension = '<https://server.example/x>; rel="urn:ietf:params:whip:ext:x"'
        headers = {"Location": self._location, "ETag": '"1"', "Link": extension}
        return web.Response(status=201, text=pc.localDescription.sdp, content_type=SDP, headers=headers)

    async def _serve(self, ready: Callable[[], None]) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take_request)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        try:
            await runner.setup()
            await web.SockSite(runner, self._socket, ssl_context=self._tls).start()
            ready()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
            for pc in self.pcs:
                await pc.close()

    async def _take_request(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request, await request.text())
        with self._came:
            self.asked.append(asked)
            self._came.notify_all()
        if request.method == "POST":
            return await self._handle(request)
        if self._deleting is not None:
            await self._deleting()
        return web.Response()

    async def _take(self, track: Any) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                with self._came:
                    self.frames.append(frame)
                    self._came.notify_all()


def answering(status: int, text: str = "", **headers: str) -> Handler:
    """A server that says this to every offer; in names of headers _ stands for -."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=text.encode(), headers=named)

    return answer
