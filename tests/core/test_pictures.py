"""Reading pictures: what is damaged is said in one sentence."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError
from core.pictures import decoded, read_picture


def write(path: Path, rgb: np.ndarray, *options: int) -> Path:
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    assert done
    path.write_bytes(data.tobytes())
    return path


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_lossless_picture_comes_back_as_rgb(tmp_path: Path, rgb: np.ndarray, suffix: str) -> None:
    assert (read_picture(write(tmp_path / f"a{suffix}", rgb)) == rgb).all()


def test_transparency_is_left_away(tmp_path: Path, rgb: np.ndarray) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.dstack((rgb[..., ::-1], np.zeros((40, 30), np.uint8))))
    assert (read_picture(path) == rgb).all()


def test_decoded_is_what_opencvs_imread_gives(tmp_path: Path, rgb: np.ndarray) -> None:
    rgba = np.dstack((rgb, rgb[..., 0])).astype(np.uint16) * 257
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), rgba)
    for mode in (cv2.IMREAD_UNCHANGED, cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE):
        assert (decoded(path, mode) == cv2.imread(str(path), mode)).all()


@pytest.mark.parametrize("data", [b"", b"no picture", None])
def test_decoded_is_none_where_there_is_no_picture(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "a.png").write_bytes(data)
    assert decoded(tmp_path / "a.png", cv2.IMREAD_COLOR) is None


def test_a_picture_of_one_pixel_is_a_picture(tmp_path: Path) -> None:
    assert read_picture(write(tmp_path / "a.png", np.full((1, 1, 3), 9, np.uint8))).shape == (1, 1, 3)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_cut_off_picture_is_refused(tmp_path: Path, rgb: np.ndarray, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", rgb)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match="cut off"):
        read_picture(path)


def test_a_jpeg_as_a_phone_makes_it_is_whole_or_cut_off_by_its_own_end(
    tmp_path: Path, rgb: np.ndarray
) -> None:
    """With a small picture in its head, and a film behind."""
    small = write(tmp_path / "small.jpg", rgb[:8, :8]).read_bytes()
    data = write(tmp_path / "a.jpg", np.repeat(rgb, 4, axis=0)).read_bytes()
    head = b"\xff\xe1" + struct.pack(">H", len(small) + 8) + b"Exif\0\0" + small
    (tmp_path / "a.jpg").write_bytes(data[:2] + head + data[2:] + bytes(100_000))
    assert read_picture(tmp_path / "a.jpg").shape == (160, 30, 3)
    (tmp_path / "a.jpg").write_bytes(data[:2] + head + data[2 : len(data) // 2])
    with pytest.raises(MediaError, match="cut off"):
        read_picture(tmp_path / "a.jpg")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(MediaError, match="empty"):
        read_picture(tmp_path / "a.png")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("not a picture at all")
    with pytest.raises(MediaError, match="not a picture"):
        read_picture(tmp_path / "a.jpg")


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"nothing\.png: No such file"):
        read_picture(tmp_path / "nothing.png")


def test_a_huge_picture_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IEND", b""))
    with pytest.raises(MediaError, match="100000x100000; at most 16384"):
        read_picture(tmp_path / "a.png")
