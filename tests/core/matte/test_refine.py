"""The refiner sees every hair, only on edges, and never beyond the picture."""

from collections.abc import Iterable

import numpy as np

from core.matte import refine
from core.matte.refine import NearBy, Refiner, TileCutter, edge_tiles, in_squares, whole_tiles
from core.nets import refiner as net
from core.types import Room


class Echo:
    """A runtime that returns the coarse alpha it was shown, and remembers the tiles."""

    def refine(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        self.tiles = whole_tiles(batches)
        return self.tiles[7, :, 4:-4, 4:-4]


def test_constants_are_those_of_the_network() -> None:
    assert refine.CHANNELS == net.CHANNELS


def test_a_single_hair_selects_its_tile_and_no_other() -> None:
    coarse = np.zeros((200, 300), np.uint8)
    coarse[70, 140] = 40
    assert edge_tiles(coarse, 64).tolist() == [[64, 128]]


def test_where_there_are_too_many_tiles_those_with_most_to_do_are_taken() -> None:
    coarse = np.zeros((96, 96), np.uint8)
    coarse[:24, :24], coarse[50:60, 50:60], coarse[90, 90] = 100, 100, 100
    assert edge_tiles(coarse, 24).tolist() == [[0, 0], [48, 48], [72, 72]]
    assert edge_tiles(coarse, 24, most=2).tolist() == [[0, 0], [48, 48]]
    assert edge_tiles(coarse, 24, least=2).tolist() == [[0, 0], [48, 48]]
    assert edge_tiles(coarse, 24, most=1, least=2).tolist() == [[0, 0]]
    assert edge_tiles(np.full((96, 96), 100, np.uint8), 96).tolist() == [[0, 0]]


def test_an_upright_picture_has_as_many_tiles_as_the_same_lying() -> None:
    counts = []
    for width, height in ((640, 360), (360, 640)):
        rgb, alpha = np.zeros((height, width, 3), np.uint8), np.full((height, width), 100, np.uint8)
        echo = Echo()
        Refiner(echo).refine(rgb, None, rgb, alpha)
        counts.append(echo.tiles.shape[1])
    assert counts == [96, 96], "all is edge: as many as there may be, in whole batches"


def test_what_is_surely_room_or_person_is_snapped_and_costs_no_tile() -> None:
    echo = Echo()
    rgb = np.zeros((720, 1280, 3), np.uint8)
    for level, expected in ((3, 0), (252, 255)):
        alpha = Refiner(echo).refine(rgb, None, rgb[:288, :512], np.full((288, 512), level, np.uint8))
        assert (alpha == expected).all()
    assert not hasattr(echo, "tiles")


def test_tiles_carry_frame_plate_coverage_alpha_and_the_persons_colour() -> None:
    rng = np.random.default_rng(0)
    rgb, plate = rng.integers(0, 256, (2, 100, 130, 3), dtype=np.uint8)
    coverage = np.full((100, 130), 255, np.uint8)
    coverage[:, :70] = 0
    coarse = rng.integers(0, 256, (100, 130), dtype=np.uint8)
    near_by = NearBy(np.zeros((25, 32, 3), np.uint8), np.zeros((25, 32), np.uint8))
    near_by.person = lambda: np.full((25, 32, 3), (1, 2, 3), np.uint8)
    near_by.room = lambda: np.full((25, 32, 3), (4, 5, 6), np.uint8)
    cutter = TileCutter(tile=32)

    def room(where: tuple[slice, slice]) -> Room:
        return Room(plate[where], coverage[where])

    list(cutter.cut(rgb, room, coarse, near_by, np.array([[64, 0], [64, 32]])))  # what was there before
    (batch,) = cutter.cut(rgb, room, coarse, near_by, np.array([[0, 64], [96, 0]]))
    assert batch.shape == (refine.CHANNELS, 16, 4, 20, 20)
    tiles = whole_tiles([batch])
    assert (in_squares(tiles) == batch).all()
    for k in range(4):
        assert (batch[:, :, k] == tiles[..., k // 2 :: 2, k % 2 :: 2]).all()
    seen = tiles[:, 0, 4:].transpose(1, 2, 0)
    here = np.s_[:36, 60:100]
    assert (seen[..., :3] == rgb[here]).all()
    assert (seen[:, 10:, 3:6] == plate[:36, 70:100]).all()
    assert (seen[:, :10, 3:6] == (4, 5, 6)).all(), "an unknown room is what is seen of it near by"
    assert (seen[:, :10, 6] == 0).all()
    assert (seen[:, 10:, 6] == 255).all()
    assert (seen[..., 7] == coarse[here]).all()
    assert (seen[..., 8:] == (1, 2, 3)).all()
    assert (tiles[:, 0, :4] == 0).all(), "above the picture there is nothing"
    assert (tiles[:, 1, :, :4] == 0).all(), "nor left of it"
    assert (tiles[:, 1, 8:] == 0).all(), "nor below"


def test_colours_near_by_come_from_where_alpha_is_sure() -> None:
    coarse = np.zeros((288, 512), np.uint8)
    coarse[:, 240:260], coarse[:, 260:] = 128, 255
    rgb = np.zeros((288, 512, 3), np.uint8)
    rgb[:, :240], rgb[:, 240:260], rgb[:, 260:] = (10, 20, 30), (255, 0, 255), (200, 100, 50)
    near_by = NearBy(rgb, coarse)
    person, room = near_by.person(), near_by.room()
    at_the_edge = np.s_[24:48, 60:65]  # they come at a quarter of this size
    assert np.abs(person[at_the_edge].astype(int) - (200, 100, 50)).max() <= 20
    assert np.abs(room[at_the_edge].astype(int) - (10, 20, 30)).max() <= 20


def test_every_size_comes_out_whole_with_the_alpha_in_its_place() -> None:
    for width, height in ((1, 1), (63, 65), (641, 359), (360, 640)):
        alpha_small = np.zeros((36, 64), np.uint8)
        alpha_small[:, 32:] = 255
        rgb = np.zeros((height, width, 3), np.uint8)
        alpha = Refiner(Echo()).refine(
            rgb,
            lambda where, plate=rgb: Room(plate[where], None),
            np.zeros((36, 64, 3), np.uint8),
            alpha_small,
        )
        assert alpha.shape == (height, width)
        if width > 1:
            assert alpha[:, : width // 2 - width // 40 - 2].max(initial=0) == 0
            assert alpha[:, width // 2 + width // 40 + 2 :].min(initial=255) == 255
