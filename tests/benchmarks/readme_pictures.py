"""Makes the README's pictures with the program itself.

    python -m tests.benchmarks.readme_pictures BACKDROP [MORE ...]

BACKDROP: a picture to stand behind the person. MORE: others that the page offers beside it. The rest is the
built-in demo scene. Wants chromium, for the picture of the page.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from core.align import PlateAligner
from core.pictures import read_picture
from core.render import build_renderer, parse_background
from core.types import Frame, Picture
from live.sources.demo import DemoSource
from tests.live.chromium import Chromium, find_chromium
from tests.live.test_webrtc import WITHOUT_NETWORK

SIZE = (1280, 720)
SHOWN = (640, 360)
FRAME = 40  # of the loop: a raised hand, hair in the light
PAGE_SIZE, PAGE_PORT, PAGE_S = (1000, 940), 8779, 6
FOLDER = Path(__file__).resolve().parents[2] / ".pictures"


def rendered(spec: str, frames: list[Frame], source: DemoSource) -> Picture:
    """The last of the frames, after the program has seen them all."""
    plate = source.plate()
    aligner = PlateAligner(plate, SIZE)
    renderer, _ = build_renderer(plate, parse_background(spec))
    for frame in frames:
        picture = renderer.render(frame, aligner.update(frame))
        aligner.learn(frame, picture.alpha_u8)
    return picture


def save(name: str, rgb: np.ndarray) -> None:
    """As WebP, small enough for a page."""
    shown = cv2.resize(rgb, SHOWN, interpolation=cv2.INTER_AREA) if rgb.shape[1::-1] == SIZE else rgb
    path = FOLDER / f"{name}.webp"
    cv2.imwrite(str(path), cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 82])
    print(path.name, path.stat().st_size // 1024, "KB")


def chequered(picture: Picture) -> np.ndarray:
    """A straight-alpha picture over the chequers that editors show for nothing."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] // 24
    chequers = np.where((x + y) % 2, 200, 235)[..., None].astype(float)
    alpha = picture.alpha_u8[..., None] / 255
    return (picture.rgb * alpha + chequers * (1 - alpha)).astype(np.uint8)


async def page(backdrops: list[Path], shot: Path) -> None:
    """The page of a running program that has these backdrops on offer, the first of them chosen."""
    program = find_chromium()
    assert program is not None, "the picture of the page needs chromium"
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "cleanplate" / "backgrounds"
        folder.mkdir(parents=True)
        for file in backdrops:
            shutil.copy(file, folder)
        command = [sys.executable, "-m", "live", "run", "--camera", "demo", "--output", "webrtc"]
        command += ["--port", str(PAGE_PORT)]
        running = subprocess.Popen(
            command, env=os.environ | {"XDG_DATA_HOME": home}, stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        try:
            next(line for line in running.stdout if "open it in a browser" in line)
            async with Chromium(program, *WITHOUT_NETWORK, "--hide-scrollbars", size=PAGE_SIZE) as browser:
                await browser.open(f"http://127.0.0.1:{PAGE_PORT}/")
                await browser.until("document.querySelectorAll('.playing, .tile.file').length > 1")
                await browser.evaluate(f"choose({backdrops[0].name!r})")
                await browser.until(f"shown == {backdrops[0].name!r}")
                await asyncio.sleep(PAGE_S)  # until the rate is the usual one
                await browser.screenshot(shot)
        finally:
            running.terminate()
            running.wait()


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("give the picture to stand behind the person: readme_pictures.py BACKDROP [MORE ...]")
    FOLDER.mkdir(exist_ok=True)
    source = DemoSource(SIZE, 30)
    frames = []
    while len(frames) <= FRAME:
        frame = source.read()
        frames.append(Frame(frame.rgb.copy(), frame.time_ns, len(frames)))
    frames = frames[-12:]
    save("camera", frames[-1].rgb)
    save("plate", source.plate().rgb)
    blurred = rendered("blur", frames, source)
    save("matte", np.dstack([blurred.alpha_u8] * 3))
    save("blur", blurred.rgb)
    save("picture", rendered(sys.argv[1], frames, source).rgb)
    save("transparent", chequered(rendered("transparent", frames, source)))
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        asyncio.run(page([Path(word) for word in sys.argv[1:]], shot))
        save("page", read_picture(shot))


if __name__ == "__main__":
    main()
