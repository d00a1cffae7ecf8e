"""A segmenter's guess of who is a person: the prior channel of platenet.

The network is MediaPipe's selfie segmenter for lying pictures (Apache-2.0, 0.1 M parameters, see the
model card); it guesses from looks alone, so it holds where no plate is known and fails on props and hair.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from core.errors import WeightsError
from core.matte.working_size import shrink_into
from core.runtime.compiled import compile_on_cpu
from core.types import F32, U8

SIZE = (256, 144)  # the network's fixed input
LEAST_ASPECT = 1.2  # of a picture that is squeezed into that; a narrower one gets black sides instead
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
        self._input = np.zeros((1, SIZE[1], SIZE[0], 3), np.uint8)
        self._columns = slice(0, SIZE[0])

    def mask(self, rgb: U8) -> F32:
        """Probability of a person, float32 144x256, or narrower for a narrow picture uint8 HxWx3.

        The array is reused by the next call.
        """
        height, width = rgb.shape[:2]
        narrow = width < LEAST_ASPECT * height
        across = max(1, round(SIZE[1] * width / height)) if narrow else SIZE[0]
        columns = slice((SIZE[0] - across) // 2, (SIZE[0] - across) // 2 + across)
        if columns != self._columns:
            self._input[:], self._columns = 0, columns
        shrink_into(rgb, self._input[0, :, columns])
        self._request.infer([self._input], share_inputs=True)
        mask: F32 = self._request.get_output_tensor(0).data[0, 0, :, columns]
        return mask

    def __call__(self, rgb: U8) -> F32:
        """The mask at the picture's size, float32 HxW 0..1."""
        return cv2.resize(self.mask(rgb), (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
