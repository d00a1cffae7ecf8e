"""What training may draw from: pictures of people, of rooms, and the segmenter behind the prior.

Every folder has a SOURCES.tsv with a column `free`; only rows that say "yes" are used unless the
caller allows "unknown" as well. Rows marked "no" are never used. Where there is a column `held_out`,
its "yes" rows are kept for judging, as every eighth rendered identity is. Of "auto" rows, which are the
user's own, one identity in eight is, by its name, as long as enough others of a run are left to train on.
"""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.errors import MediaError
from core.pictures import decoded
from core.types import U8

PERSON_SIDE = 720  # long side of a cut-out in memory, px
PANORAMA_WIDTH = 4096
ROOM_WIDTH = 1280
HELD_OUT = 8  # every eighth rendered identity is kept for judging, and about as many of the user's own
LEAST_TRAINED = HELD_OUT - 1  # of the user's own identities, or none of them is kept for judging
AUTO = "auto"  # in the column held_out: as the rule has it; "yes" and "no" are the user's word


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """people, props: RGBA uint8 straight alpha; panoramas: equirectangular; rooms: flat pictures."""

    people: list[U8]
    panoramas: list[U8]
    rooms: list[U8]
    props: list[U8]


def identity_of(path: Path) -> str:
    """The rendered identity a file belongs to: `r-012-1.webp` -> "r-012", `037.webp` -> "037"."""
    stem = path.stem
    return stem.rsplit("-", 1)[0] if stem.startswith("r-") else stem


def held_out_identity(path: Path) -> bool:
    """Whether this rendered identity is kept away from training. MediaError when its name has no number."""
    number = identity_of(path).removeprefix("r-")
    if not number.isdecimal():
        raise MediaError(
            f"{path} is not named by its identity's number, like 012.webp or r-012-1.webp, as pictures in "
            "people_rendered are; take it into people with `cleanplate train people`"
        )
    return int(number) % HELD_OUT == 3


def held_out_by_name(identity: str) -> bool:
    """Whether an identity of the user's own is kept for judging, if enough others are there."""
    return zlib.crc32(identity.encode()) % HELD_OUT == 3


def allowed(folder: Path, licences: frozenset[str]) -> list[Path]:
    """Files of a folder whose SOURCES.tsv row has `free` in licences, in name order."""
    return sorted(folder / row["file"] for row in _rows(folder, licences))


def read_rgba(path: Path, long_side: int = PERSON_SIDE) -> U8:
    """An RGBA picture of 8 or 16 bits as uint8 HxWx4, straight alpha, at most long_side px long."""
    bgra = decoded(path, cv2.IMREAD_UNCHANGED)
    if bgra is None or bgra.ndim != 3 or bgra.shape[2] != 4:
        raise MediaError(f"{path} is not a picture with alpha; give RGBA WebP or PNG cut-outs")
    if bgra.dtype == np.uint16:
        bgra = cv2.convertScaleAbs(bgra, alpha=1 / 257)  # rounds; 65535 is 255
    if bgra.dtype != np.uint8:
        raise MediaError(f"{path} has {bgra.dtype} samples; give cut-outs of 8 or 16 bits a channel")
    scale = min(1.0, long_side / max(bgra.shape[:2]))
    if scale < 1:
        bgra = cv2.resize(bgra, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA)


def read_rgb(path: Path, width: int) -> U8:
    """An RGB picture, uint8 HxWx3, at most width px wide."""
    bgr = decoded(path, cv2.IMREAD_COLOR)
    if bgr is None:
        raise MediaError(f"{path} cannot be read as a picture; remove it or convert it to JPEG or PNG")
    if bgr.shape[1] > width:
        height = round(bgr.shape[0] * width / bgr.shape[1])
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def load(
    data: Path, unknown_licences: bool = False, more: tuple[Path, ...] = (), held_out: bool = False
) -> Material:
    """Everything under `data`-shaped folders that may be trained on, held-out identities left out.

    A sub-folder that is not there is empty.
    Args:
        more: further folders of that shape.
        held_out: the people kept for judging instead of the others; rooms of either kind where no
            room is held out.
    """
    licences = _licences(unknown_licences)
    people = people_files((data, *more), unknown_licences, held_out)
    folders = (data, *more)
    return Material(
        people=[read_rgba(p) for p in people],
        panoramas=[read_rgb(p, PANORAMA_WIDTH) for p in _places(folders, "panoramas", licences, held_out)],
        rooms=[read_rgb(p, ROOM_WIDTH) for p in _places(folders, "rooms", licences, held_out)],
        props=[read_rgba(p, 320) for p in _listed(folders, "props", licences, held_out=False)],
    )


def people_files(
    folders: tuple[Path, ...], unknown_licences: bool = False, held_out: bool = False
) -> list[Path]:
    """The cut-outs that load() would take, so that a run without any can be refused before it starts."""
    licences = _licences(unknown_licences)
    kept = _kept_of_own(folders, "people", licences)
    files: list[Path] = []
    for folder in folders:
        rendered = (folder / "people_rendered").glob("*.webp")
        files += sorted(p for p in rendered if held_out_identity(p) == held_out)
        files += _listed_in(folder / "people", licences, held_out, kept)
    return files


def require_people(folders: tuple[Path, ...], unknown_licences: bool = False) -> None:
    """Raises MediaError where load() would find nobody to train on."""
    if people_files(folders, unknown_licences):
        return
    where = ", ".join(map(str, folders))
    if people_files(folders, unknown_licences, held_out=True):
        raise MediaError(
            f"everybody in {where} is held out for judging, so there is nobody to train on: write `no` into "
            "the column held_out of people/SOURCES.tsv for some identities, or add people"
        )
    raise MediaError(
        f"there is nobody to train on in {where}: people/SOURCES.tsv must list "
        "cut-outs with free=yes; `cleanplate train key` makes some of clips filmed before a wall"
    )


def nobody_held_out(folders: tuple[Path, ...], unknown_licences: bool = False) -> bool:
    """Whether there is somebody to train on, but nobody to judge by."""
    return not people_files(folders, unknown_licences, held_out=True) and bool(
        people_files(folders, unknown_licences)
    )


def _licences(unknown: bool) -> frozenset[str]:
    return frozenset({"yes", "unknown"} if unknown else {"yes"})


def _places(folders: tuple[Path, ...], kind: str, licences: frozenset[str], held_out: bool) -> list[Path]:
    chosen = _listed(folders, kind, licences, held_out)
    return chosen or _listed(folders, kind, licences, held_out=False)


def _listed(folders: tuple[Path, ...], kind: str, licences: frozenset[str], held_out: bool) -> list[Path]:
    """Files of one kind in all folders: those kept for judging, or the others."""
    kept = _kept_of_own(folders, kind, licences)
    return [path for folder in folders for path in _listed_in(folder / kind, licences, held_out, kept)]


def _listed_in(folder: Path, licences: frozenset[str], held_out: bool, kept: frozenset[str]) -> list[Path]:
    rows = _rows(folder, licences) if folder.is_dir() else []
    return sorted(
        folder / row["file"]
        for row in rows
        if held_out == (_mark(row) == "yes" or (_mark(row) == AUTO and _identity(row) in kept))
        and not (folder.name == "rooms" and _is_backdrop(row))
    )


def _kept_of_own(folders: tuple[Path, ...], kind: str, licences: frozenset[str]) -> frozenset[str]:
    """Which identities marked "auto" in any of a run's folders are kept for judging."""
    places = [folder / kind for folder in folders]
    rows = [row for place in places if place.is_dir() for row in _rows(place, licences)]
    own = {_identity(row) for row in rows if _mark(row) in (AUTO, "no")}
    kept = {_identity(row) for row in rows if _mark(row) == AUTO and held_out_by_name(_identity(row))}
    return frozenset(kept) if len(own - kept) >= LEAST_TRAINED else frozenset()


def table_rows(table: Path) -> list[dict[str, str]]:
    """The rows of a SOURCES.tsv, also of one that a spreadsheet or an editor has saved since.

    Raises:
        MediaError: it is no UTF-8, or its first line does not name the column `file`.
    """
    try:
        # editors of Windows put a mark before UTF-8
        with table.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows, columns = list(reader), reader.fieldnames or ()
    except UnicodeDecodeError as error:
        raise MediaError(f"{table} is no text in UTF-8: save it as such, with tabs between cells") from error
    if rows and "file" not in columns:
        raise MediaError(
            f"{table} has no column named file: its first line must name the columns, with tabs between"
        )
    return rows


def _rows(folder: Path, licences: frozenset[str]) -> list[dict[str, str]]:
    """Rows of a folder's SOURCES.tsv with `free` in licences whose file is there."""
    table = folder / "SOURCES.tsv"
    if not table.is_file():
        raise MediaError(
            f"{table} is missing: it says which pictures may be trained on; add it or drop the folder"
        )
    return [
        row
        for row in table_rows(table)
        if (row.get("free") or "").strip() in licences and (folder / row["file"]).is_file()
    ]


def _mark(row: dict[str, str]) -> str:
    return (row.get("held_out") or "").strip()


def _identity(row: dict[str, str]) -> str:
    return row.get("identity") or row["file"]


def _is_backdrop(row: dict[str, str]) -> bool:
    """Whether it is one of the shared data's pictures to put behind people; they are no rooms.

    Their names say so; a name in a table with identities is the user's own and says nothing.
    """
    return row["file"].startswith("backdrop_") and not row.get("identity")
