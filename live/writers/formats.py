"""From the name of a result to its writers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from core.errors import MediaError
from core.types import Picture
from live.media import Clip, FrameRange
from live.writers.content import Content, numbered

VIDEO_SUFFIXES = (".mov", ".webm", ".mp4")
PICTURE_SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg")
_WITHOUT_ALPHA = (".mp4", ".jpg", ".jpeg")


class Writer(Protocol):
    """Writes pictures, in order. One thread calls; each method raises MediaError.

    path: the final name, which exists only after `finish`.
    """

    path: Path

    def write(self, picture: Picture) -> None: ...

    def finish(self) -> None: ...

    def keep(self) -> Path | None:
        """After `write` or `finish` raised: keeps what could be written; where it is, None for nothing.

        Raises nothing. A sequence gets its name, only shorter; a file one that says it is not all.
        """
        ...

    def discard(self) -> None:
        """Leaves nothing behind. Safe to call twice and after `finish`."""
        ...


def is_folder(path: Path) -> bool:
    """Whether a result of this name is a folder of numbered pictures."""
    return path.is_dir() or path.suffix == ""


def alpha_path(path: Path) -> Path:
    """Where the matte goes: folder/alpha, or NAME.alpha.EXT beside the result."""
    return path / "alpha" if is_folder(path) else path.with_name(f"{path.stem}.alpha{path.suffix}")


def refuse_existing(path: Path, *, alpha: bool = False, frames: FrameRange | None = None) -> None:
    """Raises MediaError when a result of this name, or in a folder one of these frames, is there already."""
    if is_folder(path):
        taken = numbered(path, frames) or (numbered(path / "alpha", frames) if alpha else [])
        what = f"the folder {path} has results already ({taken[0].name} …)" if taken else ""
    else:
        names = [path, alpha_path(path)] if alpha else [path]
        what = "".join(f"{name} is there already" for name in [n for n in names if n.exists()][:1])
    if what:
        raise MediaError(f"{what}; choose another name, or use --force to replace it")


def refuse_result(
    path: Path,
    *,
    transparent: bool,
    alpha: bool = False,
    single: bool = False,
    force: bool = False,
    frames: FrameRange | None = None,
) -> None:
    """Raises MediaError where open_writers would by the name alone: nothing slow need come before that.

    frames: those to come, where it is known that they are not all.
    """
    if path.suffix == "" and path.is_file():
        raise MediaError(f"{path} is a file already, not a folder; choose another name")
    suffix = path.suffix.lower()
    if transparent and suffix in _WITHOUT_ALPHA:
        raise MediaError(
            f"{path}: {suffix} cannot hold transparency; write .mov, .webm, .png or a folder, "
            "or give a background, e.g. --background '#00b140'"
        )
    if suffix in PICTURE_SUFFIXES and not single and not path.is_dir():
        raise MediaError(
            f"{path} is one picture, the source has more; give a folder or {_listed(VIDEO_SUFFIXES)}"
        )
    if suffix not in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES) and not is_folder(path):
        known = _listed((*VIDEO_SUFFIXES, *(PICTURE_SUFFIXES if single else ())))
        raise MediaError(
            f"{path}: results of kind {suffix} cannot be written; allowed are {known} and folders"
        )
    if not force:
        refuse_existing(path, alpha=alpha, frames=frames)


def open_writers(
    path: Path,
    size: tuple[int, int],
    clip: Clip,
    *,
    transparent: bool,
    alpha: bool = False,
    single: bool = False,
    force: bool = False,
    live: bool = False,
) -> list[Writer]:
    """The writers of a result: one, or with `alpha` a second one for the matte.

    Args:
        size: (width, height) of the pictures to come.
        transparent: the pictures are straight foregrounds and the result keeps their alpha.
        single: one picture will come, so a picture's name is allowed.
        force: replace what is there.
        live: what is written cannot be made again: a video can be played also where it was cut off.
    Raises:
        MediaError: the name says no known kind, or one that cannot hold this, or it is taken,
            or the folder cannot be written.
    """
    refuse_result(path, transparent=transparent, alpha=alpha, single=single, force=force, frames=clip.frames)
    opener = _opener(path, size, clip, live=live)
    contents = [Content.STRAIGHT if transparent else Content.OPAQUE, *([Content.ALPHA] if alpha else [])]
    writers: list[Writer] = []
    try:
        if is_folder(path):
            from live.writers.pictures import SequenceWriter

            writers.append(SequenceWriter(path, tuple(contents), clip.frames))
        else:
            for content in contents:
                writers.append(opener(alpha_path(path) if content is Content.ALPHA else path, content))
    except BaseException:
        for writer in writers:
            writer.discard()
        raise
    return writers


def _opener(
    path: Path, size: tuple[int, int], clip: Clip, *, live: bool
) -> Callable[[Path, Content], Writer]:
    """How to open a file of this name."""
    from live.writers.pictures import PictureWriter
    from live.writers.video import VideoWriter

    if path.suffix.lower() in VIDEO_SUFFIXES:
        return lambda name, content: VideoWriter(name, size, clip, content, live=live)
    return PictureWriter


def _listed(suffixes: tuple[str, ...]) -> str:
    return " ".join(suffixes)
