"""The program as a whole, but for its network: see tests.kernel.session."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.plate import save_plate
from core.types import U8, Picture, Plate, View
from live import v4l2
from live.sources.camera import CameraSource
from live.suspend import SLEPT_NS, asleep_ns
from live.threads import BACK_OFF_S
from tests.kernel.session import FORK, SLOW_FPS, SMALL, Session, running
from tests.kernel.stage import (
    BLOCK,
    GREEN,
    HAS_EVENT,
    NAME,
    NODE,
    PATIENCE_S,
    SECOND,
    SIZE,
    WEBCAM,
    Skip,
    above_words,
    capture,
    colours_off,
    command,
    is_idle,
    is_rising,
    number_of,
    numbers_of,
    read,
    read_until,
    seconds_until,
    streaming,
    writing,
)
from tests.kernel.virtualcam_checks import resident_kib

VIVID = "/sys/bus/platform/drivers/vivid"
GRACE_S = 3.0
GAIN = 42
FRAMES = int(os.environ.get("KERNELTEST_FRAMES", "300"))  # through the whole program
FAST_FPS = 60.0
LONG_PATIENCE_S = PATIENCE_S + FRAMES / 2


def seen_by_readers() -> str:
    """Numbered pictures of a webcam (the second node) through the program to what meetings use."""
    worst, seen = 0, []
    outputs = [f"virtualcam:{NODE}"]
    written = FORK.Array("B", 1 << 16)

    def note(picture: Picture) -> None:
        number = number_of(picture.rgb)
        if number is not None:
            written[number] += 1

    with writing(SECOND, SLOW_FPS), running(note, camera__source=SECOND, output__sinks=outputs):
        for name, reader in READERS.items():
            pictures = reader(NODE, 12)
            numbers = numbers_of(pictures)
            assert len(numbers) >= 6, f"{name}: {len(numbers)} of 12 pictures can be read"
            assert is_rising(numbers), f"{name}: order {numbers}"
            made = [number for number in range(numbers[0], numbers[-1] + 1) if written[number]]
            assert set(numbers) <= set(made), f"{name}: {numbers}, but the program wrote {made}"
            assert max(written[number] for number in made) == 1, f"{name}: some were written twice: {made}"
            seen.append(f"{name} {len(numbers)} of {len(made)}")
            # Not all: a reader that is slow meets a picture being written.
            off = int(np.median([colours_off(rgb, GREEN) for rgb in pictures if not is_idle(rgb)]))
            assert off <= 4, f"{name}: colours off by {off} of 255"
            worst = max(worst, off)
        is_told(NODE, SLOW_FPS)
    return (
        f"640x360, told {SLOW_FPS:g} fps as asked, in order, each picture once (of those written meanwhile "
        f"{', '.join(seen)}), green where the room was, colours off by {worst} of 255 at most"
    )


def is_told(path: str, fps: float) -> None:
    """Waits until all readers are told this rate: OpenCV sets another one for all when it opens a camera."""
    ffmpeg = ("ffmpeg", "-nostdin", "-f", "v4l2", "-i", path, "-frames:v", "1", "-f", "null", "-")
    with capture(path) as camera:
        seconds_until(lambda: camera.get(cv2.CAP_PROP_FPS) == fps)
    seconds_until(lambda: f"Frames per second: {fps:.3f}" in command("v4l2-ctl", "-d", path, "--get-parm"))
    said = subprocess.run(ffmpeg, capture_output=True, text=True, timeout=PATIENCE_S).stderr
    assert f" {fps:g} fps," in said, said


def read_by_ffmpeg(path: str, count: int) -> list[U8]:
    out = Path("/tmp/read.rgb")
    command("ffmpeg", "-loglevel", "error", "-nostdin", "-f", "v4l2", "-i", path, "-frames:v", str(count),
            "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-y", str(out))  # fmt: skip
    return list(np.fromfile(out, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3))


def read_by_v4l2_ctl(path: str, count: int) -> list[U8]:
    out = Path("/tmp/read.yuv")
    command("v4l2-ctl", "-d", path, "--stream-mmap", f"--stream-count={count}", f"--stream-to={out}")
    pictures = np.fromfile(out, np.uint8).reshape(-1, SIZE[1] * 3 // 2, SIZE[0])
    return [cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420) for yuv in pictures]


def read_by_opencv(path: str, count: int) -> list[U8]:
    with capture(path) as camera:
        return [read(camera) for _ in range(count)]


READERS: dict[str, Callable[[str, int], list[U8]]] = {
    "ffmpeg": read_by_ffmpeg,
    "OpenCV": read_by_opencv,
    "v4l2-ctl": read_by_v4l2_ctl,
}


def two_outputs_and_a_second_start() -> str:
    """One program feeds both nodes; another that wants its camera, or a node of its, is told by whom."""
    outputs = [f"virtualcam:{NODE}", f"virtualcam:{SECOND}"]
    with running(camera__source=WEBCAM, output__sinks=outputs) as first:
        for node in (NODE, SECOND):
            with capture(node) as camera:
                read_until(camera, is_replaced)
        second = Session(camera__source=WEBCAM, output__sinks=["null"])
        said = second.end()
        assert f"camera {WEBCAM} is busy, used by {NAME} (process {first.pid})" in said, said
        cv2.imwrite("/tmp/room.png", np.zeros((*SMALL[::-1], 3), np.uint8))
        third = Session(camera__source="/tmp/room.png", output__sinks=outputs[1:])
        said = third.end()
        assert f"{SECOND} is written to already by {NAME} (process {first.pid})" in said, said
        assert (second.process.exitcode, third.process.exitcode) == (1, 1)
    return "both are fed; a second start names who has the camera, and who the node"


def camera_on_demand() -> str:
    """Closed and asleep until somebody reads, and again after a while."""
    outputs = {"output__sinks": [f"virtualcam:{NODE}"], "output__on_demand": True}
    with running(camera__source=WEBCAM, output__grace_seconds=GRACE_S, **outputs) as session:
        seconds_until(partial(rests, session))  # that it could be read has woken it
        asleep = session.mattes.value
        with capture(NODE) as camera:
            began = time.monotonic()
            while not is_replaced(read(camera)):
                pass
            awake_s = time.monotonic() - began
            waited_s = session.first_picture_s.value
        assert session.mattes.value > asleep
        closed_s = seconds_until(lambda: not has_webcam(session))
        seconds_until(partial(rests, session))
        assert closed_s > GRACE_S / 6, "the grace period was cut short"  # its clock starts before ours
    how = "the driver's event" if HAS_EVENT else "a look through /proc, for want of the driver's event"
    return (
        f"by {how}: new picture after {awake_s:.2f} s, {waited_s:.2f} s of it for the webcam's first "
        f"({SLOW_FPS:g} fps) and {awake_s - waited_s:.2f} s for the program and the reader; closed "
        f"{closed_s:.1f} s after the reader (grace period {GRACE_S:g} s)"
    )


def has_webcam(session: Session) -> bool:
    return session.pid in dict(v4l2.holders(Path(WEBCAM)))


def rests(session: Session) -> bool:
    """Whether the camera is closed and the oracle is not asked for a second."""
    mattes = session.mattes.value
    if has_webcam(session):
        return False
    time.sleep(1)
    return not has_webcam(session) and session.mattes.value == mattes


def paused() -> str:
    """Closed and asleep though somebody reads, from one SIGUSR1 to the next, and without the room between."""
    outputs = {"output__sinks": [f"virtualcam:{NODE}"], "plate__name": str(plate_of_webcam())}
    with running(camera__source=WEBCAM, **outputs) as session, capture(NODE) as camera:
        read_until(camera, is_replaced)
        os.kill(session.pid, signal.SIGUSR1)
        idle_s = time_until(camera, is_idle)
        seconds_until(partial(rests, session))
        assert f"gain: {GAIN}" not in command("v4l2-ctl", "-d", WEBCAM, "-C", "gain"), "still held"
        os.kill(session.pid, signal.SIGUSR1)
        back_s = time_until(camera, is_replaced)
        assert f"gain: {GAIN}" in command("v4l2-ctl", "-d", WEBCAM, "-C", "gain")
        assert session.openings.value == 2
    return (
        f"SIGUSR1: idle picture after {idle_s:.2f} s, webcam closed, oracle asleep; SIGUSR1: new pictures "
        f"after {back_s:.2f} s, with its settings; the room was never seen"
    )


def many_frames() -> str:
    """Webcam, loop and virtual camera with a reader, for long: nothing grows, and no frame gets older."""
    block = FRAMES // 10
    memory, files, age_ms = FORK.Array("q", 10), FORK.Array("q", 10), FORK.Array("d", 10)
    done, ages = FORK.Value("q", 0), []

    def note(picture: Picture) -> None:
        ages.append((time.monotonic_ns() - picture.time_ns) / 1e6)
        if len(ages) < block or done.value == 10:
            return
        memory[done.value], files[done.value] = resident_kib(), len(os.listdir("/proc/self/fd"))
        age_ms[done.value] = float(np.median(ages))
        ages.clear()
        done.value += 1

    outputs = {"output__sinks": [f"virtualcam:{NODE}"], "camera__fps": FAST_FPS}
    with running(note, camera__source=WEBCAM, **outputs) as session:
        reader = streaming(NODE)
        began, first = time.monotonic(), session.mattes.value
        seconds_until(lambda: done.value == 10, LONG_PATIENCE_S)
        took_s, frames = time.monotonic() - began, session.mattes.value - first
        assert reader.poll() is None, "the reader has gone"
        reader.terminate()
        reader.wait()
    grown = memory[9] - memory[4]  # by then all is loaded, and each buffer there
    assert grown < 2048, f"{list(memory)} KiB"
    assert len(set(files[1:])) == 1, f"{list(files)} open files"
    assert min(age_ms[5:]) < 2 * max(age_ms[:5]), f"{list(age_ms)} ms old"
    return (
        f"{10 * block} pictures, {frames / took_s:.0f} a second: memory {grown:+d} KiB from middle to end, "
        f"{files[9]} open files throughout, {age_ms[0]:.0f} ms old first, {age_ms[9]:.0f} ms last"
    )


def suspended() -> str:
    """The kernel goes through a whole suspension but for switching itself off, and comes back."""
    power = Path("/sys/power")
    if subprocess.run(["modprobe", "stay"], capture_output=True).returncode:
        raise Skip("needs the module of stay.c, which setup could not build")
    took: Any = FORK.Array("q", 1 << 12)  # capture times before the sleep, and after it
    counts = FORK.Array("q", 2)
    awake_ns = asleep_ns()

    def note(picture: Picture) -> None:
        after = asleep_ns() - awake_ns > SLEPT_NS
        if after:
            took[counts[1] % len(took)] = picture.time_ns
        counts[after] += 1

    flags = {"camera__source": WEBCAM, "camera__oldest_ms": 3000.0, "plate__name": str(plate_of_webcam())}
    with running(note, **flags, output__sinks=[f"virtualcam:{NODE}"]) as session, capture(NODE) as camera:
        read_until(camera, is_replaced)
        seconds_until(lambda: counts[0] > 5)  # the first ones take long
        (power / "pm_test").write_text("core")
        down_ns = time.monotonic_ns()
        (power / "state").write_text("mem")
        up_ns = time.monotonic_ns()
        (power / "pm_test").write_text("none")
        slept_s = (asleep_ns() - awake_ns) / 1e9
        assert slept_s > 1, f"it slept for {slept_s:.1f} s alone"
        seconds_until(lambda: session.openings.value == 2)
        began = time.monotonic()
        seconds_until(lambda: counts[1] > 3)
        time_until(camera, is_replaced)
        back_s = time.monotonic() - began
        held = f"gain: {GAIN}" in command("v4l2-ctl", "-d", WEBCAM, "-C", "gain")
        assert held, "its settings are lost"
        # This process slept as well: everybody did between the two, and is awake well before the second.
        old = sum(time_ns < (down_ns + up_ns) / 2 for time_ns in took[: counts[1]])
    assert old <= 1, f"{old} pictures of before were shown after"  # one may have been in the making
    return (
        f"slept {slept_s:.1f} s; the webcam is opened anew with its settings, new pictures {back_s:.1f} s "
        f"later, and {old} of before the sleep"
    )


def webcam_unplugged() -> str:
    """Pulled out under the program for longer than any wait between tries, and plugged in again."""
    held = f"gain: {GAIN}"
    flags = {"camera__source": WEBCAM, "plate__name": str(plate_of_webcam())}
    with running(**flags, output__sinks=[f"virtualcam:{NODE}"]), capture(NODE) as camera:
        read_until(camera, is_replaced)
        assert held in command("v4l2-ctl", "-d", WEBCAM, "-C", "gain")
        unplug = subprocess.Popen(["sh", "-c", f"echo vivid.0 >{VIVID}/unbind"])
        noticed_s = time_until(camera, is_idle)
        unplug.wait(PATIENCE_S)
        deadline = time.monotonic() + sum(BACK_OFF_S) + 0.1
        while time.monotonic() < deadline:
            assert not shows_room(read(camera))
        command("sh", "-c", f"echo vivid.0 >{VIVID}/bind")
        returned_s = time_until(camera, is_replaced)
        seconds_until(lambda: held in command("v4l2-ctl", "-d", WEBCAM, "-C", "gain"))
    assert max(BACK_OFF_S) < 2, "it may take two seconds to be found again"
    return (
        f"idle picture after {noticed_s:.1f} s; new pictures {returned_s:.1f} s after it is plugged in, "
        "with its settings and the same plate; the room was never seen"
    )


def plate_of_webcam() -> Path:
    """A plate that was recorded with a gain of its own."""
    source = CameraSource(WEBCAM, SMALL, SLOW_FPS)
    rgb = source.read().rgb
    source.close()
    plate = Plate("bars", SMALL, (View(rgb),), 0.0, {"gain": float(GAIN)})
    return save_plate(
        Path("/tmp/plates"), plate, recorded="2026-01-01T00:00:00+00:00", frames=1, replace=True
    )


def time_until(camera: cv2.VideoCapture, wanted: Callable[[U8], bool]) -> float:
    """Seconds until a picture is as wanted; none of those before may show the room."""

    def looked_at(rgb: U8) -> bool:
        assert not shows_room(rgb), "the room was shown"
        return wanted(rgb)

    return read_until(camera, looked_at)[1]


def is_replaced(rgb: U8) -> bool:
    """Whether nearly all of the picture is the new backdrop: below the number nobody is in the webcam."""
    green = np.array(GREEN)
    return float(cv2.inRange(rgb[BLOCK:], green - 4, green + 4).mean()) > 0.98 * 255


def shows_room(rgb: U8) -> bool:
    """Whether there is red between the number and the idle picture's words: green and idle have none."""
    return float((rgb[above_words(rgb)][BLOCK + 8 :, :, 0] > 90).mean()) > 0.01
