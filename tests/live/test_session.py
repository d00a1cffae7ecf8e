"""A whole live run with a scripted camera: what is opened, said, written and closed."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from core.errors import AbsentDeviceError, DeviceError, MediaError, PlateError, SettingsError, WeightsError
from core.types import NO_PLATE, Frame, Plate, State, View
from live.assemble import Parts
from live.controls import Held
from live.outputs import expanded, fps_to_keep
from live.session import run_session
from live.settings import load
from live.sinks import registry
from live.sinks.virtualcam import VirtualCameraSink
from live.sources.demo import DemoSource
from live.sources.registry import open_source
from live.terminal import StatusLine
from tests.fakes import MemorySink
from tests.live.disk import full_disk
from tests.live.scripted import FixedAligner, InvertingRenderer, ScriptedSource
from tests.live.whip_server import WhipServer

SIZE = (64, 48)


class Stage:
    """Stands in for build_parts: remembers what it was asked, and hands out parts without a network."""

    def __init__(self) -> None:
        self.aligner, self.renderer = FixedAligner(), InvertingRenderer()
        self.plate: Plate | None = None
        self.closed = 0

    def build_parts(self, plate, background, model, frame_size, **more) -> Parts:
        self.plate, self.more = plate, more
        return Parts(self.aligner, self.renderer, "a scripted network", self, aligner_of=self.aligner_of)

    def aligner_of(self, plate: Plate) -> FixedAligner:
        return FixedAligner(replace(NO_PLATE, state=State.LOCKED, reason=plate.name))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def stage(tmp_path, monkeypatch) -> Stage:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    made = Stage()
    monkeypatch.setattr("live.session.build_parts", made.build_parts)
    return made


@pytest.fixture
def pictures(tmp_path):
    """A folder of five grey pictures, 10 to 50."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((*SIZE[::-1], 3), 10 * number + 10, np.uint8))
    return folder


def settings(**flags):
    return load(flags={name.replace("__", "."): value for name, value in flags.items()})


def run(*, said: list[str] | None = None, frames=None, report=None, force=False, **flags):
    flags = {"output__sinks": ("null",), "plate__name": "none", "background__spec": "green"} | flags
    tell = (said if said is not None else []).append
    return run_session(settings(**flags), tell, frames=frames, report=report, force=force)


def test_it_says_in_words_what_it_uses(stage, pictures):
    said: list[str] = []
    outcome = run(said=said, camera__source=str(pictures))
    text = "\n".join(said)
    assert outcome.frames == 5
    for words in (
        "pictures",
        "none: you are found by looks alone",
        "colour #00b140",
        "a scripted network",
        "null",
    ):
        assert words in text


def test_every_part_is_closed_at_the_end(stage, pictures):
    run(camera__source=str(pictures))
    assert stage.closed == 1


def test_every_part_is_closed_when_an_output_cannot_be_opened(stage, pictures):
    Path("taken").write_text("no folder")
    with pytest.raises(MediaError, match="cannot make the folder taken"):
        run(camera__source=str(pictures), output__sinks=("null", "file:taken/out.mp4"))
    assert stage.closed == 1


def test_frames_ends_the_run(stage, pictures):
    assert run(camera__source=str(pictures), frames=3).frames == 3


def test_a_stop_that_is_set_already_ends_a_run_on_the_demo_at_once(stage):
    stop = Event()
    stop.set()
    outcome = run_session(
        settings(camera__source="demo", camera__size=SIZE, output__sinks=("null",)),
        lambda line: None,
        stop=stop,
    )
    assert outcome.frames == 0


@pytest.fixture
def other_system(monkeypatch):
    """Cameras are not listed on it: to open one tells."""
    monkeypatch.setattr("live.cameras.lists_cameras", lambda: False)
    monkeypatch.setattr("live.opener.lists_cameras", lambda: False)
    opened: list[str] = []

    def open_camera(spec, *arguments):
        opened.append(spec)
        if spec == "0":
            raise AbsentDeviceError("camera 0 cannot be opened")
        return open_source(spec, *arguments)

    monkeypatch.setattr("live.opener.open_source", open_camera)
    return opened


def test_where_cameras_are_not_listed_the_demo_plays_once_the_first_cannot_be_opened(
    stage, other_system, caplog
):
    said: list[str] = []
    run(said=said, camera__source="auto", camera__size=SIZE, plate__name="auto", frames=2)
    assert other_system == ["0", "demo"]
    assert "no camera was found" in said[1]
    assert '"demo", 64x48' in said[2]
    assert "camera 0 cannot be opened" in caplog.text


def test_a_camera_that_is_there_and_gives_nothing_is_never_the_demo(stage, other_system, monkeypatch):
    def in_use(spec, *arguments):
        if spec == "0":
            raise DeviceError("camera 0 opens but gives no picture")
        return open_source(spec, *arguments)

    monkeypatch.setattr("live.opener.open_source", in_use)
    with pytest.raises(DeviceError, match="gives no picture"):
        run(camera__source="auto", camera__size=SIZE, frames=1)


def test_a_camera_that_was_asked_for_is_never_the_demo(stage, other_system):
    with pytest.raises(DeviceError, match="camera 0 cannot be opened"):
        run(camera__source="0")


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_other_systems_list_no_virtual_camera_so_that_auto_tries_it(monkeypatch, system):
    monkeypatch.setattr("sys.platform", system)
    assert expanded(("auto",)) == ["virtualcam", "webrtc"]


def test_without_a_camera_the_demo_plays_with_its_own_plate_and_this_is_said(stage, monkeypatch):
    monkeypatch.setattr("live.opener.default_camera", lambda: "demo")
    said: list[str] = []
    run(said=said, camera__source="auto", camera__size=SIZE, plate__name="auto", frames=2)
    assert stage.plate is not None
    assert stage.plate.size == SIZE
    assert "no camera was found" in said[1]
    assert '"demo", 64x48' in said[2]
    assert stage.more["live"] is True


def test_the_named_plate_is_used(stage, pictures):
    said: list[str] = []
    run(said=said, camera__source=str(pictures), plate__name=str(pictures / "2.png"))
    assert stage.plate is not None
    assert int(stage.plate.rgb[0, 0, 0]) == 30
    assert '"2", 64x48' in "\n".join(said)


def test_a_file_gets_every_picture_in_order(stage, pictures, tmp_path):
    run(camera__source=str(pictures), output__sinks=(f"file:{tmp_path / 'out'}",))
    written = sorted((tmp_path / "out").glob("*.png"))
    assert [cv2.imread(str(file))[0, 0, 0] for file in written] == [245, 235, 225, 215, 205]


def test_a_file_that_is_there_is_not_replaced_without_force(stage, pictures, tmp_path):
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"precious")
    with pytest.raises(MediaError):
        run(camera__source=str(pictures), output__sinks=(f"file:{target}",))
    assert target.read_bytes() == b"precious"


def test_the_report_has_a_line_for_each_frame(stage, pictures, tmp_path):
    report = tmp_path / "report.jsonl"
    run(camera__source=str(pictures), report=report)
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines[0]["state"] == "none"
    with pytest.raises(MediaError, match="--force"):
        run(camera__source=str(pictures), report=report)
    assert run(camera__source=str(pictures), report=report, force=True).frames == 5


def test_outputs_and_a_report_that_the_disk_has_no_room_for_are_in_the_outcome(stage, pictures, tmp_path):
    seen = []
    (tmp_path / "report.jsonl").touch()
    flags = {"camera__source": str(pictures), "output__sinks": ("null", "file:out")}
    with full_disk(60):
        outcome = run(said=seen, report=tmp_path / "report.jsonl", force=True, **flags)
    assert outcome.frames == 5
    assert outcome.lost == ("file out", f"report {tmp_path / 'report.jsonl'}")
    assert not (tmp_path / "out").exists(), "not one picture was whole"
    assert run(force=True, **flags).lost == ()


def test_auto_outputs_are_the_page_and_no_virtual_camera_where_there_is_none(stage, pictures, monkeypatch):
    monkeypatch.setattr("live.outputs._has_virtual_camera", lambda: False)
    said: list[str] = []
    run(said=said, camera__source=str(pictures), output__sinks=("auto",), web__port=0, frames=1)
    outputs = [line for line in said if line.startswith("  output")]
    assert len(outputs) == 1
    assert "http://127.0.0.1:" in outputs[0]


def test_where_the_page_has_no_port_an_output_is_named_that_every_system_has(stage, pictures, monkeypatch):
    monkeypatch.setattr("live.outputs._has_virtual_camera", lambda: False)
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(DeviceError, match=r"no output could be opened .*e\.g\. --output file:clip\.mp4"):
            run(said=said, camera__source=str(pictures), output__sinks=("auto",), web__port=port)
    assert f"port {port} on 127.0.0.1 is taken by another program" in said[-1]


def test_a_virtual_camera_of_auto_that_cannot_be_opened_is_told_and_left_out(stage, pictures, monkeypatch):
    monkeypatch.setattr("live.outputs._has_virtual_camera", lambda: True)
    opened = []

    def open_sink(spec, *arguments, **more):
        from live.sinks.null import NullSink

        opened.append(spec)
        if spec == "virtualcam":
            raise DeviceError("every virtual camera is in use")
        return NullSink()

    monkeypatch.setattr("live.outputs.open_sink", open_sink)
    said: list[str] = []
    run(said=said, camera__source=str(pictures), output__sinks=("auto",), frames=1)
    assert opened == ["virtualcam", "webrtc"]
    assert "(not virtualcam: every virtual camera is in use)" in "\n".join(said)
    with pytest.raises(DeviceError, match="in use"):
        run(camera__source=str(pictures), output__sinks=("virtualcam",))


def test_media_servers_get_the_picture_beside_other_outputs_and_no_secret_is_told(stage):
    said: list[str] = []
    stop = Event()
    with WhipServer() as one, WhipServer(codec="video/VP8") as two:
        outputs = ("null", f"whip:{one.url}?key=hidden", f"whip:{two.url}")
        asked = settings(
            camera__source="demo", camera__size=SIZE, output__sinks=outputs, web__whip_token="t0ken"
        )

        def stop_once_seen() -> None:
            try:
                one.wait_for_frames(3)
                two.wait_for_frames(3)
            finally:
                stop.set()

        looking = Thread(target=stop_once_seen)
        looking.start()
        outcome = run_session(asked, said.append, stop=stop)
        looking.join()
        for server in (one, two):
            server.wait(partial(server.requests, "DELETE"))

    text = "\n".join(said)
    assert outcome.lost == ()
    assert f"output      WHIP to 127.0.0.1:{one.port}/live/whip\n" in text
    assert f"output      WHIP to 127.0.0.1:{two.port}/live/whip\n" in text
    assert "hidden" not in text
    assert "t0ken" not in text
    assert {frame.width for frame in (*one.frames, *two.frames)} == {SIZE[0]}


def test_a_media_server_that_is_not_there_at_the_start_ends_the_run(stage, pictures):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DeviceError, match=f"nothing listens at 127.0.0.1:{port}"):
        run(camera__source=str(pictures), output__sinks=("null", f"whip:http://127.0.0.1:{port}/x"))
    assert stage.closed == 1


@pytest.mark.parametrize(
    ("flags", "error", "words"),
    [
        ({"background__spec": "grene"}, SettingsError, "did you mean 'green'"),
        ({"background__spec": "gone.jpg"}, SettingsError, "gone.jpg"),
        ({"model__name": "platnet"}, WeightsError, "did you mean platenet"),
        ({"model__name": "./gone"}, WeightsError, "no folder or file ./gone"),
        ({"output__sinks": ("null", "windw")}, SettingsError, "did you mean 'window'"),
        ({"output__sinks": ("file:",)}, SettingsError, "needs a path"),
        ({"output__sinks": ("webrtc:9000",)}, SettingsError, "the port is --port"),
        ({"output__sinks": ("null", "whip:server.example/x")}, SettingsError, "has no scheme"),
        ({"camera__source": "gone.mp4"}, MediaError, "gone.mp4"),
        ({"camera__source": "/dev/video77"}, DeviceError, "/dev/video77"),
        ({"plate__name": "gone"}, PlateError, 'no plate "gone"'),
    ],
)
def test_wrong_names_are_said_before_anything_runs(stage, pictures, flags, error, words):
    with pytest.raises(error, match=words):
        run(**({"camera__source": str(pictures)} | flags))
    assert stage.closed == 0


@pytest.mark.parametrize(
    ("background", "output", "words"),
    [
        ("transparent", "clip.mp4", "cannot hold transparency"),
        ("green", "clip.avi", "results of kind .avi cannot be written"),
        ("green", "taken.mp4", "is there already"),
    ],
)
def test_a_file_that_cannot_be_written_is_said_before_a_camera_is_opened(
    stage, monkeypatch, background, output, words
):
    monkeypatch.setattr("live.opener.open_source", lambda *arguments: pytest.fail("the camera was opened"))
    Path("taken.mp4").write_text("precious")
    with pytest.raises(MediaError, match=words):
        run(background__spec=background, output__sinks=("null", f"file:{output}"))
    assert Path("taken.mp4").read_text() == "precious"


def test_a_window_that_was_closed_is_no_output_that_was_lost(stage, pictures, monkeypatch):
    class ClosedWindow:
        name = "window"

        def push(self, picture) -> None:
            raise DeviceError("the window was closed")

        def close(self) -> None: ...

    opens = registry.open_sink

    def open_sink(spec, *arguments, **options):
        return ClosedWindow() if spec == "window" else opens(spec, *arguments, **options)

    monkeypatch.setattr("live.outputs.open_sink", open_sink)
    outcome = run(camera__source=str(pictures), output__sinks=("null", "window"))
    assert (outcome.frames, outcome.lost) == (5, ())


def test_a_broken_picture_behind_is_said_before_a_camera_is_opened(stage, monkeypatch, tmp_path):
    monkeypatch.setattr("live.opener.open_source", lambda *arguments: pytest.fail("the camera was opened"))
    (tmp_path / "beach.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(MediaError, match=r"beach\.png is cut off"):
        run(camera__source="demo", background__spec=str(tmp_path / "beach.png"))


def test_a_picture_behind_is_read_once_and_handed_on(stage, pictures):
    run(camera__source=str(pictures), background__spec=str(pictures / "4.png"))
    assert (stage.more["backdrop"].picture((2, 1), 0) == 50).all()
    run(camera__source=str(pictures), background__spec="blur")
    assert stage.more["backdrop"] is None


def test_a_plate_of_another_size_is_handed_on_to_the_aligner(stage, pictures, tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), np.full((96, 128, 3), 9, np.uint8))
    run(camera__source=str(pictures), plate__name=str(tmp_path / "large.png"))
    assert stage.plate is not None
    assert stage.plate.size == (128, 96)
    assert isinstance(stage.plate.views[0], View)


def test_the_camera_gets_the_settings_that_its_plate_was_recorded_with_and_is_let_go(
    stage, pictures, monkeypatch
):
    asked = []

    @contextmanager
    def held_camera(device, values):
        asked.append(("hold", device, dict(values)))
        yield Held(dict(values), ())
        asked.append(("let go",))

    monkeypatch.setattr("live.opener.held_camera", held_camera)
    monkeypatch.setattr("live.opener.device_path", lambda spec: "/dev/video0")
    room = Plate("desk", SIZE, (View(np.zeros((*SIZE[::-1], 3), np.uint8)),), camera={"exposure": 250.0})
    monkeypatch.setattr("live.session.open_plate", lambda name: room)
    said: list[str] = []
    run(said=said, camera__source=str(pictures), plate__name="desk")
    assert asked == [("hold", "/dev/video0", {"exposure": 250.0}), ("let go",)]
    assert "the camera holds exposure 250, as when the plate was recorded" in "\n".join(said)


def test_no_frame_of_a_camera_is_worked_on_that_is_older_than_the_settings_allow(
    stage, monkeypatch, tmp_path
):
    class LateCamera(DemoSource):
        """Every other frame was captured a second ago."""

        def read(self) -> Frame:
            frame = super().read()
            return replace(frame, time_ns=frame.time_ns - frame.index % 2 * 1_000_000_000)

    monkeypatch.setattr("live.opener.open_source", lambda *arguments: LateCamera(SIZE, 200.0))
    outcome = run(camera__source="/dev/video0", frames=10, report=tmp_path / "report.jsonl")
    indices = [json.loads(line)["index"] for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert outcome.frames == 10
    assert all(index % 2 == 0 for index in indices)


def test_a_camera_named_by_its_label_is_waited_for_while_nothing_has_that_name(stage, monkeypatch, caplog):
    class Unplugged(DemoSource):
        def read(self) -> Frame:
            raise DeviceError("the camera is gone")

    answers = [Unplugged(SIZE, 30.0), MediaError("no source 'HD Webcam'"), DemoSource(SIZE, 30.0)]

    def open_source(*arguments):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("live.opener.open_source", open_source)
    assert run(camera__source="HD Webcam", frames=2).frames == 2
    assert "camera 'HD Webcam' is gone; plug it in again" in caplog.text


@pytest.fixture
def as_service(monkeypatch):
    """The service manager, which listens."""
    address = f"cleanplate-test-session-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{address}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address}")
        manager.settimeout(10.0)
        yield manager


class Webcam(ScriptedSource):
    """A camera that gives two pictures and ends."""

    live = True

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__([np.full((*size[::-1], 3), 90, np.uint8)] * 2, "camera HD Webcam")


def test_as_a_service_auto_waits_for_a_real_camera_with_the_idle_picture_and_never_plays_the_demo(
    stage, monkeypatch, as_service, caplog
):
    room = Plate("desk", SIZE, (View(np.zeros((*SIZE[::-1], 3), np.uint8)),))
    cameras = [DeviceError("there is no camera; plug one in")] * 2 + ["/dev/video0"]
    opened, screens = [], []

    def real_camera() -> str:
        answer = cameras.pop(0)
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    class Screen(MemorySink):
        def __init__(self, size) -> None:
            super().__init__()
            self.size = size

    def open_sink(spec, size, fps, **more):
        screens.append(Screen(size))
        return screens[-1]

    def open_source(spec, *arguments):
        opened.append(spec)
        return Webcam(SIZE)

    monkeypatch.setattr("live.opener.real_camera", real_camera)
    monkeypatch.setattr("live.opener.open_source", open_source)
    monkeypatch.setattr("live.outputs.open_sink", open_sink)
    monkeypatch.setattr("live.session.open_plate", lambda name: room)
    monkeypatch.setattr("live.waiting.AGAIN_S", 0.0)
    run(camera__source="auto", camera__size=(128, 96), plate__name="auto", output__sinks=("window", "null"))
    assert opened == ["/dev/video0"]
    assert stage.plate is room, "the plate recorded last, not the demo's"
    waiting, *running = screens
    assert waiting.size == (128, 96), "as asked"
    assert {screen.size for screen in running} == {SIZE}, "as the camera granted"
    assert waiting.pictures
    assert all(picture.idle for picture in waiting.pictures)
    assert [screen.closed for screen in screens] == [1, 1, 1]
    assert "there is no camera; plug one in; trying again every second" in caplog.text
    assert [as_service.recv(64), as_service.recv(64)] == [b"READY=1", b"STOPPING=1"]


def test_a_service_that_waits_for_its_camera_is_stopped_by_sigterm(stage, monkeypatch, as_service):
    class Killing(MemorySink):
        def push(self, picture) -> None:
            super().push(picture)
            if len(self.pictures) == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    def real_camera() -> str:
        raise DeviceError("there is no camera")

    screen = Killing()
    monkeypatch.setattr("live.opener.real_camera", real_camera)
    monkeypatch.setattr("live.outputs.open_sink", lambda *arguments, **more: screen)
    assert run(camera__source="auto", output__sinks=("window",)).frames == 0
    assert screen.closed == 1
    assert stage.closed == 0, "nothing was loaded for a camera that never came"


def test_the_service_manager_hears_that_it_runs_and_that_it_ends(stage, pictures, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "@cleanplate-test-session")
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0cleanplate-test-session")
        run(camera__source=str(pictures))
        assert [manager.recv(64), manager.recv(64)] == [b"READY=1", b"STOPPING=1"]


def test_on_demand_without_a_virtual_camera_or_a_live_one_is_refused_with_the_way_out(stage, pictures):
    with pytest.raises(SettingsError, match="needs a live camera"):
        run(camera__source=str(pictures), output__on_demand=True)
    with pytest.raises(SettingsError, match="cleanplate setup virtualcam"):
        run(camera__source="demo", camera__size=SIZE, output__on_demand=True)
    assert stage.closed == 2


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_sigusr1_pauses_with_the_camera_closed_and_the_next_one_goes_on_with_the_same_parts(
    stage, monkeypatch
):
    opened: list[WatchedDemo] = []
    turns: list[bool] = []  # whether the camera was open
    stop = Event()

    class WatchedDemo(DemoSource):
        closed = False

        def close(self) -> None:
            self.closed = True

    class Screen:
        name = "screen"
        idle_since = 0

        def push(self, picture) -> None:
            self.idle_since = self.idle_since + 1 if picture.idle else 0
            if len(turns) == (0 if not picture.idle else 1 if self.idle_since == 3 else -1):
                turns.append(not all(source.closed for source in opened))
                os.kill(os.getpid(), signal.SIGUSR1)
            elif len(turns) == 2 and not picture.idle:
                stop.set()

        def close(self) -> None: ...

    def open_source(*arguments):
        opened.append(WatchedDemo(SIZE, 30.0))
        return opened[-1]

    monkeypatch.setattr("live.opener.open_source", open_source)
    monkeypatch.setattr("live.outputs.open_sink", lambda *arguments, **more: Screen())
    said: list[str] = []
    chosen = settings(camera__source="demo", output__sinks=("window",), plate__name="none")
    run_session(chosen, said.append, frames=300, stop=stop)  # against a hang
    assert turns == [True, False]
    assert (len(opened), stage.closed) == (2, 1)
    assert f"kill -USR1 {os.getpid()} pauses" in said[-1]


@pytest.mark.parametrize("start", ["blur", "none", "transparent"])
def test_the_page_may_change_the_background_and_is_told_of_the_plate(stage, monkeypatch, start):
    panels, stop = [], Event()

    class Screen:
        name = "screen"

        def push(self, picture) -> None:
            if picture.idle:
                return
            if (backgrounds := panels[0].backgrounds) is not None:
                backgrounds.choose("#0047bb")
            stop.set()

        def close(self) -> None: ...

    def open_sink(*arguments, panel, **more):
        panels.append(panel)
        return Screen()

    monkeypatch.setattr("live.outputs.open_sink", open_sink)
    chosen = settings(camera__source="demo", output__sinks=("window",), background__spec=start)
    run_session(chosen, lambda line: None, stop=stop)
    told = panels[0].state()
    assert told["plate"]["state"] == stage.aligner.update(None).state.value
    if start == "transparent":
        assert told["background"] is None
    else:
        assert told["background"] == "#0047bb"
        assert stage.renderer.background.rgb == (0, 71, 187)


def test_the_page_has_the_room_photographed_and_the_run_goes_on_with_it(stage, monkeypatch, tmp_path):
    panels, stop = [], Event()

    class Camera(DemoSource):
        """A demo in which nobody is."""

        def read(self) -> Frame:
            return replace(super().read(), rgb=self.plate().rgb)

    class Screen:
        name = "screen"

        def push(self, picture) -> None:
            retake = panels[0].retake
            if not picture.idle and not retake.state()["said"] and not retake.state()["phase"]:
                retake.start()
            elif retake.state()["said"] and panels[0].alignment().state is State.LOCKED:
                stop.set()

        def close(self) -> None: ...

    def open_sink(*arguments, panel, **more):
        panels.append(panel)
        return Screen()

    monkeypatch.setattr("live.opener.open_source", lambda *arguments: Camera((640, 360), 60.0))
    monkeypatch.setattr("live.outputs.open_sink", open_sink)
    chosen = settings(
        camera__source="demo",
        output__sinks=("window",),
        plate__name="none",
        plate__record_seconds=0.5,
        plate__countdown_seconds=0,
    )
    run_session(chosen, lambda line: None, stop=stop)
    told = panels[0].state()
    assert told["room"]["said"].startswith('kept the plate "room", which is used from now on')
    assert told["plate"] == {"state": "locked", "reason": "room"}
    assert stage.renderer.plate.name == "room"
    assert stage.aligner.closed
    assert (tmp_path / "data" / "cleanplate" / "plates" / "room" / "plate.toml").is_file()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_a_film_into_a_file_is_not_paused_and_nobody_says_that_it_could_be(
    stage, pictures, tmp_path, monkeypatch
):
    pauses = []

    def status_line(meter, aligner, pause, *more):
        pauses.append(pause)
        return StatusLine(meter, aligner, pause, *more)

    monkeypatch.setattr("live.session.StatusLine", status_line)
    stage.renderer = InvertingRenderer(lambda frame: signal.raise_signal(signal.SIGUSR1))
    said: list[str] = []
    outcome = run(said=said, frames=3, camera__source=str(pictures), output__sinks=("file:out",))
    assert outcome.frames == 3
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert said[-1] == "Ctrl-C stops."
    assert [pause.on for pause in pauses] == [False], "turned three times, it would be on"


def test_on_demand_closes_the_camera_until_the_virtual_one_is_read(stage, monkeypatch):
    opened, released = [], []
    asked: list[str] = []
    shown = Event()

    class FakeDemand:
        def __init__(self, path: str) -> None:
            asked.append(path)

        def watched(self) -> bool:
            return False

        def wait(self, timeout_ms: int) -> bool:
            shown.wait(10.0)  # the sink has a thread of its own, which may not have begun
            stop.set()
            return False

        def close(self) -> None:
            released.append("demand")

    class FakeVirtualCamera(VirtualCameraSink):
        def __init__(self) -> None:
            self.name, self.node, self.idle = "virtual camera", "/dev/video10", []

        def push(self, picture) -> None:
            self.idle.append(picture.idle)
            shown.set()

        def close(self) -> None:
            released.append("sink")

    def open_source(*arguments):
        opened.append(DemoSource(SIZE, 30.0))
        return opened[-1]

    stop = Event()
    screen = FakeVirtualCamera()
    monkeypatch.setattr("live.opener.open_source", open_source)
    monkeypatch.setattr("live.outputs.open_sink", lambda *arguments, **more: screen)
    monkeypatch.setattr("live.sinks.demand.Demand", FakeDemand)
    said: list[str] = []
    chosen = settings(
        camera__source="demo", output__sinks=("virtualcam",), output__on_demand=True, plate__name="none"
    )
    outcome = run_session(chosen, said.append, stop=stop)
    assert (outcome.frames, len(opened), asked) == (0, 1, ["/dev/video10"])
    assert screen.idle
    assert all(screen.idle)
    assert sorted(released) == ["demand", "sink"]
    assert "closed until a program reads /dev/video10" in "\n".join(said)


@pytest.mark.parametrize(
    ("camera", "sinks", "fps"),
    [
        ("demo", ("null",), 30.0),
        ("pictures", ("null",), None),
        ("pictures", ("file:out.mp4",), None),
        ("pictures", ("file:out.mp4", "virtualcam:/dev/video9"), 30.0),
        ("pictures", ("whip:https://server.example/live",), 30.0),
    ],
)
def test_the_pace_is_a_cameras_or_that_of_who_looks_on(pictures, camera, sinks, fps):
    """A film that goes into a file may take its time."""
    chosen = settings(output__sinks=sinks)
    source = open_source("demo" if camera == "demo" else str(pictures), SIZE, 30.0)
    assert fps_to_keep(chosen, source) == fps
    source.close()


def test_the_parts_are_built_for_that_pace(stage):
    run(camera__source="demo", frames=2)
    assert stage.more["fps"] == 30.0
