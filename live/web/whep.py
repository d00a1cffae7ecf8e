"""Watching in a browser or player: WHEP (draft-ietf-wish-whep) for viewers on this machine.

`POST /whep` takes a viewer's SDP offer and answers it; `DELETE` on the session's address ends it.
`GET /` is the page, `GET /state` what the page says below the picture. Only this machine's own
programs and this page may ask: Host and Origin are checked, so that no other web page can watch.
What the page turns is in `live.web.control`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from live.panel import Panel
from live.web.control import Control
from live.web.requests import text_of
from live.web.sending import add_video, agreed_codec
from live.web.transport import gather_here, send_in_bursts
from live.web.video import Broadcast, PacketTrack

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "index.html"
HTTP_PORT = 80  # which browsers leave out
MAX_VIEWERS = 16
LARGEST_OFFER = 65_536  # bytes; Chromium's are about 7 kB
CONNECT_TIMEOUT_S = 15
CLOSE_TIMEOUT_S = 0.5
SDP = "application/sdp"
ALLOWED = "OPTIONS, GET, HEAD, POST, DELETE"
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src 'self' data:; media-src blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Viewer:
    """One peer connection and its track."""

    def __init__(self, pc: RTCPeerConnection, track: PacketTrack) -> None:
        self.pc = pc
        self.track = track
        self.timeout: asyncio.TimerHandle | None = None


class Whep:
    """The web server's handlers and the viewers. Everything runs on one event loop.

    host, port: where the server listens; host is a loopback address.
    state: gives what `GET /state` says; must be quick.
    panel: what the page may turn, if anything.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        host: str,
        port: int,
        state: Callable[[], dict[str, Any]],
        panel: Panel | None = None,
    ) -> None:
        self._broadcast = broadcast
        self._host = host
        self._state = state
        self._control = Control(panel or Panel(), self._tell_state)
        self._hosts = {f"{name}:{port}" for name in (host, "localhost")}
        if port == HTTP_PORT:
            self._hosts |= {host, "localhost"}
        self._viewers: dict[str, Viewer] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        """How many are connected or connecting."""
        return len(self._viewers)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_OFFER)
        app.router.add_get("/", self._page)
        app.router.add_get("/state", self._tell_state)
        app.router.add_routes(self._control.routes())
        app.router.add_get("/whep", self._describe)
        app.router.add_post("/whep", self._watch)
        app.router.add_delete("/whep/{session}", self._leave)
        app.router.add_route("OPTIONS", "/whep", self._options)
        app.router.add_route("OPTIONS", "/whep/{session}", self._options)
        return app

    async def close(self) -> None:
        """Ends all sessions; gives up on one that takes longer than half a second."""
        for session in list(self._viewers):
            self._end(session)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT_S)

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if request.host not in self._hosts:  # also a foreign name that was made to point at 127.0.0.1
            raise web.HTTPForbidden(text="Ask for this by the address that cleanplate printed.\n")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            raise web.HTTPForbidden(text="Other web pages may not watch.\n")
        response = await handler(request)
        response.headers.update(SECURITY_HEADERS)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Location"
        return response

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=PAGE.read_text(encoding="utf-8"), content_type="text/html")

    async def _tell_state(self, request: web.Request) -> web.Response:
        return web.json_response(self._state() | {"viewers": self.viewers})

    async def _describe(self, request: web.Request) -> web.Response:
        return web.Response(content_type=SDP)

    async def _options(self, request: web.Request) -> web.Response:
        headers = {
            "Accept-Post": SDP,
            "Access-Control-Allow-Methods": ALLOWED,
            "Access-Control-Allow-Headers": "Content-Type",
        }
        return web.Response(status=204, headers=headers)

    async def _watch(self, request: web.Request) -> web.Response:
        if request.content_type != SDP:
            raise web.HTTPUnsupportedMediaType(text=f"Send an offer as {SDP}.\n")
        if self.viewers >= MAX_VIEWERS:
            raise web.HTTPServiceUnavailable(
                text=f"{MAX_VIEWERS} viewers are watching already.\n", headers={"Retry-After": "10"}
            )
        offer = await text_of(request)
        session = secrets.token_urlsafe(18)
        viewer = self._admit(session)
        try:
            answer = await self._negotiate(session, viewer, offer)
        except Exception as error:  # whatever the SDP parser and aiortc make of a bad offer
            self._end(session)
            log.info("webrtc: offer refused: %r", error)
            raise web.HTTPBadRequest(
                text="This offer asks for no video that is sent here: H.264 or VP8.\n"
            ) from error
        headers = {"Location": f"/whep/{session}"}
        return web.Response(status=201, text=answer, content_type=SDP, headers=headers)

    async def _leave(self, request: web.Request) -> web.Response:
        session = request.match_info["session"]
        if session not in self._viewers:
            raise web.HTTPNotFound(text="No such session.\n")
        self._end(session)
        return web.Response()

    def _admit(self, session: str) -> Viewer:
        # No ICE servers: the default would ask Google's STUN server, which tells it of each viewer.
        viewer = Viewer(RTCPeerConnection(RTCConfiguration(iceServers=[])), self._broadcast.subscribe())
        self._viewers[session] = viewer
        loop = asyncio.get_running_loop()
        viewer.timeout = loop.call_later(CONNECT_TIMEOUT_S, self._end, session)
        return viewer

    async def _negotiate(self, session: str, viewer: Viewer, offer: str) -> str:
        pc, track = viewer.pc, viewer.track
        transceiver = add_video(pc, self._broadcast, track)
        await pc.setRemoteDescription(RTCSessionDescription(without_candidates(offer), "offer"))
        if transceiver.mid is None:
            raise ValueError("no video section")
        transports = {t.sender.transport for t in pc.getTransceivers()}
        if pc.sctp is not None:
            transports.add(pc.sctp.transport)
        strict = not from_firefox(offer)
        for transport in transports:
            gather_here(self._host, transport, strict=strict)
        send_in_bursts(transceiver.sender.transport)
        await pc.setLocalDescription(await pc.createAnswer())
        if transceiver.currentDirection != "sendonly":
            raise ValueError("video is not asked for")
        codec = agreed_codec(transceiver)

        def connection_changed() -> None:
            if pc.connectionState == "connected" and viewer.timeout is not None:
                viewer.timeout.cancel()
                track.codec = codec
                log.info("webrtc: a viewer came, %s; %d now", codec, self.viewers)
            elif pc.connectionState in ("failed", "closed"):
                self._end(session)

        pc.on("connectionstatechange", connection_changed)
        return str(pc.localDescription.sdp)

    def _end(self, session: str) -> None:
        viewer = self._viewers.pop(session, None)
        if viewer is None:
            return
        if viewer.timeout is not None:
            viewer.timeout.cancel()
        self._broadcast.unsubscribe(viewer.track)
        log.info("webrtc: a viewer left; %d now", self.viewers)
        task = asyncio.get_running_loop().create_task(viewer.pc.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def without_candidates(offer: str) -> str:
    """The offer without the viewer's addresses.

    Browsers give them as .local names, whose look-up takes a second and fails without a network.
    None is needed: the viewer speaks first, and its address is that of its first packet.
    """
    lines = offer.splitlines()
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    return "\r\n".join(kept) + "\r\n"


def from_firefox(offer: str) -> bool:
    """Whether Firefox, or what is made of it, wrote the offer."""
    return "\no=mozilla" in offer
