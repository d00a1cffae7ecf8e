"""The grid of shifts: exact where it is asked, smooth between, nothing where nobody knows."""

import numpy as np

from core.align.elastic import _MEMORY, GRID, ElasticGrid, _ties, bilinear

SIZE = (640, 360)
NODES = GRID[0] * GRID[1]


def places(count: int = 130, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, SIZE[0], count).astype(np.float32), rng.uniform(0, SIZE[1], count).astype(
        np.float32
    )


def test_column_by_column_is_the_same_as_all_at_once():
    x, y = places()
    rng = np.random.default_rng(1)
    slopes = rng.normal(0, 10, (len(x), 3, 2)).astype(np.float32)
    known = np.einsum("cka,ckb->cab", slopes, slopes)
    xx, xy, yy = known[:, 0, 0], known[:, 0, 1], known[:, 1, 1]
    pull = tuple(rng.normal(0, 100, (2, len(x))).astype(np.float32))
    shifts = rng.normal(0, 1, (*GRID, 2))
    found = ElasticGrid(x, y, SIZE).step((xx, xy, yy), pull, shifts)

    B, ties = bilinear(x, y, SIZE).astype(float), _ties()[1]
    data = np.block([[B.T * xx @ B, B.T * xy @ B], [B.T * xy @ B, B.T * yy @ B]])
    system = data + np.kron(np.eye(2), ties) + _MEMORY * np.eye(2 * NODES)
    wanted = np.concatenate([pull[i] @ B - ties @ shifts[..., i].ravel() for i in (0, 1)])
    expected = np.linalg.solve(system, wanted).reshape(2, *GRID).transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_all_places_say_it_becomes_and_what_nobody_says_fades():
    x, y = places(300)
    left = x < 200
    sure = np.where(left, 1e4, 0).astype(np.float32)
    grid, shifts = ElasticGrid(x, y, SIZE), np.zeros((*GRID, 2))
    for _ in range(60):  # the memory lets go slowly
        off = grid.at_places(shifts) - np.float32([2.0, -1.0])
        shifts = shifts + grid.step((sure, 0 * sure, sure), (-sure * off[:, 0], -sure * off[:, 1]), shifts)
    np.testing.assert_allclose(grid.at_places(shifts)[left], [[2.0, -1.0]] * int(left.sum()), atol=0.02)
    right = shifts[:, -1, 0]
    assert (np.diff(shifts[3, 4:, 0]) < 0).all()
    assert right.max() < 1.0


def test_a_place_between_nodes_takes_from_the_four_around_it():
    weights = bilinear(np.float32([0, 300, 639]), np.float32([0, 200, 359]), SIZE)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert ((weights > 0).sum(1) <= 4).all()
    assert weights[0, 0] == 1
    assert weights[2, -1] == 1
