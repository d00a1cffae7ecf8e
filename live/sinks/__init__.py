"""Where pictures go: virtual camera, browser, window, file, nowhere."""

from live.sinks.base import Sink
from live.sinks.registry import open_sink

__all__ = ["Sink", "open_sink"]
