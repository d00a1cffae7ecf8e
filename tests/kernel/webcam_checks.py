"""The webcam: vivid, and one with MJPG that ffmpeg feeds."""

from __future__ import annotations

import time
from contextlib import suppress

from core.errors import DeviceError
from core.types import Frame
from live.sources.camera import CameraSource
from tests.kernel.stage import (
    SECOND,
    SIZE,
    WEBCAM,
    camera_refusal,
    fed_by_ffmpeg,
    is_rising,
    seconds_until,
    streaming,
)


def webcam_as_asked() -> str:
    camera = opened(WEBCAM, 25)
    frames = frames_of(camera, 25)
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
        camera = opened(SECOND, 15)
        frames = frames_of(camera, 10)
        camera.close()
    assert "MJPG" in camera.name, camera.name
    assert frames[-1].rgb.std() > 20
    return camera.name


def webcam_in_use() -> str:
    other = streaming(WEBCAM)
    try:
        began = time.monotonic()
        said = camera_refusal(WEBCAM)
        took_s = time.monotonic() - began
    finally:
        other.terminate()
        other.wait()
    assert f"is busy, used by v4l2-ctl (process {other.pid})" in said, said
    assert camera_refusal(WEBCAM) == "opened"
    return f"said after {took_s:.1f} s: {said}"


def frames_of(camera: CameraSource, count: int) -> list[Frame]:
    """A camera on a processor this slow may give none, or torn ones, for a while."""
    frames: list[Frame] = []

    def one_more() -> bool:
        with suppress(DeviceError):
            frames.append(camera.read())
        return len(frames) == count

    seconds_until(one_more)
    return frames


def opened(path: str, fps: float) -> CameraSource:
    found: list[CameraSource] = []

    def opens() -> bool:
        with suppress(DeviceError):
            found.append(CameraSource(path, SIZE, fps))
        return bool(found)

    seconds_until(opens)
    return found[0]
