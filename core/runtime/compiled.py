"""Compiling for OpenVINO's CPU plugin, the one place where it is done."""

from __future__ import annotations

from typing import Any

import openvino


def compile_on_cpu(model: openvino.Model | str, **options: Any) -> openvino.CompiledModel:
    """A model, or the path of one, compiled for the CPU. Lives as long as the process.

    Kept on purpose: OpenVINO 2026.4 gives the compiling thread an alternate signal stack, which goes
    with the compiled model but stays registered; the next signal (a SIGTERM, say) then kills the
    process by a segmentation fault instead of stopping it.
    Raises:
        RuntimeError: OpenVINO cannot read or compile it.
    """
    # Pinned threads of one model keep those of another from the same core while the next one idles.
    compiled = openvino.Core().compile_model(model, "CPU", {"ENABLE_CPU_PINNING": False, **options})
    _KEPT.append(compiled)
    return compiled


_KEPT: list[openvino.CompiledModel] = []
