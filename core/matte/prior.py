"""A segmenter's guess of who is a person: the prior channel of platenet.

The network is MediaPipe's selfie segmenter (Apache-2.0, 0.1 M parameters, see the model card); it
guesses from looks alone, so it holds where no plate is known and fails on props and hair.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from core.errors import WeightsError
from core.runtime.compiled import compile_on_cpu
from core.types import F32, U8

SIDE = 256  # the network's fixed input
WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "selfie_segmenter.onnx"


class SelfieSegmenter:
    """Mask of people in a picture. Not thread-safe: one per thread."""

    def __init__(self, weights: Path = WEIGHTS, threads: int = 1) -> None:
        """Raises WeightsError when the file is missing or is no network."""
        if not weights.is_file():
            raise WeightsError(f"{weights} is missing: install cleanplate again")
        try:
            compiled = compile_on_cpu(str(weights), INFERENCE_NUM_THREADS=threads, PERFORMANCE_HINT="LATENCY")
        except RuntimeError as error:
            raise WeightsError(
                f"{weights} is damaged ({str(error).splitlines()[0]}): install again"
            ) from error
        self._request = compiled.create_infer_request()
        self._input = np.empty((1, SIDE, SIDE, 3), np.float32)
        self._small = np.empty((SIDE, SIDE, 3), np.uint8)

    def mask(self, rgb: U8) -> F32:
        """Probability of a person, float32 256x256, for an RGB picture uint8 HxWx3.

        The array is reused by the next call.
        """
        shrinks = rgb.shape[0] > SIDE or rgb.shape[1] > SIDE
        cv2.resize(
            rgb, (SIDE, SIDE), dst=self._small, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        np.multiply(self._small, np.float32(1 / 255), out=self._input[0])
        self._request.infer([self._input], share_inputs=True)
        return self._request.get_output_tensor(0).data[0, :, :, 0]

    def __call__(self, rgb: U8) -> F32:
        """The mask at the picture's size, float32 HxW 0..1."""
        return cv2.resize(self.mask(rgb), (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
