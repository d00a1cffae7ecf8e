"""Backgrounds to choose from while the program runs: blur, colours, and the files in a folder."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import platformdirs

from core.errors import MediaError, SettingsError
from core.pictures import PICTURES, picture_of
from core.plate.store import OWNER_S_FOLDER
from core.render.backdrops import (
    COLOURS,
    VIDEOS,
    Backdrop,
    Background,
    Kind,
    cover,
    parse_background,
)
from core.types import U8
from live.backdrop import open_backdrop
from live.sources.registry import open_file
from live.writers.partial import PartialFile

log = logging.getLogger(__name__)

MOST_FILES = 100  # on offer; more than anybody looks through
LARGEST_PICTURE = 32 << 20  # bytes of one that is added
LONGEST_NAME = 60
THUMBNAIL_SIZE = (192, 108)
_NOT_IN_NAMES = re.compile(r"[^\w .-]+")

Change = Callable[[Background, Backdrop | None], None]


def backgrounds_folder() -> Path:
    """The folder of pictures and videos on offer (XDG data folder on Linux)."""
    return platformdirs.user_data_path("cleanplate") / "backgrounds"


class Backgrounds:
    """What stands behind the person, for others than the loop to change. Any thread may call it.

    Args:
        change: takes the next background and its pictures (see core.render.renderer.Compositor.change).
        now: what the run began with; a file of it stays on offer.
        folder: whose pictures and videos are on offer; it need not be there.
        size: (width, height) of the frames.
    """

    def __init__(self, change: Change, now: Background, folder: Path, size: tuple[int, int]) -> None:
        self._change, self._now, self._first, self._size = change, now, now, size
        self.folder = folder
        self._lock = Lock()
        self._thumbnails: dict[tuple[Path, int], bytes] = {}

    @property
    def now(self) -> str:
        """The word by which it is chosen: blur:0.5, #00b140, a file's name; none."""
        background = self._now
        if background.path is not None:
            return background.path.name
        if background.kind is Kind.COLOUR:
            return "#{:02x}{:02x}{:02x}".format(*background.rgb)
        strength = f":{background.strength:g}" if background.kind is Kind.BLUR else ""
        return background.kind.value + strength

    def files(self) -> dict[str, Path]:
        """The files on offer by their names, in order; at most 100."""
        found = [self._first.path] if self._first.path is not None else []
        if self.folder.is_dir():
            inside = sorted(self.folder.iterdir(), key=lambda path: path.name.lower())
            found += [path for path in inside if not path.name.startswith(".") and path.is_file()]
        kinds = PICTURES | VIDEOS
        named = {path.name: path for path in reversed(found) if path.suffix.lower() in kinds}
        return dict(list(reversed(named.items()))[:MOST_FILES])

    def choose(self, word: str) -> None:
        """From the next frame on that is what stands behind.

        Raises: SettingsError for a word that is not on offer, MediaError for a broken file; all stays as it
        is then.
        """
        with self._lock:
            background = self._background(word)
            backdrop = open_backdrop(background, self._size, live=True)
            try:
                if backdrop is not None:
                    backdrop.picture(self._size, 0)  # the first one takes time, which no frame has
                self._change(background, backdrop)
            except BaseException:
                if backdrop is not None:
                    backdrop.close()
                raise
            self._now = background
        log.info("background: %s", background)

    def add(self, name: str, data: bytes) -> str:
        """Puts a picture into the folder; the name under which it is on offer.

        name: as its owner called it; what no file should be called is left out, and a name that another
            picture has is numbered.
        Raises: MediaError: it is no whole picture of a kind that is shown, or cannot be written.
        """
        if len(data) > LARGEST_PICTURE:
            raise MediaError(
                f"the picture {name} is larger than {LARGEST_PICTURE >> 20} MiB: make it smaller"
            )
        suffix = Path(name).suffix.lower()
        if suffix not in PICTURES:
            raise MediaError(f"{name} is not a picture that can be added: {' '.join(sorted(PICTURES))} can")
        picture_of(data, name)
        with self._lock:
            taken = self.files()
            if len(taken) >= MOST_FILES:
                raise MediaError(
                    f"{MOST_FILES} backgrounds are on offer already: remove some from {self.folder}"
                )
            stem = _NOT_IN_NAMES.sub("-", Path(name).stem).strip(" .-")[:LONGEST_NAME] or "picture"
            for number in count(1):
                free = f"{stem}{f'-{number}' * (number > 1)}{suffix}"
                if free not in taken:
                    break
                if _holds(taken[free], data):
                    return free
            self._write(self.folder / free, data)
        return free

    def thumbnail(self, name: str) -> bytes:
        """A small JPEG of a file on offer.

        Raises: SettingsError for another name, MediaError for a broken file.
        """
        path = self.files().get(name)
        if path is None:
            raise SettingsError(f"{name!r} is not on offer")
        try:
            key = path, path.stat().st_mtime_ns
        except OSError as error:
            raise MediaError(f"cannot read {path}: {error.strerror}") from error
        if key not in self._thumbnails:
            small = cover(_first_picture(path), THUMBNAIL_SIZE)
            self._thumbnails[key] = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]))[1].tobytes()
        return self._thumbnails[key]

    def _write(self, path: Path, data: bytes) -> None:
        try:
            self.folder.mkdir(OWNER_S_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"cannot make the folder {self.folder}: {error.strerror}") from error
        file = PartialFile(path)
        try:
            file.file.write(data)
            file.publish()
        except (OSError, MediaError) as error:
            file.discard()
            raise MediaError(f"cannot write {path}: {error}") from error

    def _background(self, word: str) -> Background:
        path = self.files().get(word)
        if path is not None:
            return Background(Kind.PICTURE if path.suffix.lower() in PICTURES else Kind.VIDEO, path=path)
        if word.startswith(("blur", "#")) or word in (*COLOURS, Kind.NONE.value, Kind.TRANSPARENT.value):
            return parse_background(word)
        # Never taken for a path: nobody who reaches the page is to see other files.
        raise SettingsError(
            f"the background {word!r} is not on offer: choose blur:0.5, a colour like #00b140, or a file "
            f"that lies in {self.folder}"
        )


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _first_picture(path: Path) -> U8:
    source = open_file(path)
    try:
        frame = source.read()
    finally:
        source.close()
    if frame is None:
        raise MediaError(f"{path} has no picture")
    return frame.rgb
