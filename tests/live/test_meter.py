"""The meter counts what its clock says."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import pytest

from live.meter import Meter
from tests.fakes import FakeClock


def test_a_stage_reports_the_median_and_the_95th_percentile() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    for ms in range(1, 101):
        with meter.stage("align"):
            clock.pass_ms(ms)
    spread = meter.snapshot().stages["align"]
    assert spread.p50_ms == pytest.approx(50.5)
    assert spread.p95_ms == pytest.approx(95.05, abs=0.01)
    assert spread.count == 100
    assert meter.last_ms() == {"align": pytest.approx(100)}


def test_only_the_newest_samples_count() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    for ms in [500.0] * 1000 + [2.0] * 600:
        with meter.stage("render"):
            clock.pass_ms(ms)
    spread = meter.snapshot().stages["render"]
    assert spread.p95_ms == pytest.approx(2)
    assert spread.count == 1600


def test_more_samples_are_kept_where_figures_are_to_be_of_all() -> None:
    clock = FakeClock()
    meter = Meter(clock, keep=1600)
    for ms in [500.0] * 1000 + [2.0] * 600:
        with meter.stage("render"):
            clock.pass_ms(ms)
        meter.frame_done()
        meter.age("null", 0)
    snapshot = meter.snapshot()
    assert snapshot.stages["render"].p50_ms == pytest.approx(500)
    assert snapshot.fps == pytest.approx(1000 / (999 * 500 + 600 * 2) * 1599, rel=1e-4)
    assert snapshot.ages["null"].p50_ms == pytest.approx(800 * 500, rel=0.01)


def test_a_stage_that_raises_is_timed_too() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    with suppress(RuntimeError), meter.stage("render"):
        clock.pass_ms(3)
        raise RuntimeError
    assert meter.last_ms()["render"] == pytest.approx(3)


def test_spans_are_timed_by_the_finer_clock_and_ages_by_that_of_the_frames(monkeypatch) -> None:
    coarse, fine = FakeClock(), FakeClock()
    monkeypatch.setattr("live.meter.time", SimpleNamespace(monotonic_ns=coarse, perf_counter_ns=fine))
    meter = Meter()
    captured_ns = coarse.now_ns
    for _ in range(2):
        with meter.stage("align"):
            fine.pass_ms(3)
        meter.frame_done()
    coarse.pass_ms(15.625)
    meter.age("window", captured_ns)
    assert meter.last_ms()["align"] == pytest.approx(3)
    assert meter.snapshot().fps == pytest.approx(1000 / 3)
    assert meter.snapshot().ages["window"].p50_ms == pytest.approx(15.625)


def test_the_rate_is_that_of_finished_frames() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    for _ in range(11):
        meter.frame_done()
        clock.pass_ms(20)
    assert meter.snapshot().fps == pytest.approx(50)
    assert meter.snapshot().frames == 11


def test_the_age_at_a_sink_starts_at_the_capture() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    captured_ns = clock.now_ns
    clock.pass_ms(35)
    meter.age("window", captured_ns)
    assert meter.snapshot().ages["window"].p50_ms == pytest.approx(35)


def test_a_new_meter_has_an_empty_snapshot() -> None:
    snapshot = Meter(FakeClock()).snapshot()
    assert (snapshot.frames, snapshot.fps, snapshot.stages, snapshot.counts) == (0, 0.0, {}, {})
