"""A wider network may begin where a narrower one ended."""

import torch

from core.nets.platenet import PlateNet
from core.training.widen import widened


def test_a_widened_network_computes_what_the_narrow_one_did() -> None:
    torch.manual_seed(0)
    narrow, wide = PlateNet((4, 6, 8, 10, 12)), PlateNet((8, 9, 8, 16, 20))
    inputs = [torch.rand(2, channels, 64, 96) for channels in (3, 3, 1, 1)]
    narrow(*inputs)  # running statistics that are not those of a new network
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    narrow.eval()
    wide.eval()
    for expected, got in zip(narrow(*inputs), wide(*inputs), strict=True):
        assert torch.allclose(got, expected, atol=1e-4)
    fresh = wide.down5[0][0].weight[12:]
    assert fresh.abs().min() > 0, "the new channels see something"


def test_what_fits_nowhere_is_left_for_the_loader() -> None:
    wide = PlateNet((4, 6, 8, 10, 12)).state_dict()
    larger = {"head.weight": torch.ones(4, 9, 3, 3), "other": torch.ones(2)}
    assert {name: array.shape for name, array in widened(larger, wide).items()} == {
        name: array.shape for name, array in larger.items()
    }
