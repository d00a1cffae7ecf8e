"""Words for backgrounds are understood or refused with the way out."""

import struct
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError, SettingsError
from core.render.backdrops import ColourBackdrop, Kind, PictureBackdrop, cover, parse_background


@pytest.mark.parametrize(
    ("spec", "kind"),
    [("blur", Kind.BLUR), ("blur:0.2", Kind.BLUR), ("#00B140", Kind.COLOUR), ("green", Kind.COLOUR),
     ("none", Kind.NONE), ("transparent", Kind.TRANSPARENT)],
)  # fmt: skip
def test_words_are_understood(spec: str, kind: Kind) -> None:
    assert parse_background(spec).kind is kind


def test_numbers_in_words_are_read() -> None:
    assert parse_background("blur:0.2").strength == 0.2
    assert parse_background("#00b140").rgb == (0, 177, 64)


def test_a_file_of_another_kind_is_told_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "beach.heic").write_bytes(b"a telephone's picture")
    with pytest.raises(
        SettingsError, match=r"beach\.heic' is a file of a kind .*: convert it to one of .*\.jpg"
    ):
        parse_background(str(tmp_path / "beach.heic"))


@pytest.mark.parametrize(
    ("spec", "says"),
    [("blurr", "did you mean 'blur'"), ("#12345", "hexadecimal"), ("#zzzzzz", "hexadecimal"),
     ("blur:2", "from 0 to 1"), ("blur:nan", "from 0 to 1"), ("missing.jpg", "is not there"),
     ("", "unknown")],
)  # fmt: skip
def test_other_words_are_refused_with_what_is_allowed(spec: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        parse_background(spec)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_that_is_cut_off_is_refused_and_not_shown_half_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"beach{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    assert PictureBackdrop.read(path).picture((160, 120), 0).shape == (120, 160, 3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(MediaError, match="cut off"):
        PictureBackdrop.read(path)


def test_a_picture_too_huge_to_unpack_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "beach.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 100_000, 100_000))
    with pytest.raises(MediaError, match="100000x100000; at most 16384"):
        PictureBackdrop.read(path)


@pytest.mark.parametrize("size", [(1, 1), (160, 90), (90, 160), (333, 77)])
def test_a_picture_covers_the_frame_exactly(size: tuple[int, int]) -> None:
    rgb = np.full((50, 80, 3), 9, np.uint8)
    assert cover(rgb, size).shape == (size[1], size[0], 3)
    assert ColourBackdrop((1, 2, 3)).picture(size, 0).shape == (size[1], size[0], 3)
    assert (PictureBackdrop(rgb).picture(size, 0) == 9).all()


@pytest.mark.parametrize(
    ("size", "of"), [((160, 90), (60, 200)), ((90, 160), (200, 60)), ((64, 64), (7, 300))]
)
def test_the_middle_of_a_picture_stays_in_the_middle(size: tuple[int, int], of: tuple[int, int]) -> None:
    down = of[1] > of[0]
    numbers = np.indices((of[1], of[0]))[0 if down else 1].astype(np.float32)  # of rows or columns
    seen = cover(cv2.merge([numbers] * 3), size)[..., 0]
    scale, axis = size[0] / of[0] if down else size[1] / of[1], 0 if down else 1
    along = (np.arange(size[1 - axis]) + 0.5) / scale + (max(of) - size[1 - axis] / scale) / 2 - 0.5
    assert np.abs(seen.mean(1 - axis) - along).max() <= 1  # px of the picture


def test_a_sliver_of_a_picture_is_not_blown_up_beyond_the_frame() -> None:
    banner = np.full((4, 400, 3), 9, np.uint8)
    tracemalloc.start()
    made = cover(banner, (640, 360))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (made == 9).all()
    assert most < 4 * made.nbytes
