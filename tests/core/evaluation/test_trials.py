"""The trials are what they claim: things are held, shadows are no person, draws do not depend on others."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError
from core.evaluation.clips import CLASSES, LEAD_IN, SCORED, TALL_ENOUGH, Clip, Stock, make_clips
from core.evaluation.matte import KINDS, stock_for
from core.evaluation.things import HELD, hold, picture_of
from core.evaluation.trials import DEEPEST, TRIALS, make_trials, shadow, trial_count
from core.training.footage import add_people

SIZE = (96, 54)


def person(height: int = 560, width: int = 400, soft_px: int = 1) -> np.ndarray:
    """A round head on a body, straight RGBA; soft_px wide at its outline."""
    alpha = np.zeros((height, width), np.uint8)
    cv2.circle(alpha, (width // 2, height // 4), height // 6, 255, -1)
    cv2.rectangle(alpha, (width // 4, height // 2), (3 * width // 4, height), 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), soft_px)
    return np.dstack([np.full((height, width, 3), (170, 60, 90), np.uint8), alpha])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the shared data's shape, with the least that clips can be made of."""
    root = tmp_path_factory.mktemp("data")

    def write(name: str, picture: np.ndarray) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / name), picture)

    write("people/real-001.webp", person())
    (root / "people" / "SOURCES.tsv").write_text("file\tquality\tfree\nreal-001.webp\t5\tunknown\n")
    for identity, soft_px in ((3, 1), (11, 6), (19, 3), (27, 2)):  # those of every eight that are held out
        write(f"people_rendered/{identity:03}.webp", person(soft_px=soft_px))
    for frame in range(LEAD_IN + SCORED):
        write(f"people_rendered/clips/waving/{frame:03}.webp", person(height=300, soft_px=1 + frame % 2))
    walls = np.random.default_rng(0).integers(60, 200, (16, 3584, 3), np.uint8)
    write("panoramas/place.jpg", cv2.GaussianBlur(walls, (0, 0), 3))
    (root / "panoramas" / "SOURCES.tsv").write_text("file\tfree\nplace.jpg\tunknown\n")
    for held in HELD:
        if held.file:
            write(f"props/{held.file}", person(120, 80))
    return root


@pytest.fixture(scope="module")
def trials(data: Path) -> dict[str, list[Clip]]:
    made: dict[str, list[Clip]] = {kind: [] for kind in TRIALS}
    for clip in make_trials(Stock(data), SIZE, seed=0):
        made[clip.kind].append(clip)
    return made


def test_as_many_as_announced(trials: dict[str, list[Clip]]):
    for kind, clips in trials.items():
        assert len(clips) == trial_count((kind,))


def test_what_is_drawn_for_one_does_not_depend_on_the_others(data: Path, trials: dict[str, list[Clip]]):
    alone = list(make_trials(Stock(data), SIZE, seed=0, kinds=("shadows",)))
    assert [clip.name for clip in alone] == [clip.name for clip in trials["shadows"]]
    assert np.array_equal(alone[-1].frames[-1], trials["shadows"][-1].frames[-1])
    every = {c.kind: c for c in make_clips(Stock(data), SIZE, 1, seed=0)}
    (drift,) = make_clips(Stock(data), SIZE, 1, seed=0, kinds=("drift",))
    assert tuple(every) == CLASSES
    assert np.array_equal(drift.frames[-1], every["drift"].frames[-1])


def test_who_is_from_a_repository_known_from_training_gives_way_and_other_draws_stay(
    data: Path, tmp_path: Path
):
    people = tmp_path / "data" / "people"
    shutil.copytree(data, people.parent)
    rows = {"a": "one\t4\tno", "b": "known\t5\tunknown", "c": "known\t3\tyes", "d": "two\t5\tunknown"}
    rows |= {"e": "\t5\tno", "f": "known\t4\tno", "g": "four\t3\tunknown"}
    for name in rows:
        cv2.imwrite(str(people / f"{name}.webp"), person())

    def shown(rows: dict[str, str]) -> list[str]:
        table = ["file\trepo\tquality\tfree", *(f"{name}.webp\t{row}" for name, row in rows.items())]
        (people / "SOURCES.tsv").write_text("\n".join(table) + "\n")
        return [path.stem for path in Stock(people.parent).real]

    assert shown(rows) == ["a", "a", "d", "e", "d"]
    assert shown({name: row.replace("yes", "no") for name, row in rows.items()}) == ["a", "b", "d", "e", "f"]
    with pytest.raises(MediaError, match="a repo of which none is free"):
        shown({name: row.replace("one", "known") for name, row in rows.items() if name in "abc"})


def test_a_folder_made_for_training_is_answered_with_what_it_lacks(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "me.png"), person())
    add_people(tmp_path / "me.png", tmp_path / "mine")
    with pytest.raises(MediaError) as refused:
        Stock(tmp_path / "mine")
    assert f"{tmp_path / 'mine'} is not enough" in str(refused.value)
    for words in ("quality 4", "003.webp", "people_rendered/clips", "3500 px wide"):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("gone", "lacks", "holds"),
    [("people_rendered/clips", "in motion", "3500"), ("panoramas", "3500", "in motion")],
)
def test_what_alone_a_folder_lacks_is_alone_named(
    data: Path, tmp_path: Path, gone: str, lacks: str, holds: str
):
    shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / gone)
    with pytest.raises(MediaError, match=lacks) as refused:
        Stock(tmp_path / "data")
    assert holds not in str(refused.value)


def test_too_few_people_with_hair_are_told_before_any_clip_is_made(data: Path, tmp_path: Path):
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "people_rendered" / "027.webp").unlink()
    cv2.imwrite(str(tmp_path / "data" / "people_rendered" / "035.webp"), person(height=TALL_ENOUGH - 1))
    with pytest.raises(MediaError, match=r"3 held-out people .* 500 px high or more, the trial hair shows 4"):
        stock_for(tmp_path / "data", KINDS)
    stock_for(tmp_path / "data", ("moving", "props"))
    stock_for(data, KINDS)


def test_a_thing_that_is_missing_is_told_before_any_clip_is_made(data: Path, tmp_path: Path):
    shutil.copytree(data, tmp_path / "data")
    gone = next(held.file for held in HELD if held.file)
    (tmp_path / "data" / "props" / gone).unlink()
    with pytest.raises(MediaError, match=f"lacks {gone}, which the trial props shows"):
        stock_for(tmp_path / "data", KINDS)
    stock_for(tmp_path / "data", ("moving", "hair"))


def test_a_held_thing_belongs_to_the_matte(trials: dict[str, list[Clip]]):
    for clip in trials["props"]:
        for alpha, thing in zip(clip.alphas, clip.things, strict=True):
            assert thing.any()
            assert alpha[thing].min() > 0.49


def test_an_empty_room_is_empty_under_every_trouble(trials: dict[str, list[Clip]]):
    assert [clip.name.split(" / ")[0] for clip in trials["empty"]] == [f"nobody, {kind}" for kind in CLASSES]
    assert all(alpha.max() == 0 for clip in trials["empty"] for alpha in clip.alphas)


def test_people_in_motion_stand_before_a_still_and_a_moving_camera(trials: dict[str, list[Clip]]):
    still = [all(np.array_equal(H, np.eye(3)) for H in clip.H_true) for clip in trials["moving"]]
    assert still == [True, False, False]
    assert all(clip.name.startswith("waving") for clip in trials["moving"])


def test_hair_is_of_the_softest_first_and_has_its_own_colours(data: Path, trials: dict[str, list[Clip]]):
    assert [path.stem for path in Stock(data).hairiest(2)] == ["011", "019"]
    clip = trials["hair"][0]
    assert clip.name.startswith("011")
    assert len(clip.fgrs) == len(clip.frames)
    whole = clip.alphas[-1] > 0.999
    # nothing but noise and JPEG lies between the colour and the frame
    assert np.abs(clip.fgrs[-1][whole] - clip.frames[-1][whole]).mean() < 4


def test_who_leaves_is_gone_in_the_end_and_their_shadow_goes_last(trials: dict[str, list[Clip]]):
    for clip in trials["leaving"]:
        inside = [float(alpha.sum()) for alpha in clip.alphas]
        assert len(inside) == LEAD_IN + SCORED
        assert np.ptp(inside[:LEAD_IN]) == 0, "they stand still until then"
        assert all(after < before for before, after in pairwise(inside[LEAD_IN - 1 :]))
        assert inside[-1] < 0.02 * inside[0]
        assert clip.shades[-1].max() > 0.1


def test_a_shadow_falls_beside_and_is_never_deeper_than_allowed():
    alpha = np.zeros((90, 160), np.float32)
    alpha[30:, 60:100] = 1
    shade = shadow(alpha, wall=0.4, desk=0.4, side=1)
    assert shade.max() == pytest.approx(DEEPEST, rel=1e-5)
    assert shade[60, 106] > 0.2  # to the right of the person, on the wall
    assert shade[60, 40] == 0
    assert shadow(np.zeros_like(alpha), 0.4, 0.4, 1).max() == 0


def test_a_thing_is_held_at_the_outline_and_neither_loses_a_pixel():
    owner = person()
    for held in HELD[:3]:  # those that are drawn
        mine, its = hold(owner, picture_of(held, Path("nowhere")), held, right=True)
        assert mine.shape == its.shape
        assert (mine[..., 3] > 127).sum() == (owner[..., 3] > 127).sum()
        side = max(cv2.boundingRect((its[..., 3] > 12).astype(np.uint8))[2:])
        assert side == pytest.approx(held.size * np.sqrt((owner[..., 3] > 127).sum()), rel=0.05)
        assert ((mine[..., 3] > 127) & (its[..., 3] > 127)).any()
        assert ((mine[..., 3] < 127) & (its[..., 3] > 127)).any()
        assert 0 < ((its[..., 3] > 0) & (its[..., 3] < 255)).mean() < 0.05  # a soft outline


def test_a_missing_thing_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match="anibe007-amazon-project-003"):
        picture_of(next(held for held in HELD if held.what == "office chair"), tmp_path)
