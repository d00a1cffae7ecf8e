"""The program as a whole, and a browser that looks at it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from http.server import HTTPServer, SimpleHTTPRequestHandler
from typing import Any

import numpy as np

from core.types import U8
from live.sinks.loopback import query
from tests.kernel.stage import (
    BACKDROP,
    NEWEST,
    NODE,
    PATIENCE_S,
    PERSON,
    SIZE,
    START_PATIENCE_S,
    VERSION,
    Skip,
    capture,
    opens,
    read,
    seconds_until,
    writing,
)
from tests.live.chromium import Chromium, find_chromium

LOOK_BY_CHROMIUM = """(async () => {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind == "videoinput");
  const ours = cameras.find((camera) => camera.label == "cleanplate");
  const wanted = {deviceId: {exact: ours.deviceId}, width: 640, height: 360};
  const video = Object.assign(document.createElement("video"), {autoplay: true, muted: true});
  document.body.prepend(video);
  video.srcObject = await navigator.mediaDevices.getUserMedia({video: wanted});
  const context = new OffscreenCanvas(640, 360).getContext("2d");
  const seen = (x, y) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
  let waits = 0;  // what comes before the camera's first picture is black
  do {
    await new Promise((done) => setTimeout(done, 200));
    context.drawImage(video, 0, 0);
  } while (!seen(100, 200).some(Boolean) && ++waits < 500);
  return {
    cameras: cameras.map((camera) => camera.label), size: [video.videoWidth, video.videoHeight],
    backdrop: seen(100, 200), person: seen(320, 200),
  };
})()"""


def seen_by_chromium() -> str:
    """A meeting in a browser: getUserMedia."""
    program = find_chromium()
    if program is None:
        raise Skip("needs chromium, which is not installed")
    if VERSION != NEWEST:
        raise Skip(f"once, with {NEWEST}: Chromium takes a minute to start on the emulated processor")

    async def look() -> dict[str, Any]:
        flags = ("--use-fake-ui-for-media-stream",)  # says yes to the question for the camera
        async with Chromium(program, *flags, patience_s=START_PATIENCE_S) as browser:
            await browser.call("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/")
            await browser.until("location.protocol == 'http:' && document.readyState == 'complete'")
            return await browser.evaluate(LOOK_BY_CHROMIUM)

    # Only a page of a server is asked to have a camera.
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server, writing():
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seen = asyncio.run(look())
        server.shutdown()
    wanted = np.array([BACKDROP, PERSON])
    off = int(np.abs(np.array([seen["backdrop"], seen["person"]]) - wanted).max())
    assert "cleanplate" in seen["cameras"], seen
    assert "Second camera" not in seen["cameras"], "a node that nobody writes to is listed"
    assert tuple(seen["size"]) == SIZE, seen
    assert off <= 4, seen
    return f"lists {', '.join(seen['cameras'])}; 640x360, colours off by {off} of 255"


def whole_program() -> str:
    """The program itself, with its true network at a small size: webcam, green backdrop, virtual camera."""
    if VERSION != NEWEST:
        raise Skip(f"once, with {NEWEST}: the network takes seconds a picture on the emulated processor")
    size = (320, 180)
    words = ("run", "--camera", "/dev/video0", "--size", "320x180", "--fps", "10", "--plate", "none")
    words += ("--background", "#00b140", "--output", f"virtualcam:{NODE}", "--report", "/tmp/report.jsonl")
    program = subprocess.Popen(
        [sys.executable, "-m", "live", *words],
        env=os.environ | {"CLEANPLATE_MODEL_SIZE": "128x96"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        started = seconds_until(lambda: query(NODE).captures or program.poll() is not None, START_PATIENCE_S)
        assert program.poll() is None, program.communicate()[0]
        # The node shows itself a moment before its first picture, and until then nothing can be read.
        seconds_until(lambda: opens(NODE) or program.poll() is not None, START_PATIENCE_S)
        with capture(NODE) as camera:
            pictures = (read(camera) for _ in range(1000))
            rgb = next(rgb for rgb in pictures if backdrop_share(rgb) > 0.02)
            backdrop = backdrop_share(rgb)
        second = subprocess.run(
            [sys.executable, "-c", f"from tests.kernel.stage import refusal; print(refusal({NODE!r}))"],
            capture_output=True, text=True, timeout=PATIENCE_S)  # fmt: skip
        assert f"(process {program.pid})" in second.stdout, second.stdout + second.stderr
        program.terminate()
        began_stop = time.monotonic()
        program.wait(PATIENCE_S)
        stopped_after = time.monotonic() - began_stop
    finally:
        program.kill()
    assert program.returncode == 0, program.communicate()[0]
    assert (rgb.shape[1], rgb.shape[0]) == size
    assert query(NODE).outputs
    return (
        f"a camera after {started:.0f} s, backdrop on {backdrop:.0%} of the picture, SIGTERM ends it with 0 "
        f"after {stopped_after:.1f} s (one picture takes seconds here)"
    )


def backdrop_share(rgb: U8) -> float:
    return float((np.abs(rgb.astype(int) - (0, 177, 64)).max(-1) <= 4).mean())
