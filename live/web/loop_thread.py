"""An event loop on a thread of its own, for outputs that speak to a network."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from core.errors import CleanplateError

log = logging.getLogger(__name__)


class LoopThread:
    """Runs one coroutine in an event loop on a thread of its own, from the start until `stop`.

    serve: called on the new thread with what it calls once it is ready; cancelled by `stop`, and has to
        clean up then, soon.
    loop: its event loop once there is one.
    failure: what it ended with, if not by `stop`.
    """

    def __init__(self, name: str, serve: Callable[[Callable[[], None]], Coroutine[Any, Any, None]]) -> None:
        self.failure: Exception | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._serve = serve
        self._name = name
        self._stop: asyncio.Event | None = None
        self._stopped = False
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is ready, or has failed, in that time."""
        return self._settled.wait(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """Ends it, and waits for that as long; may be called twice, and in the middle of its start."""
        self._stopped = True
        if self.loop is not None and self._stop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended by itself
                self.loop.call_soon_threadsafe(self._stop.set)
        self.join(timeout_s)

    def join(self, timeout_s: float) -> None:
        """Waits until it has ended, as long at most."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        if self._stopped:
            return
        serving = asyncio.create_task(self._serve(self._settled.set))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        serving.cancel()
        try:
            await serving
        except asyncio.CancelledError:
            pass
        except CleanplateError as error:  # a thread's edge: the owner asks for it
            self.failure = error
        except Exception as error:
            log.exception("%s stopped", self._name)
            self.failure = error
        # Not once the loop has ended: that waits for look-ups of names that were given up.
        self._settled.set()
