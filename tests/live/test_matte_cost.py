"""The cost of the matte: what is told apart from what was limited, and how failing is told."""

from __future__ import annotations

import pytest

from core.errors import CleanplateError
from live import matte_cost
from live.matte_cost import MatteCost, cost_table, is_limited, load_words, measure_apart


def test_a_limit_below_avx512_is_one():
    assert is_limited({"ONEDNN_MAX_CPU_ISA": "avx2"})
    assert is_limited({"ONEDNN_MAX_CPU_ISA": "SSE41"})
    assert not is_limited({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"})
    assert not is_limited({})


def test_the_table_shows_the_kernel_that_proves_the_limit():
    runs = {
        "as it is": MatteCost("brgconv_avx512_f32", "bf16", 2, {"ours": 10.04, "rvm": 170.0}),
        "AVX2 only": MatteCost("brgconv_avx2_f32", "f32", 2, {"ours": 41.26}),
    }
    assert cost_table(runs).splitlines() == [
        "| median ms, 1280x720 | as it is | AVX2 only |",
        "|---|---|---|",
        "| convolutions run by | brgconv_avx512_f32 | brgconv_avx2_f32 |",
        "| cleanplate's precision | bf16 | f32 |",
        "| ours | 10.0 | 41.3 |",
        "| rvm | 170.0 | – |",
    ]


def test_a_busy_machine_is_admitted():
    assert load_words(1.0) == "load 1.0 a core in the last minute"
    assert "too high" in load_words(4.0)


def test_a_process_that_fails_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(matte_cost.sys, "executable", "false")
    with pytest.raises(CleanplateError, match="could not be measured"):
        measure_apart(None, limited=True)
