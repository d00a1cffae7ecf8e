"""A source and a sink with a thread of their own, behind the same protocols."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event, Thread

from core.errors import CleanplateError, DeviceError
from core.types import Frame, Picture
from live.mailbox import Mailbox
from live.meter import Meter
from live.sinks.base import Sink
from live.sources.base import Source
from live.suspend import SLEPT_NS, asleep_ns

log = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 1.0)  # the last again and again: what is plugged in is found within two seconds
GRACE_S = 2.0  # a camera that starts, or gropes in the dark, may need this long for a frame
CLOSE_S = 0.8  # of the second a stop may take
FINISH_S = 600.0  # an encoder may have to work off what it holds


class ThreadedSource:
    """Reads a source on a thread of its own; the consumer's `read` takes from a one-slot mailbox.

    The thread owns the source: it alone calls `read` and `close`. A live source is the newest
    frame, older ones are counted as "dropped" in the meter; of a file every frame is handed on.

    pace: hold a file to its own rate and stamp its frames as if they were captured now.
    reopen: opens the same device again. With it a DeviceError is not the end: `read` goes on
        raising (with the wait until the next try in words) until frames come again, and frame
        numbers go on where they stopped. So it does when the system has slept: what the camera hands
        over then may be from before.
    oldest_ns: a live frame older than this when its turn comes, by its time of capture, is passed over
        and counted as "stale"; None: frames are taken at any age.
    asleep_ns, clock_ns: see live.suspend, and the clock of the frames' times.
    """

    def __init__(
        self,
        source: Source,
        *,
        pace: bool = False,
        reopen: Callable[[], Source] | None = None,
        meter: Meter | None = None,
        stop: Event | None = None,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        grace_s: float = GRACE_S,
        oldest_ns: int | None = None,
        asleep_ns: Callable[[], int] = asleep_ns,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name, self.size, self.fps, self.live = source.name, source.size, source.fps, source.live
        self._pace = pace
        self._reopen = reopen
        self._meter = meter or Meter()
        self._stop = stop or Event()
        self._left = Event()
        self._back_off_s = back_off_s
        self._grace_s = grace_s
        self._silent = False
        self._oldest_ns, self._asleep_ns, self._clock_ns = oldest_ns, asleep_ns, clock_ns
        self._box: Mailbox[_Stamped] = Mailbox(newest=self.live, stop=self._stop)
        self._thread = Thread(target=self._run, args=(source,), name=f"source {self.name}", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """The next frame, see Source. None also once stopped or closed.

        Raises:
            DeviceError: the device is gone, or gives nothing, or nothing fresh; may be called again.
        """
        if not self.live:
            return self._take_patiently()
        deadline = time.monotonic() + (0.0 if self._silent else self._grace_s)
        stale_ns = 0
        try:
            while (stamped := self._box.take(max(deadline - time.monotonic(), 0.0))) is not None:
                stale_ns = self._age_ns(stamped)
                if self._oldest_ns is None or stale_ns <= self._oldest_ns:
                    self._silent = False
                    return stamped.frame
                self._meter.count("stale")
            return None
        except TimeoutError:
            self._silent = True  # from here on say so at once: the loop keeps its sinks fed meanwhile
            raise DeviceError(self._why_nothing(stale_ns)) from None

    def close(self) -> None:
        self._left.set()
        self._box.close()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.warning("%s does not answer; left behind", self.name)

    def _age_ns(self, stamped: _Stamped) -> int:
        """Since the capture, sleep included."""
        slept_ns = self._asleep_ns() - stamped.asleep_ns
        return self._clock_ns() - stamped.frame.time_ns + max(slept_ns, 0)

    def _why_nothing(self, stale_ns: int) -> str:
        if not stale_ns:
            return f"{self.name} gives no picture; waiting for it"
        assert self._oldest_ns is not None
        return (
            f"{self.name} gives only pictures older than {self._oldest_ns / 1e6:g} ms "
            f"({stale_ns / 1e6:.0f} ms): ask for a smaller size, close what keeps the machine busy, or allow "
            "more with camera.oldest_ms"
        )

    def _take_patiently(self) -> Frame | None:
        while True:  # a file on a slow disk is not broken
            try:
                stamped = self._box.take(self._grace_s)
                return stamped.frame if stamped is not None else None
            except TimeoutError:
                continue

    def _run(self, source: Source | None) -> None:
        try:
            next_index = 0
            while source is not None:
                failed, next_index = self._pump(source, next_index)
                source = self._open_again(failed) if failed is not None else None
            self._box.end()
        except BaseException as error:  # a thread's edge: the consumer gets it at its next call
            self._box.end(error)

    def _pump(self, source: Source, first_index: int) -> tuple[DeviceError | None, int]:
        """Hands frames on until the end (None) or until the device fails."""
        index = first_index
        shift_ns: int | None = None
        awake_ns = self._asleep_ns()
        try:
            while not self._over():
                frame = source.read()
                if frame is None:
                    return None, index
                asleep_ns = self._asleep_ns()
                if self.live and self._reopen is not None and asleep_ns - awake_ns > SLEPT_NS:
                    raise DeviceError(f"the system was suspended; {self.name} is opened anew")
                awake_ns = asleep_ns
                if first_index:
                    frame = replace(frame, index=frame.index + first_index)
                if self._pace:
                    if shift_ns is None:
                        shift_ns = time.monotonic_ns() - frame.time_ns
                    frame = replace(frame, time_ns=frame.time_ns + shift_ns)
                    self._wait((frame.time_ns - time.monotonic_ns()) / 1e9)
                index = frame.index + 1
                before = self._box.dropped
                if not self._box.put(_Stamped(frame, asleep_ns)):
                    return None, index
                if self._box.dropped > before:
                    self._meter.count("dropped", self._box.dropped - before)
            return None, index
        except DeviceError as error:
            if self._reopen is None:
                raise
            return error, index
        finally:
            source.close()

    def _open_again(self, error: DeviceError) -> Source | None:
        """The source opened again, after as many tries as it takes; None when closed meanwhile."""
        assert self._reopen is not None
        attempt, told = 0, ""
        while not self._over():
            wait_s = self._back_off_s[min(attempt, len(self._back_off_s) - 1)]
            text = f"{str(error).rstrip('.')}; trying again in {wait_s:g} s"
            if text != told:  # a camera may be away for hours
                log.warning("%s", text)
                told = text
            self._meter.count("source lost" if attempt == 0 else "reopen failed")
            self._box.fail(DeviceError(text))
            if self._wait(wait_s):
                return None
            attempt += 1
            try:
                source = self._reopen()
            except DeviceError as again:
                error = again
                continue
            if source.size != self.size:
                (width, height), (was_width, was_height) = source.size, self.size
                error = DeviceError(
                    f"{source.name} came back as {width}x{height}, it was {was_width}x{was_height}"
                )
                source.close()
                continue
            log.info("%s is back", source.name)
            return source
        return None

    def _wait(self, seconds: float) -> bool:
        """True when closed or stopped while waiting."""
        until = time.monotonic() + seconds
        while not self._over() and (left_s := until - time.monotonic()) > 0:
            self._left.wait(min(left_s, 0.1))  # the stop event cannot wake it
        return self._over()

    def _over(self) -> bool:
        return self._left.is_set() or self._stop.is_set()


@dataclass(frozen=True, slots=True)
class _Stamped:
    """asleep_ns: when the frame was taken; a suspension since then makes it old."""

    frame: Frame
    asleep_ns: int


class ThreadedSink:
    """Pushes into a sink from a thread of its own, which alone calls the sink.

    newest: True: `push` never waits; a picture not yet taken is replaced and counted.
        False: `push` waits for the slot and `close` until all is written.
    reopen: opens the same device again after a DeviceError; without it the error reaches the
        caller's next `push` or `close`, as all others do.
    lost: the sink has failed for good.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        newest: bool = True,
        reopen: Callable[[], Sink] | None = None,
        meter: Meter | None = None,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
    ) -> None:
        self.name = sink.name
        self._newest = newest
        self._reopen = reopen
        self._meter = meter or Meter()
        self._left = Event()
        self._back_off_s = back_off_s
        self._box: Mailbox[Picture] = Mailbox(newest=newest)
        self._error: BaseException | None = None
        self.lost = False
        self._thread = Thread(target=self._run, args=(sink,), name=f"sink {self.name}", daemon=True)
        self._thread.start()

    def push(self, picture: Picture) -> None:
        self._raise_once()
        before = self._box.dropped
        if not self._box.put(picture):
            self._raise_once()
        if self._box.dropped > before:
            self._meter.count(f"dropped at {self.name}", self._box.dropped - before)

    def close(self) -> None:
        """Finishes what was pushed.

        Raises:
            Exception: what the sink failed with, unless a push has raised it already.
        """
        self._left.set()
        if self._newest:
            self._box.close()
        self._box.end()
        self._thread.join(CLOSE_S if self._newest else FINISH_S)
        if self._thread.is_alive():
            log.warning("%s does not answer; left behind", self.name)
        self._raise_once()

    def _raise_once(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, sink: Sink | None) -> None:
        try:
            while sink is not None:
                gone = self._pump(sink)
                sink = self._open_again(gone) if gone is not None else None
        except BaseException as error:  # a thread's edge: the producer gets it at its next call
            self._error, self.lost = error, True
        finally:
            self._box.close()

    def _pump(self, sink: Sink) -> DeviceError | None:
        """Shows pictures until closed (None) or until the device fails."""
        try:
            while True:
                try:
                    picture = self._box.take(timeout_s=1.0)
                except TimeoutError:
                    continue
                if picture is None:
                    return None
                sink.push(picture)
                if self._newest:  # of a file's own times no age can be told
                    self._meter.age(self.name, picture.time_ns)
        except DeviceError as error:
            if self._reopen is None:
                raise
            return error
        finally:
            sink.close()

    def _open_again(self, error: CleanplateError) -> Sink | None:
        assert self._reopen is not None
        attempt, told = 0, ""
        while not self._left.is_set():
            wait_s = self._back_off_s[min(attempt, len(self._back_off_s) - 1)]
            text = f"{str(error).rstrip('.')}; trying again in {wait_s:g} s"
            if text != told:
                log.warning("%s", text)
                told = text
            self._meter.count("sink lost" if attempt == 0 else "sink reopen failed")
            if self._left.wait(wait_s):
                return None
            attempt += 1
            try:
                sink = self._reopen()
            except DeviceError as again:
                error = again
                continue
            log.info("%s is back", sink.name)
            return sink
        return None
