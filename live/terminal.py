"""What the terminal shows while the program runs: log lines, and one status line that stays at the bottom."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TextIO

from core.types import U8, Aligner, Alignment, Frame, State
from live.doubts import DOUBTED
from live.meter import Meter, Snapshot
from live.pace import Pace, sizes_words
from live.pause import Pause

PERIOD_S = 0.5
CLEAR_LINE = "\r\x1b[2K"
NARROW_COLUMNS = 80  # of a terminal that does not say how wide it is
_STDERR_OF_WINDOWS, _UNDERSTANDS_ESCAPES = -12, 0x4  # STD_ERROR_HANDLE, ENABLE_VIRTUAL_TERMINAL_PROCESSING


class WatchedAligner:
    """An aligner that remembers its last answer, for the status line."""

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner
        self.last: Alignment | None = None

    def update(self, frame: Frame) -> Alignment:
        self.last = self._aligner.update(frame)
        return self.last

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        self._aligner.learn(frame, alpha_u8, doubted=doubted)

    def close(self) -> None:
        self._aligner.close()


class StatusLine:
    """Rewrites one line every half second on a terminal, and is silent elsewhere. Has a thread of its own."""

    def __init__(
        self,
        meter: Meter,
        aligner: WatchedAligner,
        pause: Pause,
        stream: TextIO,
        pace: Pace | None = None,
    ) -> None:
        self._meter, self._aligner, self._pause, self._stream = meter, aligner, pause, stream
        self._pace = pace
        self._left = Event()
        self._thread = Thread(target=self._run, name="status line", daemon=True)
        if stream.isatty():
            self._thread.start()

    def close(self) -> None:
        """Safe to call twice."""
        self._left.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._left.wait(PERIOD_S):
            with _terminal:
                line = status_words(
                    self._meter.snapshot(),
                    self._aligner.last,
                    self._pace.sizes if self._pace is not None else (),
                    paused=self._pause.on,
                )
                self._stream.write(CLEAR_LINE + fitted(line, _columns(self._stream)))
                self._stream.flush()
        with _terminal:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()


def fitted(line: str, columns: int) -> str:
    """The line as far as it fits: of one that goes on in a second row only that one would be cleared.

    columns: of the terminal, whose last one is left free: some begin a new row when it is written to.
    """
    return line if len(line) < columns else line[: max(columns - 2, 0)] + "…"


def status_words(
    snapshot: Snapshot,
    alignment: Alignment | None,
    sizes: tuple[tuple[int, int], ...] = (),
    *,
    paused: bool = False,
) -> str:
    """One line: rate, what is known of the plate, drops, frames whose plate was not believed, the sizes at
    which the network looks where the program chooses them, age at the sinks, time a frame takes. What is
    most wanted comes first: narrow terminals show no more."""
    if paused:
        return f"paused: nothing of you or your room is shown · {snapshot.frames} frames so far"
    work_ms = sum(
        snapshot.stages[name].p50_ms
        for name in ("expect", "align", "matte", "render", "learn")
        if name in snapshot.stages
    )
    words, details = [f"{snapshot.fps:5.1f} frames/s"], ""
    if alignment is not None:
        plate = f"plate {alignment.state.value} {alignment.score:.2f}"
        lost = alignment.state is State.LOST  # then it is the reason that helps
        words.append(f"{plate}: {alignment.reason}" if lost else plate)
        details = "" if lost else alignment.reason
    words.append(f"{snapshot.counts.get('dropped', 0)} dropped")
    if stale := snapshot.counts.get("stale", 0):
        words.append(f"{stale} too old")
    if doubted := snapshot.counts.get(DOUBTED, 0):
        words.append(f"{doubted} without the plate")
    if sizes:
        words.append(f"network at {sizes_words(sizes)}")
    if snapshot.ages:
        words.append(f"{max(age.p50_ms for age in snapshot.ages.values()):3.0f} ms old at the sink")
    words.append(f"{work_ms:4.1f} ms work")
    return " · ".join([*words, *([details] if details else [])])


def log_to_terminal(level: str) -> None:
    """Sends the program's log to stderr, one plain line each; the status line makes way for it."""
    _understand_escapes()
    handler = _LineHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # libraries
    for ours in ("core", "live"):
        logging.getLogger(ours).setLevel(level.upper())


def _columns(stream: TextIO) -> int:
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # it does not say
        columns = 0
    return columns or NARROW_COLUMNS


def _understand_escapes() -> None:
    """Windows' console shows them as signs, and the status line with them, until it is asked not to."""
    if sys.platform == "win32":
        import ctypes

        kernel, mode = ctypes.windll.kernel32, ctypes.c_ulong()
        stderr = kernel.GetStdHandle(_STDERR_OF_WINDOWS)
        if kernel.GetConsoleMode(stderr, ctypes.byref(mode)):  # it is a console
            kernel.SetConsoleMode(stderr, mode.value | _UNDERSTANDS_ESCAPES)


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stderr  # looked up anew: whoever redirects it means us, too
        # Who logs must go on where the terminal was closed: the camera is still to be handed back.
        with _terminal, suppress(OSError):
            stream.write(CLEAR_LINE * stream.isatty() + self.format(record) + "\n")
            stream.flush()


_terminal = Lock()  # the status line and the log share one terminal
