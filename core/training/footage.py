"""The user's own footage as training material: filmed people keyed, rooms as stills.

Both are written in the shape of the `data` folder (people/, rooms/, each with a SOURCES.tsv), as
the user's own (`free` is yes). What comes of one clip is one identity; whether it is kept for judging
is left to the run that reads it, which knows how many others there are (`held_out` is auto).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from core.errors import MediaError
from core.training.keying import Cutout, estimate_key, key_frame
from core.training.material import AUTO, read_rgb, read_rgba, table_rows
from core.types import F32, U8

COLUMNS = ("file", "identity", "origin", "free", "held_out")
VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
ROOM_WIDTH = 1920  # px; wider stills only cost disk
_KEY_FRAMES = 12  # looked at for the wall's colour
_LEAST_WALL = 0.9  # of the outline must be before the wall, or the rest of it is guessed
_LEAST_AREA, _MOST_AREA = 0.02, 0.8  # of the picture
_LEAST_SHARPNESS = 0.35  # of the clip's own upper quartile
_LEAST_CHANGE = 2.0  # grey levels on 64x36 against the still kept before
_SEEN = 128  # alpha from which somebody is there
_MARGIN_PX = 4  # of nothing around a cut-out
_ANY_SIDE = 1 << 20  # px
_QUICK = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_OPTIONS = {  # above 100 the WebP writer is lossless
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 101),
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
}

Segmenter = Callable[[U8], F32]


@dataclass(slots=True)
class Kept:
    """What became of a clip's stills: how many were kept, and how many were dropped for which reason."""

    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def __str__(self) -> str:
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.dropped.items())
        return f"{self.kept} kept" + (f", dropped: {reasons}" if reasons else "")


def stills(path: Path, every_s: float) -> Iterator[U8]:
    """A video's frames every so many seconds, or the picture itself; RGB uint8 HxWx3.

    Raises:
        MediaError: neither a picture nor a video that can be read.
    """
    if path.suffix.lower() in PICTURES:
        yield read_rgb(path, _ANY_SIDE)
        return
    # absolute: FFmpeg takes "10:30.mp4" for a protocol
    video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG) if path.is_file() else None
    if video is None or not video.isOpened():
        raise MediaError(f"{path} cannot be read as a video or a picture; give MP4, MOV, MKV, JPEG or PNG")
    try:
        rate, index, due = video.get(cv2.CAP_PROP_FPS) or 30.0, 0, 0.0
        while video.grab():
            if index / rate >= due:
                read, frame_bgr = video.retrieve()
                if read:
                    yield cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB)
                due += every_s
            index += 1
    finally:
        video.release()


def media_in(paths: list[Path]) -> list[Path]:
    """Files as they are, folders as the pictures and videos in them. MediaError when nothing is there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES | VIDEOS)
        elif path.is_file():
            found.append(path)
        else:
            raise MediaError(f"{path} does not exist: give videos, pictures, or folders of them")
    if not found:
        raise MediaError(f"no video or picture in {', '.join(map(str, paths))}: MP4, MOV, MKV, JPEG or PNG")
    return found


def key_clip(
    clip: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    every_s: float = 0.5,
    key: F32 | None = None,
    region: F32 | None = None,
    most: int = 60,
    suffix: str = ".webp",
) -> Kept:
    """Cuts the person out of a clip's stills into OUT/people, and lists them there.

    Stills are dropped that say little or something false: blurred, like the one before, the person
    cut by the side of the picture, or not before the wall all round. They are taken one by one, and
    what may be kept waits in a folder in OUT, since which are blurred is known at the end: ten minutes of
    1080p would take 16 GB of memory.

    Args:
        segmenter: RGB uint8 HxWx3 to the person's mask, float32 HxW 0..1.
        key: the wall's colour, float32 3, 0..1; None estimates it.
        region: float32 Nx2, corners (x, y) 0..1; all outside is garbage. None takes all.
        most: keep at most so many, evenly spread over the clip.
        suffix: ".webp" or ".png", both lossless.
    Raises:
        MediaError: unreadable, no wall found, or another clip of that name is in OUT already.
    """
    people = out / "people"
    _refuse_taken(people, clip)
    if key is None:
        key = _wall_of(clip, every_s)
    frames = stills(clip, every_s)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{clip} has no frame")
    result, last = Kept(), None
    sharpness: list[float] = []
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".key-", dir=out) as waiting:
        for frame in chain([first], frames):
            cutout = key_frame(frame, key, segmenter(frame), region)
            reason = _fault(cutout)
            small = cv2.resize(frame, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float32)
            if reason is None and last is not None and np.abs(small - last).mean() < _LEAST_CHANGE:
                reason = "like the one before"
            if reason is None:
                _save(Path(waiting) / f"{len(sharpness)}.png", _cropped(cutout.rgba), _QUICK)
                sharpness.append(_sharpness(cutout.rgba))
                last = small
            else:
                result.drop(reason)
        limit = _LEAST_SHARPNESS * float(np.quantile(sharpness, 0.75)) if sharpness else 0.0
        sharp = [k for k, value in enumerate(sharpness) if value >= limit]
        for _ in range(len(sharpness) - len(sharp)):
            result.drop("blurred")
        step = max(1.0, len(sharp) / most)
        chosen = [sharp[int(k * step)] for k in range(min(most, len(sharp)))]
        if len(sharp) > len(chosen):
            result.dropped["more than wanted"] = len(sharp) - len(chosen)
        pictures = (read_rgba(Path(waiting) / f"{k}.png", _ANY_SIDE) for k in chosen)
        result.kept = _write(people, clip, pictures, suffix)
    return result


def add_people(cutout: Path, out: Path) -> None:
    """Takes a picture with alpha as it is into OUT/people. MediaError when alpha cuts nobody out."""
    rgba = read_rgba(cutout, _ANY_SIDE)
    if rgba[..., 3].min() == 255:  # nor would the WebP writer keep such an alpha
        raise MediaError(
            f"{cutout} is opaque everywhere; give a cut-out, transparent where the person is not, or film "
            "before a wall of one colour and use `cleanplate train key`"
        )
    if rgba[..., 3].max() < _SEEN:
        raise MediaError(f"{cutout} is transparent everywhere; give a cut-out with somebody in it")
    _write(out / "people", cutout, [rgba], ".webp")


def add_room(path: Path, out: Path, every_s: float = 2.0) -> int:
    """Writes a picture or a video's stills of an empty room into OUT/rooms; returns how many."""
    return _write(out / "rooms", path, _room_stills(path, every_s), ".jpg")


def _room_stills(path: Path, every_s: float) -> Iterator[U8]:
    rgb = None
    for rgb in stills(path, every_s):
        scale = min(1.0, ROOM_WIDTH / rgb.shape[1])
        yield cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if rgb is None:
        raise MediaError(f"{path} has no frame")


def _wall_of(clip: Path, every_s: float) -> F32:
    """The wall's colour, of a few stills spread over the clip. MediaError when there is none."""
    count = sum(1 for _ in stills(clip, every_s))
    if not count:
        raise MediaError(f"{clip} has no frame")
    spread = islice(stills(clip, every_s), 0, count, -(-count // _KEY_FRAMES))
    try:
        return estimate_key(list(spread))
    except MediaError as error:
        raise MediaError(f"{clip}: {error}") from error


def _fault(cutout: Cutout) -> str | None:
    area = float((cutout.rgba[..., 3] >= _SEEN).mean())
    if area < _LEAST_AREA:
        return "with nobody"
    if area > _MOST_AREA:
        return "too close"
    if cutout.cut:
        return "cut by the side"
    if cutout.wall_share < _LEAST_WALL:
        return "not before the wall all round"
    return None


def _sharpness(rgba: U8) -> float:
    """Strength of detail inside the person, in grey levels."""
    grey = cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY)
    inside = cv2.erode((rgba[..., 3] > 250).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[inside].mean()) if inside.any() else 0.0


def _cropped(rgba: U8) -> U8:
    """The person and a few empty pixels left, right and above; below the picture's own border stays."""
    rows = np.flatnonzero(rgba[..., 3].any(1))
    columns = np.flatnonzero(rgba[..., 3].any(0))
    top, left = max(0, rows[0] - _MARGIN_PX), max(0, columns[0] - _MARGIN_PX)
    return np.ascontiguousarray(rgba[top : rows[-1] + 1, left : columns[-1] + 1 + _MARGIN_PX])


def _write(folder: Path, origin: Path, pictures: Iterable[U8], suffix: str) -> int:
    """Writes pictures as <stem>-0001..., replaces the table's rows of that identity; returns how many.

    What was there of it stays until all are written. What the user wrote into its rows stays too: of a
    picture under its name, and what all of them say of those that are new.
    """
    _refuse_taken(folder, origin)
    identity, before, names = _identity(origin), _rows(folder), []
    for number, picture in enumerate(pictures, 1):
        names.append(f"{identity}-{number:04d}{suffix}")
        _save(folder / names[-1], picture, _OPTIONS.get(suffix, ()))
    rows = [row for row in before if row.get("identity") != identity]
    replaced = {row["file"]: row for row in before if row.get("identity") == identity}
    said_of_all = _in_common(list(replaced.values()))
    for name in names:
        own = {"file": name, "identity": identity, "origin": _origin(origin)}
        rows.append({"free": "yes", "held_out": AUTO} | said_of_all | replaced.get(name, {}) | own)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "SOURCES.part"
    with part.open("w", newline="", encoding="utf-8") as file:
        columns = list(dict.fromkeys([*COLUMNS, *(column for row in rows for column in row)]))
        writer = csv.DictWriter(file, columns, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writeheader()
        writer.writerows(rows)
    part.replace(folder / "SOURCES.tsv")
    for name in replaced:
        if name not in names:
            (folder / name).unlink(missing_ok=True)
    return len(names)


def _in_common(rows: list[dict[str, str]]) -> dict[str, str]:
    """The cells that are the same in all rows; none of no rows."""
    return {k: v for k, v in rows[0].items() if all(row.get(k) == v for row in rows)} if rows else {}


def _save(path: Path, picture: U8, options: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    # Not imwrite: on Windows it cannot write below a folder with letters of another alphabet.
    data = cv2.imencode(path.suffix, cv2.cvtColor(picture, code), options)[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        why = error.strerror or error
        raise MediaError(f"{path} cannot be written ({why}): is there room on the disk?") from error


def _refuse_taken(folder: Path, origin: Path) -> None:
    """MediaError when there are pictures of another file of that name."""
    identity = _identity(origin)
    of_name = {row.get("origin") or "" for row in _rows(folder) if row.get("identity") == identity}
    taken = sorted(text for text in of_name if _origin(Path(text)) != _origin(origin))
    if taken:
        raise MediaError(
            f"{folder} has pictures named {identity!r} of {taken[0]} already: rename {origin.name} first"
        )


def _identity(origin: Path) -> str:
    return "".join(c if c.isalnum() else "_" for c in origin.stem)


def _origin(path: Path) -> str:
    """The path as the table has it: the same however it was typed, and without what ends a cell."""
    return "".join(c if c.isprintable() else "?" for c in str(path.resolve()))


def _rows(folder: Path) -> list[dict[str, str]]:
    table = folder / "SOURCES.tsv"
    return table_rows(table) if table.is_file() else []
