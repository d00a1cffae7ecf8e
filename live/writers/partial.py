"""Results appear whole: they grow under a temporary name beside the final one and are renamed at the end."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from core.errors import MediaError


def _beside(path: Path, part: str = "") -> Path:
    return path.with_name(f".{path.name}.partial{part}")


def _cut_short(path: Path) -> Path:
    """A free name beside `path` that says that this is not all. It begins with the whole name, by which the
    journal knows files that are not to be named, and ends like it, so that a double click plays it."""
    names = (path.with_name(f"{path.name}.incomplete{f'-{n}' * (n > 1)}{path.suffix}") for n in count(1))
    return next(name for name in names if not name.exists())


def _make_parents(path: Path) -> list[Path]:
    """Makes the folders above `path`; returns those that were not there, innermost first."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # somebody has put something there meanwhile: then it stays
            return


class PartialFile:
    """A file that gets its name when it is complete.

    Raises:
        MediaError: from any method: the folder cannot be written, or is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = _beside(path)
        self._made = _make_parents(path)
        try:
            self.file: BinaryIO = self._temporary.open("wb+")
        except OSError as error:
            _remove_empty(self._made)
            raise MediaError(f"cannot write {path}: {error.strerror}") from error

    def publish(self) -> None:
        """Closes the file and gives it its name; a file that had it is replaced."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise MediaError(f"cannot write {self.path}: {error.strerror}") from error

    def keep(self) -> Path | None:
        """Gives what was written a name that says that it is not all; None where there is nothing.

        Raises nothing: where no name can be given, as on a disk that was pulled out, the file stays as it is.
        """
        with suppress(OSError):
            self.file.close()
        try:
            if self._temporary.exists() and self._temporary.stat().st_size:
                return self._temporary.replace(_cut_short(self.path))
            self.discard()
        except OSError:
            return self._temporary
        return None

    def discard(self) -> None:
        """Removes what was written. Safe to call twice and after `publish`."""
        with suppress(OSError):  # what the buffer still holds does not fit on a full disk: not wanted
            self.file.close()
        self._temporary.unlink(missing_ok=True)
        _remove_empty(self._made)


class PartialFolder:
    """A folder whose files get there together, when all are complete.

    folder: where to write meanwhile. Sub-folders are made by the writer.
    part: which part of what comes into `path` this is; others may be written at the same time.
    Raises:
        MediaError: as PartialFile.
    """

    def __init__(self, path: Path, part: str = "") -> None:
        self.path = path
        # Inside a folder that exists: it may be another disk, onto which nothing can be renamed.
        self.folder = path / f".partial{part}" if path.is_dir() else _beside(path, part)
        self._made = _make_parents(path)
        try:
            shutil.rmtree(self.folder, ignore_errors=True)  # left by a run that was killed
            self.folder.mkdir()
        except OSError as error:
            _remove_empty(self._made)
            raise MediaError(f"cannot write into {self.folder.parent}: {error.strerror}") from error

    def publish(self) -> None:
        """Moves all files into place: the whole folder at once where it is new, else one by one."""
        try:
            if not self.path.exists() and self._renamed():
                return
            for file in sorted(found for found in self.folder.rglob("*") if found.is_file()):
                target = self.path / file.relative_to(self.folder)
                target.parent.mkdir(exist_ok=True)
                os.replace(file, target)
            shutil.rmtree(self.folder)
        except OSError as error:
            raise MediaError(f"cannot write {self.path}: {error.strerror}") from error

    def _renamed(self) -> bool:
        """False where another part has made the folder at this very moment."""
        try:
            os.replace(self.folder, self.path)
        except OSError:
            if not self.path.is_dir():
                raise
            return False
        return True

    def keep(self) -> Path | None:
        """As PartialFile's."""
        try:
            if self.folder.is_dir() and any(self.folder.iterdir()):
                return self.folder.replace(_cut_short(self.folder.parent / self.path.name))
            self.discard()
        except OSError:
            return self.folder
        return None

    def discard(self) -> None:
        """Removes what was written. Safe to call twice and after `publish`."""
        shutil.rmtree(self.folder, ignore_errors=True)
        _remove_empty(self._made)
