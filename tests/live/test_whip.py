"""The WHIP sink, against a media server by aiortc and one by Chromium."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from core.errors import DeviceError
from live.sinks.registry import open_sink
from live.sinks.whip import WhipSink
from live.threads import ThreadedSink
from live.web.endpoint import parsed_endpoint
from tests.live.chromium import Chromium, find_chromium
from tests.live.test_webrtc import BACKDROP, SIZE, WITHOUT_NETWORK, feeding, moving, needs_chromium
from tests.live.whip_server import SDP, WhipServer

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

TOKEN = "t0ken-Of-This-Stream"
PASSWORD = "pass-w0rd"
KEY = "k3y-in-the-query"


@contextmanager
def sending(sink: WhipSink | ThreadedSink) -> Iterator[None]:
    """Pushes pictures until the end, and then closes the sink."""
    try:
        with feeding(sink):
            yield
    finally:
        sink.close()


def opened(server: WhipServer, **options: Any) -> WhipSink:
    return WhipSink(server.url, SIZE, 25, **options)


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
def test_a_server_gets_the_colours_that_were_pushed_in_the_codec_it_answers_with(codec):
    with WhipServer(codec=codec) as server, sending(opened(server)):
        frames = server.wait_for_frames(10)
        answer = server.pcs[0].localDescription.sdp

    seen = frames[-1].to_ndarray(format="rgb24")
    assert f"{codec.removeprefix('video/')}/90000" in answer
    assert seen.shape == (SIZE[1], SIZE[0], 3)
    # 4 levels: chroma is stored at 8 bits and compressed
    assert np.abs(seen[120:160, 20:300].astype(int) - BACKDROP).max() <= 4


@pytest.mark.parametrize("kind", ["ice-lite", "passive", "no end of candidates", "both H.264 and VP8"])
def test_answers_of_all_kinds_are_understood(kind):
    async def answer(request: web.Request) -> web.StreamResponse:
        given = await server.publish(request, role="server" if kind == "passive" else "auto")
        assert isinstance(given, web.Response)
        assert given.text is not None
        lines = given.text.split("\r\n")
        if kind == "ice-lite":
            lines.insert(lines.index("t=0 0") + 1, "a=ice-lite")
        if kind == "no end of candidates":
            lines.remove("a=end-of-candidates")
        answers.append(lines)
        given.text = "\r\n".join(lines)
        return given

    answers: list[list[str]] = []
    with WhipServer(answer) as server, sending(opened(server)):
        server.wait_for_frames(5)

    ((*lines,),) = answers
    assert ("a=setup:passive" if kind == "passive" else "a=setup:active") in lines
    assert {"VP8/90000", "H264/90000"} <= {line.rpartition(" ")[2] for line in lines}


def test_the_offer_is_what_rfc_9725_asks_for_with_h264_first():
    with WhipServer() as server, sending(opened(server)):
        server.wait_for_frames(1)
        (post,) = server.requests("POST")

    lines = post.body.split("\r\n")
    assert post.headers["Content-Type"] == SDP
    assert sum(line.startswith("m=") for line in lines) == 1
    assert next(line for line in lines if line.startswith("a=rtpmap:")).endswith("H264/90000")
    for line in ("a=group:BUNDLE 0", "a=sendonly", "a=rtcp-mux", "a=rtcp-mux-only", "a=setup:actpass"):
        assert lines.count(line) == 1
    assert "a=end-of-candidates" in lines
    assert not [line for line in lines if "typ srflx" in line or "trickle" in line]


def test_close_is_quick_when_the_server_hangs():
    async def hang() -> None:
        await asyncio.sleep(60)

    with WhipServer(deleting=hang) as server:
        sink = opened(server)
        began = time.monotonic()
        sink.close()
        took = time.monotonic() - began
        assert server.requests("DELETE")

    assert took < 2
    sink.close()
    with pytest.raises(DeviceError, match="is closed: open the output again"):
        sink.push(moving(0))


def keyframes(server: WhipServer) -> int:
    return sum(frame.key_frame for frame in list(server.frames))


def test_the_server_gets_a_keyframe_when_it_asks_for_one(monkeypatch):
    monkeypatch.setattr("live.sinks.whip.KEYFRAME_S", 10_000)
    with WhipServer() as server:
        sink = opened(server)
        assert sink.encoded == 0
        with sending(sink):
            server.wait_for_frames(5)
            before = keyframes(server)
            receiver = server.pcs[0].getReceivers()[0]
            (source,) = receiver.getSynchronizationSources()
            loop = server._thread.loop
            assert loop is not None
            asyncio.run_coroutine_threadsafe(receiver._send_rtcp_pli(source.source), loop).result(30)
            server.wait(lambda: keyframes(server) > before)


def test_a_server_that_asks_for_none_gets_one_every_two_seconds_of_pictures():
    with WhipServer() as server, sending(opened(server)):
        server.wait(lambda: keyframes(server) > 2)
        marks = [index for index, frame in enumerate(server.frames) if frame.key_frame]

    assert max(np.diff(marks)) <= 2 * 25


def test_a_server_that_goes_away_and_comes_back_gets_pictures_again(caplog):
    def open_it() -> WhipSink:
        return WhipSink(url, SIZE, 25, token=TOKEN)

    with ExitStack() as pushing:
        with WhipServer() as server:
            url, port = server.url, server.port
            sink = ThreadedSink(open_it(), reopen=open_it, back_off_s=(0.05,))
            pushing.enter_context(sending(sink))
            server.wait_for_frames(3)
        with WhipServer(port=port) as again:
            again.wait_for_frames(3)
            pushing.close()
            again.wait(lambda: again.requests("DELETE"))

    assert again.frames[0].key_frame
    assert not sink.lost
    assert f"the connection to 127.0.0.1:{port}/live/whip is lost; trying again in 0.05 s" in caplog.text
    assert TOKEN not in caplog.text


def test_a_server_that_vanishes_without_a_word_is_noticed(monkeypatch):
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.1)
    with WhipServer() as server:
        sink = opened(server)
        loop = server._thread.loop
        assert loop is not None
        transport = server.pcs[0].getReceivers()[0].transport.transport
        for protocol in transport._connection._protocols:
            loop.call_soon_threadsafe(protocol.transport.close)
        try:
            sink._thread.join(30)
            with pytest.raises(DeviceError, match="is lost"):
                sink.push(moving(0))
        finally:
            sink.close()


def test_names_and_errors_show_host_and_path_alone():
    with WhipServer() as server:
        url = server.url.replace("http://", f"http://ann:{PASSWORD}@") + f"?key={KEY}#x"
        sink = WhipSink(url, SIZE, 25, token=TOKEN)
        sink.close()
        server.wait(lambda: server.requests("DELETE"))
        endpoint = parsed_endpoint(url, TOKEN)

    assert sink.name == f"WHIP to 127.0.0.1:{server.port}/live/whip"
    assert server.asked[0].path == f"/live/whip?key={KEY}"
    for secret in (PASSWORD, KEY, TOKEN):
        assert secret not in f"{endpoint} {endpoint!r}"


def test_a_key_that_is_a_part_of_the_path_is_not_shown():
    key = "a8d3f0c9e1b24c55a7d9e3f1"
    endpoint = parsed_endpoint(f"https://customer.example/{key}/publish")
    assert str(endpoint) == "customer.example/…/publish"
    assert endpoint.without_secrets(f"no stream {key} here") == "no stream … here"


def test_the_registry_passes_token_and_rate_on():
    with WhipServer() as server:
        sink = open_sink(f"whip:{server.url}", SIZE, 25, whip_token=TOKEN, whip_mbps=0.5)
        assert isinstance(sink, WhipSink)
        assert sink._broadcast is not None
        assert sink._broadcast._rate == 500_000
        sink.close()

    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


RECEIVE = """(async () => {
  window.pc = new RTCPeerConnection();
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = video.autoplay = true;
  pc.ontrack = event => { video.srcObject = new MediaStream([event.track]); video.play() };
  await pc.setRemoteDescription({type: "offer", sdp: OFFER});
  await pc.setLocalDescription(await pc.createAnswer());
  while (pc.iceGatheringState != "complete") await new Promise(then => setTimeout(then, 20));
  return pc.localDescription.sdp;
})()"""
FRAMES = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
SEEN = """(() => {
  const video = document.querySelector("video");
  const context = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  context.drawImage(video, 0, 0);
  return [video.videoWidth, video.videoHeight, ...context.getImageData(20, 150, 1, 1).data];
})()"""


@needs_chromium
def test_chromium_as_the_server_sees_the_backdrops_colour_and_frames_that_go_on():
    program = find_chromium()
    assert program is not None

    async def receive() -> list[int]:
        taken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        here = asyncio.get_running_loop()

        async def hand_over(request: web.Request) -> web.StreamResponse:
            offer = await request.text()
            here.call_soon_threadsafe(taken.set_result, offer)

            async def answer() -> str:
                return await answered

            text = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer(), here))
            return web.Response(status=201, text=text, content_type=SDP, headers={"Location": "s"})

        async with Chromium(
            program, "--autoplay-policy=no-user-gesture-required", *WITHOUT_NETWORK
        ) as browser:
            with WhipServer(hand_over) as server:
                opening = asyncio.create_task(asyncio.to_thread(opened, server))
                offer = await taken
                answered.set_result(await browser.evaluate(RECEIVE.replace("OFFER", repr(offer))))
                sink = await opening
                with sending(sink):
                    await browser.until(f"{FRAMES} > 20")
                    count = int(await browser.evaluate(FRAMES))
                    await browser.until(f"{FRAMES} > {count + 10}")
                    return list(await browser.evaluate(SEEN))

    seen = asyncio.run(receive())

    assert seen[:2] == list(SIZE)
    assert np.abs(np.subtract(seen[2:5], BACKDROP)).max() <= 4
