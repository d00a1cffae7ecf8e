"""What a matte costs: the network with its refinement, beside RVM and MediaPipe on the same frames.

Figures mean something only on a machine that does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ov

from core.evaluation.methods import MEDIAPIPE, PLATELESS, RVM
from core.evaluation.peer_weights import FILES
from core.evaluation.peers import RvmPeer, mediapipe_selfie
from core.matte.working_size import STEPS
from core.render.build import MatterOptions, build_platenet
from core.runtime.compiled import compile_on_cpu
from core.types import U8

WITH_PLATE = "cleanplate, with plate"
WARM_UP, MOST, LEAST = 3, 40, 5
BUDGET_MS = 3000.0  # a slow one gets fewer frames


def costs(frames: list[U8], plate: U8, models: Path | None, threads: int) -> dict[str, float]:
    """Median milliseconds a frame, by method; the bundled one at each size at which a live run may look.

    Args:
        frames: RGB uint8 HxWx3 with a person. plate: of their size, the camera being still.
        models: folder with the peers' weights; None leaves them out.
    """
    torch.set_num_threads(threads)
    matter, _ = build_platenet(MatterOptions("cpu", threads))
    found = {
        WITH_PLATE: _median_ms(lambda rgb: matter.matte(rgb, plate, None), frames),
        PLATELESS: _median_ms(lambda rgb: matter.matte(rgb, None, None), frames),
    }
    for pixels in STEPS[-2::-1]:
        matter.work_at(pixels)
        ms = _median_ms(lambda rgb: matter.matte(rgb, plate, None), frames)
        found["{}, looked at in {}x{}".format(WITH_PLATE, *matter.working_size)] = ms
    if models is not None:
        found[RVM] = _median_ms(RvmPeer(models / FILES[RVM]), frames)
        found[MEDIAPIPE] = _median_ms(mediapipe_selfie(models, threads), frames)
    return found


def convolution_kernel() -> str:
    """Which kernel OpenVINO takes for a convolution: the proof of what the processor is limited to."""
    x = ov.parameter([1, 32, 32, 32], np.float32)
    kernel = ov.constant(np.ones((32, 32, 3, 3), np.float32))
    model = openvino.Model([ov.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1])], [x], "probe")
    compiled = compile_on_cpu(model, INFERENCE_PRECISION_HINT="f32")
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if "layerType" in info and info["layerType"].value == "Convolution":
            return str(info["primitiveType"].value)
    raise AssertionError("OpenVINO names no convolution in its own graph")


def never_bf16() -> None:
    """Makes every network of this process f32, as on a processor without AVX-512.

    OpenVINO 2026.4 asks the processor, not oneDNN's limit, whether it knows bf16, takes it by default,
    and then fails with "object is not initialized".
    """
    compile_model = openvino.Core.compile_model

    def in_f32(self: openvino.Core, model: Any, device: str, config: dict[str, Any]) -> Any:
        return compile_model(self, model, device, {**config, "INFERENCE_PRECISION_HINT": "f32"})

    setattr(openvino.Core, "compile_model", in_f32)  # noqa: B010  (mypy forbids the plain assignment)


def _median_ms(matte: Callable[[U8], object], frames: list[U8]) -> float:
    times_ms: list[float] = []
    for k in range(WARM_UP + MOST):
        begin_ns = time.perf_counter_ns()
        matte(frames[k % len(frames)])
        times_ms.append((time.perf_counter_ns() - begin_ns) / 1e6)
        if k >= WARM_UP + LEAST and sum(times_ms) > BUDGET_MS:
            break
    return median(times_ms[WARM_UP:])
