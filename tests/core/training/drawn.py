"""Training material drawn on the spot: a folder shaped like `data`, with one identity held out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

TRAINED, HELD_OUT = "001.webp", "003.webp"


def drawn_person(seed: int) -> np.ndarray:
    """An ellipse of one colour, RGBA."""
    person = np.zeros((160, 100, 4), np.uint8)
    person[..., :3] = np.random.default_rng(seed).integers(0, 256, 3)
    mask = np.zeros((160, 100), np.uint8)
    cv2.ellipse(mask, (50, 80), (35, 70), 0, 0, 360, 255, -1)
    person[..., 3] = mask
    return person


def write_data(folder: Path) -> Path:
    """People and one panorama; other kinds of material are left out."""
    (folder / "people_rendered").mkdir(parents=True)
    (folder / "panoramas").mkdir()
    for seed, name in enumerate((TRAINED, HELD_OUT)):
        cv2.imwrite(str(folder / "people_rendered" / name), drawn_person(seed))
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (16, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    cv2.imwrite(str(folder / "panoramas" / "p.jpg"), blocks)
    (folder / "panoramas" / "SOURCES.tsv").write_text("file\tfree\np.jpg\tyes\n")
    return folder
