"""The virtual camera on the real driver."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import pyvirtualcam

from core.errors import DeviceError
from core.types import U8, Picture
from live import v4l2
from live.sinks.demand import Demand
from live.sinks.loopback import heal, query
from live.sinks.selftest import read_back
from live.sinks.virtualcam import TIMEOUT_MS, VirtualCameraSink
from tests.kernel.stage import (
    FPS,
    HAS_EVENT,
    NAME,
    NODE,
    PATIENCE_S,
    SECOND,
    SIZE,
    WEBCAM,
    Writer,
    camera_refusal,
    capture,
    colours_off,
    command,
    is_rising,
    numbered,
    numbers_of,
    read,
    read_until,
    refusal,
    seconds_until,
    shown,
    streaming,
    until_idle,
    writing,
)

RESTARTS = 5


def node_is_camera_only_while_written() -> str:
    before = query(NODE)
    assert (before.captures, before.outputs) == (False, True), f"free node announces {before}"
    with writing():
        during = query(NODE)
    assert (during.captures, during.outputs) == (True, False), f"written node announces {during}"
    return "output, then capture"


def reader_reopens() -> str:
    numbers = []
    with writing():
        for _ in range(RESTARTS):
            with capture(NODE) as camera:
                numbers += numbers_of([read_until(camera, lambda rgb: bool(numbers_of([rgb])))[0]])
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
    with ExitStack() as staying:
        with written_by_pyvirtualcam():
            camera = staying.enter_context(capture(NODE))
            read(camera)
        beside = usable_after_healing()
        with writing():
            read_until(camera, ours)
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
        # One that gets no time to write for half a second is not seen as a writer.
        seconds_until(lambda: f"(process {other.pid})" in refusal(NODE))
        yield
    finally:
        here.send("stop")
        other.join(PATIENCE_S)


def reader_outlives_writers() -> str:
    with ExitStack() as staying:
        with writing():
            camera = staying.enter_context(capture(NODE))
            read(camera)
        for _ in range(2):
            with writing():
                read_until(camera, ours)
    return "goes on with two later writers"


def stopped_writer_leaves_the_idle_picture() -> str:
    with writing() as writer, capture(NODE) as camera:
        read_until(camera, ours)
        writer.ask_to_stop()
        after = until_idle(camera)
    return f"at a clean stop the idle picture is the last one ({after} pictures later)"


def killed_writer_leaves_the_idle_picture() -> str:
    with writing() as writer, capture(NODE) as camera:
        read_until(camera, ours)
        writer.process.kill()
        began = time.monotonic()
        until_idle(camera)
        waited = time.monotonic() - began
    with writing():
        return f"idle picture after {waited:.1f} s (set to {TIMEOUT_MS / 1000:g} s); the next start works"


def second_writer_is_refused() -> str:
    with writing() as first:
        os.kill(first.process.pid, signal.SIGSTOP)  # one that pauses is not taken for gone
        second = Writer()
        os.kill(first.process.pid, signal.SIGCONT)
        assert f"written to already by {NAME} (process {first.process.pid})" in second.said, second.said
        assert query(NODE).captures, "the second start has taken the node from the first"
        with writing(SECOND), capture(NODE) as one, capture(SECOND) as other:
            read_until(one, ours)
            read_until(other, ours)
    return "says by whom; a second node works beside it"


def ours(rgb: U8) -> bool:
    return colours_off(rgb) <= 4


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
        ["v4l2-ctl", "-d", SECOND, "--stream-mmap", "--stream-count=4", "--stream-to=/tmp/read.bgra"],
        stderr=subprocess.DEVNULL,
    )
    began = time.monotonic()
    while reader.poll() is None and time.monotonic() - began < PATIENCE_S:
        sink.push(shown(1, alpha))
        time.sleep(1 / FPS)
    sink.close()
    assert "AR24" in told, told
    pictures = np.fromfile("/tmp/read.bgra", np.uint8).reshape(-1, SIZE[1], SIZE[0], 4)
    same = [back for back in pictures if np.array_equal(back[..., 3], alpha)]  # not the driver's idle one
    assert same, "another alpha came back"
    back = same[-1]
    half = SIZE[0] // 2
    assert np.array_equal(back[:, half:, 2::-1], numbered(1)[:, half:]), "other colours came back"
    assert not back[:, : half - 20].any(), "hidden colours came back"
    return "AR24 with straight alpha comes back unchanged, its hidden part empty"


def no_permission() -> str:
    for path in (SECOND, WEBCAM):
        os.chmod(path, 0o600)
    reading, writing_end = multiprocessing.Pipe(False)

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)
        writing_end.send((refusal(SECOND), camera_refusal(WEBCAM)))

    child = multiprocessing.get_context("fork").Process(target=as_nobody)
    child.start()
    child.join(PATIENCE_S)
    for path in (SECOND, WEBCAM):
        os.chmod(path, 0o666)
    told = reading.recv() if reading.poll(0) else ("nothing", "nothing")
    for said, path in zip(told, (SECOND, WEBCAM), strict=True):
        assert "no permission" in said, said
        assert path in said, said
        assert "usermod -aG video" in said, said
    return f"virtual camera: {told[0]}"


def not_a_virtual_camera() -> str:
    assert "not a virtual one" in refusal(WEBCAM)
    assert "no virtual camera /dev/video99" in refusal("/dev/video99")
    assert [str(node.path) for node in v4l2.nodes() if node.loopback] == [NODE, SECOND]
    return "a webcam and a missing node are refused with the reason"


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
    """Ten thousand pictures, with a reader: nothing grows, and the last take no longer than the first."""
    sink = VirtualCameraSink((160, 90), 1000, NODE)
    picture = Picture(np.zeros((90, 160, 3), np.uint8), None, 0, 0)
    reader = streaming(NODE)
    took, memory, files = [], [], []
    for _ in range(10):
        began = time.monotonic()
        for _ in range(1000):
            sink.push(picture)
        took.append(time.monotonic() - began)
        memory.append(resident_kib())
        files.append(len(os.listdir("/proc/self/fd")))
    assert reader.poll() is None, "the reader has gone"
    reader.terminate()
    reader.wait()
    sink.close()
    # A page of a library that is read in late is no growth: what leaks does so all the way.
    grown = median(memory[-3:]) - median(memory[:3])
    assert grown < 1024, f"{memory} KiB"
    assert len(set(files)) == 1, f"{files} open files"
    assert min(took[5:]) < 2 * max(took[:5]), f"{took} s a thousand"
    ms = [f"{seconds:.2f}" for seconds in (took[0], took[-1])]
    return f"memory +{grown:.0f} KiB, open files +0, ms a picture {ms[0]} first, {ms[1]} last"


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
