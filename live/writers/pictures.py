"""Writers of pictures: a numbered PNG sequence, and one picture."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from core.errors import MediaError
from core.types import U8, Picture
from live.media import FrameRange
from live.writers.content import Content, numbered
from live.writers.partial import PartialFile, PartialFolder
from live.writers.straight import alpha_of, opaque_of, rgba_of

_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]  # half the time of level 3 for a tenth more bytes
# One for each kind: OpenCV warns on the terminal of an option that another kind has.
_BEST = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 6],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 101],  # above 100 is lossless
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95],
}


def _encoded(picture: Picture, content: Content, suffix: str, options: list[int]) -> bytes:
    if content is Content.ALPHA:
        pixels: U8 = alpha_of(picture)
    elif content is Content.STRAIGHT:
        pixels = cv2.cvtColor(rgba_of(picture), cv2.COLOR_RGBA2BGRA)
    else:
        pixels = cv2.cvtColor(opaque_of(picture), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels), options)
    if not done:
        raise MediaError(f"a picture of {pixels.shape[1]}x{pixels.shape[0]} cannot be written as {suffix}")
    return data.tobytes()


class SequenceWriter:
    """folder/000000.png …, numbered by order; with Content.ALPHA also folder/alpha/000000.png.

    frames: which of a longer sequence these are: they have its numbers, and all others stay.
    """

    def __init__(self, path: Path, contents: tuple[Content, ...], frames: FrameRange | None = None) -> None:
        self.path = path
        self._whole = frames is None
        self._first = frames.first if frames else 0
        self._partial = PartialFolder(path, part=str(frames) if frames else "")
        self._folders = {
            content: self._partial.folder / ("alpha" if content is Content.ALPHA else "")
            for content in contents
        }
        self._count = 0

    def write(self, picture: Picture) -> None:
        name = f"{self._first + self._count:06d}.png"
        try:
            for content, folder in self._folders.items():
                folder.mkdir(exist_ok=True)
                (folder / name).write_bytes(_encoded(picture, content, ".png", _FAST))
        except OSError as error:
            for folder in self._folders.values():
                with suppress(OSError):  # half a picture, unless there is no disk any more
                    (folder / name).unlink()
            raise MediaError(f"cannot write into {self.path}: {error.strerror}") from error
        self._count += 1

    def finish(self) -> None:
        self._partial.publish()
        if not self._whole:
            return
        for content in self._folders:  # of a longer sequence that was replaced
            folder = self.path / ("alpha" if content is Content.ALPHA else "")
            for left_over in numbered(folder)[self._count :]:
                left_over.unlink()

    def keep(self) -> Path | None:
        if not self._count:
            self.discard()
            return None
        try:
            self.finish()
        except (MediaError, OSError):
            return self._partial.keep()
        return self.path

    def discard(self) -> None:
        self._partial.discard()


class PictureWriter:
    """One picture, of the kind that its name says."""

    def __init__(self, path: Path, content: Content) -> None:
        self.path = path
        self._content = content
        self._partial = PartialFile(path)

    def write(self, picture: Picture) -> None:
        try:
            suffix = self.path.suffix.lower()
            data = _encoded(picture, self._content, suffix, _BEST.get(suffix, []))
            self._partial.file.seek(0)
            self._partial.file.truncate()  # of several pictures the last one stays
            self._partial.file.write(data)
        except OSError as error:
            raise MediaError(f"cannot write {self.path}: {error.strerror}") from error

    def finish(self) -> None:
        self._partial.publish()

    def keep(self) -> Path | None:
        return self._partial.keep()

    def discard(self) -> None:
        self._partial.discard()
