"""The benchmark measures what it says, also where peers are missing."""

from __future__ import annotations

import json

import pytest

from live import bench as bench_file
from live.assemble import Parts
from live.bench import bench, report
from live.settings import Model
from tests.live.scripted import FixedAligner, InvertingRenderer

SIZE = (64, 48)


@pytest.fixture(scope="module")
def result():
    class Open:
        def close(self) -> None:
            pass

    parts = Parts(FixedAligner(), InvertingRenderer(), "a scripted network", Open())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_file, "build_parts", lambda *arguments, **more: parts)
        patch.setattr(bench_file, "LIVE_S", 0.2)
        patch.setattr(bench_file, "WARM_UP", 2)
        return bench(Model(), SIZE, 12, None, lambda line: None)


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
