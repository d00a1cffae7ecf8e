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
from pathlib import Path

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "120")  # seconds; the host may be slow and busy
import cv2

from tests.kernel import virtualcam_checks, webcam_checks
from tests.kernel.stage import HAS_EVENT, NEWEST, VERSION, Skip

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

EACH: dict[str, Callable[[], str]] = {
    "announced as a camera while written": virtualcam_checks.node_is_camera_only_while_written,
    "reader closes and reopens": virtualcam_checks.reader_reopens,
    "writer restarts": virtualcam_checks.writer_restarts,
    "node used by another program": virtualcam_checks.nodes_left_by_others,
    "reader outlives its writer": virtualcam_checks.reader_outlives_writers,
    "clean stop": virtualcam_checks.stopped_writer_leaves_the_idle_picture,
    "SIGKILL": virtualcam_checks.killed_writer_leaves_the_idle_picture,
    "two instances": virtualcam_checks.second_writer_is_refused,
    "readers are noticed": virtualcam_checks.demand_follows_readers,
    "transparent output": virtualcam_checks.transparent_output,
    "no permission": virtualcam_checks.no_permission,
    "other devices": virtualcam_checks.not_a_virtual_camera,
    "self-test for doctor": virtualcam_checks.self_test,
    "10,000 pictures": virtualcam_checks.many_pictures,
}


def checks() -> dict[str, Callable[[], str]]:
    """Those for this version. Imports are slow here, so each version has only those that it needs.

    The whole program runs with the newest driver and with one that does not tell of readers.
    """
    if HAS_EVENT and VERSION != NEWEST:
        return EACH
    from tests.kernel import session_checks

    program = {
        "webcam to ffmpeg, OpenCV, v4l2-ctl": session_checks.seen_by_readers,
        "camera on demand": session_checks.camera_on_demand,
    }
    if VERSION != NEWEST:
        return EACH | program
    from tests.kernel import program_checks

    # Nothing in these hangs on the driver of the virtual camera, or they take a minute.
    once = {
        "two outputs, second start": session_checks.two_outputs_and_a_second_start,
        "webcam": webcam_checks.webcam_as_asked,
        "webcam with MJPG": webcam_checks.webcam_with_mjpg,
        "webcam in use": webcam_checks.webcam_in_use,
        "paused": session_checks.paused,
        "frames through the whole program": session_checks.many_frames,
        "suspended": session_checks.suspended,
        "webcam unplugged and back": session_checks.webcam_unplugged,
        "webcam to Chromium's getUserMedia": program_checks.seen_by_chromium,
        # Before those that load OpenVINO here: its threads do not live on in a process that is forked.
        "room photographed while it runs": program_checks.room_photographed,
        "plate recorded and checked": program_checks.plate_recorded,
        "whole program with it, SIGTERM": program_checks.whole_program,
    }
    return EACH | program | once


def main() -> int:
    """Runs the checks whose names hold one of the words on the command line, or all."""
    cv2.setNumThreads(1)  # threads of its own do not live on in a process that is forked
    # The kernel joins pages to huge ones when it pleases and fills their gaps, up to 2 MiB each: resident
    # memory grew by 1.6 MiB once without anybody asking for any.
    HUGE_PAGES.write_text("never")
    failed = 0
    for name, check in checks().items():
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
