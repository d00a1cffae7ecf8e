"""What the page turns besides the pause: the background. By requests, and by clicks in Chromium."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.render.backdrops import ColourBackdrop, parse_background
from core.render.renderer import Compositor
from core.types import NO_PLATE, Alignment, Frame, Light, Picture, State
from live import backgrounds as backgrounds_module
from live import replaceable
from live.backgrounds import Backgrounds
from live.panel import Panel
from live.replaceable import Tap
from live.retake import CALLED_OFF, Retake
from live.sinks.webrtc import WebRtcSink
from live.web import control
from tests.live.test_backgrounds import RED, png
from tests.live.test_page import page
from tests.live.test_webrtc import SIZE, feeding, needs_chromium, request

JSON = {"Origin": "{own}", "Content-Type": "application/json"}
GREEN, BLUE = (0, 177, 64), (0, 71, 187)
LOST = Alignment(None, Light(), State.LOST, 0.0, "12 of 66 cells agree")


class Nobody:
    """A matter that sees no one, so that the picture is all backdrop."""

    def matte(self, rgb, plate_rgb, coverage):
        return np.zeros(rgb.shape[:2], np.uint8)

    def reset(self) -> None: ...


class Run:
    """The page of a run without a camera. alignment: what it tells of the plate."""

    def __init__(self, folder: Path) -> None:
        self.alignment: Alignment | None = NO_PLATE
        background = parse_background("green")
        self.compositor = Compositor(None, Nobody(), background, ColourBackdrop(GREEN))
        self.backgrounds = Backgrounds(self.compositor.change, background, folder, SIZE)
        panel = Panel(None, self.backgrounds, None, lambda: self.alignment)
        self.sink = WebRtcSink(SIZE, 25, port=0, panel=panel)
        self._lock = threading.Lock()

    def picture(self, index: int = 0) -> Picture:
        rgb = np.full((SIZE[1], SIZE[0], 3), index % 32, np.uint8)
        with self._lock:  # one thread at a time, as the loop is
            return self.compositor.render(Frame(rgb, index * 40_000_000, index), NO_PLATE)

    def backdrop(self) -> tuple[int, ...]:
        return tuple(int(level) for level in self.picture().rgb[90, 160])

    def ask(self, method: str, path: str, body: bytes | str = "", **headers: str) -> tuple[int, str]:
        named = {
            name.replace("_", "-"): value.replace("{own}", self.sink.url[:-1])
            for name, value in headers.items()
        }
        status, text, _ = asyncio.run(request(method, self.sink.url + path, headers=named, data=body))
        return status, text

    def choose(self, word: object) -> tuple[int, str]:
        return self.ask("POST", "background", json.dumps({"background": word}), **JSON)

    def add(self, name: str, data: bytes) -> tuple[int, str]:
        return self.ask("POST", f"backgrounds/{name}", data, Origin="{own}")

    def close(self) -> None:
        self.sink.close()
        self.compositor.close()


@pytest.fixture
def run(tmp_path) -> Iterator[Run]:
    made = Run(tmp_path / "backgrounds")
    yield made
    made.close()


def test_what_is_chosen_stands_behind_from_the_next_frame_on(run):
    assert run.backdrop() == GREEN
    status, text = run.choose("#0047bb")
    assert (status, json.loads(text)["background"]) == (200, "#0047bb")
    assert run.backdrop() == BLUE


def test_an_added_picture_is_on_offer_is_seen_small_and_can_be_chosen(run):
    assert run.add("My%20room.png", png()) == (201, '{"name": "My room.png"}')
    status, text = run.ask("GET", "backgrounds")
    assert (status, json.loads(text)["files"]) == (200, ["My room.png"])
    assert run.ask("GET", "backgrounds/My%20room.png")[0] == 200
    assert run.choose("My room.png")[0] == 200
    assert run.backdrop() == tuple(RED[0, 0, ::-1])


@pytest.mark.parametrize("word", ["none", "transparent", "/etc/hostname", "blur:9", "", 5, None, ["blur"]])
def test_what_cannot_be_chosen_is_refused_in_words_and_changes_nothing(run, word):
    status, text = run.choose(word)
    assert status == 400
    assert text.strip()
    assert run.backdrop() == GREEN
    assert json.loads(run.ask("GET", "state")[1])["background"] == "#00b140"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "application/json"}, 403),
        ({"Origin": "https://evil.example", "Content_Type": "application/json"}, 403),
        ({"Origin": "{own}", "Host": "evil.example", "Content_Type": "application/json"}, 403),
        ({"Origin": "{own}", "Content_Type": "text/plain"}, 415),
    ],
)
def test_its_own_page_alone_may_choose_and_add(run, headers, status):
    assert run.ask("POST", "background", '{"background": "blue"}', **headers)[0] == status
    if status == 403:
        assert run.ask("POST", "backgrounds/red.png", png(), **headers)[0] == 403
    assert run.backdrop() == GREEN
    assert not run.backgrounds.folder.exists()


def test_no_other_page_sees_what_is_on_offer(run):
    run.add("red.png", png())
    for path in ("backgrounds", "backgrounds/red.png", "state"):
        assert run.ask("GET", path, Origin="https://evil.example")[0] == 403
    # A picture of another page asks without naming it: then it is the answer that forbids its use.
    headers = asyncio.run(request("GET", run.sink.url + "backgrounds/red.png"))[2]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_what_is_added_is_limited_and_broken_pictures_are_refused(run, monkeypatch):
    assert run.add("half.png", png()[:50])[0] == 400
    assert run.add("..%2F..%2Fevil.png", png())[0] == 201
    monkeypatch.setattr(control, "LARGEST_PICTURE", 200_000)
    monkeypatch.setattr(backgrounds_module, "LARGEST_PICTURE", 200_000)
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    status, text = run.add("large.png", png(noise))
    assert status == 413
    assert "At most" in text
    assert [path.name for path in run.backgrounds.folder.iterdir()] == ["evil.png"]
    assert run.ask("GET", "backgrounds/large.png")[0] == 404


def test_a_run_that_offers_nothing_has_no_such_addresses(tmp_path):
    sink = WebRtcSink(SIZE, 25, port=0)
    try:
        assert sink.state()["background"] is None
        for method, path in (("GET", "backgrounds"), ("POST", "background"), ("POST", "backgrounds/a.png")):
            assert asyncio.run(request(method, sink.url + path))[0] == 404
    finally:
        sink.close()


def test_the_room_is_photographed_by_the_page_alone_and_it_tells_how_far_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(replaceable, "PATIENCE_S", 600)
    with photographing(tmp_path) as (sink, retake):
        own = {"Origin": sink.url.rstrip("/"), "Content-Type": "application/json"}

        def post(body: str, **headers: str) -> tuple[int, dict[str, Any]]:
            status, text, _ = asyncio.run(
                request("POST", sink.url + "room", data=body, headers=own | headers)
            )
            return status, json.loads(text)["room"] if status == 200 else {}

        assert post('{"record": true}', Origin="https://evil.example")[0] == 403
        assert post('{"record": 1}')[0] == 400
        assert retake.state()["phase"] == ""
        status, room = post('{"record": true}')
        assert (status, room["phase"]) == (200, "leave")
        assert post('{"record": true}')[0] == 400, "already under way"
        assert post('{"record": false}')[0] == 200
        retake.close()
        assert retake.state()["said"] == CALLED_OFF


@needs_chromium
def test_the_pages_button_photographs_the_room_and_calls_it_off(tmp_path, monkeypatch):
    monkeypatch.setattr(replaceable, "PATIENCE_S", 600)

    async def click(url: str) -> list[str]:
        said = []
        async with page(url) as browser:
            for words in ("Step out of the picture", "It was called off"):
                await browser.until("record.checkVisibility()")
                await browser.evaluate("record.click()")
                await browser.until(
                    f"document.getElementById('room-words').textContent.startsWith({words!r})"
                )
                said.append(await browser.evaluate("record.textContent"))
        return said

    with photographing(tmp_path) as (sink, _):
        assert asyncio.run(click(sink.url)) == ["Stop", "Photograph the empty room"]


@contextmanager
def photographing(folder: Path) -> Iterator[tuple[WebRtcSink, Retake]]:
    """A page whose run has a camera from which no frame comes yet."""
    retake = Retake(
        lambda: Tap("camera", SIZE, 25), lambda plate: None, lambda values: {}, "",
        root=folder, spec="auto", used=None, seconds=4, countdown=5,
    )  # fmt: skip
    sink = WebRtcSink(SIZE, 25, port=0, panel=Panel(retake=retake))
    try:
        yield sink, retake
    finally:
        sink.close()
        retake.close()


def test_the_state_tells_what_is_known_of_the_plate(run):
    run.alignment = LOST
    told = json.loads(run.ask("GET", "state")[1])
    assert told["plate"] == {"state": "lost", "reason": "12 of 66 cells agree"}
    run.alignment = None
    assert json.loads(run.ask("GET", "state")[1])["plate"] is None


@contextmanager
def fed(run: Run) -> Iterator[None]:
    with feeding(run.sink, lambda index: replace(run.picture(index), idle=False)):
        yield


SHOWN = """(() => {
  const context = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  context.drawImage(video, 0, 0);
  return [...context.getImageData(160, 90, 1, 1).data].slice(0, 3);
})()"""


def shows(colour: tuple[int, ...]) -> str:
    return f"((seen) => {list(colour)}.every((level, i) => Math.abs(level - seen[i]) < 8))({SHOWN})"


@needs_chromium
def test_clicks_on_the_page_change_what_others_see(run):
    async def click() -> list[str]:
        said = []
        async with page(run.sink.url) as browser:
            await browser.until(
                "frame.classList.contains('playing') && !document.getElementById('behind').hidden"
            )
            await browser.evaluate(
                "colour.querySelector('input').value = '#0047bb'; colour.querySelector('input').click()"
            )
            await browser.until(shows(BLUE))
            file = f"new File([new Uint8Array({list(png())})], 'red.png')"
            await browser.evaluate(f"add({file})")  # what its button does with one
            await browser.until(shows((200, 0, 0)))
            await browser.until("document.querySelector('.tile.file.chosen')?.dataset.name == 'red.png'")
            await browser.until("!strength.checkVisibility()")
            await browser.evaluate("document.getElementById('blur').click()")
            await browser.until("document.querySelector('.tile.blur.chosen') && strength.checkVisibility()")
            said.append(run.backgrounds.now)
            await browser.evaluate(
                """for (const value of [0.6, 0.7, 0.85]) {
                  const slider = strength.querySelector("input");
                  slider.value = value;
                  slider.dispatchEvent(new Event("input", {bubbles: true}));
                }"""
            )
            await browser.until("shown == 'blur:0.85'")
            said.append(run.backgrounds.now)
            await browser.evaluate("add(new File(['hello'], 'notes.txt'))")
            await browser.until("refused.textContent.includes('not a picture that can be added')")
            await browser.evaluate("choose('#00b140')")
            await browser.until("refused.textContent == '' && " + shows(GREEN))
        return said

    with fed(run):
        assert asyncio.run(click()) == ["blur:0.5", "blur:0.85"]


@needs_chromium
def test_the_page_says_what_is_known_of_the_room(run):
    async def watch() -> list[str]:
        said = []
        async with page(run.sink.url) as browser:
            for alignment, words in (
                (NO_PLATE, "by looks alone"),
                (LOST, "nothing of it is shown (12 of 66"),
            ):
                run.alignment = alignment
                await browser.until(f"words.textContent.includes({words!r})")
                said.append(await browser.evaluate("frame.dataset.plate"))
        return said

    with fed(run):
        assert asyncio.run(watch()) == ["none", "lost"]
