"""Training pairs are what the network will meet, and drawn only from what may be used."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError
from core.training.material import Material, allowed, held_out_identity, identity_of, load, read_rgba
from core.training.synthesis import Synthesizer, _packed, panorama_map


def drawn_material(seed: int = 0) -> Material:
    """One red blob of a person, one panorama of blocks, one room."""
    rng = np.random.default_rng(seed)
    person = np.zeros((200, 120, 4), np.uint8)
    person[..., :3] = (220, 40, 40)
    cv2.ellipse(person[..., 3:].copy(), (60, 100), (40, 90), 0, 0, 360, 255, -1)
    mask = np.zeros((200, 120), np.uint8)
    cv2.ellipse(mask, (60, 100), (40, 90), 0, 0, 360, 255, -1)
    person[..., 3] = mask
    blocks = np.kron(rng.integers(0, 256, (16, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    return Material(people=[person], panoramas=[blocks], rooms=[blocks[:200, :320].copy()], props=[])


def test_samples_have_one_size_and_hold_a_person_a_plate_and_an_empty_room_now_and_then() -> None:
    synthesizer = Synthesizer(drawn_material(), (128, 96), None, np.random.default_rng(3))
    samples = [synthesizer.sample() for _ in range(60)]
    for s in samples:
        assert s.frame.shape == s.plate.shape == (96, 128, 3)
        assert s.coverage.shape == s.prior.shape == s.alpha.shape == (96, 128)
        assert {a.dtype for a in (s.frame, s.plate, s.coverage, s.prior, s.alpha)} == {np.dtype(np.uint8)}
        assert (s.plate[s.coverage == 0] == 0).all()
    covered = [s for s in samples if s.coverage.all()]
    assert 30 < len(covered) < 60, "with plate mostly, sometimes without"
    room_error = [
        np.abs(s.frame.astype(int) - s.plate)[s.alpha == 0].mean() for s in covered if (s.alpha == 0).any()
    ]
    person_error = [
        np.abs(s.frame.astype(int) - s.plate)[s.alpha == 255].mean()
        for s in covered
        if (s.alpha == 255).any()
    ]
    assert np.median(room_error) < 0.5 * np.median(person_error), "the plate tells the room from the person"


def test_the_same_seed_gives_the_same_samples() -> None:
    a, b = (
        Synthesizer(drawn_material(), (64, 64), None, np.random.default_rng(9)).sample() for _ in range(2)
    )
    assert (a.frame == b.frame).all()
    assert (a.alpha == b.alpha).all()


def test_jpeg_of_a_larger_picture_leaves_smaller_faults() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(120, 60, (96, 128, 3)).astype(np.float32)
    picture = np.clip(cv2.GaussianBlur(noise, (0, 0), 1), 0, 255).astype(np.uint8)
    plain = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    assert (_packed(picture, 70, 1.0) == plain).all()
    faults = [np.abs(_packed(picture, 70, shrunk).astype(int) - picture).mean() for shrunk in (1, 1.5, 2.5)]
    assert 0 < faults[2] < faults[1] < faults[0]


def test_other_clothes_change_colours_and_nothing_else() -> None:
    synthesizer = Synthesizer(drawn_material(), (128, 96), None, np.random.default_rng(5))
    layer = np.zeros((96, 128, 4), np.float32)
    layer[20:, 40:90, 3] = 1
    layer[20:, 38:40, 3] = layer[20:, 90:92, 3] = 0.3
    layer[..., :3] = layer[..., 3:] * np.float32((0.8, 0.3, 0.2))
    inside, changes = layer[..., 3] == 1, []
    for _ in range(40):
        dressed = layer.copy()
        synthesizer._dress(dressed)
        assert (dressed[..., 3] == layer[..., 3]).all()
        assert (dressed[..., :3] >= 0).all()
        assert (dressed[..., :3] <= layer[..., 3:] + 1e-6).all(), "still premultiplied"
        changes.append(np.abs(dressed - layer).max(2)[inside] > 0.1)
    worn = np.mean(changes, 0).reshape(76, 50).mean(1)
    assert np.mean([c.mean() for c in changes]) > 0.2
    assert worn[-10:].mean() > 2 * worn[:10].mean(), "mostly below a line: heads keep their colours"
    empty = np.zeros((96, 128, 4), np.float32)
    synthesizer._dress(empty)
    assert not empty.any()


def test_the_prior_comes_from_the_segmenter_or_is_unknown() -> None:
    made = Synthesizer(
        drawn_material(),
        (64, 64),
        lambda rgb: np.full(rgb.shape[:2], 0.2, np.float32),
        np.random.default_rng(1),
    )
    values = {int(v) for _ in range(30) for v in np.unique(made.sample().prior)}
    assert values == {51, 128}


def test_a_panorama_view_looks_where_it_is_told() -> None:
    panorama = np.zeros((180, 360, 3), np.uint8)
    panorama[:, 200:280] = 255  # longitudes 20 to 100 degrees
    for yaw, expected in ((60, 255), (-60, 0)):
        mx, my = panorama_map((64, 36), np.radians(yaw), 0, 0, np.radians(40), (360, 180))
        assert (cv2.remap(panorama, mx, my, cv2.INTER_LINEAR)[18, 32] == expected).all()


def test_identities_are_held_out_as_a_whole() -> None:
    assert identity_of(Path("r-011-2.webp")) == "r-011"
    assert identity_of(Path("043.webp")) == "043"
    assert held_out_identity(Path("r-011-0.webp"))
    assert held_out_identity(Path("r-011-2.webp"))
    assert not held_out_identity(Path("r-012-0.webp"))


def test_only_rows_marked_free_are_used_and_a_missing_table_is_said(tmp_path: Path) -> None:
    for name in ("a.webp", "b.webp", "c.webp"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(MediaError, match=r"SOURCES\.tsv is missing"):
        allowed(tmp_path, frozenset({"yes"}))
    (tmp_path / "SOURCES.tsv").write_text("file\tfree\na.webp\tyes\nb.webp\tunknown\nc.webp\tno\n")
    assert [p.name for p in allowed(tmp_path, frozenset({"yes"}))] == ["a.webp"]
    assert [p.name for p in allowed(tmp_path, frozenset({"yes", "unknown"}))] == ["a.webp", "b.webp"]


def test_a_picture_without_alpha_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "flat.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(MediaError, match="alpha"):
        read_rgba(tmp_path / "flat.png")


def test_nothing_held_out_or_unfree_is_in_the_material(shared: Path) -> None:
    names_free = allowed(shared / "data" / "panoramas", frozenset({"yes"}))
    material = load(shared / "data")
    assert len(material.panoramas) == len(names_free)
    rendered = list((shared / "data" / "people_rendered").glob("*.webp"))
    free_people = allowed(shared / "data" / "people", frozenset({"yes"}))
    kept = [p for p in rendered if not held_out_identity(p)]
    assert len(material.people) == len(kept) + len(free_people)
