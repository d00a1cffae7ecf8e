"""Results read back: count, times, alpha, size, rotation, sound; and never half a file."""

from __future__ import annotations

import os
from collections import deque
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from core.errors import MediaError
from core.types import U8, Picture
from live.media import Clip
from live.sinks.file import FileSink
from live.writers import open_writers
from live.writers.formats import PICTURE_SUFFIXES
from live.writers.straight import opaque_of, rgba_of
from tests.fakes import ROOM, person_alpha, room_picture
from tests.live.clips import NTSC, make_clip, read_back, scene
from tests.live.disk import full_disk

SIZE = (64, 48)
PER_S = 1_000_000_000


def pictures(size: tuple[int, int], times: list[Fraction], *, straight: bool) -> list[Picture]:
    return [
        Picture(scene(size, index), person_alpha(size), round(time * PER_S), index, straight=straight)
        for index, time in enumerate(times)
    ]


def noisy(size: tuple[int, int], count: int) -> list[Picture]:
    """Pictures that no encoder makes small, at 25 a second."""
    random = np.random.default_rng(0)
    shape = (size[1], size[0], 3)
    return [Picture(random.integers(0, 256, shape, np.uint8), None, i * 40_000_000, i) for i in range(count)]


def store(path: Path, made: list[Picture], clip: Clip, *, alpha: bool = False) -> None:
    sink = FileSink(
        path, (made[0].rgb.shape[1], made[0].rgb.shape[0]), clip, transparent=made[0].straight, alpha=alpha
    )
    for picture in made:
        sink.push(picture)
    sink.close()


def steady(count: int) -> list[Fraction]:
    return [index / NTSC for index in range(count)]


def png(path: Path) -> U8:
    """RGB or RGBA or grey, as it is in the file."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    if picture.ndim == 3:
        picture = picture[..., [2, 1, 0, 3][: picture.shape[2]]]
    return np.asarray(picture, np.uint8)


@pytest.mark.parametrize("name", ["a.mov", "a.mp4", "a.webm"])
@pytest.mark.parametrize("size", [SIZE, (63, 47), (1, 1), (48, 64)])
def test_a_video_keeps_count_size_and_fractional_rate(
    tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    clip = Clip(rate=NTSC, time_base=1 / NTSC, end_s=8 / NTSC)
    store(tmp_path / name, pictures(size, steady(8), straight=False), clip)
    read = read_back(tmp_path / name)
    if name == "a.webm":  # counts in milliseconds
        assert [round(time * 1000) for time in read.times] == [round(time * 1000) for time in steady(8)]
    else:
        assert read.times == steady(8)
    assert read.pictures[0].shape == (size[1], size[0], 3)
    assert read.average_rate == NTSC
    for index, picture in enumerate(read.pictures):
        assert np.abs(picture.astype(int) - scene(size, index)).mean() < 7


@pytest.mark.parametrize("name", ["a.mov", "a.mp4", "a.webm"])
def test_a_varying_rate_comes_back_picture_by_picture(tmp_path: Path, name: str) -> None:
    times = [Fraction(pts, 600) for pts in (30, 50, 75, 130, 131, 190, 230, 490)]
    clip = Clip(rate=Fraction(24), time_base=Fraction(1, 600), end_s=Fraction(520, 600))
    store(tmp_path / name, pictures(SIZE, times, straight=False), clip)
    read = read_back(tmp_path / name)
    if name == "a.webm":
        assert [round(float(time) * 1000) for time in read.times] == [round(time * 1000) for time in times]
    else:
        assert read.times == times


@pytest.mark.parametrize(("name", "tolerance"), [("a.mov", 1), ("a.webm", 12)])
@pytest.mark.parametrize("size", [SIZE, (63, 47)])
def test_alpha_comes_back_beside_the_colour(
    tmp_path: Path, name: str, tolerance: int, size: tuple[int, int]
) -> None:
    store(tmp_path / name, pictures(size, steady(4), straight=True), Clip(NTSC, 1 / NTSC))
    read = read_back(tmp_path / name)
    wanted = person_alpha(size)
    for index in range(4):
        assert np.abs(read.alphas[index].astype(int) - wanted).max() <= tolerance
        inside = wanted == 255
        assert np.abs(read.pictures[index].astype(int) - scene(size, index))[inside].mean() < 6


@pytest.mark.parametrize(("name", "stored"), [("a.mov", True), ("a.mp4", True), ("a.webm", False)])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_the_rotation_flag_is_kept_and_what_a_player_shows_is_upright(
    tmp_path: Path, name: str, stored: bool, rotation: int
) -> None:
    store(tmp_path / name, pictures(SIZE, steady(2), straight=False), Clip(NTSC, 1 / NTSC, rotation))
    read = read_back(tmp_path / name)
    assert read.rotation == (rotation if stored else 0)
    shown = np.rot90(read.pictures[0], read.rotation // 90)
    assert np.abs(shown.astype(int) - scene(SIZE, 0)).mean() < 6


@pytest.mark.parametrize(
    ("source", "codec", "sound", "result", "carried"),
    [
        ("s.mp4", "libx264", "aac", "r.mov", "aac"),
        ("s.mp4", "libx264", "aac", "r.mp4", "aac"),
        ("s.mp4", "libx264", "aac", "r.webm", "opus"),
        ("s.webm", "libvpx-vp9", "libopus", "r.webm", "opus"),
        ("s.webm", "libvpx-vp9", "libopus", "r.mp4", "aac"),
    ],
)
def test_the_sound_goes_along(
    tmp_path: Path, source: str, codec: str, sound: str, result: str, carried: str
) -> None:
    make_clip(tmp_path / source, frames=15, codec=codec, sound=sound)
    clip = Clip(NTSC, 1 / NTSC, sound=tmp_path / source)
    store(tmp_path / result, pictures(SIZE, steady(15), straight=False), clip)
    read = read_back(tmp_path / result)
    assert read.sound == carried
    assert read.sound_s == pytest.approx(15 / float(NTSC), abs=0.06)
    assert len(read.times) == 15


@pytest.mark.parametrize("name", ["a.mov", "a.mp4", "a.webm"])
def test_every_picture_says_that_its_colours_are_those_of_bt709(tmp_path: Path, name: str) -> None:
    store(tmp_path / name, pictures(SIZE, steady(2), straight=False), Clip(NTSC, 1 / NTSC))
    with av.open(str(tmp_path / name)) as container:
        for frame in container.decode(video=0):
            assert isinstance(frame, VideoFrame)
            assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (1, 1, 1)


def test_a_sequence_is_numbered_and_has_straight_alpha(tmp_path: Path) -> None:
    store(tmp_path / "out", pictures(SIZE, steady(3), straight=True), Clip(), alpha=True)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")) == [
        *[f"out/{index:06d}.png" for index in range(3)],
        *[f"out/alpha/{index:06d}.png" for index in range(3)],
    ]
    rgba, alpha = png(tmp_path / "out/000002.png"), png(tmp_path / "out/alpha/000002.png")
    wanted = person_alpha(SIZE)
    assert (rgba[..., 3] == wanted).all()
    assert (alpha == wanted).all()
    assert (rgba[..., :3][wanted > 0] == scene(SIZE, 2)[wanted > 0]).all()


def test_an_opaque_sequence_has_no_alpha(tmp_path: Path) -> None:
    store(tmp_path / "out", pictures(SIZE, steady(1), straight=False), Clip())
    assert (png(tmp_path / "out/000000.png") == scene(SIZE, 0)).all()


def test_the_matte_of_a_video_lies_beside_it(tmp_path: Path) -> None:
    store(tmp_path / "a.mp4", pictures(SIZE, steady(4), straight=False), Clip(NTSC, 1 / NTSC), alpha=True)
    matte = read_back(tmp_path / "a.alpha.mp4")
    assert len(matte.times) == 4
    assert np.abs(matte.pictures[1][..., 0].astype(int) - person_alpha(SIZE)).mean() < 4


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_one_picture_keeps_its_alpha_exactly(tmp_path: Path, name: str) -> None:
    sink = FileSink(tmp_path / name, SIZE, Clip(), transparent=True, single=True)
    sink.push(pictures(SIZE, steady(1), straight=True)[0])
    sink.close()
    assert (png(tmp_path / name)[..., 3] == person_alpha(SIZE)).all()


@pytest.mark.parametrize("suffix", PICTURE_SUFFIXES)
def test_writing_a_picture_says_nothing_on_the_terminal(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    jpeg = suffix in (".jpg", ".jpeg")
    sink = FileSink(tmp_path / f"a{suffix}", SIZE, Clip(), single=True, transparent=not jpeg, alpha=jpeg)
    sink.push(pictures(SIZE, steady(1), straight=not jpeg)[0])
    sink.close()
    assert (tmp_path / f"a{suffix}").is_file()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["out", "a.mov", "a.webm"])
def test_the_colour_under_transparent_pixels_is_never_the_rooms(tmp_path: Path, name: str) -> None:
    rgb = room_picture(SIZE)
    alpha = person_alpha(SIZE)
    rgb[alpha > 0] = (30, 160, 200)
    store(tmp_path / name, [Picture(rgb, alpha, 0, 0, straight=True)], Clip())
    read = (
        png(tmp_path / "out/000000.png")[..., :3] if name == "out" else read_back(tmp_path / name).pictures[0]
    )
    assert np.abs(read.astype(int) - ROOM).max(axis=2).min() > 60


def test_the_seam_around_the_person_has_the_persons_colour() -> None:
    rgb, alpha = room_picture(SIZE), person_alpha(SIZE)
    rgb[alpha > 0] = (30, 160, 200)
    rgba = rgba_of(Picture(rgb, alpha, 0, 0, straight=True))
    assert np.abs(rgba[SIZE[1] // 2, SIZE[0] // 4 - 1, :3].astype(int) - (30, 160, 200)).max() <= 6
    assert (rgba[0, 0] == 0).all()


def test_a_straight_picture_stands_before_black_where_there_is_no_alpha() -> None:
    alpha = person_alpha(SIZE)
    flat = opaque_of(Picture(room_picture(SIZE), alpha, 0, 0, straight=True))
    assert (flat[alpha == 0] == 0).all()
    assert (flat[alpha == 255] == ROOM).all()


def test_an_idle_picture_is_wholly_transparent(tmp_path: Path) -> None:
    store(tmp_path / "out", [Picture(scene(SIZE, 0), None, 0, 0, idle=True, straight=True)], Clip())
    assert (png(tmp_path / "out/000000.png") == 0).all()


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a.mov", "a.mov"),
        ("a.mov", "a.alpha.mov"),
        ("out", "out/000000.png"),
        ("out", "out/alpha/000007.png"),
    ],
)
def test_a_result_that_is_there_is_not_overwritten_without_force(
    tmp_path: Path, name: str, taken: str
) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("precious")
    with pytest.raises(MediaError, match="--force"):
        open_writers(tmp_path / name, SIZE, Clip(), transparent=True, alpha=True)
    assert (tmp_path / taken).read_text() == "precious"


def test_force_replaces_a_longer_sequence_whole_and_leaves_other_files(tmp_path: Path) -> None:
    store(tmp_path / "out", pictures(SIZE, steady(5), straight=False), Clip())
    (tmp_path / "out/notes.txt").write_text("mine")
    sink = FileSink(tmp_path / "out", SIZE, Clip(), transparent=False, force=True)
    for picture in pictures(SIZE, steady(2), straight=False):
        sink.push(picture)
    sink.close()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "000000.png",
        "000001.png",
        "notes.txt",
    ]


@pytest.mark.parametrize("name", ["a.mov", "new/folder/a.mp4", "out"])
def test_nothing_has_the_final_name_before_the_end_and_nothing_stays_of_an_abandoned_result(
    tmp_path: Path, name: str
) -> None:
    sink = FileSink(tmp_path / name, SIZE, Clip(), transparent=False)
    for picture in pictures(SIZE, steady(3), straight=False):
        sink.push(picture)
    assert not (tmp_path / name).exists()
    sink.abandon()
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_is_wanted_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    with pytest.raises(MediaError, match="is a file already, not a folder"):
        open_writers(tmp_path / "out", SIZE, Clip(), transparent=True, force=True)
    assert (tmp_path / "out").read_text() == "precious"


def test_pictures_for_an_existing_folder_grow_inside_it(tmp_path: Path) -> None:
    """It may be a mounted disk, onto which nothing can be renamed from outside."""
    (tmp_path / "out").mkdir()
    sink = FileSink(tmp_path / "out", SIZE, Clip(), transparent=False)
    sink.push(pictures(SIZE, steady(1), straight=False)[0])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    sink.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["000000.png"]


@pytest.mark.parametrize("name", ["a.mov", "a.mp4", "a.webm", "out", "a.png"])
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    sink = FileSink(
        tmp_path / name, (320, 240), Clip(Fraction(25)), transparent=False, single=name == "a.png"
    )
    with full_disk(50_000), pytest.raises(MediaError, match=f"cannot write .*{name}"), closing(sink):
        deque(sink.push(picture) for picture in noisy((320, 240), 12))
    assert list(tmp_path.iterdir()) == []


def pictures_that_play(path: Path) -> int:
    """As a player sees a file that may end in the middle of a picture: up to there."""
    shown = 0
    with av.open(str(path)) as container, suppress(av.InvalidDataError):
        for _ in container.decode(video=0):
            shown += 1
    return shown


@pytest.mark.parametrize(("name", "max_bytes"), [("a.mp4", 200_000), ("a.mov", 700_000), ("a.webm", 200_000)])
def test_a_live_video_that_the_disk_has_no_room_for_is_kept_and_plays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, max_bytes: int
) -> None:
    (tmp_path / f"{name}.incomplete{Path(name).suffix}").write_bytes(b"an earlier one")
    kept = tmp_path / f"{name}.incomplete-2{Path(name).suffix}"
    sink = FileSink(tmp_path / name, SIZE, None, transparent=False)
    with full_disk(max_bytes), pytest.raises(MediaError, match=f"cannot write .*{name}"), closing(sink):
        deque(sink.push(picture) for picture in noisy(SIZE, 250))
    assert not (tmp_path / name).exists()
    assert len(list(tmp_path.iterdir())) == 2, "nothing else is left"
    assert pictures_that_play(kept) >= 20, "of the first second at least"
    assert f"what could be written of it is {kept}" in caplog.text


def test_a_live_sequence_that_the_disk_has_no_room_for_is_kept_up_to_there(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "out", SIZE, None, transparent=False)
    small, large = pictures(SIZE, steady(2), straight=False), noisy((320, 240), 1)
    with full_disk(5_000), pytest.raises(MediaError, match=r"cannot write into .*out"), closing(sink):
        deque(sink.push(picture) for picture in [*small, *large])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "out",
        "out/000000.png",
        "out/000001.png",
    ]


@pytest.mark.parametrize("name", ["a.mp4", "out"])
@pytest.mark.parametrize("live", [True, False])
def test_what_cannot_get_its_name_at_the_end_is_kept_of_a_live_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, live: bool
) -> None:
    rename = os.replace

    def refuse(old: Path, new: Path) -> None:
        if new == tmp_path / name:
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr("live.writers.partial.os.replace", refuse)
    sink = FileSink(tmp_path / name, SIZE, None if live else Clip(), transparent=False)
    for picture in pictures(SIZE, steady(3), straight=False):
        sink.push(picture)
    with pytest.raises(MediaError, match="No space left"):
        sink.close()
    sink.close()
    kept = [f"{name}.incomplete{Path(name).suffix}"] if live else []
    assert [path.name for path in tmp_path.iterdir()] == kept
    assert not live or name == "out" or pictures_that_play(tmp_path / kept[0]) == 3


@pytest.mark.parametrize("name", ["a.mp4", "out"])
def test_a_live_recording_on_a_disk_that_was_pulled_out_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def gone(*arguments: object, **more: object) -> None:
        raise OSError(5, "Input/output error")

    sink = FileSink(tmp_path / name, SIZE, None, transparent=False)
    sink.push(pictures(SIZE, steady(1), straight=False)[0])
    for call in ("exists", "is_dir", "unlink", "replace", "write_bytes"):
        monkeypatch.setattr(Path, call, gone)
    for call in ("fsync", "replace"):
        monkeypatch.setattr(f"live.writers.partial.os.{call}", gone)
    with pytest.raises(MediaError, match="Input/output error"):
        sink.close()
    sink.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.webm", "out"])
def test_of_a_live_recording_that_never_began_nothing_is_left(tmp_path: Path, name: str) -> None:
    FileSink(tmp_path / name, SIZE, None, transparent=False).close()
    assert list(tmp_path.iterdir()) == []


def atoms(path: Path) -> list[str]:
    """Of which a QuickTime or MP4 file is made, outermost alone."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 8].decode("ascii"))
        at += length if length != 1 else int.from_bytes(data[at + 8 : at + 16], "big")
    return found


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_live_video_that_ends_well_is_whole(tmp_path: Path, name: str) -> None:
    """Not in pieces, of which some programs know neither length nor number of pictures."""
    sink = FileSink(tmp_path / name, SIZE, None, transparent=False)
    for picture in pictures(SIZE, [3 + Fraction(index, 25) for index in range(60)], straight=False):
        sink.push(picture)
    sink.close()
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].frames == 60
        assert container.duration == pytest.approx(60 / 25 * av.time_base, abs=0.02 * av.time_base)
    assert read_back(tmp_path / name).times == [Fraction(index, 25) for index in range(60)]
    assert set(atoms(tmp_path / name)) <= {"ftyp", "wide", "free", "mdat", "moov"}


def test_a_folder_that_cannot_be_written_is_named() -> None:
    for path in (Path("/proc/clip.mov"), Path("/proc/pictures")):
        with pytest.raises(MediaError, match="/proc"):
            open_writers(path, SIZE, Clip(), transparent=True)


@pytest.mark.parametrize(
    ("name", "transparent", "words"),
    [
        ("a.mp4", True, "cannot hold transparency"),
        ("a.avi", False, r"\.avi cannot be written; allowed are \.mov \.webm \.mp4"),
        ("a.png", False, "is one picture, the source has more"),
    ],
)
def test_a_name_that_cannot_hold_the_result_is_refused(
    tmp_path: Path, name: str, transparent: bool, words: str
) -> None:
    with pytest.raises(MediaError, match=words):
        open_writers(tmp_path / name, SIZE, Clip(), transparent=transparent)
    assert list(tmp_path.iterdir()) == []
