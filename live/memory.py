"""Keeps the memory that one frame leaves for the next."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
KEPT_BYTES, LARGEST_BYTES = 256 << 20, 32 << 20  # at most unused at a heap's end; a picture 8K wide is larger


def keep_freed_memory() -> None:
    """Tells glibc not to give a picture's memory back to the system when the picture goes.

    By default it does, at once, and the next picture's memory comes as pages that the kernel has to
    clear one by one: that took half of the time in which platenet's input was stacked. Elsewhere than on
    glibc, nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGEST_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
