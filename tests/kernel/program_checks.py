"""The program as a whole with its network, and a browser that looks at it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from typer.testing import CliRunner

from core.plate import load_plate, save_plate
from core.types import U8, Plate, View
from live import plates, replaceable
from live.cli.app import app
from live.replaceable import Tap
from live.retake import Retake
from live.sinks.loopback import query
from live.sources.camera import CameraSource
from tests.kernel.session import SLOW_FPS, running
from tests.kernel.stage import (
    BLOCK,
    GREEN,
    NODE,
    PATIENCE_S,
    PERSON,
    SECOND,
    SIZE,
    START_PATIENCE_S,
    WEBCAM,
    Skip,
    capture,
    command,
    is_rising,
    opens,
    read_until,
    seconds_until,
    writing,
)
from tests.live.chromium import Chromium, find_chromium

SMALL_SIZE = (320, 180)
SMALL = ("--camera", WEBCAM, "--size", "320x180", "--fps", "10")
STILL_ROOM = "osd_text_mode=2,test_pattern=4,contrast=90"  # squares without text, not blown out
REPORT, SAID = Path("/tmp/report.jsonl"), Path("/tmp/said.txt")

# Waits for the right colours: the picture before the first is black, and a writer that gets no time to write
# shows the idle one.
LOOK_BY_CHROMIUM = """(async () => {
  const near = (colour, wanted) => colour.every((level, i) => Math.abs(level - wanted[i]) <= 4);
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind == "videoinput");
  const ours = cameras.find((camera) => camera.label == "cleanplate");
  const wanted = {deviceId: {exact: ours.deviceId}, width: 640, height: 360};
  const video = Object.assign(document.createElement("video"), {autoplay: true, muted: true});
  document.body.prepend(video);
  video.srcObject = await navigator.mediaDevices.getUserMedia({video: wanted});
  const context = new OffscreenCanvas(640, 360).getContext("2d");
  const seen = (x, y) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
  let waits = 0;
  do {
    await new Promise((done) => setTimeout(done, 200));
    context.drawImage(video, 0, 0);
  } while (!(near(seen(100, 200), BACKDROP) && near(seen(320, 200), PERSON)) && ++waits < 500);
  const backdrop = seen(100, 200), person = seen(320, 200), numbers = [];
  for (let looks = 0; numbers.length < 5 && looks < 500; looks++) {
    context.drawImage(video, 0, 0);
    const blocks = Array.from({length: 16}, (_, bit) => seen(BLOCK * (bit + 0.5), BLOCK / 2)[0]);
    const whole = near(seen(320, 200), PERSON) && blocks.every((level) => level < 40 || level > 215);
    const number = blocks.reduce((sum, level, bit) => sum + (level > 127 ? 2 ** bit : 0), 0);
    if (whole && number != numbers.at(-1)) numbers.push(number);
    await new Promise((done) => setTimeout(done, 50));
  }
  return {
    cameras: cameras.map((camera) => camera.label), size: [video.videoWidth, video.videoHeight],
    rate: video.srcObject.getTracks()[0].getSettings().frameRate,
    backdrop, person, numbers,
  };
})()"""


def seen_by_chromium() -> str:
    """A meeting in a browser: getUserMedia."""
    program = find_chromium()
    if program is None:
        raise Skip("needs chromium, which is not installed")

    async def look() -> dict[str, Any]:
        flags = ("--use-fake-ui-for-media-stream",)  # says yes to the question for the camera
        async with Chromium(program, *flags, patience_s=START_PATIENCE_S) as browser:
            await browser.open(url)
            script = LOOK_BY_CHROMIUM
            for word, value in (("BACKDROP", list(GREEN)), ("PERSON", list(PERSON)), ("BLOCK", BLOCK)):
                script = script.replace(word, str(value))
            return await browser.evaluate(script)

    # Only a page of a server is asked to have a camera.
    with (
        serving() as url,
        writing(SECOND, SLOW_FPS),
        running(camera__source=SECOND, output__sinks=[f"virtualcam:{NODE}"]),
    ):
        seen = asyncio.run(look())
    off = int(np.abs(np.array([seen["backdrop"], seen["person"]]) - [GREEN, PERSON]).max())
    assert "cleanplate" in seen["cameras"], seen
    assert tuple(seen["size"]) == SIZE, seen
    assert off <= 4, seen
    assert seen["rate"] == SLOW_FPS, seen
    assert len(seen["numbers"]) == 5, seen
    assert is_rising(seen["numbers"]), seen
    return (
        f"lists {', '.join(seen['cameras'])}; 640x360 at {seen['rate']:g} fps, in order, "
        f"colours off by {off} of 255"
    )


@contextmanager
def serving() -> Iterator[str]:
    """The address of a page. The server is gone at the end, whatever happened: a thread of it that still
    polled the number of its closed file would poll the next device opened under it, and so make it busy."""
    # A thread each: a browser connects ahead, too, and would hold the only one without asking for anything.
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def plate_recorded() -> str:
    """The plate commands, against the webcam, whose room is empty."""
    plates.person_finder = cache(plates.person_finder)  # for both commands: here it takes 20 s to be made
    command("v4l2-ctl", "-d", WEBCAM, "-c", STILL_ROOM)
    recorded = cleanplate("plate", "record", "room", *SMALL, "--seconds", "2", "--countdown", "0")
    checked = cleanplate("plate", "check", "room")
    assert 'kept the plate "room": 320x180' in recorded, recorded
    assert 'the plate "room" is fine' in checked, checked
    return next(line for line in recorded.splitlines() if line.startswith("kept the plate"))


def room_photographed() -> str:
    """The room photographed anew by the webcam of a session, as its page's button has it."""
    command("v4l2-ctl", "-d", WEBCAM, "-c", STILL_ROOM)
    source = CameraSource(WEBCAM, SMALL_SIZE, SLOW_FPS)
    old = Plate("desk", SMALL_SIZE, (View(source.read().rgb),), 0.0, {"gain": 42.0})
    source.close()
    folder = save_plate(plates.plates_root(), old, recorded="2026-01-01T00:00:00+00:00", replace=True)
    replaceable.PATIENCE_S = float(PATIENCE_S)
    flags = {"plate__name": "desk", "plate__countdown_seconds": 0.0, "plate__record_seconds": 1.0}
    with mock.patch("live.run_panel.Retake", AtOnce):
        session = running(camera__source=WEBCAM, output__sinks=[f"virtualcam:{NODE}"], **flags)
        with session, capture(NODE) as camera:
            seconds_until(SAID.is_file)
            assert SAID.read_text().startswith('kept the plate "desk"'), SAID.read_text()
            gain = load_plate(folder).camera["gain"]
            seconds_until(lambda: f"gain: {gain:.0f}" in command("v4l2-ctl", "-d", WEBCAM, "-C", "gain"))
            read_until(camera, lambda rgb: backdrop_share(rgb) > 0.9)
    back = command("v4l2-ctl", "-d", WEBCAM, "-C", "gain_automatic").strip()
    assert back == "gain_automatic: 1", back
    return (
        f"the plate is another one, with the gain that the camera had chosen, {gain:.0f}, which is held from "
        "then on, and handed back at the end"
    )


class AtOnce(Retake):
    """Begins by itself, and leaves what it says in a file."""

    def __init__(self, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.start()

    def _run(self, name: str, tap: Tap) -> None:
        super()._run(name, tap)
        part = SAID.with_suffix(".part")
        part.write_text(self.state()["said"])
        part.replace(SAID)


def cleanplate(*words: str) -> str:
    """What the command says. In this process, which has the imports behind it."""
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.output


def whole_program() -> str:
    """The program itself, with its true network at a small size: webcam, green backdrop, virtual camera."""
    words = ("run", *SMALL, "--plate", "room", "--background", "#00b140")
    program = subprocess.Popen(
        [sys.executable, "-m", "live", *words, "--output", f"virtualcam:{NODE}", "--report", str(REPORT)],
        env=os.environ | {"CLEANPLATE_MODEL_SIZE": "128x96", "CLEANPLATE_CAMERA_OLDEST_MS": "60000"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # The node shows itself a moment before its first picture, and until then nothing can be read.
        started = seconds_until(lambda: opens(NODE) or program.poll() is not None, START_PATIENCE_S)
        assert program.poll() is None, program.communicate()[0]
        with capture(NODE) as camera:
            rgb, _ = read_until(camera, lambda rgb: backdrop_share(rgb) > 0.9)
        program.terminate()
        began_stop = time.monotonic()
        program.wait(START_PATIENCE_S)
        stopped_after = time.monotonic() - began_stop
    finally:
        program.kill()
    said = program.communicate()[0]
    assert program.returncode == 0, said
    assert 'plate       "room", 320x180' in said, said
    assert (rgb.shape[1], rgb.shape[0]) == (320, 180)
    assert query(NODE).outputs
    states = [json.loads(line)["state"] for line in REPORT.read_text().splitlines()]
    assert set(states) & {"locked", "tracking"}, states
    return (
        f"a camera after {started:.0f} s, backdrop on {backdrop_share(rgb):.0%} of the picture, plate "
        f"{states[-1]}, SIGTERM ends it with 0 after {stopped_after:.1f} s (one picture takes seconds here)"
    )


def backdrop_share(rgb: U8) -> float:
    return float((np.abs(rgb.astype(int) - GREEN).max(-1) <= 4).mean())
