"""The benchmark measures what it says, also where peers are missing."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.errors import WeightsError
from core.evaluation import peers as peers_file
from core.evaluation.peer_weights import FILES
from core.types import Picture
from live import bench as bench_file
from live.assemble import Parts
from live.bench import PEERS, Bench, _Enough, _machine, bench, report
from live.cli.app import app
from live.settings import Model
from tests.fakes import FakeClock
from tests.live.scripted import FixedAligner, InvertingRenderer

SIZE = (64, 48)


def measured(
    patch: pytest.MonkeyPatch, model: Model, frames: int, peers: Path | None = None, pace: object = None
) -> Bench:
    """The benchmark of a network that is none, with short parts."""

    class Open:
        def close(self) -> None:
            pass

    parts = Parts(FixedAligner(), InvertingRenderer(), "a scripted network", Open(), pace)
    patch.setattr(bench_file, "build_parts", lambda *arguments, **more: parts)
    patch.setattr(bench_file, "LIVE_S", 0.2)
    patch.setattr(bench_file, "WARM_UP", 2)
    return bench(model, SIZE, frames, peers, lambda line: None)


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        return measured(patch, Model(), 12)


def test_every_stage_has_its_times_and_the_live_part_its_latency(result):
    assert {"source", "align", "render", "learn", "push"} <= set(result.stages)
    assert all(0 <= times.p50_ms <= times.p95_ms for times in result.stages.values())
    assert {"decode MJPG", "decode YUYV", "BGR to RGB", "RGB to I420"} == set(result.conversions)
    assert all(0 < times.p50_ms <= times.p95_ms for times in result.conversions.values())
    assert result.fps > 0
    assert 0 < result.added_latency.p50_ms <= result.added_latency.p95_ms
    assert result.peak_memory_mib >= 10
    assert result.frames == 12


def test_the_first_picture_is_counted_from_the_start_of_the_process(result):
    assert result.first_picture_s is None or result.first_picture_s > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process was started")
def test_a_container_that_is_younger_than_its_machine_does_not_turn_the_first_picture_back(
    tmp_path: Path, monkeypatch
):
    (tmp_path / "uptime").write_text("5.00 5.00\n")
    monkeypatch.setattr(
        bench_file, "Path", lambda path: tmp_path / "uptime" if path == "/proc/uptime" else Path(path)
    )
    age_s = bench_file._process_age_s()
    assert age_s is not None
    assert 0 < age_s < time.clock_gettime(time.CLOCK_BOOTTIME)


def test_it_can_be_printed_and_kept_as_json(result):
    text = report(result)
    for words in (
        "render",
        "decode MJPG",
        "as fast as it goes",
        "added latency",
        "a scripted network",
        "64x48",
    ):
        assert words in text
    again = json.loads(json.dumps(result.as_json()))
    assert again["size"] == list(SIZE)
    assert again["stages"]["render"]["p50_ms"] == result.stages["render"].p50_ms
    assert again["peers"] == []


def test_the_live_part_is_over_after_its_time_and_no_sooner_than_after_a_few_pictures():
    clock = FakeClock()
    for frame_ms, pictures, lasted_s in ((10, 101, 1.0), (500, 4, 1.5)):
        enough, pushed = _Enough(seconds=1.0, least=4, clock_ns=clock), 0
        enough.push(Picture(np.zeros((2, 2, 3), np.uint8), None, 0, 0, idle=True))
        clock.pass_ms(60_000)  # no picture yet: its time has not begun
        while not enough.stop.is_set():
            enough.push(Picture(np.zeros((2, 2, 3), np.uint8), None, 0, 0))
            clock.pass_ms(frame_ms)
            pushed += 1
        assert (pushed, enough.lasted_s) == (pictures, pytest.approx(lasted_s))


def test_the_live_part_says_how_long_it_was(result):
    assert result.live_s >= 0.2
    assert f"dropped in {result.live_s:.1f} s" in report(result)


def test_the_size_is_told_of_each_part_and_chosen_by_the_live_one_alone(result, monkeypatch):
    class Sizes:
        """A pace that takes the next size with each frame that it is told of."""

        noted = 0

        @property
        def sizes(self) -> tuple[tuple[int, int], ...]:
            return ((self.noted, 1),)

        def note(self, begin_ms: float, finish_ms: float) -> None:
            self.noted += 1

    monkeypatch.setattr(bench_file, "SETTLING", 7)
    found = measured(monkeypatch, Model(), 12, pace=Sizes())
    assert found.working_sizes == ((2 + 7, 1),)  # warmed up and settled
    assert found.live_working_sizes[0][0] >= 2 + 7 + bench_file.LEAST_LIVE
    assert "the network looks at 9x1" in report(found)
    assert f", in the end at {found.live_working_sizes[0][0]}x1" in report(found)
    same = replace(found, live_working_sizes=found.working_sizes)
    assert "in the end" not in report(same) + report(result)


def test_a_missing_peer_is_told_before_anything_is_measured(tmp_path: Path, monkeypatch):
    def too_late(*arguments, **more):
        raise AssertionError("something was measured already")

    monkeypatch.setattr(bench_file, "build_parts", too_late)
    (tmp_path / FILES["rvm"]).touch()
    with pytest.raises(WeightsError, match=FILES["mediapipe"]):
        bench(Model(), SIZE, 12, tmp_path, lambda line: None)


def test_a_folder_without_any_peer_is_as_good_as_none(tmp_path: Path, result, monkeypatch):
    given = []
    monkeypatch.setattr(bench_file, "bench", lambda *arguments: given.append(arguments[3]) or result)
    command = ["bench", "--peers", str(tmp_path)]
    assert (
        f"(no peers: there are no weights of theirs in {tmp_path})" in CliRunner().invoke(app, command).output
    )
    (tmp_path / FILES["sinet"]).touch()
    assert "no peers" not in CliRunner().invoke(app, command).output
    assert given == [None, tmp_path]


def test_peers_have_the_threads_and_the_device_of_the_program(tmp_path: Path, monkeypatch):
    given = []
    monkeypatch.setattr(peers_file, "load_peers", lambda *arguments: given.append(arguments) or {})
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    for name in PEERS:
        (tmp_path / FILES[name]).touch()
    measured(monkeypatch, Model(threads=3, device="cpu"), 2, tmp_path)
    assert given == [3, (tmp_path, 3, PEERS, "cpu")]


def test_one_frame_has_no_rate():
    assert CliRunner().invoke(app, ["bench", "--frames", "1"]).exit_code == 2


@pytest.mark.parametrize(("count", "words"), [(1, ", 1 thread"), (2, ", 2 threads"), (None, ", 1 thread")])
def test_threads_are_counted_in_good_english(count: int | None, words: str, monkeypatch):
    monkeypatch.setattr(bench_file.os, "cpu_count", lambda: count)
    assert _machine().endswith(words)
