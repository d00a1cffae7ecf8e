"""The status line and the log share one terminal without treading on each other."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from core.types import Alignment, Frame, Light, State
from live.meter import Meter, Snapshot, Spread
from live.pause import Pause
from live.terminal import CLEAR_LINE, StatusLine, WatchedAligner, fitted, log_to_terminal, status_words
from tests.live.scripted import FixedAligner

LOCKED = Alignment(np.eye(3), Light(), State.LOCKED, 0.974, "still: 31 of 32 cells agree")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_status_line_says_rate_work_age_drops_and_what_is_known_of_the_plate():
    spent = {"align": 2.0, "matte": 9.0, "render": 10.0, "learn": 0.5, "source": 20.0}
    stages = {name: Spread(ms, 2 * ms, 9) for name, ms in spent.items()}
    snapshot = Snapshot(9, 29.97, stages, {"page": Spread(41.0, 50.0, 9)}, {"dropped": 3})
    line = status_words(snapshot, LOCKED, ((832, 480), (1280, 704)))
    assert " 30.0 frames/s" in line
    assert "21.5 ms work" in line
    assert "network at 832x480 and 1280x704 ·" in line
    assert " 41 ms old at the sink" in line
    assert "3 dropped" in line
    assert "plate locked 0.97 ·" in line
    assert line.endswith("still: 31 of 32 cells agree")


def test_eighty_columns_have_the_rate_the_plate_the_drops_and_the_networks_size():
    stages = {"render": Spread(412.0, 500.0, 9)}
    snapshot = Snapshot(9, 29.97, stages, {"page": Spread(1241.0, 1250.0, 9)}, {"dropped": 12345})
    tracking = Alignment(np.eye(3), Light(), State.TRACKING, 0.99, "following 0.2 px a frame")
    row = fitted(status_words(snapshot, tracking, ((832, 480),)), 80)
    assert row.startswith(" 30.0 frames/s · plate tracking 0.99 · 12345 dropped · network at 832x480 ·")


def test_of_a_lost_plate_eighty_columns_have_the_reason():
    lost = Alignment(None, Light(), State.LOST, 0.1, "2 of 31 cells agree")
    row = fitted(status_words(Snapshot(9, 29.97), lost, ((832, 480),)), 80)
    assert row.startswith(" 30.0 frames/s · plate lost 0.10: 2 of 31 cells agree · 0 dropped")


def test_the_status_line_before_the_first_frame_is_no_crash():
    words = status_words(Meter().snapshot(), None)
    assert "0 dropped" in words
    assert "network" not in words, "a size that the user chose is no news"


def test_the_status_line_counts_frames_whose_plate_was_not_believed():
    assert "7 without the plate" in status_words(Snapshot(9, 29.97, counts={"plate doubted": 7}), LOCKED)
    assert "without the plate" not in status_words(Snapshot(9, 29.97), LOCKED)


def test_the_status_line_says_that_the_run_is_paused():
    assert status_words(Snapshot(9, 29.97), LOCKED, paused=True).startswith("paused: nothing of you")


def test_on_a_file_nothing_is_written():
    stream = io.StringIO()
    status = StatusLine(Meter(), WatchedAligner(FixedAligner()), Pause(), stream)
    status.close()
    status.close()
    assert stream.getvalue() == ""


def test_on_a_terminal_the_line_is_rewritten_and_cleared_at_the_end(monkeypatch):
    monkeypatch.setattr("live.terminal.PERIOD_S", 0.001)
    written = Terminal()
    aligner = WatchedAligner(FixedAligner(LOCKED))
    aligner.update(Frame(np.zeros((2, 2, 3), np.uint8), 0, 0))
    status = StatusLine(Meter(), aligner, Pause(), written)
    while "locked" not in written.getvalue():
        pass  # the thread writes it; a hang here fails by the suite's time limit
    status.close()
    assert written.getvalue().endswith(CLEAR_LINE)
    assert "\n" not in written.getvalue()


@pytest.mark.parametrize(("columns", "longest"), [(20, 19), (80, 79), (1, 1), (0, 79)])
def test_the_line_stays_in_one_row_of_the_terminal(monkeypatch, columns, longest):
    class Screen(Terminal):
        def fileno(self) -> int:
            return 2

    monkeypatch.setattr("live.terminal.PERIOD_S", 0.001)
    monkeypatch.setattr("os.get_terminal_size", lambda number: os.terminal_size((columns, 24)))
    written = Screen()
    aligner = WatchedAligner(FixedAligner(LOCKED))
    aligner.update(Frame(np.zeros((2, 2, 3), np.uint8), 0, 0))
    status = StatusLine(Meter(), aligner, Pause(), written)
    while written.getvalue().count(CLEAR_LINE) < 3:
        pass  # the thread writes it; a hang here fails by the suite's time limit
    status.close()
    lines = [line for line in written.getvalue().split(CLEAR_LINE) if line]
    assert {len(line) for line in lines} == {longest}, (
        "it would leave a row behind at each time it is written"
    )


def test_a_line_that_fits_is_shown_whole():
    assert fitted("12345", 6) == "12345"
    assert fitted("12345", 5) == "123…"


class Console:
    """Windows' console, as far as it is asked. mode: None where stderr is a file."""

    def __init__(self, mode: int | None) -> None:
        self.mode = mode

    def GetStdHandle(self, number: int) -> int:  # noqa: N802  (Windows' names)
        return {-12: 7}[number]

    def GetConsoleMode(self, handle: int, mode) -> int:  # noqa: N802
        assert handle == 7
        mode._obj.value = self.mode or 0
        return int(self.mode is not None)

    def SetConsoleMode(self, handle: int, mode: int) -> int:  # noqa: N802
        assert (handle, self.mode is None) == (7, False)
        self.mode = mode
        return 1


@pytest.mark.parametrize(("before", "after"), [(3, 7), (7, 7), (None, None)])
def test_the_console_of_windows_is_asked_to_understand_the_escapes(monkeypatch, before, after):
    console = Console(before)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("ctypes.windll", SimpleNamespace(kernel32=console), raising=False)
    log_to_terminal("info")
    assert console.mode == after


def test_the_watched_aligner_passes_everything_on():
    inner = FixedAligner(LOCKED)
    watched = WatchedAligner(inner)
    frame = Frame(np.zeros((2, 2, 3), np.uint8), 0, 0)
    assert watched.last is None
    assert watched.update(frame) is LOCKED
    assert watched.last is LOCKED
    watched.learn(frame, None)
    watched.close()
    assert (inner.learned, inner.closed) == (1, True)


def test_a_log_line_clears_the_status_line_first(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    log_to_terminal("info")
    logging.getLogger("live.loop").info("the camera is back")
    assert terminal.getvalue() == f"{CLEAR_LINE}INFO: the camera is back\n"


def test_a_terminal_that_was_closed_does_not_stop_who_logs(monkeypatch):
    class Closed(Terminal):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("sys.stderr", Closed())
    log_to_terminal("info")
    logging.getLogger("live.controls").info("the camera is handed back")


def test_the_level_is_for_ours_and_libraries_only_warn(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr("sys.stderr", terminal)
    log_to_terminal("error")
    logging.getLogger("live.loop").warning("not shown")
    logging.getLogger("aioice").info("not shown")
    logging.getLogger("core.align").error("shown")
    assert terminal.getvalue() == "ERROR: shown\n"
