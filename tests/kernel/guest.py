"""The checks of the virtual camera and the webcam that run inside the test machine.

Started by test_kernel.py, once for each version of v4l2loopback. Prints one line a check:
"RESULT", its name, "pass", "fail" or "skip", and a detail, parted by tabs.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import HTTPServer, SimpleHTTPRequestHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
import cv2
import numpy as np
import pyvirtualcam

from core.errors import DeviceError
from core.types import U8, Picture
from live import v4l2
from live.idle import IdlePicture
from live.sinks.demand import Demand
from live.sinks.loopback import heal, query
from live.sinks.selftest import read_back
from live.sinks.virtualcam import STOPPED, TIMEOUT_MS, VirtualCameraSink
from live.sources.camera import CameraSource
from live.threads import BACK_OFF_S, ThreadedSource
from tests.live.chromium import Chromium, find_chromium

VERSION = os.environ.get("KERNELTEST_LOOPBACK_VERSION", "0")
NEWEST = os.environ.get("KERNELTEST_NEWEST", VERSION)
HAS_EVENT = tuple(map(int, VERSION.split("."))) >= (0, 13)
NODE, SECOND = "/dev/video10", "/dev/video11"
SIZE = (640, 360)
BACKDROP, PERSON = (30, 90, 160), (200, 160, 120)
FPS = 20
PATIENCE_S = 60  # the processor is emulated, and the host may be busy
START_PATIENCE_S = 300  # imports are slower still
RESTARTS = 5
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


def number_of(rgb: U8) -> int:
    blocks = rgb[4 : BLOCK - 4, : 16 * BLOCK].reshape(8, 16, BLOCK, 3)[:, :, 4:-4].mean((0, 2, 3))
    return sum(1 << bit for bit in range(16) if blocks[bit] > 127)


def is_rising(numbers: list[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(numbers))


def colours_off(rgb: U8) -> int:
    """Largest difference, in levels, from what was written, away from edges."""
    back = np.abs(rgb[40:340, 20:220].astype(int) - BACKDROP).max()
    person = np.abs(rgb[130:290, 250:390].astype(int) - PERSON).max()
    return int(max(back, person))


def is_idle(rgb: U8) -> bool:
    """Whether it is the idle picture, by its dark ground: the words on it may change."""
    idle = IdlePicture(SIZE).picture(STOPPED, 0, 0).rgb
    return bool(np.abs(rgb[:100].astype(int) - idle[:100]).max() <= 4)


def shown(index: int, alpha_u8: U8 | None = None) -> Picture:
    return Picture(numbered(index), alpha_u8, time.monotonic_ns(), index, straight=alpha_u8 is not None)


def write_until_told(path: str, pipe: Connection) -> None:
    """A writer in a process of its own. Says "written" after two pictures, or what went wrong."""
    try:
        sink = VirtualCameraSink(SIZE, FPS, path)
        for index in range(1 << 16):
            sink.push(shown(index))
            if index == 1:
                pipe.send("written")
            if pipe.poll(1 / FPS):
                break
        sink.close()
    except DeviceError as error:
        pipe.send(str(error))


class Writer:
    """A virtual camera in a process of its own. said: "written" when it runs, or why it does not."""

    def __init__(self, path: str = NODE) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=write_until_told, args=(path, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.said = self._pipe.recv() if self._pipe.poll(PATIENCE_S) else "nothing"

    def ask_to_stop(self) -> None:
        if self.process.is_alive():
            self._pipe.send("stop")

    def stop(self) -> None:
        self.ask_to_stop()
        self.process.join(PATIENCE_S)


@contextmanager
def writing(path: str = NODE) -> Iterator[Writer]:
    writer = Writer(path)
    assert writer.said == "written", writer.said
    try:
        yield writer
    finally:
        writer.stop()


def command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{words[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"
    return done.stdout


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


@contextmanager
def capture(path: str) -> Iterator[cv2.VideoCapture]:
    camera = cv2.VideoCapture(path, cv2.CAP_V4L2)
    try:
        assert camera.isOpened(), f"OpenCV does not open {path}"
        yield camera
    finally:
        camera.release()


def read(camera: cv2.VideoCapture) -> U8:
    there, bgr = camera.read()
    assert there, "no picture"
    return bgr[..., ::-1]


READERS: dict[str, Callable[[str, int], list[U8]]] = {
    "ffmpeg": read_by_ffmpeg,
    "OpenCV": read_by_opencv,
    "v4l2-ctl": read_by_v4l2_ctl,
}


def seen_by_readers() -> str:
    worst = 0
    with writing():
        for name, reader in READERS.items():
            pictures = reader(NODE, 10)
            numbers = [number_of(rgb) for rgb in pictures]
            assert len(pictures) == 10, f"{name}: {len(pictures)} of 10 pictures"
            assert is_rising(numbers), f"{name}: order {numbers}"
            # The first pictures may be torn: a reader that starts meets a buffer being written.
            worst = max(worst, colours_off(pictures[-1]))
    assert worst <= 4, f"colours off by {worst} of 255"
    return f"{', '.join(READERS)}: 640x360, in order, colours off by {worst} of 255 at most"


def node_is_camera_only_while_written() -> str:
    before = query(NODE)
    assert (before.captures, before.outputs) == (False, True), f"free node announces {before}"
    with writing():
        during = query(NODE)
    assert (during.captures, during.outputs) == (True, False), f"written node announces {during}"
    return "output, then capture"


def reader_reopens() -> str:
    with writing():
        numbers = [number_of(read_by_opencv(NODE, 2)[-1]) for _ in range(RESTARTS)]
    assert is_rising(numbers), f"order {numbers}"
    return f"{RESTARTS} times"


def writer_restarts() -> str:
    for _ in range(RESTARTS):
        with writing():
            pass
    assert query(NODE).outputs, f"not ready for another: {query(NODE)}"
    return f"{RESTARTS} times"


def nodes_left_by_others() -> str:
    """After pyvirtualcam, which uses write() without streaming, as ffmpeg does."""
    with written_by_pyvirtualcam():
        pass
    alone = usable_after_healing()
    with written_by_pyvirtualcam():
        camera = cv2.VideoCapture(NODE, cv2.CAP_V4L2)
        read(camera)
    try:
        beside = usable_after_healing()
        with writing():
            assert any(colours_off(read(camera)) <= 4 for _ in range(50)), "none of our pictures"
    finally:
        camera.release()
    return f"usable after pyvirtualcam ({alone}), also while a reader stays ({beside})"


def usable_after_healing() -> str:
    healed = heal(NODE)
    with writing():
        return "mended" if healed else "nothing to mend"


@contextmanager
def written_by_pyvirtualcam() -> Iterator[None]:
    here, there = multiprocessing.Pipe()

    def write() -> None:
        red = np.full((SIZE[1], SIZE[0], 3), (200, 0, 0), np.uint8)
        with pyvirtualcam.Camera(*SIZE, FPS, device=NODE, fmt=pyvirtualcam.PixelFormat.RGB) as camera:
            camera.send(red)
            there.send("written")
            while not there.poll(1 / FPS):
                camera.send(red)

    other = multiprocessing.get_context("fork").Process(target=write, daemon=True)
    other.start()
    assert here.poll(PATIENCE_S), "pyvirtualcam does not write"
    try:
        said = refusal(NODE)
        assert f"(process {other.pid})" in said, said
        yield
    finally:
        here.send("stop")
        other.join(PATIENCE_S)


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


def reader_outlives_writers() -> str:
    with writing():
        camera = cv2.VideoCapture(NODE, cv2.CAP_V4L2)
        read(camera)
    try:
        for _ in range(2):
            with writing():
                assert any(colours_off(read(camera)) <= 4 for _ in range(50)), "none of the new pictures"
    finally:
        camera.release()
    return "goes on with two later writers"


def stopped_writer_leaves_the_idle_picture() -> str:
    with writing() as writer, capture(NODE) as camera:
        assert colours_off(read(camera)) <= 4
        writer.ask_to_stop()
        after = until_idle(camera)
    return f"at a clean stop the idle picture is the last one ({after} pictures later)"


def killed_writer_leaves_the_idle_picture() -> str:
    with writing() as writer, capture(NODE) as camera:
        read(camera)
        writer.process.kill()
        began = time.monotonic()
        until_idle(camera)
        waited = time.monotonic() - began
    with writing():
        return f"idle picture after {waited:.1f} s (set to {TIMEOUT_MS / 1000:g} s); the next start works"


def until_idle(camera: cv2.VideoCapture) -> int:
    """Reads until the idle picture comes; how many came before. Nothing else may be among them."""
    for count in range(100):
        rgb = read(camera)
        if is_idle(rgb):
            return count
        assert colours_off(rgb) <= 4, "something else was shown"
    raise AssertionError("the idle picture never came")


def second_writer_is_refused() -> str:
    with writing() as first:
        second = Writer()
        assert "written to already" in second.said, second.said
        assert str(first.process.pid) in second.said, second.said
        with writing(SECOND):
            numbers = [number_of(read_by_v4l2_ctl(path, 3)[-1]) for path in (NODE, SECOND)]
    return f"says by whom; a second node works beside it (pictures {numbers})"


def demand_follows_readers() -> str:
    with writing():
        demand = Demand(NODE)
        assert demand.by_event == HAS_EVENT, f"event: {demand.by_event}"
        if HAS_EVENT:
            assert not demand.watched()  # without events the writer, another process here, is seen
        with capture(NODE) as camera:
            read(camera)
            woke = seconds_until(lambda: demand.wait(1000))
        slept = seconds_until(lambda: not demand.wait(1000)) if HAS_EVENT else 0.0
        demand.close()
    if not HAS_EVENT:
        return f"no event in this version: seen by looking through /proc after {woke:.2f} s"
    return f"reader seen after {woke:.2f} s, its end after {slept:.2f} s"


def seconds_until(happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < patience_s, "it never happened"
    return time.monotonic() - began


def transparent_output() -> str:
    device = f"{SECOND}?format=rgba"
    if not HAS_EVENT:
        said = refusal(device)
        assert "takes no picture with alpha" in said, said
        return "this version has no AR24; refused with the reason"
    alpha = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    alpha[:, SIZE[0] // 2 :] = np.linspace(1, 255, SIZE[0] // 2)
    sink = VirtualCameraSink(SIZE, FPS, device)
    sink.push(shown(1, alpha))
    told = command("v4l2-ctl", "-d", SECOND, "--get-fmt-video")
    reader = subprocess.Popen(
        ["v4l2-ctl", "-d", SECOND, "--stream-mmap", "--stream-count=2", "--stream-to=/tmp/read.bgra"],
        stderr=subprocess.DEVNULL,
    )
    began = time.monotonic()
    while reader.poll() is None and time.monotonic() - began < PATIENCE_S:
        sink.push(shown(1, alpha))
        time.sleep(1 / FPS)
    sink.close()
    assert "AR24" in told, told
    back = np.fromfile("/tmp/read.bgra", np.uint8).reshape(-1, SIZE[1], SIZE[0], 4)[-1]
    assert np.array_equal(back[..., 3], alpha), "another alpha came back"
    half = SIZE[0] // 2
    assert np.array_equal(back[:, half:, 2::-1], numbered(1)[:, half:]), "other colours came back"
    assert not back[:, : half - 20].any(), "hidden colours came back"
    return "AR24 with straight alpha comes back unchanged, its hidden part empty"


def no_permission() -> str:
    os.chmod(SECOND, 0o600)
    reading, writing_end = multiprocessing.Pipe(False)

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)
        writing_end.send(refusal(SECOND))

    child = multiprocessing.get_context("fork").Process(target=as_nobody)
    child.start()
    child.join(PATIENCE_S)
    os.chmod(SECOND, 0o666)
    said = reading.recv() if reading.poll(0) else "nothing"
    assert "no permission" in said, said
    assert "group" in said, said
    return said


def not_a_virtual_camera() -> str:
    assert "not a virtual one" in refusal("/dev/video0")
    assert "no virtual camera /dev/video99" in refusal("/dev/video99")
    assert [str(node.path) for node in v4l2.nodes() if node.loopback] == [NODE, SECOND]
    return "a webcam and a missing node are refused with the reason"


def refusal(device: str) -> str:
    try:
        VirtualCameraSink(SIZE, FPS, device).close()
    except DeviceError as error:
        return str(error)
    return "taken"


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


def self_test() -> str:
    back = read_back(NODE)
    assert back.size == SIZE, back
    assert back.colours_off <= 4, back
    with writing():
        said = ""
        try:
            read_back(NODE)
        except DeviceError as error:
            said = str(error)
    assert "written to already" in said, said
    return f"{back.name}: {back.colours_off} levels off; a node in use is told"


def many_pictures() -> str:
    """Ten thousand pictures: nothing grows, and the last take no longer than the first."""
    sink = VirtualCameraSink((160, 90), 1000, NODE)
    picture = Picture(np.zeros((90, 160, 3), np.uint8), None, 0, 0)
    took, memory, files = [], [], []
    for _ in range(10):
        began = time.monotonic()
        for _ in range(1000):
            sink.push(picture)
        took.append(time.monotonic() - began)
        memory.append(resident_kib())
        files.append(len(os.listdir("/proc/self/fd")))
    sink.close()
    assert memory[-1] - memory[0] < 1024, f"{memory} KiB"
    assert len(set(files)) == 1, f"{files} open files"
    assert min(took[5:]) < 2 * max(took[:5]), f"{took} s a thousand"
    return f"10000 pictures: memory +{memory[-1] - memory[0]} KiB, open files +0"


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


LOOK_BY_CHROMIUM = """(async () => {
  const video = Object.assign(document.createElement("video"), {autoplay: true, muted: true});
  video.srcObject = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 360}});
  for (let frames = 0; frames < 5; frames++)
    await new Promise((done) => video.requestVideoFrameCallback(done));
  const context = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
  context.drawImage(video, 0, 0);
  const seen = (x, y) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind == "videoinput");
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
        with capture(NODE) as camera:
            pictures = (read(camera) for _ in range(1000))
            rgb = next(rgb for rgb in pictures if backdrop_share(rgb) > 0.02)
            backdrop = backdrop_share(rgb)
        second = subprocess.run(
            [sys.executable, "-c", f"from tests.kernel.guest import refusal; print(refusal({NODE!r}))"],
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


VIVID = "/sys/bus/platform/drivers/vivid"
CHECKS: dict[str, Callable[[], str]] = {
    "announced as a camera while written": node_is_camera_only_while_written,
    "read by ffmpeg, OpenCV, v4l2-ctl": seen_by_readers,
    "reader closes and reopens": reader_reopens,
    "writer restarts": writer_restarts,
    "node used by another program": nodes_left_by_others,
    "reader outlives its writer": reader_outlives_writers,
    "clean stop": stopped_writer_leaves_the_idle_picture,
    "SIGKILL": killed_writer_leaves_the_idle_picture,
    "two instances": second_writer_is_refused,
    "on demand": demand_follows_readers,
    "transparent output": transparent_output,
    "no permission": no_permission,
    "other devices": not_a_virtual_camera,
    "webcam": webcam_as_asked,
    "webcam with MJPG": webcam_with_mjpg,
    "webcam unplugged and back": webcam_unplugged,
    "self-test for doctor": self_test,
    "10,000 pictures": many_pictures,
    "read by Chromium's getUserMedia": seen_by_chromium,
    "whole program, SIGTERM": whole_program,
}


def main() -> int:
    """Runs the checks whose names hold one of the words on the command line, or all."""
    cv2.setNumThreads(2)
    failed = 0
    for name, check in CHECKS.items():
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        began = time.monotonic()
        try:
            result, detail = "pass", check()
        except Skip as reason:
            result, detail = "skip", str(reason)
        except Exception as error:  # the check's verdict
            traceback.print_exc()
            result, detail, failed = "fail", f"{type(error).__name__}: {error}", failed + 1
        took = time.monotonic() - began
        print("RESULT", name, result, f"{detail} [{took:.1f} s]".replace("\n", " "), sep="\t", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
