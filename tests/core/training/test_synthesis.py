"""Training pairs are what the network will meet, and drawn only from what may be used."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import MediaError
from core.training.material import Material, allowed, held_out_identity, identity_of, load, read_rgba
from core.training.synthesis import Synthesizer


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


def test_most_plates_have_the_light_of_the_frame_and_some_are_far_from_it(monkeypatch) -> None:
    """The program leaves one to two grey levels."""
    monkeypatch.setattr(Synthesizer, "_shadow", lambda self, room, alpha: room)
    synthesizer = Synthesizer(drawn_material(), (256, 160), None, np.random.default_rng(2), layers=True)
    left = []
    for _ in range(60):
        s = synthesizer.sample()
        apart = np.abs(cv2.blur(s.plate.astype(np.float32) - s.room, (11, 11)))
        left.append(float(np.median(apart[s.alpha == 0])) if (s.alpha == 0).any() else 0.0)
    assert np.median(left) < 2
    assert np.quantile(left, 0.95) > 4


def test_the_prior_comes_from_the_segmenter_or_is_unknown() -> None:
    made = Synthesizer(
        drawn_material(),
        (64, 64),
        lambda rgb: np.full(rgb.shape[:2], 0.2, np.float32),
        np.random.default_rng(1),
    )
    values = {int(v) for _ in range(30) for v in np.unique(made.sample().prior)}
    assert values == {51, 128}


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
