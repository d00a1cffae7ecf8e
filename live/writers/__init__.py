"""Results on disk: picture sequences, videos, single pictures; never half a file under the final name."""

from live.writers.content import Content
from live.writers.formats import Writer, open_writers, refuse_existing

__all__ = ["Content", "Writer", "open_writers", "refuse_existing"]
