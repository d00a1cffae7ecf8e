"""The WebRTC sink, watched by aiortc and by Chromium."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from aioice import stun
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from core.errors import DeviceError
from core.types import Picture
from live.i420 import i420_of
from live.panel import Panel
from live.pause import Pause
from live.sinks.base import Sink
from live.sinks.webrtc import WebRtcSink
from live.web.transport import gather_here
from live.web.video import Broadcast, RtpClock
from live.web.whep import Whep
from tests.live.chromium import Chromium, find_chromium

SIZE = (320, 180)
BACKDROP = (0, 90, 200)
MS = 1_000_000
PAUSE = '{"paused": true}'


def picture(index: int = 0, colour: tuple[int, int, int] = BACKDROP, time_ns: int = 0) -> Picture:
    rgb = np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)
    return Picture(rgb, None, time_ns, index)


def moving(index: int) -> Picture:
    """The backdrop, and a light square that crosses it; 25 a second."""
    shown = picture(index, time_ns=index * 40 * MS)
    x = index * 4 % (SIZE[0] - 40)
    shown.rgb[60:100, x : x + 40] = (240, 220, 200)
    return shown


@contextmanager
def feeding(sink: Sink, make: Callable[[int], Picture] = moving) -> Iterator[None]:
    """Pushes pictures from a thread, as a camera would."""
    stop = threading.Event()

    def feed() -> None:
        for index in itertools.count():
            if stop.wait(0.02):
                return
            sink.push(make(index))

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Watcher:
    """`async with Watcher(url)`: a viewer by aiortc.

    codec: offer only this one. address: be at this one alone.
    as_firefox: say so, and do not go to 127.0.0.1 from another address, as Firefox does not.
    """

    def __init__(
        self, url: str, codec: str | None = None, address: str | None = None, as_firefox: bool = False
    ) -> None:
        self._url = url
        self._codec = codec
        self._address = address
        self._as_firefox = as_firefox
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def __aenter__(self) -> Watcher:
        transceiver = self._pc.addTransceiver("video", direction="recvonly")
        if self._codec is not None:
            known = transceiver.receiver.getCapabilities("video").codecs
            transceiver.setCodecPreferences([c for c in known if c.mimeType == self._codec])
        if self._address is not None:
            gather_here(self._address, transceiver.receiver.transport, strict=True)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        headers = {"Content-Type": "application/sdp"}
        offer = self._pc.localDescription.sdp
        if self._as_firefox:
            offer = offer.replace("o=-", "o=mozilla...THIS_IS_SDPARTA-153.8.0", 1)
        async with (
            aiohttp.ClientSession() as http,
            http.post(self._url + "whep", data=offer, headers=headers) as reply,
        ):
            assert reply.status == 201, await reply.text()
            self.answer = await reply.text()
            self.session = self._url.rstrip("/") + reply.headers["Location"]
        taken = self.answer
        if self._as_firefox:
            lines = taken.splitlines(keepends=True)
            taken = "".join(line for line in lines if "a=candidate:" not in line or " 127.0.0.1 " not in line)
        await self._pc.setRemoteDescription(RTCSessionDescription(taken, "answer"))
        self._track = transceiver.receiver.track
        return self

    async def frames(self, count: int) -> list[Any]:
        async with asyncio.timeout(30):
            return [await self._track.recv() for _ in range(count)]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with aiohttp.ClientSession() as http, http.delete(self.session) as reply:
            self.left = reply.status
        await self._pc.close()


@pytest.fixture
def sink() -> Iterator[WebRtcSink]:
    sink = WebRtcSink(SIZE, 25, port=0)
    yield sink
    sink.close()


def threads_of_cleanplate() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cleanplate")]


async def request(method: str, url: str, **options: Any) -> tuple[int, str, Any]:
    """Status, text (what is not text is replaced) and headers of one HTTP request."""
    async with aiohttp.ClientSession() as http, http.request(method, url, **options) as reply:
        return reply.status, await reply.text(errors="replace"), reply.headers


def test_refuses_before_it_listens_when_the_port_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(DeviceError, match=f"port {port} on 127.0.0.1 is taken .* --port"):
            WebRtcSink(SIZE, 25, port=port)

    assert not threads_of_cleanplate()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_listens_on_this_machines_own_addresses_only(host):
    with pytest.raises(DeviceError, match="only this machine may watch"):
        WebRtcSink(SIZE, 25, host=host, port=0)


def test_a_port_can_be_used_again_at_once():
    first = WebRtcSink(SIZE, 25, port=0)
    port = int(first.url.rstrip("/").rpartition(":")[2])
    asyncio.run(request("GET", first.url))
    first.close()

    second = WebRtcSink(SIZE, 25, port=port)
    second.close()

    assert second.url == first.url


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
def test_a_viewer_sees_the_colours_that_were_pushed(sink, codec):
    async def watch() -> list[Any]:
        async with Watcher(sink.url, codec) as watcher:
            return await watcher.frames(10)

    with feeding(sink):
        frames = asyncio.run(watch())

    seen = frames[-1].to_ndarray(format="rgb24")
    assert seen.shape == (SIZE[1], SIZE[0], 3)
    # 4 levels: chroma is stored at 8 bits and compressed
    assert np.abs(seen[120:160, 20:300].astype(int) - BACKDROP).max() <= 4


def test_pts_are_the_capture_times_and_skipped_pictures_leave_gaps(sink):
    steps_ms = [33, 40, 7, 100, 33, 34, 33, 250]
    times_ms = list(itertools.accumulate(itertools.islice(itertools.cycle(steps_ms), 4000)))
    grey = [40 + 12 * i for i in range(16)]

    async def watch() -> list[Any]:
        async with Watcher(sink.url) as watcher:
            return await watcher.frames(40)

    with feeding(sink, lambda i: picture(i, (grey[i % 16],) * 3, times_ms[i] * MS)):
        frames = asyncio.run(watch())

    marks = [round((frame.to_ndarray(format="rgb24").mean() - 40) / 12) for frame in frames]
    index = next(i for i in range(4000) if i % 16 == marks[0])
    for (before, mark), (after, follower) in itertools.pairwise(zip(frames, marks, strict=True)):
        skipped = (follower - mark) % 16
        assert skipped > 0
        # Where the first picture stands is known up to whole rounds of 16, which last equally long.
        elapsed_ms = times_ms[index + skipped] - times_ms[index]
        assert after.pts - before.pts == pytest.approx(elapsed_ms * 90, abs=1)
        index += skipped


def test_three_viewers_come_and_go_and_share_one_encoder(sink):
    pushed = []

    def make(index: int) -> Picture:
        pushed.append(index)
        return moving(index)

    async def watch() -> list[int]:
        counts = []
        async with Watcher(sink.url) as first:
            await first.frames(3)
            async with Watcher(sink.url) as second, Watcher(sink.url) as third:
                await asyncio.gather(first.frames(10), second.frames(10), third.frames(10))
                counts.append(await viewers())
            counts.append(await viewers())
            await first.frames(5)
        counts.append(await viewers())
        return counts

    async def viewers() -> int:
        async with aiohttp.ClientSession() as http, http.get(sink.url + "state") as reply:
            return int((await reply.json())["viewers"])

    with feeding(sink, make):
        assert asyncio.run(watch()) == [3, 1, 0]

    assert 15 <= sink.state()["encoded"] <= len(pushed)


def test_nothing_is_encoded_while_nobody_watches(sink):
    for index in range(20):
        sink.push(moving(index))
    asyncio.run(request("GET", sink.url + "state"))  # the loop has run since

    assert sink.state()["encoded"] == 0


def test_a_rate_is_told_only_while_pictures_come(sink, monkeypatch):
    for index in range(20):
        sink.push(moving(index))
    assert (sink.state()["state"], sink.state()["fps"]) == ("live", 25)

    monkeypatch.setattr("live.sinks.webrtc.STALE_NS", 0)

    assert (sink.state()["state"], sink.state()["fps"]) == ("waiting", 0)


def test_an_idle_picture_is_sent_like_any_other_and_named(sink):
    async def watch() -> None:
        async with Watcher(sink.url) as watcher:
            await watcher.frames(3)

    def idle(index: int) -> Picture:
        shown = moving(index)
        return Picture(shown.rgb, None, shown.time_ns, index, idle=True)

    with feeding(sink, idle):
        asyncio.run(watch())
        assert sink.state()["state"] == "idle"


def test_the_rate_is_that_of_the_last_seconds_and_of_nothing_before(sink):
    for time_ms in (*range(0, 1000, 100), *range(60_000, 62_000, 40)):  # a pause of a minute between
        sink.push(picture(time_ns=time_ms * 1_000_000))
    assert sink.state()["fps"] == 25.0


def test_a_page_is_told_when_no_picture_came_for_a_while(sink, monkeypatch):
    assert sink.state()["state"] == "waiting"
    sink.push(picture())
    assert sink.state()["state"] == "live"
    monkeypatch.setattr("live.sinks.webrtc.STALE_NS", 0)
    assert sink.state()["state"] == "waiting"


def test_close_ends_viewers_and_threads_within_a_second():
    sink = WebRtcSink(SIZE, 25, port=0)
    ended = threading.Event()

    async def watch() -> float:
        watcher = Watcher(sink.url)
        await watcher.__aenter__()
        await watcher.frames(2)
        began = time.monotonic()
        await asyncio.to_thread(sink.close)
        took = time.monotonic() - began
        # aiortc tells of the end by an exception in the track
        with suppress(Exception):
            while True:
                await watcher.frames(1)
        ended.set()
        await watcher._pc.close()
        return took

    stop = threading.Event()

    def feed() -> None:
        for index in itertools.count():
            if stop.wait(0.02):
                return
            with suppress(DeviceError):
                sink.push(moving(index))

    thread = threading.Thread(target=feed)
    thread.start()
    took = asyncio.run(watch())
    stop.set()
    thread.join()

    assert took < 1
    assert ended.is_set()
    assert not threads_of_cleanplate()
    sink.close()
    with pytest.raises(DeviceError, match="closed"):
        sink.push(moving(0))


def test_a_server_that_died_says_so_at_the_next_push(monkeypatch):
    opened = threading.Event()

    async def die(self: Broadcast) -> None:
        await asyncio.to_thread(opened.wait)  # dead before it was open, the sink would not open at all
        raise RuntimeError("no encoder")

    monkeypatch.setattr(Broadcast, "run", die)
    sink = WebRtcSink(SIZE, 25, port=0)
    opened.set()
    sink._thread.join(5)

    with pytest.raises(DeviceError, match="stopped: no encoder"):
        sink.push(moving(0))
    sink.close()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "", {}, "", 200),
        ("GET", "", {"Origin": "https://evil.example"}, "", 403),
        ("GET", "state", {"Host": "evil.example:8770"}, "", 403),  # a name made to point here
        ("GET", "state", {"Host": "127.0.0.1:1"}, "", 403),
        ("POST", "whep", {"Origin": "https://evil.example", "Content-Type": "application/sdp"}, "v=0", 403),
        ("POST", "whep", {"Origin": "null", "Content-Type": "application/sdp"}, "v=0", 403),
        ("OPTIONS", "whep", {"Origin": "https://evil.example"}, "", 403),
        ("OPTIONS", "whep", {}, "", 204),
        ("HEAD", "whep", {}, "", 200),
        ("POST", "whep", {"Content-Type": "text/plain"}, "v=0", 415),
        ("POST", "whep", {"Content-Type": "application/sdp"}, "not an offer", 400),
        ("POST", "whep", {"Content-Type": "application/sdp"}, "x" * 100_000, 413),
        ("PATCH", "whep", {"Content-Type": "application/sdp"}, "v=0", 405),
        ("DELETE", "whep/unknown", {}, "", 404),
        ("POST", "pause", {"Content-Type": "application/json"}, PAUSE, 404),
    ],
)
def test_only_its_own_page_and_well_formed_requests_are_answered(sink, method, path, headers, body, status):
    got, _, answered = asyncio.run(request(method, sink.url + path, headers=headers, data=body))

    assert got == status
    assert answered.get("Access-Control-Allow-Origin") is None
    assert sink.state()["encoded"] == 0


@pytest.fixture
def pausable() -> Iterator[tuple[WebRtcSink, Pause]]:
    pause = Pause()
    sink = WebRtcSink(SIZE, 25, port=0, panel=Panel(pause))
    yield sink, pause
    sink.close()


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Origin": "{own}", "Content-Type": "application/json"}, PAUSE, 200),
        ({"Content-Type": "application/json"}, PAUSE, 403),
        ({"Origin": "https://evil.example", "Content-Type": "application/json"}, PAUSE, 403),
        ({"Origin": "null", "Content-Type": "application/json"}, PAUSE, 403),
        ({"Origin": "{own}", "Content-Type": "application/json", "Host": "evil.example"}, PAUSE, 403),
        ({"Origin": "{own}", "Content-Type": "text/plain"}, PAUSE, 415),
        ({"Origin": "{own}", "Content-Type": "application/json"}, "[]", 400),
        ({"Origin": "{own}", "Content-Type": "application/json"}, "\xff", 400),
        ({"Origin": "{own}", "Content-Type": "application/json"}, '{"paused": 1}', 400),
    ],
)
def test_its_own_page_alone_may_pause(pausable, headers, body, status):
    sink, pause = pausable
    headers = {name: value.replace("{own}", sink.url.rstrip("/")) for name, value in headers.items()}
    got, _, _ = asyncio.run(request("POST", sink.url + "pause", headers=headers, data=body))
    assert got == status
    assert pause.on == (status == 200)


def test_a_page_that_cannot_pause_says_so_and_one_that_does_tells_it(sink, pausable):
    assert sink.state()["paused"] is None
    paused, pause = pausable
    pause.on = True
    paused.push(Picture(moving(0).rgb, None, 0, 0, idle=True))
    assert (paused.state()["paused"], paused.state()["state"]) == (True, "paused")
    pause.on = False
    assert (paused.state()["paused"], paused.state()["state"]) == (False, "idle")


def test_its_own_page_may_ask_and_cannot_be_framed(sink):
    status, text, headers = asyncio.run(request("GET", sink.url, headers={"Origin": sink.url.rstrip("/")}))

    assert status == 200
    assert "<video" in text
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Access-Control-Allow-Origin"] == sink.url.rstrip("/")


@pytest.mark.parametrize(
    ("port", "named", "status"),
    [
        (80, "127.0.0.1", 200),
        (80, "localhost", 200),
        (80, "localhost:80", 200),
        (80, "evil.example", 403),
        (8770, "127.0.0.1", 403),
    ],
)
@pytest.mark.parametrize("origin", [False, True])
def test_browsers_leave_the_port_of_http_out(port, named, status, origin):
    async def ask() -> int:
        whep = Whep(Broadcast(SIZE, 25, asyncio.get_running_loop()), "127.0.0.1", port, dict)
        async with TestServer(whep.app()) as server:  # on a free port, which the headers do not name
            headers = {"Host": named} | ({"Origin": f"http://{named}"} if origin else {})
            return (await request("GET", str(server.make_url("/state")), headers=headers))[0]

    assert asyncio.run(ask()) == status


async def offer(direction: str) -> str:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction=direction)
    await pc.setLocalDescription(await pc.createOffer())
    await pc.close()
    return str(pc.localDescription.sdp)


@pytest.mark.parametrize("kind", ["nothing", "sendonly", "inactive"])
def test_an_offer_that_asks_for_no_video_is_refused_and_leaves_no_viewer_behind(sink, kind):
    async def ask() -> tuple[int, str]:
        headers = {"Content-Type": "application/sdp"}
        empty = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
        sdp = empty if kind == "nothing" else await offer(kind)
        status, _, _ = await request("POST", sink.url + "whep", headers=headers, data=sdp)
        return status, (await request("GET", sink.url + "state"))[1]

    status, state = asyncio.run(ask())

    assert status == 400
    assert '"viewers": 0' in state


def test_the_answer_offers_this_machine_to_itself_alone(sink):
    async def watch() -> str:
        async with Watcher(sink.url) as watcher:
            return watcher.answer

    assert {host for host, _ in candidates(asyncio.run(watch()))} == {"127.0.0.1"}


def candidates(answer: str) -> list[tuple[str, int]]:
    """The addresses that an answer offers."""
    lines = [line.split() for line in answer.splitlines() if line.startswith("a=candidate:")]
    return [(words[4], int(words[5])) for words in lines]


@pytest.fixture
def other_address(monkeypatch) -> str:
    """An address of this machine besides 127.0.0.1, as a network gives one."""
    address = "127.0.0.2"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            pytest.skip(f"this system has no {address}")
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: [address, "169.254.7.7"])
    return address


def test_firefox_which_does_not_go_to_127_0_0_1_sees_the_pictures(sink, other_address):
    async def watch() -> str:
        async with Watcher(sink.url, address=other_address, as_firefox=True) as watcher:
            await watcher.frames(3)
            return watcher.answer

    with feeding(sink):
        answer = asyncio.run(watch())

    assert {host for host, _ in candidates(answer)} == {"127.0.0.1", other_address}


def test_what_comes_to_firefoxs_address_from_another_machine_is_dropped(sink, other_address):
    def bound(host: str) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((host, 0))
        made.settimeout(5)
        return made

    async def ask() -> None:
        async with Watcher(sink.url, address=other_address, as_firefox=True) as watcher:
            offered = next(at for at in candidates(watcher.answer) if at[0] == other_address)
            question = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
            stranger.sendto(question, offered)
            own.sendto(question, offered)
            await asyncio.to_thread(own.recv, 1500)  # the questions are taken in their order

    with bound("127.0.0.3") as stranger, bound(other_address) as own:
        asyncio.run(ask())
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(1500)


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("whep", {"Content-Type": "application/sdp"}, b"\xff\xfe"),
        ("whep", {"Content-Type": "application/sdp; charset=klingon"}, b"v=0"),
        ("pause", {"Content-Type": "application/json; charset=klingon"}, b"{}"),
        ("pause", {"Content-Type": "application/json"}, b"[" * 60_000),
        ("pause", {"Content-Type": "application/json"}, b"\xff"),
    ],
)
def test_a_body_that_cannot_be_read_is_the_askers_mistake(pausable, caplog, path, headers, body):
    sink, _ = pausable
    headers = headers | {"Origin": sink.url.rstrip("/")}

    status, _, _ = asyncio.run(request("POST", sink.url + path, headers=headers, data=body))

    assert status == 400
    assert not [record for record in caplog.records if record.exc_info]


def test_rtp_times_rise_whatever_the_capture_times_do():
    clock = RtpClock()

    ticks = [clock.pts(time_ns) for time_ns in (500 * MS, 600 * MS, 600 * MS, 590 * MS, 700 * MS)]

    assert ticks == [0, 9000, 9001, 9002, 18000]


def test_rtp_times_carry_on_when_capture_times_start_again():
    clock = RtpClock()
    for second in range(61):
        end = clock.pts(second * 1000 * MS)

    again = [clock.pts(time_ns) for time_ns in (0, 40 * MS)]

    assert end == 60 * 90_000
    assert again == [end + 1, end + 1 + 3600]


def test_the_room_behind_a_transparent_picture_is_not_sent():
    rgb = np.full((SIZE[1], SIZE[0], 3), (200, 40, 90), np.uint8)  # the room is left in the hidden part
    alpha = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    shown = Picture(rgb, alpha, 0, 0, straight=True)

    yuv = i420_of(shown, SIZE)

    back = cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420)
    assert back.max() <= 2


def test_a_picture_of_another_size_is_resized_to_what_was_promised():
    large = Picture(np.full((361, 641, 3), BACKDROP, np.uint8), None, 0, 0)

    assert i420_of(large, SIZE).shape == (SIZE[1] * 3 // 2, SIZE[0])


SEEN = """(() => {
  const context = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  context.drawImage(video, 0, 0);
  return [video.videoWidth, video.videoHeight, ...context.getImageData(20, 150, 1, 1).data];
})()"""
DECODED = "document.getElementById('video')?.getVideoPlaybackQuality().totalVideoFrames > 20"


async def watch_by_chromium(url: str, *flags: str) -> list[int]:
    """Width, height, red, green, blue, alpha of what the page shows after 20 decoded frames."""
    program = find_chromium()
    assert program is not None
    async with Chromium(program, *flags) as browser:
        await browser.open(url)
        await browser.until(DECODED)
        await browser.until("words.textContent.includes('Live')")
        return list(await browser.evaluate(SEEN))


needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="needs chromium, which is not installed")


@needs_chromium
def test_chromium_decodes_the_pictures_and_sees_the_backdrops_colour(sink):
    with feeding(sink):
        seen = asyncio.run(watch_by_chromium(sink.url))

    assert seen[:2] == list(SIZE)
    assert np.abs(np.subtract(seen[2:5], BACKDROP)).max() <= 4


@needs_chromium
def test_the_pages_button_pauses_and_goes_on(pausable):
    sink, pause = pausable
    program = find_chromium()
    assert program is not None

    async def press() -> list[tuple[bool, str]]:
        seen = []
        async with Chromium(program) as browser:
            await browser.open(sink.url)
            for word in ("Pause", "Go on", "Pause"):
                await browser.until(f"!window.pause?.hidden && window.pause?.textContent == '{word}'")
                seen.append((pause.on, word))
                await browser.evaluate("window.pause.click()")
        return seen

    with feeding(sink):
        assert asyncio.run(press()) == [(False, "Pause"), (True, "Go on"), (False, "Pause")]


WITHOUT_NETWORK = ("--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns")


def watch_without_network(by: str) -> None:
    """Run in a network namespace that has nothing but 127.0.0.1 (see `only_loopback`)."""
    sink = WebRtcSink(SIZE, 25, port=0)

    async def watch() -> None:
        if by == "chromium":
            assert (await watch_by_chromium(sink.url, *WITHOUT_NETWORK))[:2] == list(SIZE)
        else:
            async with Watcher(sink.url, address="127.0.0.1") as watcher:
                await watcher.frames(10)

    with feeding(sink):
        asyncio.run(watch())
    sink.close()
    print("watched")


@pytest.mark.parametrize("by", ["aiortc", pytest.param("chromium", marks=needs_chromium)])
def test_works_on_a_machine_without_any_network(by):
    here = Path(__file__).parent
    root = here.parent.parent
    script = f"from tests.live.test_webrtc import watch_without_network; watch_without_network({by!r})"
    run = subprocess.run(
        [sys.executable, here / "only_loopback.py", sys.executable, "-c", script],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if run.returncode == 77:
        pytest.skip(run.stderr.strip())

    assert "watched" in run.stdout, run.stderr


@needs_chromium
def test_the_program_shows_the_backdrop_where_the_room_was():
    words = ["run", "--camera", "demo", "--size", "640x360", "--fps", "15", "--background", "#005ac8"]
    words += ["--output", "webrtc", "--port", "0"]
    root = Path(__file__).parent.parent.parent
    program = subprocess.Popen(
        [sys.executable, "-m", "live", *words],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert program.stdout is not None
    try:
        url = next(found[0] for line in program.stdout if (found := re.search(r"http://127\.\S+", line)))
        seen = asyncio.run(watch_by_chromium(url))
    finally:
        program.terminate()
        program.communicate()

    assert program.returncode == 0
    assert seen[:2] == [640, 360]
    assert (
        np.abs(np.subtract(seen[2:5], BACKDROP)).max() <= 6
    )  # compressed, at a place that the network calls room
