"""The page in the browser: what it says, and what it never shows."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest

from core.errors import DeviceError
from core.types import Picture
from live.sinks.webrtc import WebRtcSink
from tests.live.chromium import Chromium, find_chromium
from tests.live.test_webrtc import SIZE, WITHOUT_NETWORK, feeding, moving, needs_chromium

pytestmark = needs_chromium

QUICKLY = (
    "const wait = setTimeout; window.setTimeout = (call, ms, ...words) => wait(call, ms / 10, ...words);"
)


@pytest.fixture
def sink() -> Iterator[WebRtcSink]:
    sink = WebRtcSink(SIZE, 25, port=0)
    yield sink
    sink.close()


@asynccontextmanager
async def page(url: str, first: str = "") -> AsyncIterator[Chromium]:
    """The page in a browser. first: JavaScript that runs before the page's own."""
    program = find_chromium()
    assert program is not None
    async with Chromium(program) as browser:
        await browser.call("Page.enable")
        await browser.call("Page.addScriptToEvaluateOnNewDocument", source=first)
        await browser.open(url)
        await browser.until("window.note && window.words?.textContent != 'Connecting'")
        yield browser


def test_the_page_keeps_no_picture_when_the_program_is_gone(sink):
    async def watch() -> str:
        async with page(sink.url) as browser:
            await browser.until("frame.classList.contains('playing')")
            await asyncio.to_thread(sink.close)
            await browser.until("words.textContent.includes('Not connected')")
            return str(await browser.evaluate("getComputedStyle(video).opacity"))

    stop = threading.Event()

    def feed() -> None:
        with suppress(DeviceError):  # closed under our hands
            for index in itertools.count():
                if stop.wait(0.02):
                    return
                sink.push(moving(index))

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        assert asyncio.run(watch()) == "0"
    finally:
        stop.set()
        thread.join()


def test_full_screen_shows_what_is_said_in_place_of_the_picture_too(sink):
    async def watch() -> bool:
        async with page(sink.url) as browser:
            await browser.until("!full.disabled")
            await browser.call("Runtime.evaluate", expression="full.click()", userGesture=True)
            await browser.until("document.fullscreenElement != null")
            said = "document.fullscreenElement.contains(document.getElementById('note'))"
            return bool(await browser.evaluate(said))

    with feeding(sink):
        assert asyncio.run(watch())


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("delete window.RTCPeerConnection", "does not have, or has switched off"),
        (QUICKLY + "RTCPeerConnection.prototype.setRemoteDescription = () => {}", " ".join(WITHOUT_NETWORK)),
    ],
)
def test_the_page_says_why_there_is_no_video_and_what_helps(sink, first, said):
    async def watch() -> None:
        async with page(sink.url, first) as browser:
            await browser.until(f"document.getElementById('note').textContent.includes({said!r})")

    with feeding(sink):
        asyncio.run(watch())


def test_the_page_recovers_from_what_another_program_said_on_its_port(sink):
    stranger = """const ask = fetch; let strange = true;
    window.fetch = (at, ...how) => at == "/state" && strange
      ? (strange = false, Promise.resolve(new Response('{"status": "up"}'))) : ask(at, ...how);"""

    async def watch() -> None:
        async with page(sink.url, stranger) as browser:
            await browser.until("words.textContent.includes('Live')")

    with feeding(sink):
        asyncio.run(watch())


def test_bare_is_the_picture_alone_and_nothing_where_there_is_none(sink):
    all_parts = "[...document.querySelectorAll('header, footer, .bar, .note, video')]"
    place = "(({x, y, width, height}) => [x, y, width, height])(video.getBoundingClientRect())"

    async def watch() -> tuple[list[str], list[float], list[float]]:
        async with page(sink.url + "?bare") as browser:
            await browser.until("frame.classList.contains('playing')")
            tags = await browser.evaluate(
                f"{all_parts}.filter((e) => e.checkVisibility()).map((e) => e.tagName)"
            )
            places = [await browser.evaluate(it) for it in (place, "[0, 0, innerWidth, innerHeight]")]
            await browser.evaluate("again('The connection was lost.')")
            await browser.until(
                "getComputedStyle(video).opacity == 0 && !document.getElementById('note').checkVisibility()"
            )
            return tags, *places

    with feeding(sink):
        tags, video, window = asyncio.run(watch())
    assert tags == ["VIDEO"]
    assert video == window


def test_a_screen_reader_is_told_changes_alone(sink):
    async def watch() -> int:
        async with page(sink.url, QUICKLY) as browser:
            await browser.until("words.textContent.includes('Live')")
            await browser.evaluate(
                """window.told = 0; window.asked = performance.getEntriesByType("resource").length;
                let last = words.textContent;
                new MutationObserver(() => { told += words.textContent == last; last = words.textContent })
                  .observe(words, {childList: true, subtree: true})"""
            )
            await browser.until("performance.getEntriesByType('resource').length > asked + 3")
            return int(await browser.evaluate("told"))

    with feeding(sink):
        assert asyncio.run(watch()) == 0


def test_connected_without_a_picture_is_not_called_a_missing_network(sink):
    async def watch() -> None:
        async with page(sink.url) as browser:
            await browser.until("document.getElementById('note').textContent.includes('No picture has come')")
            await browser.until("words.textContent.includes('Waiting')")

    asyncio.run(watch())


@pytest.mark.parametrize("picture_size", [(320, 180), (180, 320)])
def test_the_buttons_are_in_sight_and_of_one_line_in_small_windows_too(picture_size):
    sizes = [(1280, 900), (820, 420), (480, 400), (320, 480)]
    place = "(({bottom, right, height}) => [bottom, right, height])(full.getBoundingClientRect())"
    width, height = picture_size
    shown = Picture(np.full((height, width, 3), (0, 90, 200), np.uint8), None, 0, 0)
    sink = WebRtcSink(picture_size, 25, port=0)

    async def look() -> list[list[float]]:
        places = []
        async with page(sink.url) as browser:
            await browser.until("frame.classList.contains('playing')")
            for width, height in sizes:
                view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                await browser.call("Emulation.setDeviceMetricsOverride", **view)
                await browser.until(f"innerWidth == {width}")
                places.append(await browser.evaluate(place))
        return places

    try:
        with feeding(sink, lambda index: replace(shown, time_ns=index * 40_000_000)):
            places = asyncio.run(look())
    finally:
        sink.close()

    for (width, height), (bottom, right, high) in zip(sizes, places, strict=True):
        assert bottom <= height
        assert right <= width
        assert high < 40  # px; of two lines it is 51
