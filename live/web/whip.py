"""Sending to a media server: WHIP (RFC 9725), without trickling.

The offer has all addresses of this machine, and no third party is asked for more: a server with a public
address learns ours from the first packet. The ICE servers that a server may name in Link headers come with
its answer, when aiortc has gathered already, so they are not used.
"""

from __future__ import annotations

import asyncio
import logging

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription

from core.errors import DeviceError
from live.web.endpoint import Endpoint
from live.web.sending import add_video, agreed_codec
from live.web.signalling import Signalling
from live.web.transport import gather_also, send_in_bursts
from live.web.video import Broadcast

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 12.0  # from the answer on
CLOSE_TIMEOUT_S = 0.5


class Whip:
    """One session at a media server. Everything runs on one event loop; whoever makes it calls `close`."""

    def __init__(self, endpoint: Endpoint, broadcast: Broadcast) -> None:
        self._endpoint = endpoint
        self._broadcast = broadcast
        self._signalling = Signalling(endpoint)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = broadcast.subscribe()
        self._changed = asyncio.Event()
        self._pc.on("connectionstatechange", self._changed.set)

    async def connect(self) -> None:
        """Returns once pictures are sent. DeviceError: the server refuses, or cannot be reached."""
        transceiver = add_video(self._pc, self._broadcast, self._track)
        transport = transceiver.sender.transport
        send_in_bursts(transport)
        if self._endpoint.loopback is not None:
            gather_also(self._endpoint.loopback, transport)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await self._signalling.answer_to(finished(self._pc.localDescription.sdp))
        await self._accept(answer, transceiver)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._until("connected")
        except TimeoutError:
            raise self._no_connection(f"in {CONNECT_TIMEOUT_S:g} s") from None
        if self._pc.connectionState != "connected":
            raise self._no_connection("at all")
        codec = agreed_codec(transceiver)
        self._track.codec = codec
        log.info("whip: sending %s to %s", codec, self._endpoint)

    async def lost(self) -> None:
        """Returns when the connection is no more; a server that vanishes is noticed after 30 s (RFC 7675)."""
        await self._until("failed", "closed")

    async def close(self) -> None:
        """Ends the session, in half a second."""
        self._broadcast.unsubscribe(self._track)
        closing = asyncio.create_task(self._pc.close())
        await asyncio.gather(self._signalling.end(), asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S))

    async def _accept(self, answer: str, transceiver: RTCRtpTransceiver) -> None:
        if refused_in(answer):  # then it need not name a codec, and aiortc would miss one
            raise self._no_video()
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            agreed_codec(transceiver)
        except Exception as error:  # whatever the SDP parser and aiortc make of a bad answer
            log.info("whip: answer refused: %r", error)
            raise DeviceError(
                f"{self._endpoint} gives an answer that does not fit the offer: check that the address is "
                "that of a WHIP endpoint, and that it takes H.264 or VP8"
            ) from error
        if transceiver.currentDirection != "sendonly":
            raise self._no_video()

    async def _until(self, *states: str) -> None:
        """Waits for one of these states, or one that is the end."""
        while self._pc.connectionState not in (*states, "failed", "closed"):
            self._changed.clear()
            await self._changed.wait()

    def _no_video(self) -> DeviceError:
        return DeviceError(
            f"{self._endpoint} answers that it takes no video: check that it takes H.264 or VP8"
        )

    def _no_connection(self, when: str) -> DeviceError:
        return DeviceError(
            f"{self._endpoint} took the offer, but no connection came about {when}: does a firewall block "
            "UDP, or does the server name an address that cannot be reached from here?"
        )


def finished(offer: str) -> str:
    """aiortc's offer with what it leaves out: RTCP has no port of its own (RFC 9725, section 4.4.1)."""
    return offer.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-mux-only\r\n")


def refused_in(answer: str) -> bool:
    """Whether a section of the answer has port 0, or is inactive: both say no to it (RFC 3264, section 6)."""
    lines = answer.splitlines()
    return "a=inactive" in lines or any(
        line.startswith("m=") and line.split(" ")[1:2] == ["0"] for line in lines
    )
