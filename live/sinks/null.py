"""The sink that keeps nothing: for benchmarks and dry runs."""

from __future__ import annotations

from core.types import Picture


class NullSink:
    """Takes pictures and forgets them."""

    name = "null (pictures are thrown away)"

    def push(self, picture: Picture) -> None:
        pass

    def close(self) -> None:
        pass
