"""The program as a whole but for its network: an oracle mattes, so that a picture takes no seconds here."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from core.errors import CleanplateError
from core.plate import save_plate
from core.types import U8, Plate, View
from live import assemble, v4l2
from live.session import run_session
from live.settings import load
from live.sinks import virtualcam
from live.sources.camera import CameraSource
from live.threads import BACK_OFF_S
from tests.kernel.stage import (
    BLOCK,
    GREEN,
    HAS_EVENT,
    NAME,
    NODE,
    PATIENCE_S,
    PERSON,
    SECOND,
    SIZE,
    WEBCAM,
    above_words,
    capture,
    colours_off,
    command,
    is_idle,
    is_rising,
    numbers_of,
    opens,
    read,
    read_until,
    seconds_until,
    writing,
)

VIVID = "/sys/bus/platform/drivers/vivid"
FORK = multiprocessing.get_context("fork")
SMALL, SLOW_FPS = (320, 180), 5.0  # a session does everything at once, on an emulated processor
GRACE_S = 3.0
GAIN = 42


class Oracle:
    """Knows the person of `numbered`, and the number above it, by place and colour. Implements Matter."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def matte(self, rgb: U8, plate_rgb: U8 | None, coverage: U8 | None) -> U8:
        self._session.mattes.value += 1
        person = np.array(PERSON)
        alpha = cv2.inRange(rgb, person - 24, person + 24)
        alpha[:BLOCK] = 255
        return np.asarray(alpha, np.uint8)

    def reset(self) -> None: ...


class Session:
    """`cleanplate run` in a process of its own. mattes: how often the oracle was asked."""

    def __init__(self, **flags: object) -> None:
        self.mattes = FORK.Value("q", 0)
        flags = {"background.spec": "#00b140", "camera.size": list(SMALL), "camera.fps": SLOW_FPS} | {
            name.replace("__", "."): value for name, value in flags.items()
        }
        # An emulated processor is no place to insist on fresh frames.
        self._settings = load(flags=flags | {"camera.oldest_ms": 60000.0})
        self._reading, self._writing = FORK.Pipe(False)
        self.process = FORK.Process(target=self._run, daemon=True)
        self.process.start()
        self._writing.close()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def end(self) -> str:
        """Waits until it has ended by itself; what it said."""
        self.process.join(PATIENCE_S)
        return self.said()

    def said(self) -> str:
        lines = []
        while self._reading.poll(0):
            try:
                lines.append(self._reading.recv())
            except EOFError:
                break
        return "\n".join(lines)

    def _run(self) -> None:
        assemble._matter = lambda model: (Oracle(self), "an oracle")
        virtualcam.TIMEOUT_MS = 20_000  # else the driver shows the idle picture between two slow ones
        try:
            run_session(self._settings, self._writing.send)
        except CleanplateError as error:
            self._writing.send(str(error))
            os._exit(1)


@contextmanager
def running(**flags: object) -> Iterator[Session]:
    """A session whose first node can be read; ended by SIGTERM, which must end it in good order."""
    session = Session(**flags)
    try:
        seconds_until(lambda: not session.process.is_alive() or opens(NODE))
        assert session.process.is_alive(), session.said()
        yield session
        os.kill(session.pid, signal.SIGTERM)
        session.process.join(PATIENCE_S)
        assert session.process.exitcode == 0, f"exit code {session.process.exitcode}: {session.said()}"
    finally:
        if session.process.is_alive():
            session.process.kill()


def seen_by_readers() -> str:
    """Numbered pictures of a webcam (the second node) through the program to what meetings use."""
    worst = 0
    outputs = [f"virtualcam:{NODE}"]
    with writing(SECOND, SLOW_FPS), running(camera__source=SECOND, output__sinks=outputs):
        for name, reader in READERS.items():
            pictures = reader(NODE, 12)
            numbers = numbers_of(pictures)
            assert len(numbers) >= 6, f"{name}: {len(numbers)} of 12 pictures can be read"
            assert is_rising(numbers), f"{name}: order {numbers}"
            # Not all: a reader that is slow meets a picture being written.
            off = int(np.median([colours_off(rgb, GREEN) for rgb in pictures if not is_idle(rgb)]))
            assert off <= 4, f"{name}: colours off by {off} of 255"
            worst = max(worst, off)
    return f"640x360, in order, green where the room was, colours off by {worst} of 255 at most"


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
        pid = session.pid

        def is_open() -> bool:
            return pid in dict(v4l2.holders(Path(WEBCAM)))

        def rests() -> bool:
            mattes = session.mattes.value
            if is_open():
                return False
            time.sleep(1)
            return not is_open() and session.mattes.value == mattes

        seconds_until(rests)  # that it could be read has woken it
        asleep = session.mattes.value
        with capture(NODE) as camera:
            began = time.monotonic()
            read(camera)
            opened_s = seconds_until(is_open)
            read_until(camera, is_replaced)
            awake_s = time.monotonic() - began
        assert session.mattes.value > asleep
        closed_s = seconds_until(lambda: not is_open())
        seconds_until(rests)
        assert closed_s > GRACE_S / 6, "the grace period was cut short"  # its clock starts before ours
    how = "the driver's event" if HAS_EVENT else "a look through /proc, for want of the driver's event"
    return (
        f"by {how}: camera open after {opened_s:.2f} s, new picture after {awake_s:.2f} s, "
        f"closed {closed_s:.1f} s after the reader (grace period {GRACE_S:g} s)"
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
