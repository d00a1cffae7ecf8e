"""The checks of the virtual camera and the webcam that run inside the test machine.

Started by test_kernel.py, once for each version of v4l2loopback. Prints one line a check:
"RESULT", its name, "pass", "fail" or "skip", and a detail, parted by tabs.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
import cv2

from tests.kernel import program_checks, virtualcam_checks, webcam_checks
from tests.kernel.stage import Skip

CHECKS: dict[str, Callable[[], str]] = {
    "announced as a camera while written": virtualcam_checks.node_is_camera_only_while_written,
    "read by ffmpeg, OpenCV, v4l2-ctl": virtualcam_checks.seen_by_readers,
    "reader closes and reopens": virtualcam_checks.reader_reopens,
    "writer restarts": virtualcam_checks.writer_restarts,
    "node used by another program": virtualcam_checks.nodes_left_by_others,
    "reader outlives its writer": virtualcam_checks.reader_outlives_writers,
    "clean stop": virtualcam_checks.stopped_writer_leaves_the_idle_picture,
    "SIGKILL": virtualcam_checks.killed_writer_leaves_the_idle_picture,
    "two instances": virtualcam_checks.second_writer_is_refused,
    "on demand": virtualcam_checks.demand_follows_readers,
    "transparent output": virtualcam_checks.transparent_output,
    "no permission": virtualcam_checks.no_permission,
    "other devices": virtualcam_checks.not_a_virtual_camera,
    "webcam": webcam_checks.webcam_as_asked,
    "webcam with MJPG": webcam_checks.webcam_with_mjpg,
    "webcam unplugged and back": webcam_checks.webcam_unplugged,
    "self-test for doctor": virtualcam_checks.self_test,
    "10,000 pictures": virtualcam_checks.many_pictures,
    "read by Chromium's getUserMedia": program_checks.seen_by_chromium,
    "whole program, SIGTERM": program_checks.whole_program,
}


def main() -> int:
    """Runs the checks whose names hold one of the words on the command line, or all."""
    cv2.setNumThreads(2)
    failed = 0
    for name, check in CHECKS.items():
        if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        began = time.monotonic()
        try:
            result, detail = "pass", check()
        except Skip as reason:
            result, detail = "skip", str(reason)
        except Exception as error:  # the check's verdict
            traceback.print_exc()
            result, detail, failed = "fail", f"{type(error).__name__}: {error}", failed + 1
        took = time.monotonic() - began
        print("RESULT", name, result, f"{detail} [{took:.1f} s]".replace("\n", " "), sep="\t", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
