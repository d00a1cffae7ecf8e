"""What training may draw from: pictures of people, of rooms, and the segmenter behind the prior.

Every folder has a SOURCES.tsv with a column `free`; only rows that say "yes" are used unless the
caller allows "unknown" as well. Rows marked "no" are never used.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2

from core.errors import MediaError
from core.types import U8

PERSON_SIDE = 720  # long side of a cut-out in memory, px
PANORAMA_WIDTH = 4096
ROOM_WIDTH = 1280
HELD_OUT = 8  # every eighth rendered identity is kept for judging


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
    """Whether this rendered identity is kept away from training."""
    return int(identity_of(path).removeprefix("r-")) % HELD_OUT == 3


def allowed(folder: Path, licences: frozenset[str]) -> list[Path]:
    """Files of a folder whose SOURCES.tsv row has `free` in licences, in name order."""
    table = folder / "SOURCES.tsv"
    if not table.is_file():
        raise MediaError(
            f"{table} is missing: it says which pictures may be trained on; add it or drop the folder"
        )
    with table.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        names = [row["file"] for row in rows if (row.get("free") or "").strip() in licences]
    return sorted(folder / name for name in names if (folder / name).is_file())


def read_rgba(path: Path, long_side: int = PERSON_SIDE) -> U8:
    """An RGBA picture, uint8 HxWx4, straight alpha, at most long_side px long."""
    bgra = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if bgra is None or bgra.ndim != 3 or bgra.shape[2] != 4:
        raise MediaError(f"{path} is not a picture with alpha; give RGBA WebP or PNG cut-outs")
    scale = min(1.0, long_side / max(bgra.shape[:2]))
    if scale < 1:
        bgra = cv2.resize(bgra, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA)


def read_rgb(path: Path, width: int) -> U8:
    """An RGB picture, uint8 HxWx3, at most width px wide."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise MediaError(f"{path} cannot be read as a picture; remove it or convert it to JPEG or PNG")
    if bgr.shape[1] > width:
        height = round(bgr.shape[0] * width / bgr.shape[1])
        bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def load(data: Path, unknown_licences: bool = False) -> Material:
    """Everything under a `data`-shaped folder that may be trained on, held-out identities left out."""
    licences = frozenset({"yes", "unknown"} if unknown_licences else {"yes"})
    rendered = data / "people_rendered"
    people = sorted(p for p in rendered.glob("*.webp") if not held_out_identity(p))
    people += allowed(data / "people", licences)
    return Material(
        people=[read_rgba(p) for p in people],
        panoramas=[read_rgb(p, PANORAMA_WIDTH) for p in allowed(data / "panoramas", licences)],
        rooms=[
            read_rgb(p, ROOM_WIDTH)
            for p in allowed(data / "rooms", licences)
            if not p.name.startswith("backdrop_")
        ],
        props=[read_rgba(p, 320) for p in allowed(data / "props", licences)],
    )
