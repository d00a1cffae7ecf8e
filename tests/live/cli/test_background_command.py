"""`cleanplate background`: what runs is changed from another process."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from core.errors import CleanplateError, DeviceError
from live.cli.app import app
from live.sinks.webrtc import WebRtcSink
from tests.live.test_backgrounds import RED, png
from tests.live.test_control import BLUE, GREEN, Run
from tests.live.test_webrtc import SIZE


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing is there
    made = Run(tmp_path / "backgrounds")
    monkeypatch.setenv("CLEANPLATE_WEB_PORT", str(port_of(made.sink)))
    yield made
    made.close()


def port_of(sink: WebRtcSink) -> int:
    return int(sink.url.rstrip("/").rpartition(":")[2])


def background(*words: str) -> str:
    done = CliRunner().invoke(app, ["background", *words])
    if isinstance(done.exception, CleanplateError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_colour_a_blur_and_a_file_on_offer_are_chosen(run):
    assert background("blue") == "behind you now: #0047bb\n"
    assert run.backdrop() == BLUE
    assert background("blur:0.7") == "behind you now: blur:0.7\n"
    run.backgrounds.add("red.png", png())
    assert background("red.png") == "behind you now: red.png\n"
    assert run.backdrop() == tuple(RED[0, 0, ::-1])


def test_of_another_picture_one_copy_is_put_on_offer(run, tmp_path):
    (tmp_path / "my room.png").write_bytes(png())
    for _ in range(2):
        assert background(str(tmp_path / "my room.png")) == "behind you now: my room.png\n"
    assert list(run.backgrounds.files()) == ["my room.png"]
    assert run.backdrop() == tuple(RED[0, 0, ::-1])


def test_without_one_it_lists_what_is_on_offer(run):
    run.backgrounds.add("red.png", png())
    said = background()
    assert said.splitlines()[:3] == [
        "now       #00b140",
        "on offer  blur:0 to blur:1, colours like #00b140",
        "          red.png",
    ]
    assert str(run.backgrounds.folder) in said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("none", "for a whole run: choose it by --background"),
        ("beach.jpg", "'beach.jpg' is not on offer: choose blur:0.5"),
        ("notes.txt", "is not a picture that can be added"),
        ("half.png", "is cut off"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_changes_nothing(run, tmp_path, word, said):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "half.png").write_bytes(png()[:50])
    with pytest.raises(CleanplateError, match=said) as error:
        background(word)
    assert "\n" not in str(error.value)
    assert run.backdrop() == GREEN


def test_where_nothing_runs_or_nothing_can_be_chosen_it_says_so(run, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(
            CleanplateError, match=rf"found at http://127.0.0.1:{port}/ \(Connection refused\)"
        ):
            background("blur", "--port", str(port))
    fixed = WebRtcSink(SIZE, 25, port=0)
    try:
        with pytest.raises(CleanplateError, match="is transparent, which is for a whole run, or waits"):
            background("blur", "--port", str(port_of(fixed)))
    finally:
        fixed.close()


def test_who_records_a_plate_while_it_runs_is_shown_to_its_page(run, monkeypatch):
    def busy(*arguments):
        raise DeviceError("camera /dev/video0 is busy")

    monkeypatch.setattr("live.sources.registry.open_source", busy)
    record = ["plate", "record", "desk", "--camera", "/dev/video0"]
    told = CliRunner().invoke(app, record).exception
    page = f"the page at {run.sink.url} photographs the room with its camera"
    assert str(told) == f"camera /dev/video0 is busy; a cleanplate runs here: {page}"
    run.sink.close()
    assert str(CliRunner().invoke(app, record).exception) == "camera /dev/video0 is busy"


@pytest.mark.parametrize(("status", "body"), [(200, b"<p>hello"), (200, b"[]"), (404, b""), (500, b"ouch")])
def test_another_program_on_the_port_is_not_taken_for_cleanplate(run, status, body):
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(CleanplateError, match="no cleanplate with a page is found at"):
                background("blur", "--port", str(server.server_port))
        finally:
            server.shutdown()
