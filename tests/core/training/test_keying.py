"""A person before a wall of one colour comes out whole: no wall in the rim, no holes, no clutter."""

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError
from core.training import footage
from core.training.footage import (
    add_people,
    add_room,
    key_clip,
    media_in,
    stills,
)
from core.training.keying import estimate_key, key_frame, spread, wall_pixels
from core.training.material import allowed, held_out_by_name, load
from tests.core.training.drawn import drawn_person

FREE = frozenset({"yes"})
WALLS = {"green": (40, 190, 70), "blue": (40, 70, 200), "yellow": (212, 214, 24), "magenta": (200, 40, 170)}
SKIN, SHIRT = (200, 150, 125), (64, 62, 60)
SIZE = (320, 192)


def true_alpha(x: float = 160, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Head and shoulders, float32 0..1, soft at the edge."""
    mask = np.zeros(size[::-1], np.uint8)
    cv2.ellipse(mask, (round(x), 80), (34, 46), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(mask, (round(x), 195), (90, 75), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(mask, (0, 0), 1.0).astype(np.float32) / 255


def person(x: float = 160) -> np.ndarray:
    """Colours of the person everywhere, float32 0..255: skin above a shirt, with some texture."""
    rows = np.arange(SIZE[1])[:, None, None]
    fgr = np.where(rows < 122, np.float32(SKIN), np.float32(SHIRT))
    texture = np.random.default_rng(1).normal(0, 6, (SIZE[1] // 4, SIZE[0] // 4, 1)).astype(np.float32)
    return fgr + cv2.resize(texture, SIZE)[..., None]


def wall(colour: tuple[int, int, int]) -> np.ndarray:
    """Lit from the left, half as bright on the right."""
    light = np.linspace(1.0, 0.55, SIZE[0], dtype=np.float32)[None, :, None]
    return np.broadcast_to(np.float32(colour) * light, (SIZE[1], SIZE[0], 3)).copy()


def filmed(colour: tuple[int, int, int], x: float = 160, room: np.ndarray | None = None) -> np.ndarray:
    """The frame, uint8, with sensor noise and JPEG's halved colour."""
    alpha = true_alpha(x)[..., None]
    frame = alpha * person(x) + (1 - alpha) * (wall(colour) if room is None else room)
    frame += np.random.default_rng(2).normal(0, 2, frame.shape)
    packed = cv2.imencode(".jpg", np.clip(frame, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return cv2.imdecode(packed, cv2.IMREAD_COLOR)


def mask_of(alpha: np.ndarray) -> np.ndarray:
    """What a segmenter makes of it: soft and rough."""
    return cv2.GaussianBlur(alpha, (0, 0), 3)


@pytest.mark.parametrize("name", WALLS)
def test_a_person_comes_off_a_wall_of_any_colour_however_uneven(name: str):
    frame, alpha = filmed(WALLS[name]), true_alpha()
    cutout = key_frame(frame, estimate_key([frame]), mask_of(alpha))
    found = cutout.rgba[..., 3] / 255
    assert np.abs(found - alpha).mean() < 0.008
    assert found[alpha > 0.99].min() > 0.9, "no holes"
    assert found[alpha < 0.01].max() < 0.2, "no wall"
    rim = (found > 0.2) & (alpha < 0.95)
    error = np.abs(cutout.rgba[..., :3].astype(float) - person())[rim].mean()
    assert error < 12, "in the rim is the person's colour, grey levels"
    assert not cutout.cut
    assert cutout.wall_share > 0.95


@pytest.mark.parametrize("name", WALLS)
def test_the_rim_has_less_of_the_wall_than_the_frame_by_far(name: str):
    frame, alpha = filmed(WALLS[name]), true_alpha()
    cutout = key_frame(frame, estimate_key([frame]), mask_of(alpha)).rgba
    rim = (cutout[..., 3] > 50) & (alpha > 0.2) & (alpha < 0.95)
    hue = np.float32(WALLS[name]) - np.mean(WALLS[name])
    hue /= np.linalg.norm(hue)
    spill = [((picture[..., :3].astype(float) - person()) @ hue)[rim].mean() for picture in (frame, cutout)]
    assert spill[0] > 30
    assert spill[1] < 0.1 * spill[0]


def test_the_walls_colour_is_read_from_the_border_but_not_from_below():
    frame = filmed(WALLS["green"])
    frame[150:] = SHIRT
    hue = estimate_key([frame]) - estimate_key([frame]).mean()
    green = np.float32(WALLS["green"]) - np.mean(WALLS["green"])
    assert hue @ green / np.linalg.norm(hue) / np.linalg.norm(green) > 0.99


def test_a_clip_without_a_wall_is_refused():
    grey = np.full((90, 160, 3), 128, np.uint8)
    with pytest.raises(MediaError, match="--key"):
        estimate_key([grey])


def test_skin_and_clothes_are_no_wall_and_a_dim_wall_is():
    key = np.float32(WALLS["yellow"]) / 255
    colours = np.float32([[SKIN, SHIRT, WALLS["yellow"], np.float32(WALLS["yellow"]) * 0.4]]) / 255
    assert wall_pixels(colours, key).tolist() == [[False, False, True, True]]


def test_a_small_hole_is_closed_and_the_wall_seen_under_an_arm_stays_open():
    frame, alpha = filmed(WALLS["green"]), true_alpha()
    frame[150:152, 150:152] = WALLS["green"]  # a button
    frame[160:185, 110:135] = WALLS["green"]  # between arm and body
    mask = mask_of(alpha)
    mask[160:185, 110:135] = 0.1
    found = key_frame(frame, estimate_key([frame]), mask).rgba[..., 3]
    assert found[145:157, 145:157].min() > 250
    assert found[165:180, 115:130].max() < 20


def test_clutter_off_the_wall_is_garbage_and_a_region_cuts_more():
    room = wall(WALLS["green"])
    room[:60, :40] = (180, 30, 30)
    frame, alpha = filmed(WALLS["green"], room=room), true_alpha()
    key = np.float32(WALLS["green"]) / 255
    assert key_frame(frame, key, mask_of(alpha)).rgba[:60, :40, 3].max() == 0
    upper = np.float32([[0, 0], [1, 0], [1, 0.5], [0, 0.5]])
    found = key_frame(frame, key, mask_of(alpha), upper).rgba[..., 3]
    assert found[:90].max() == 255
    assert found[100:].max() == 0


def test_a_person_cut_by_the_side_or_standing_off_the_wall_is_known():
    key = np.float32(WALLS["green"]) / 255
    assert key_frame(filmed(WALLS["green"], x=40), key, mask_of(true_alpha(40))).cut
    room = wall(WALLS["green"])
    room[:, 160:] = (120, 110, 100)
    half = key_frame(filmed(WALLS["green"], room=room), key, mask_of(true_alpha()))
    assert half.wall_share < 0.7
    nobody = key_frame(wall(WALLS["green"]).astype(np.uint8), key, np.zeros(SIZE[::-1], np.float32))
    assert nobody.rgba[..., 3].max() == 0
    assert nobody.wall_share == 0


def test_spread_keeps_what_is_known_and_fills_the_rest_with_the_nearest():
    rgb = np.zeros((32, 48, 3), np.float32)
    rgb[:, :8], rgb[:, 40:] = 0.25, 0.75
    known = np.zeros((32, 48), bool)
    known[:, :8] = known[:, 40:] = True
    filled = spread(rgb, known)
    assert np.abs(filled - rgb)[known].max() < 0.05
    assert filled[:, 10].mean() < 0.4 < 0.6 < filled[:, 37].mean()
    assert (spread(rgb, np.zeros_like(known)) == rgb).all()


def write_clip(path: Path, xs: list[float]) -> Path:
    """A clip of a person who stands at xs, 10 frames each at 20 frames a second."""
    video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 20.0, SIZE)
    for x in xs:
        frame = cv2.cvtColor(filmed(WALLS["green"], x), cv2.COLOR_RGB2BGR)
        for _ in range(10):
            video.write(frame)
    video.release()
    return path


def seen_at(xs: list[float]):
    """A segmenter that knows where the person of write_clip stands in each still asked for."""
    left = iter(xs)
    return lambda rgb: mask_of(true_alpha(next(left)))


def test_a_clip_becomes_listed_cutouts_and_says_what_it_left_out(tmp_path: Path):
    xs = [120, 120, 180, 20, 150]
    clip = write_clip(tmp_path / "my clip.mp4", xs)
    kept = key_clip(clip, tmp_path / "mine", seen_at(xs), every_s=0.5)
    assert str(kept) == "3 kept, dropped: 1 like the one before, 1 cut by the side"
    files = allowed(tmp_path / "mine" / "people", FREE)
    assert [p.name for p in files] == [f"my_clip-000{k}.webp" for k in (1, 2, 3)]
    rgba = cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED)
    assert rgba.shape[2] == 4
    assert rgba.shape[1] < 200, "cut to the person"
    assert rgba[0, :, 3].max() == 0
    assert rgba[-1, :, 3].max() == 255, "cut off below, as filmed"

    again = key_clip(clip, tmp_path / "mine", seen_at(xs), every_s=0.5, most=2, suffix=".png")
    assert str(again).endswith("1 more than wanted")
    assert len(allowed(tmp_path / "mine" / "people", FREE)) == 2, "the clip's earlier cut-outs are gone"
    (tmp_path / "other").mkdir()
    with pytest.raises(MediaError, match="rename"):
        key_clip(write_clip(tmp_path / "other" / "my clip.mp4", [120]), tmp_path / "mine", seen_at([120]))


def test_what_was_written_by_hand_of_a_clip_stays_when_it_is_taken_again(tmp_path: Path):
    xs = [120, 180, 150]
    clip = write_clip(tmp_path / "me.mp4", xs)
    key_clip(clip, tmp_path / "mine", seen_at(xs), most=2)
    table = tmp_path / "mine" / "people" / "SOURCES.tsv"
    lines = table.read_text().replace("auto", "yes").splitlines()
    table.write_text("\n".join([f"{lines[0]}\tnotes", f"{lines[1]}\tmy hat", f"{lines[2]}\t", ""]))

    key_clip(clip, tmp_path / "mine", seen_at(xs))
    assert len(load(tmp_path / "mine", held_out=True).people) == 3
    assert not load(tmp_path / "mine").people
    assert [line.split("\t")[5] for line in table.read_text().splitlines()] == ["notes", "my hat", "", ""]


def test_a_clip_is_the_same_by_whatever_path_it_is_given(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("me.png", drawn_person(1))
    (tmp_path / "below").mkdir()
    for spelling in ("me.png", "below/../me.png", tmp_path / "me.png"):
        add_people(Path(spelling), Path("mine"))
    monkeypatch.chdir(tmp_path / "below")
    add_people(Path("../me.png"), Path("../mine"))
    assert len(allowed(tmp_path / "mine" / "people", FREE)) == 1
    cv2.imwrite("me.png", drawn_person(2))
    with pytest.raises(MediaError, match=r"of .*me\.png already: rename me\.png first"):
        add_people(Path("me.png"), Path("../mine"))


def test_a_path_may_have_what_ends_a_cell_in_a_table(tmp_path: Path):
    odd = tmp_path / "a\tb\nc"
    odd.mkdir()
    cv2.imwrite(str(odd / "me\t1.png"), drawn_person(1))
    for _ in range(2):
        add_people(odd / "me\t1.png", tmp_path / "mine")
    assert len(load(tmp_path / "mine").people) == 1


def peak_of(action) -> int:
    """Bytes of arrays and other objects held at most while it runs."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_clip_needs_no_more_memory_than_a_short_one(tmp_path: Path, monkeypatch):
    """Neither for its people nor for its rooms: stills come and go one by one."""
    seen = cv2.resize(filmed(WALLS["green"]), (160, 96))
    mask = cv2.resize(mask_of(true_alpha()), (160, 96))

    def filmed_for(count: int):
        # brighter and darker in turn, or it would be like the one before
        return lambda path, every_s: (
            cv2.convertScaleAbs(seen, alpha=0.8 + 0.2 * (k % 2)) for k in range(count)
        )

    def of(count: int) -> int:
        monkeypatch.setattr(footage, "stills", filmed_for(count))
        out = tmp_path / str(count)

        def both() -> None:
            kept = key_clip(Path("me.mp4"), out, lambda rgb: mask, most=count, suffix=".png")
            assert kept.kept == add_room(Path("me.mp4"), out) == count

        return peak_of(both)

    short, long = of(16), of(48)
    assert long - short < 10 * seen.nbytes, "of 32 stills more, and 32 cut-outs"
    assert sorted(p.name for p in (tmp_path / "48").iterdir()) == ["people", "rooms"], "nothing is left over"


def test_what_was_there_of_a_clip_stays_while_it_cannot_be_read_again(tmp_path: Path):
    room = tmp_path / "hall.png"
    cv2.imwrite(str(room), np.full((40, 60, 3), 99, np.uint8))
    add_room(room, tmp_path / "mine")
    room.write_bytes(b"damaged")
    with pytest.raises(MediaError, match="cannot be read"):
        add_room(room, tmp_path / "mine")
    assert len(load(tmp_path / "mine").rooms) == 1


def test_own_people_and_rooms_are_trained_on_and_one_identity_in_eight_is_not(tmp_path: Path):
    mine = tmp_path / "mine"
    names = [f"p{k}" for k in range(24)]
    for seed, name in enumerate(names):
        picture = tmp_path / f"{name}.png"
        cv2.imwrite(str(picture), drawn_person(seed))
        add_people(picture, mine)
    cv2.imwrite(str(tmp_path / "kitchen.jpg"), np.full((60, 80, 3), 90, np.uint8))
    assert add_room(tmp_path / "kitchen.jpg", mine) == 1
    held = sum(held_out_by_name(name) for name in names)
    assert 0 < held < 10
    assert len(load(mine).people) == 24 - held
    assert len(load(mine, held_out=True).people) == held
    assert len(load(mine).rooms) == 1


def test_a_cutout_of_16_bits_is_taken_as_the_same_of_8(tmp_path: Path):
    rgba = drawn_person(1)
    rgba[:40, ..., 3] //= 7  # little of it, but not nothing
    deep = np.minimum(rgba.astype(int) * 257 + 100, 65535)  # 257 from level to level
    cv2.imwrite(str(tmp_path / "me.png"), deep.astype(np.uint16))
    add_people(tmp_path / "me.png", tmp_path / "mine")
    [taken] = allowed(tmp_path / "mine" / "people", FREE)
    shown = rgba[..., 3] > 0
    found = cv2.imread(str(taken), cv2.IMREAD_UNCHANGED)
    assert (found[..., 3] == rgba[..., 3]).all()
    assert (found[shown] == rgba[shown]).all(), "below no alpha WebP keeps what it likes"


@pytest.mark.parametrize(("alpha", "words"), [(255, "opaque everywhere"), (90, "transparent everywhere")])
def test_a_cutout_that_cuts_nobody_out_is_refused(tmp_path: Path, alpha: int, words: str):
    rgba = drawn_person(1)
    rgba[..., 3] = alpha
    cv2.imwrite(str(tmp_path / "me.png"), rgba)
    with pytest.raises(MediaError, match=rf"me\.png is {words}"):
        add_people(tmp_path / "me.png", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_cutout_of_floats_is_refused(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "me.tiff"), drawn_person(1).astype(np.float32) / 255)
    with pytest.raises(MediaError, match="float32 samples; give cut-outs of 8 or 16 bits"):
        add_people(tmp_path / "me.tiff", tmp_path / "mine")


def test_a_video_of_a_room_gives_a_still_every_so_often(tmp_path: Path):
    clip = write_clip(tmp_path / "tour.mp4", [100, 200, 300])
    assert len(list(stills(clip, every_s=0.5))) == 3
    assert add_room(clip, tmp_path / "mine", every_s=1.0) == 2


def test_a_video_whose_name_has_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_clip(tmp_path / "tour.mp4", [100, 200, 300]).rename(tmp_path / "10:30:12.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(stills(Path("10:30:12.mp4"), every_s=0.5))) == 3


def test_what_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"notes\.mp4 cannot be read"):
        list(stills(tmp_path / "notes.mp4", 1.0))
    with pytest.raises(MediaError, match="does not exist"):
        media_in([tmp_path / "gone"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no video or picture"):
        media_in([tmp_path / "empty"])


def test_the_hard_yellow_clip_gives_cutouts_without_yellow(shared: Path, tmp_path: Path):
    from core.matte.prior import SelfieSegmenter

    clip = shared / "data" / "greenscreen" / "mdn-chroma-yellow-320x192.mp4"
    kept = key_clip(clip, tmp_path, SelfieSegmenter(), every_s=2.0)
    assert kept.kept >= 3
    for path in allowed(tmp_path / "people", FREE):
        rgba = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
        visible = rgba[rgba[..., 3] > 100][:, :3].astype(int)
        yellow = np.minimum(visible[:, 0], visible[:, 1]) - visible[:, 2]
        assert (yellow > 100).mean() < 0.002, "the wall has 190"
