"""The webcam: vivid, and one with MJPG that ffmpeg feeds."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress

from core.errors import DeviceError
from live.sources.camera import CameraSource
from live.threads import BACK_OFF_S, ThreadedSource
from tests.kernel.stage import (
    PATIENCE_S,
    SECOND,
    SIZE,
    command,
    fed_by_ffmpeg,
    is_rising,
)

VIVID = "/sys/bus/platform/drivers/vivid"


def webcam_as_asked() -> str:
    camera = CameraSource("/dev/video0", SIZE, 25)
    frames = [camera.read() for _ in range(25)]
    camera.close()
    assert camera.size == SIZE, camera.size
    assert frames[-1].rgb.shape == (SIZE[1], SIZE[0], 3)
    assert is_rising([frame.index for frame in frames])
    assert is_rising([frame.time_ns for frame in frames])
    assert time.monotonic_ns() > frames[-1].time_ns
    fps = (len(frames) - 1) * 1e9 / (frames[-1].time_ns - frames[0].time_ns)
    return f"{camera.name}; {fps:.1f} fps by their stamps"


def webcam_with_mjpg() -> str:
    source = f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate=15"
    mjpg = ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p")
    with fed_by_ffmpeg(SECOND, source, *mjpg):
        camera = CameraSource(SECOND, SIZE, 15)
        frames = [camera.read() for _ in range(10)]
        camera.close()
    assert "MJPG" in camera.name, camera.name
    assert frames[-1].rgb.std() > 20
    return camera.name


def webcam_unplugged() -> str:
    """Pulled out under its reader for longer than any wait between tries, and plugged in again."""

    def reopen() -> CameraSource:
        return CameraSource("/dev/video0", SIZE, 25)

    camera = ThreadedSource(reopen(), reopen=reopen)
    before = camera.read()
    began = time.monotonic()
    unplug = subprocess.Popen(["sh", "-c", f"echo vivid.0 >{VIVID}/unbind"])
    said = ""
    while not said:
        try:
            camera.read()
        except DeviceError as error:
            said = str(error)
    noticed = time.monotonic() - began
    unplug.wait(PATIENCE_S)
    time.sleep(sum(BACK_OFF_S) + 0.1)
    command("sh", "-c", f"echo vivid.0 >{VIVID}/bind")
    began = time.monotonic()
    again = None
    while again is None:
        with suppress(DeviceError):
            again = camera.read()
    returned = time.monotonic() - began
    camera.close()
    assert again.size == before.size
    assert again.index > before.index
    assert max(BACK_OFF_S) < 2, "it may take two seconds to be found again"
    return f"noticed after {noticed:.1f} s ({said!r}); frames {returned:.1f} s after it was plugged in again"
