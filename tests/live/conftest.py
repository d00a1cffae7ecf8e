"""Fixtures for all tests of `live`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command sets the log up for its process; here many of them share one."""
    root, core, live = (logging.getLogger(name) for name in (None, "core", "live"))
    handlers, levels = list(root.handlers), (root.level, core.level, live.level)
    yield
    root.handlers = handlers
    for logger, level in zip((root, core, live), levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    """Of an output, once the test is over."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("cleanplate")]
    assert not left
