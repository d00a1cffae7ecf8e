"""Where frames come from: cameras, videos, folders of pictures, the built-in demo scene."""

from live.sources.base import Source
from live.sources.registry import open_source

__all__ = ["Source", "open_source"]
