"""A short run learns, a stopped run goes on, and the weights it writes are the ones that load."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from core.nets.refiner import RefinerNet
from core.runtime.torch import load_platenet
from core.training.edges import edge_pairs
from core.training.learner import Learner
from core.training.losses import gradient_pyramid, highest_near, matting_loss
from core.training.refiner import refiner_loss
from core.training.train import (
    CURRICULUM,
    GOING_ON,
    RATE,
    RATE_GOING_ON,
    STEADY_FROM,
    Options,
    share_of_part,
    stage_at,
    train,
)


def write_data(folder: Path) -> Path:
    """A `data`-shaped folder with two drawn people and one drawn panorama."""
    rng = np.random.default_rng(0)
    for name in ("people", "people_rendered", "panoramas", "rooms", "props"):
        (folder / name).mkdir(parents=True)
        (folder / name / "SOURCES.tsv").write_text("file\tfree\n")
    for k in range(2):
        person = np.zeros((160, 100, 4), np.uint8)
        person[..., :3] = rng.integers(0, 256, 3)
        mask = np.zeros((160, 100), np.uint8)
        cv2.ellipse(mask, (50, 80), (35, 70), 0, 0, 360, 255, -1)
        person[..., 3] = mask
        cv2.imwrite(str(folder / "people_rendered" / f"00{k}.webp"), person)
    blocks = np.kron(rng.integers(0, 256, (16, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    cv2.imwrite(str(folder / "panoramas" / "p.jpg"), blocks)
    (folder / "panoramas" / "SOURCES.tsv").write_text("file\tfree\np.jpg\tyes\n")
    return folder


def test_a_stopped_run_goes_on_where_it_was_and_its_weights_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.train.CALIBRATION", 4)
    lines: list[str] = []
    options = Options(
        data=write_data(tmp_path / "data"),
        out=tmp_path / "run",
        minutes=0.005,
        threads=1,
        curriculum=((1.01, ((64, 64),), 2),),
    )
    weights = train(options, lines.append)
    load_platenet(weights)
    train(Options(**{**{f: getattr(options, f) for f in options.__slots__}, "minutes": 0.008}), lines.append)
    assert any("goes on at step" in line for line in lines)
    held = torch.load(options.out / "checkpoint.pt", weights_only=True)
    assert held["minutes"] == 0.008
    assert held["step"] >= 2


def test_the_loss_is_lowest_for_the_truth_and_falls_when_a_network_learns_it() -> None:
    torch.manual_seed(0)
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 8:24, 8:24] = 1
    sure = (alpha * 2 - 1) * 20
    side = torch.nn.functional.avg_pool2d(sure, 8)
    best = matting_loss(sure, side, alpha)
    assert best < matting_loss(torch.zeros_like(sure), torch.zeros_like(side), alpha)
    assert best < matting_loss(-sure, -side, alpha)
    assert gradient_pyramid(alpha, alpha) == 0


@pytest.mark.parametrize("size", [(8, 8), (1, 13), (40, 3)])
def test_the_largest_value_near_by_is_that_of_pooling(size: tuple[int, int]) -> None:
    x = torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(1))
    assert torch.equal(highest_near(x), torch.nn.functional.max_pool2d(x, 9, 1, 4))


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, CURRICULUM[0]), (0.2, CURRICULUM[1]), (STEADY_FROM, GOING_ON[0]), (2.0, CURRICULUM[-1])],
)
def test_the_curriculum_grows_with_the_run(progress: float, expected: tuple) -> None:
    assert stage_at(CURRICULUM, progress) == (expected[1], expected[2])


@pytest.mark.parametrize(
    ("progress", "steady_from", "share"),
    [
        (0.0, 0.8, 0),
        (0.4, 0.8, 0.5),
        (0.8, 0.8, 0),
        (0.9, 0.8, 0.5),
        (0.3, 0, 0.3),
        (0.3, 1, 0.3),
        (1.01, 1, 1.01),
    ],
)
def test_each_part_of_a_run_has_a_beginning_and_an_end(progress, steady_from, share) -> None:
    assert share_of_part(progress, steady_from) == pytest.approx(share)


class StepClock:
    """Stands in for RunClock: a run of six steps. time_to_save: after each."""

    stopped, elapsed, to_write_down = False, 1.0, 1.0

    def __init__(self, *_: object) -> None:
        self._begun = 0

    @property
    def progress(self) -> float:
        return (self._begun - 1) / 6

    def goes_on(self) -> bool:
        self._begun += 1
        return self._begun <= 6

    def time_to_save(self, *_: object) -> bool:
        return True


def test_a_run_from_nothing_ends_steadily_on_its_average_and_at_a_lower_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.train.CALIBRATION", 2)
    monkeypatch.setattr("core.training.train.RunClock", StepClock)
    monkeypatch.setattr("core.training.train.WARM_UP_STEPS", 1)
    rates, means, starts = [], [], []
    learn, begin = Learner.learn, Learner.begin_next_part

    def mean(state: dict) -> torch.Tensor:
        return state["stem.1.running_mean"].clone()

    def learning(learner: Learner, loss: torch.Tensor, progress: float) -> None:
        rates.append(learner.rate_at(progress))
        learn(learner, loss, progress)
        means.append(mean(learner.net.state_dict()))

    def beginning(learner: Learner) -> None:
        begin(learner)
        starts.append((learner.step, mean(learner.net.state_dict()), mean(learner.average)))

    monkeypatch.setattr(Learner, "learn", learning)
    monkeypatch.setattr(Learner, "begin_next_part", beginning)
    options = Options(
        data=write_data(tmp_path / "data"),
        out=tmp_path / "run",
        minutes=1,
        threads=1,
        curriculum=((1.01, ((64, 64),), 2),),
        steady_from=0.5,
    )
    weights = train(options, print)
    [(step, begun_with, average)] = starts
    assert step == 3
    assert torch.equal(begun_with, average)
    assert not torch.equal(means[0], means[2]), "learns from its batches"
    assert all(torch.equal(mean, begun_with) for mean in means[3:]), "no longer"
    assert rates[0] == pytest.approx(1.01 * RATE)
    assert rates[3] == pytest.approx(1.01 * RATE_GOING_ON)
    assert rates[2] < rates[1] < rates[0]
    load_platenet(weights)

    means.clear()
    train(options, print)
    assert len(starts) == 1, "what was saved in its second part goes on in it"
    assert torch.equal(means[-1], begun_with)


def test_the_refiner_learns_to_sharpen_an_edge_from_frame_and_plate() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    alpha = np.zeros((288, 512), np.uint8)
    cv2.circle(alpha, (256, 144), 100, 255, -1)
    plate = np.full((288, 512, 3), 60, np.uint8)
    frame = np.where(alpha[..., None] > 0, np.uint8(200), plate)
    small = cv2.resize(alpha, (96, 64), interpolation=cv2.INTER_AREA)
    coverage = np.full((288, 512), 255, np.uint8)
    tiles, truth = edge_pairs(frame, plate, coverage, small, alpha, rng)
    assert len(truth) > 8
    x = torch.from_numpy(tiles).transpose(0, 1).float() / 255
    y = torch.from_numpy(truth)[:, None].float() / 255
    net = RefinerNet()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    before = (x[:, 7:8, 4:-4, 4:-4] - y).abs().mean()
    for _ in range(60):
        loss, refined = refiner_loss(net, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (refined - y).abs().mean() < 0.5 * before
