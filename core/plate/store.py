"""Plates on disk: a folder a plate, with lossless pictures and one small readable plate.toml.

plate.toml is the commit: it is replaced in one step, and a folder without it is no plate. Pictures are
named after their contents, so that a plate which is recorded again never mixes old and new. A plate shows
somebody's home: nobody else on the machine may read it, and none is left behind that is not listed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.errors import PlateError
from core.types import U8, Plate, View

FORMAT = 1
METADATA = "plate.toml"
OWNER_S_FOLDER, OWNER_S_FILE = 0o700, 0o600  # modes; Windows keeps a user's folders apart by itself
_OURS = ("view-*.png", "coverage-*.png", ".*.part")
_RESERVED = ("none", "auto")  # they mean something else wherever a plate's name may stand
_NAME = re.compile(r"\w[\w .-]{0,62}\w|\w")


@dataclass(frozen=True, slots=True)
class PlateInfo:
    """What a list of plates shows of one.

    recorded: as written by whoever saved it, ISO 8601. problem: why it cannot be used, "" when it can.
    """

    name: str
    folder: Path
    size: tuple[int, int] = (0, 0)
    views: int = 0
    frames: int = 0
    noise: float = 0.0
    recorded: str = ""
    problem: str = ""


def save_plate(root: Path, plate: Plate, *, recorded: str, frames: int = 1, replace: bool = False) -> Path:
    """Writes the plate into root/name; returns that folder.

    Either the whole plate is there afterwards, or what was there before. Its owner alone may read it.
    Args:
        recorded: ISO 8601 time. frames: how many pictures the plate was made from.
    Raises:
        PlateError: the name is not usable or taken (without `replace`), or nothing can be written.
    """
    folder = root / checked_name(plate.name)
    if (folder / METADATA).exists() and not replace:
        raise PlateError(
            f'there is already a plate "{plate.name}": choose another name, remove it '
            f'(cleanplate plate remove "{plate.name}"), or add --force'
        )
    try:
        root.mkdir(OWNER_S_FOLDER, parents=True, exist_ok=True)
        folder.mkdir(OWNER_S_FOLDER, exist_ok=True)
        for mine in (root, folder):
            shut_to_others(mine)
        lines = [
            "# A plate of cleanplate: the empty room. Pictures and this file belong together.",
            f"format = {FORMAT}",
            f"name = {_toml(plate.name)}",
            f"recorded = {_toml(recorded)}",
            f"size = [{plate.size[0]}, {plate.size[1]}]  # width, height in pixels",
            f"frames = {frames}  # pictures that went into it",
            f"noise = {plate.noise:.4f}  # deviation of one frame's pixel, grey levels; 0 is unknown",
        ]
        if plate.camera:
            lines += ["", "[camera]", *(f"{_toml(k)} = {float(v)!r}" for k, v in plate.camera.items())]
        for view in plate.views:
            lines += ["", "[[views]]", f"picture = {_toml(_write_picture(folder, 'view', view.rgb))}"]
            if view.coverage is not None:
                lines.append(f"coverage = {_toml(_write_picture(folder, 'coverage', view.coverage))}")
            matrix = ", ".join(repr(float(value)) for value in view.plate_from_view.ravel())
            lines.append(f"plate_from_view = [{matrix}]")
        text = "\n".join(lines) + "\n"
        _write_whole(folder / METADATA, text.encode())
        _sweep_out(folder, "*.png")
    except OSError as error:
        raise PlateError(f"the plate cannot be written to {folder}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            _sweep_out(folder, *_OURS)
            if not (folder / METADATA).exists():
                folder.rmdir()  # unless somebody else keeps something there
    return folder


def load_plate(folder: Path) -> Plate:
    """The plate in this folder. Raises PlateError when it is missing, damaged, or of another format."""
    table = _metadata(folder)
    try:
        size = (int(table["size"][0]), int(table["size"][1]))
        views = tuple(_view(folder, entry) for entry in table["views"])
        camera = {str(name): float(value) for name, value in table.get("camera", {}).items()}
        plate = Plate(str(table["name"]), size, views, float(table["noise"]), camera)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(folder, f"{METADATA} lacks or garbles {error}") from error
    if min(size) < 1 or not 0 <= plate.noise < 256:
        raise _damaged(folder, f"no plate is {size[0]}x{size[1]} with a noise of {plate.noise}")
    if not views:
        raise _damaged(folder, "it has no view")
    identity = np.array_equal(views[0].plate_from_view, np.eye(3))
    if identity and (views[0].rgb.shape[1], views[0].rgb.shape[0]) != size:
        raise _damaged(folder, "its picture has another size than it says")
    return plate


def find_plate(root: Path, name: str) -> Path:
    """The folder of a plate by name. Raises PlateError naming the plates that there are."""
    folder = root / checked_name(name)
    if (folder / METADATA).is_file():
        return folder
    names = [info.name for info in list_plates(root)]
    there = "there are " + ", ".join(names) if names else "none was recorded yet"
    raise PlateError(f'there is no plate "{name}" ({there}); record it: cleanplate plate record "{name}"')


def list_plates(root: Path) -> list[PlateInfo]:
    """Every plate by name, damaged ones with the problem named; pictures are not read."""
    if not root.is_dir():
        return []
    return [_info(folder) for folder in sorted(root.iterdir()) if (folder / METADATA).is_file()]


def remove_plate(root: Path, name: str) -> None:
    """Deletes a plate. Raises PlateError when there is none, or when it cannot be deleted."""
    folder = find_plate(root, name)
    try:
        (folder / METADATA).unlink()  # first: from here on it is no plate, however this ends
        shutil.rmtree(folder)
    except OSError as error:
        raise PlateError(f"{folder} cannot be removed: {error.strerror or error}") from error


def shut_to_others(folder: Path) -> None:
    """Lets the owner alone enter a folder, which an earlier version may have made for all to read."""
    with suppress(OSError):  # there is none, it is another user's, or its disk has no modes
        if folder.stat().st_mode & 0o077:
            folder.chmod(OWNER_S_FOLDER)


def is_name(name: str) -> bool:
    """Whether a plate may be called so: it becomes a folder's name."""
    return _NAME.fullmatch(name) is not None and name.lower() not in _RESERVED


def checked_name(name: str) -> str:
    """The name, when a plate may be called so. Raises PlateError."""
    if is_name(name):
        return name
    raise PlateError(
        f"a plate cannot be called {name!r}: use 1 to 64 letters, digits, blanks, dots, hyphens, a letter or "
        f"digit first and last, not {' or '.join(_RESERVED)}"
    )


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads((folder / METADATA).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PlateError(f"{folder} is not a plate: it has no {METADATA}") from error
    except OSError as error:
        raise PlateError(f"{folder / METADATA} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _damaged(folder, f"{METADATA}: {error}") from error
    found = table.get("format")
    if not isinstance(found, int):
        raise _damaged(folder, f"{METADATA} lacks its format")
    if found != FORMAT:
        cure = "install a newer cleanplate or record again" if found > FORMAT else "record again"
        raise PlateError(f"the plate in {folder} has format {found}, this cleanplate reads {FORMAT}: {cure}")
    return table


def _info(folder: Path) -> PlateInfo:
    try:
        table = _metadata(folder)
        width, height = table["size"]
        recorded = str(table["recorded"])
        datetime.fromisoformat(recorded)  # what is chosen by it must not stumble over one plate
        return PlateInfo(
            name=str(table["name"]),
            folder=folder,
            size=(int(width), int(height)),
            views=len(table["views"]),
            frames=int(table["frames"]),
            noise=float(table["noise"]),
            recorded=recorded,
        )
    except PlateError as error:
        return PlateInfo(folder.name, folder, problem=str(error))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        problem = str(_damaged(folder, f"{METADATA} lacks or garbles {error}"))
        return PlateInfo(folder.name, folder, problem=problem)


def _view(folder: Path, entry: dict[str, Any]) -> View:
    rgb = _read_picture(folder, entry["picture"], cv2.IMREAD_COLOR_RGB)
    coverage = None
    if "coverage" in entry:
        coverage = _read_picture(folder, entry["coverage"], cv2.IMREAD_GRAYSCALE)
        if coverage.shape != rgb.shape[:2]:
            raise _damaged(folder, f"{entry['coverage']} does not fit {entry['picture']}")
    matrix = np.array(entry["plate_from_view"], np.float64).reshape(3, 3)
    if not np.isfinite(matrix).all():
        raise _damaged(folder, "plate_from_view is not finite")
    if np.linalg.matrix_rank(matrix) < 3:
        raise _damaged(folder, "plate_from_view cannot be undone")
    return View(rgb, coverage, matrix)


def _write_picture(folder: Path, kind: str, picture: U8) -> str:
    """Writes a PNG named after its kind and contents; returns the file's name."""
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    data = cv2.imencode(".png", ordered)[1].tobytes()
    name = f"{kind}-{_digest(data)}.png"
    _write_whole(folder / name, data)
    return name


def _read_picture(folder: Path, name: str, mode: int) -> U8:
    if Path(name).name != name:
        raise _damaged(folder, f"{name!r} is not a file's name")
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"{name} cannot be read: {error.strerror or error}") from error
    if _digest(data) not in name:  # OpenCV would fill a cut-off picture with black and say nothing
        raise _damaged(folder, f"{name} is not what was written")
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), mode), np.uint8)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _write_whole(file: Path, data: bytes) -> None:
    """All or nothing, also through a power cut."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)  # of a run that was killed: it would keep its mode
    with open(part, "wb", opener=lambda path, flags: os.open(path, flags, OWNER_S_FILE)) as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _sweep_out(folder: Path, *patterns: str) -> None:
    """Deletes the files of these names that the metadata, where there is any, does not name."""
    metadata = folder / METADATA
    named = metadata.read_text(encoding="utf-8", errors="replace") if metadata.exists() else ""
    for pattern in patterns:
        for file in folder.glob(pattern):
            if file.name not in named:
                file.unlink()


def _toml(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _damaged(folder: Path, why: str) -> PlateError:
    return PlateError(f"the plate in {folder} is damaged ({why}): record it again")
