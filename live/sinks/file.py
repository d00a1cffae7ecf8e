"""The sink that writes files: a folder of pictures, a video, one picture."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event

from core.types import Picture
from live.media import Clip
from live.writers import Writer, open_writers

log = logging.getLogger(__name__)


class FileSink:
    """Writes what it gets under a temporary name; `close` gives the files their names.

    clip: rate, clock and sound of the input; None for a live recording. That starts at 0, an excerpt too.
    Raises:
        MediaError: from any method: name, folder or disk do not allow it. What was written so far is then
            removed; of a live recording, which cannot be made again, it is kept, and the log says where.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        clip: Clip | None,
        *,
        transparent: bool,
        alpha: bool = False,
        single: bool = False,
        force: bool = False,
    ) -> None:
        self._writers: list[Writer] = open_writers(
            path,
            size,
            clip or Clip(),
            transparent=transparent,
            alpha=alpha,
            single=single,
            force=force,
            live=clip is None,
        )
        self._live = clip is None
        self._from_0 = clip is None or clip.frames is not None
        self._first_ns: int | None = None
        self._abandoned = Event()
        self.outputs = tuple(writer.path for writer in self._writers)
        self.name = f"file {path}"

    def push(self, picture: Picture) -> None:
        if self._first_ns is None:
            self._first_ns = picture.time_ns if self._from_0 else 0
        if self._first_ns:
            picture = _earlier(picture, self._first_ns)
        try:
            for writer in self._writers:
                writer.write(picture)
        except BaseException:
            if self._live:
                self._keep()
            self._abandoned.set()
            raise

    def abandon(self) -> None:
        """From any thread: `close` shall remove what was written, as it is not all."""
        self._abandoned.set()

    def close(self) -> None:
        try:
            if not self._abandoned.is_set() and self._first_ns is not None:
                for writer in self._writers:
                    writer.finish()
        except BaseException:
            if self._live:
                self._keep()
            raise
        finally:
            writers, self._writers = self._writers, []
            for writer in writers:  # does nothing to a finished one
                writer.discard()

    def _keep(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            kept = writer.keep()
            if kept is not None:
                log.warning("%s was cut short; what could be written of it is %s", self.name, kept)


def _earlier(picture: Picture, by_ns: int) -> Picture:
    return Picture(
        picture.rgb, picture.alpha_u8, picture.time_ns - by_ns, picture.index, picture.idle, picture.straight
    )
