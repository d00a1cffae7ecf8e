"""Sending in small bursts, by a clock that only the rests move."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiortc.rtcdtlstransport import RTCDtlsTransport

from live.web.transport import BURST_PACKETS, REST_S, send_in_bursts

PACKET_S = 10e-6  # to send one


class Wire:
    """A transport, and the clock: what was sent, and after how many packets there was a rest."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sent: list[bytes] = []
        self.rests: list[int] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append(data)
        self.now_s += PACKET_S

    async def rest(self, seconds: float) -> None:
        self.rests.append(len(self.sent))
        self.now_s += seconds - 1e-4  # timers of an event loop may be early


def sending(pictures: list[int], every_s: float) -> Wire:
    """Sends pictures of so many packets, `every_s` apart."""
    wire = Wire()
    transport = cast(RTCDtlsTransport, wire)
    send_in_bursts(transport, lambda: wire.now_s, cast(Any, wire.rest))

    async def send() -> None:
        for picture in pictures:
            for index in range(picture):
                await transport._send_rtp(b"%d" % index)
            wire.now_s += every_s

    asyncio.run(send())
    return wire


def test_a_keyframe_leaves_in_bursts_in_its_order():
    wire = sending([3 * BURST_PACKETS + 5], every_s=1 / 30)

    assert wire.sent == [b"%d" % index for index in range(3 * BURST_PACKETS + 5)]
    assert wire.rests == [BURST_PACKETS, 2 * BURST_PACKETS, 3 * BURST_PACKETS]


def test_a_picture_of_less_than_a_burst_never_waits():
    wire = sending([BURST_PACKETS - 1] * 100, every_s=REST_S)

    assert wire.rests == []
