"""An aligner in whose place another can be put while frames come, and at which others see these frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from core.errors import DeviceError
from core.types import U8, Aligner, Alignment, Frame
from live.mailbox import Mailbox

PATIENCE_S = 5.0  # without a frame of a run that is not paused


class Tap:
    """The frames of a run, for somebody beside it: the newest, as a live Source gives them."""

    live = True

    def __init__(self, name: str, size: tuple[int, int], fps: float) -> None:
        self.name, self.size, self.fps = name, size, fps
        self._box: Mailbox[Frame] = Mailbox(newest=True)

    def give(self, frame: Frame) -> bool:
        """A copy of it: some sources draw the next one into the same array. False once nobody takes any."""
        return self._box.put(replace(frame, rgb=frame.rgb.copy()))

    def read(self) -> Frame | None:
        try:
            return self._box.take(PATIENCE_S)
        except TimeoutError as error:
            raise DeviceError(
                "no picture has come from the camera for 5 s: is it paused, or asleep until somebody looks?"
            ) from error

    def close(self) -> None:
        self._box.close()


class ReplaceableAligner:
    """Passes everything on to an aligner, and changes it between two frames. The loop's thread owns it, but
    for `replace` and `tap`, which any thread may call."""

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner
        self._lock = Lock()
        self._next: tuple[Aligner, Callable[[], None]] | None = None
        self._tap: Tap | None = None

    def replace(self, aligner: Aligner, take_over: Callable[[], None]) -> None:
        """From the next frame on it is this one, which is ours to close then.

        take_over: called before that frame, on the loop's thread.
        """
        with self._lock:
            unused, self._next = self._next, (aligner, take_over)
        if unused is not None:
            unused[0].close()

    def tap(self, tap: Tap) -> None:
        """Gives it the frames from here on, until it is closed."""
        self._tap = tap

    def update(self, frame: Frame) -> Alignment:
        with self._lock:
            fresh, self._next = self._next, None
        if fresh is not None:
            self._aligner.close()
            self._aligner, take_over = fresh
            take_over()
        if self._tap is not None and not self._tap.give(frame):
            self._tap = None
        return self._aligner.update(frame)

    def learn(self, frame: Frame, alpha_u8: U8 | None, *, doubted: bool = False) -> None:
        self._aligner.learn(frame, alpha_u8, doubted=doubted)

    def close(self) -> None:
        """Safe to call twice."""
        with self._lock:
            unused, self._next = self._next, None
        if unused is not None:
            unused[0].close()
        self._aligner.close()
