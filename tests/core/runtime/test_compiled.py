"""A signal after a model is gone stops the process, and does not crash it."""

import subprocess
import sys

PROGRAM = """
import gc, os, signal
import numpy as np
from core.render.build import MatterOptions, build_platenet

matter, _ = build_platenet(MatterOptions(device="cpu", threads=1))
picture = np.zeros((288, 512, 3), np.uint8)
matter.matte(picture, picture, None)
del matter
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("stopped cleanly", flush=True))
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_after_a_matter_is_gone_is_handled() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (0, "stopped cleanly\n")
