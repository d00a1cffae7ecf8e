"""A folder of pictures, or a single one, as a source."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from core.errors import MediaError
from core.pictures import read_picture
from core.types import Frame
from live.media import Clip, pictures_in

DEFAULT_RATE = Fraction(30)


class FolderSource:
    """Gives pictures in the order of `paths`, all of the size of the first. Implements FileSource.

    Raises:
        MediaError: a picture cannot be read, or has another size than the first.
    """

    live = False

    def __init__(self, paths: Sequence[Path], name: str, fps: float | None = None) -> None:
        self._paths = paths
        self._next = 0
        self._first = read_picture(paths[0])
        rate = Fraction(fps).limit_denominator(1001) if fps else DEFAULT_RATE
        self.size = (self._first.shape[1], self._first.shape[0])
        self.fps = float(rate)
        self.clip = Clip(rate=rate, time_base=1 / rate)
        self.total: int | None = len(paths)
        self.name = (
            f"{name}, {len(paths)} {'picture' if len(paths) == 1 else 'pictures'} of {_size(self.size)}"
        )

    @classmethod
    def of_folder(cls, folder: Path, fps: float | None = None) -> FolderSource:
        """The pictures of a folder in plain name order."""
        return cls(pictures_in(folder), f"folder {folder}", fps)

    def read(self) -> Frame | None:
        if self._next >= len(self._paths):
            return None
        index, path = self._next, self._paths[self._next]
        rgb = self._first if index == 0 else read_picture(path)
        if (rgb.shape[1], rgb.shape[0]) != self.size:
            raise MediaError(
                f"{path} is {rgb.shape[1]}x{rgb.shape[0]}, the pictures before it are {_size(self.size)}; "
                "all pictures of a folder must have one size"
            )
        rgb.flags.writeable = False
        self._next += 1
        return Frame(rgb, round(index * self.clip.time_base * 1_000_000_000), index)

    def skip(self) -> bool:
        self._next += 1
        return self._next <= len(self._paths)

    def close(self) -> None:
        self._next = len(self._paths)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
