"""What a transport is made to do: to stay on this machine, or be there too, and to send in small bursts."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiortc.rtcdtlstransport import RTCDtlsTransport

# Linux counts a packet as 2304 bytes, so that a socket's default buffer of 208 KiB holds 92.
BURST_PACKETS = 32  # a third of that; at 1280x720 and 30 pictures a second one has 19, a keyframe 150
REST_S = 0.0025  # after each


def gather_here(host: str, transport: RTCDtlsTransport, *, strict: bool) -> None:
    """Makes the transport offer `host` as its only address, where it is strict.

    aioice 0.13 leaves 127.0.0.1 out and takes all others: without a network there would be none, and
    with one the pictures would be on offer to the network.
    Firefox (153) pairs 127.0.0.1 with no other address, and takes it for none of its own: for it the other
    addresses of this machine are offered too, and what comes to them from another machine is dropped.
    """
    connection = transport.transport.iceGatherer._connection
    gather = connection.get_component_candidates

    @functools.wraps(gather)
    async def gather_there(component: int, addresses: list[str], timeout: int = 5) -> Any:
        if strict:
            return await gather(component=component, addresses=[host], timeout=timeout)
        own = [host, *(a for a in addresses if not ipaddress.ip_address(a).is_link_local)]
        found = await gather(component=component, addresses=own, timeout=timeout)
        for protocol in connection._protocols:
            receive_only_from(own, protocol)
        return found

    connection.get_component_candidates = gather_there  # type: ignore[method-assign]


def gather_also(host: str, transport: RTCDtlsTransport) -> None:
    """Makes the transport offer `host`, a loopback address, besides those that aioice takes by itself."""
    connection = transport.transport.iceGatherer._connection
    gather = connection.get_component_candidates

    @functools.wraps(gather)
    async def gather_there_too(component: int, addresses: list[str], timeout: int = 5) -> Any:
        return await gather(component=component, addresses=[host, *addresses], timeout=timeout)

    connection.get_component_candidates = gather_there_too  # type: ignore[method-assign]


def receive_only_from(own: Collection[str], protocol: Any) -> None:
    """Makes aioice's protocol of a socket drop datagrams that did not come from one of these addresses."""
    receive = protocol.datagram_received

    def receive_own(data: bytes | str, addr: tuple[Any, ...]) -> None:
        if addr[0] in own:
            receive(data, addr)

    protocol.datagram_received = receive_own


def send_in_bursts(
    transport: RTCDtlsTransport,
    clock_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Makes the transport rest after each burst of packets.

    aiortc 1.16 sends all packets of a picture at once. Of a keyframe of 1920x1080, some 300, Firefox lost
    a part on a busy machine, asked for another keyframe, and lost of that one too.
    """
    send = transport._send_rtp
    began_s, sent = float("-inf"), 0

    @functools.wraps(send)
    async def send_and_rest(data: bytes) -> None:
        nonlocal began_s, sent
        if clock_s() - began_s >= REST_S:
            began_s, sent = clock_s(), 0
        await send(data)
        sent += 1
        if sent >= BURST_PACKETS:
            await sleep(REST_S)
            began_s, sent = clock_s(), 0

    transport._send_rtp = send_and_rest  # type: ignore[method-assign]
