"""What the checks share: pictures with a number in them, writers in processes of their own, readers."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np

from core.errors import DeviceError
from core.types import U8, Picture
from live.idle import IdlePicture
from live.sinks.loopback import query
from live.sinks.virtualcam import STOPPED, VirtualCameraSink
from live.sources.camera import CameraSource

VERSION = os.environ.get("KERNELTEST_LOOPBACK_VERSION", "0")
NEWEST = os.environ.get("KERNELTEST_NEWEST", VERSION)
HAS_EVENT = tuple(map(int, VERSION.split("."))) >= (0, 13)
NAME = Path("/proc/self/comm").read_text().strip()  # of the processes that are forked here, too
WEBCAM, NODE, SECOND = "/dev/video0", "/dev/video10", "/dev/video11"
SIZE = (640, 360)
BACKDROP, PERSON = (30, 90, 160), (200, 160, 120)
FPS = 20
GREEN = (0, 177, 64)  # the new backdrop where there is one
PATIENCE_S = 400  # the processor is emulated, and the host may be slow and busy; nothing waits this long
START_PATIENCE_S = 600  # imports are slower still
BLOCK = 16  # a frame number is 16 blocks of this many pixels, black or white


class Skip(Exception):  # noqa: N818  (a verdict, not an error)
    """Why a check is left out here."""


def numbered(index: int) -> U8:
    """A picture of the backdrop with a person's colour in the middle and its number on top."""
    rgb = np.full((SIZE[1], SIZE[0], 3), BACKDROP, np.uint8)
    rgb[120:300, 240:400] = PERSON
    for bit in range(16):
        rgb[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 if index >> bit & 1 else 0
    return rgb


def number_of(rgb: U8) -> int | None:
    """None of a torn picture: a reader that is slow meets the next one being written."""
    blocks = rgb[4 : BLOCK - 4, : 16 * BLOCK].reshape(8, 16, BLOCK, 3)[:, :, 4:-4].mean((0, 2, 3))
    if ((blocks > 40) & (blocks < 215)).any():
        return None
    return sum(1 << bit for bit in range(16) if blocks[bit] > 127)


def numbers_of(pictures: Iterable[U8]) -> list[int]:
    """Of those that have one: the driver shows the idle picture while a writer gets no time to write."""
    found = (number_of(rgb) for rgb in pictures if not is_idle(rgb))
    return [number for number in found if number is not None]


def shown(index: int, alpha_u8: U8 | None = None) -> Picture:
    return Picture(numbered(index), alpha_u8, time.monotonic_ns(), index, straight=alpha_u8 is not None)


def is_rising(numbers: list[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(numbers))


def colours_off(rgb: U8, backdrop: tuple[int, int, int] = BACKDROP) -> int:
    """Largest difference, in levels, from what was written, away from edges."""
    back = np.abs(rgb[40:340, 20:220].astype(int) - backdrop).max()
    person = np.abs(rgb[130:290, 250:390].astype(int) - PERSON).max()
    return int(max(back, person))


def is_idle(rgb: U8) -> bool:
    """Whether it is the idle picture, by its dark ground: the words on it may change."""
    rows = above_words(rgb)
    ground = idle_ground((rgb.shape[1], rgb.shape[0]))
    return bool(cv2.absdiff(rgb[rows], ground[rows]).max() <= 4)


def above_words(rgb: U8) -> slice:
    """Rows of a picture that would be the idle one's ground."""
    return slice(0, rgb.shape[0] // 4)


@cache
def idle_ground(size: tuple[int, int]) -> U8:
    return IdlePicture(size).picture(STOPPED, 0, 0).rgb


def write_until_told(path: str, fps: float, pipe: Connection) -> None:
    """A writer in a process of its own. Says "written" after two pictures, or what went wrong."""
    try:
        sink = VirtualCameraSink(SIZE, fps, path)
        for index in range(1 << 16):
            sink.push(shown(index))
            if index == 1:
                pipe.send("written")
            if pipe.poll(1 / fps):
                break
        sink.close()
    except DeviceError as error:
        pipe.send(str(error))


class Writer:
    """A virtual camera in a process of its own. said: "written" when it runs, or why it does not."""

    def __init__(self, path: str = NODE, fps: float = FPS) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=write_until_told, args=(path, fps, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.said = self._pipe.recv() if self._pipe.poll(PATIENCE_S) else "nothing"
        self._asked = False

    def ask_to_stop(self) -> None:
        """Once: who was told so before may have hung up already, and not be gone yet."""
        if self.process.is_alive() and not self._asked:
            self._asked = True
            self._pipe.send("stop")

    def stop(self) -> None:
        self.ask_to_stop()
        self.process.join(PATIENCE_S)


@contextmanager
def writing(path: str = NODE, fps: float = FPS) -> Iterator[Writer]:
    writer = Writer(path, fps)
    assert writer.said == "written", writer.said
    try:
        yield writer
    finally:
        writer.stop()


def refusal(device: str) -> str:
    try:
        VirtualCameraSink(SIZE, FPS, device).close()
    except DeviceError as error:
        return str(error)
    return "taken"


def camera_refusal(path: str) -> str:
    try:
        CameraSource(path, SIZE, FPS).close()
    except DeviceError as error:
        return str(error)
    return "opened"


@contextmanager
def fed_by_ffmpeg(path: str, source: str, *options: str) -> Iterator[int]:
    words = ("ffmpeg", "-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i", source)
    ffmpeg = subprocess.Popen([*words, *options, "-f", "v4l2", path])
    try:
        seconds_until(lambda: query(path).captures or ffmpeg.poll() is not None)
        assert ffmpeg.poll() is None, "ffmpeg does not write"
        yield ffmpeg.pid
    finally:
        ffmpeg.terminate()
        ffmpeg.wait()


def streaming(path: str) -> subprocess.Popen[bytes]:
    """v4l2-ctl, which has had a picture and takes more for ever."""
    reader = subprocess.Popen(["v4l2-ctl", "-d", path, "--stream-mmap"], stderr=subprocess.PIPE)
    assert reader.stderr is not None
    assert reader.stderr.read(1) == b"<", "v4l2-ctl does not stream"
    return reader


def command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{words[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"
    return done.stdout


@contextmanager
def capture(path: str) -> Iterator[cv2.VideoCapture]:
    """A node that is written to. It announces itself before its first picture, and opens after it."""
    camera = cv2.VideoCapture(path, cv2.CAP_V4L2)
    try:
        seconds_until(lambda: camera.isOpened() or camera.open(path, cv2.CAP_V4L2))
        yield camera
    finally:
        camera.release()


def opens(path: str) -> bool:
    """Whether OpenCV opens the node now."""
    camera = cv2.VideoCapture(path, cv2.CAP_V4L2)
    try:
        return camera.isOpened()
    finally:
        camera.release()


def read(camera: cv2.VideoCapture) -> U8:
    there, bgr = camera.read()
    assert there, "no picture"
    return bgr[..., ::-1]


def read_until(camera: cv2.VideoCapture, wanted: Callable[[U8], bool]) -> tuple[U8, float]:
    """The first picture that is as wanted, and the seconds until it came."""
    began = time.monotonic()
    while not wanted(rgb := read(camera)):
        assert time.monotonic() - began < PATIENCE_S, "the picture that is waited for never came"
    return rgb, time.monotonic() - began


def until_idle(camera: cv2.VideoCapture) -> int:
    """Reads until the idle picture comes; how many came before. Nothing else may be among them."""
    before: list[U8] = []
    read_until(camera, lambda rgb: is_idle(rgb) or bool(before.append(rgb)))
    # One may be torn between the last picture and the idle one.
    assert sum(colours_off(rgb) > 4 for rgb in before) <= 1, "something else was shown"
    return len(before)


def seconds_until(happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < patience_s, "it never happened"
        time.sleep(0.02)
    return time.monotonic() - began
