"""Pictures that come and go cost no new pages."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from live.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def frame():
    pictures = [np.ones((720, 1280, 3), np.uint8) for _ in range(4)]
frame(); frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so eagerly")
def test_the_pages_of_one_frame_serve_the_next() -> None:
    faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True
            ).stdout
        )
        for how in ("keep", "as it is")
    }
    assert faults["keep"] < 100
    assert faults["as it is"] > 5000, "else there would be nothing to keep"
