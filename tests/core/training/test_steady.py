"""A steady network is the one that will run, learns everywhere, and keeps its names and statistics."""

import torch

from core.nets.platenet import PlateNet
from core.training.steady import steady


def trained() -> PlateNet:
    torch.manual_seed(3)
    net = PlateNet((2, 4, 4, 6, 8))
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.3)
    return net


def inputs() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(4)
    return tuple(torch.rand(2, channels, 64, 96) for channels in (3, 3, 1, 1))


def test_while_training_it_gives_what_it_gives_when_run() -> None:
    net = trained()
    with torch.no_grad():
        expected, expected_side = net.eval()(*inputs())
    net.train()
    steady(net)
    alpha, side = net(*inputs())
    torch.testing.assert_close(alpha, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(side, expected_side, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_the_network_as_it_runs() -> None:
    def gradients(net: PlateNet) -> dict[str, torch.Tensor]:
        alpha, side = net(*inputs())
        (alpha.square().mean() + side.square().mean()).backward()
        return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}

    expected = gradients(trained().eval())
    net = trained().train()
    steady(net)
    got = gradients(net)
    assert got.keys() == expected.keys() == dict(net.named_parameters()).keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_statistics_and_names_stay() -> None:
    net, before = trained().train(), trained().state_dict()
    steady(net)
    net(*inputs())
    after = net.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
