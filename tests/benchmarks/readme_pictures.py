"""Makes the README's pictures with the program itself: python tests/benchmarks/readme_pictures.py BACKDROP

BACKDROP: a picture to stand behind the person. The rest is the built-in demo scene.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from core.align import PlateAligner
from core.render import build_renderer, parse_background
from core.types import Frame, Picture
from live.sources.demo import DemoSource

SIZE = (1280, 720)
SHOWN = (640, 360)
FRAME = 40  # of the loop: a raised hand, hair in the light
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
    shown = cv2.resize(rgb, SHOWN, interpolation=cv2.INTER_AREA)
    path = FOLDER / f"{name}.webp"
    cv2.imwrite(str(path), cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 82])
    print(path.name, path.stat().st_size // 1024, "KB")


def chequered(picture: Picture) -> np.ndarray:
    """A straight-alpha picture over the chequers that editors show for nothing."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] // 24
    chequers = np.where((x + y) % 2, 200, 235)[..., None].astype(float)
    alpha = picture.alpha_u8[..., None] / 255
    return (picture.rgb * alpha + chequers * (1 - alpha)).astype(np.uint8)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("give the picture to stand behind the person: readme_pictures.py BACKDROP")
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


if __name__ == "__main__":
    main()
