"""Waiting for worker processes, without waiting for dead ones."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Any

PATIENCE_S = 5.0


def take(samples: Any, workers: Sequence[Any]) -> Any:
    """The next item of a multiprocessing queue; RuntimeError when a worker died, not a wait for ever.

    A worker prints its own traceback.
    """
    while True:
        try:
            return samples.get(timeout=PATIENCE_S)
        except queue.Empty:
            dead = [w for w in workers if not w.is_alive()]
            if dead:
                raise RuntimeError(f"{len(dead)} of {len(workers)} workers died; see above") from None
