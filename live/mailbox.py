"""A mailbox with one slot between two threads: newest wins when live, blocking when every item counts."""

from __future__ import annotations

from threading import Condition, Event
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_AROUND_S = 0.1  # how soon a waiting thread sees the stop event, which cannot wake it by itself


class Mailbox(Generic[T]):
    """Hands items from one producer thread to one consumer thread.

    newest: True: `put` never waits and replaces an item not yet taken, which counts as dropped.
        False: `put` waits until the slot is free; nothing is dropped.
    stop: ends every wait on either side; what lies in the slot is then no longer handed out.
    """

    def __init__(self, *, newest: bool, stop: Event | None = None) -> None:
        self._newest = newest
        self._stop = stop or Event()
        self._changed = Condition()
        self._item: T | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> bool:
        """Leaves an item; False once nobody will take it (closed or stopped)."""
        with self._changed:
            if self._newest:
                self.dropped += self._item is not None
            else:
                while self._item is not None and not self._over():
                    self._changed.wait(_LOOK_AROUND_S)
            if self._over():
                return False
            self._item = item
            self._error = None
            self._changed.notify_all()
            return True

    def fail(self, error: BaseException) -> None:
        """Makes every `take` raise this error until the next `put`: the producer goes on trying."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """The producer's last word. An item still in the slot is handed out first."""
        with self._changed:
            self._ended = True
            self._error = error
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """The item, waited for; None at the end, once closed, and once stopped.

        Raises:
            TimeoutError: nothing came in time.
            BaseException: what the producer failed with.
        """
        deadline = monotonic() + timeout_s
        with self._changed:
            while not self._over():
                if self._item is not None:
                    item, self._item = self._item, None
                    self._changed.notify_all()
                    return item
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                left_s = deadline - monotonic()
                if left_s <= 0:
                    raise TimeoutError(f"nothing came for {timeout_s:.1f} s")
                self._changed.wait(min(left_s, _LOOK_AROUND_S))
            return None

    def close(self) -> None:
        """The consumer takes no more: both sides are released. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()

    def _over(self) -> bool:
        return self._closed or self._stop.is_set()
