"""python -m tests.real.cut_out CLIP FOLDER: cuts people out of a clip that begins with an empty room, by the
command that a user has, into FOLDER/out and FOLDER/report.jsonl."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import av
import cv2

PLATE_FRAMES = 59  # the first empty range; the light is another in all later ones

if __name__ == "__main__":
    clip, folder = sys.argv[1], Path(sys.argv[2])
    room = folder / "room"
    room.mkdir()
    with av.open(clip) as video:
        for index, picture in zip(range(PLATE_FRAMES), video.decode(video=0), strict=False):
            cv2.imwrite(str(room / f"{index:03d}.png"), picture.to_ndarray(format="bgr24"))
    command = [sys.executable, "-m", "live", "process", clip, "--plate", str(room)]
    command += ["--output", str(folder / "out"), "--report", str(folder / "report.jsonl")]
    os.execv(sys.executable, command)
