"""Where on the plate each pixel of a frame looks, with a mesh of small shifts beside the homography."""

from __future__ import annotations

import cv2
import numpy as np

from core.types import F32, F64

_EVERY = 16  # px between places that are computed; between them a homography is straight to 0.01 px


def bent_map(
    H: F64, mesh: F32, size: tuple[int, int], box: tuple[int, int, int, int]
) -> tuple[F32, tuple[float, float, float, float]]:
    """The inverse of H with a mesh, for `cv2.remap`.

    Args:
        H: float64 3x3, plate to frame pixels. mesh: float32 gh x gw x 2, as in Alignment.
        size: (width, height) of the frame, over which the mesh is spread. box: x0, y0, x1, y1 in it.
    Returns:
        float32 hxwx2, the plate's pixel for each of the box; and the least and greatest x and y in it.
    """
    x0, y0, x1, y1 = box
    columns, rows = -(-(x1 - x0) // _EVERY) + 2, -(-(y1 - y0) // _EVERY) + 2
    # Centres of blocks, one block more on every side: a resize by _EVERY then meets each pixel.
    x = (x0 - _EVERY / 2 - 0.5 + _EVERY * np.arange(columns)).astype(np.float32)
    y = (y0 - _EVERY / 2 - 0.5 + _EVERY * np.arange(rows)).astype(np.float32)
    gx = (x + np.float32(0.5)) * np.float32(mesh.shape[1] / size[0]) - np.float32(0.5)
    gy = (y + np.float32(0.5)) * np.float32(mesh.shape[0] / size[1]) - np.float32(0.5)
    across, down = np.meshgrid(gx, gy)
    shift = cv2.remap(mesh, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    here = np.stack(np.meshgrid(x, y), -1) - shift
    there = cv2.perspectiveTransform(here.astype(np.float64), np.linalg.inv(H)).astype(np.float32)
    finer = cv2.resize(there, (columns * _EVERY, rows * _EVERY), interpolation=cv2.INTER_LINEAR)
    found = np.ascontiguousarray(finer[_EVERY : _EVERY + y1 - y0, _EVERY : _EVERY + x1 - x0])
    low, high = there.min((0, 1)), there.max((0, 1))
    return found, (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
