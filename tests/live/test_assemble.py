"""What stands between source and sinks is put together as asked, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from core.align import NoPlateAligner, PlateAligner
from core.errors import MediaError, PlateError
from core.matte.working_size import CLOSER_PIXELS, FILM_PIXELS, STEPS
from core.render import MatterOptions
from core.render.backdrops import ColourBackdrop, parse_background
from core.types import Plate, View
from live import assemble
from live.assemble import build_parts, refuse_other_shape
from live.settings import Model
from tests.core.plate.synthetic import drawn_room
from tests.live.scripted import InvertingRenderer


def plate(width: int, height: int, views: int = 1) -> Plate:
    return Plate("desk", (width, height), (View(np.zeros((height, width, 3), np.uint8)),) * views)


class Matter:
    """Keeps how it was to be built, and which sizes it was asked for."""

    made: Matter

    def __init__(self, options: MatterOptions) -> None:
        self.options, self.asked = options, []
        Matter.made = self

    working_size = (832, 480)
    closer_size: tuple[int, int] | None = None
    changing_size = False

    def work_at(self, working_pixels: int, closer_pixels: int | None = None) -> None:
        self.asked.append(working_pixels)
        self.closer_size = None if closer_pixels is None else (1280, 704)


@pytest.fixture
def renderer(monkeypatch) -> InvertingRenderer:
    made = InvertingRenderer()
    monkeypatch.setattr(assemble, "build_platenet", lambda options: (Matter(options), "a scripted runtime"))
    monkeypatch.setattr(assemble, "build_renderer", lambda *arguments, **more: (made, "another network"))
    return made


def test_without_a_plate_nothing_is_looked_for(renderer):
    parts = build_parts(None, parse_background("green"), Model(), (64, 48), live=True)
    assert isinstance(parts.aligner, NoPlateAligner)
    assert parts.runs_on == "platenet, a scripted runtime"
    parts.close()
    parts.close()
    assert renderer.closed


def test_the_networks_size_follows_a_camera_s_pace(renderer):
    parts = build_parts(None, parse_background("green"), Model(), (64, 48), live=True, fps=30.0)
    assert parts.pace is not None
    assert Matter.made.options.impatient
    assert Matter.made.options.doubting, "others look on"
    assert Matter.made.asked == [Matter.made.options.working_pixels] == [max(STEPS)]
    assert Matter.made.options.closer_pixels is None, "nobody waits for a second look"
    parts.close()


@pytest.mark.parametrize("closer", [False, True])
def test_a_camera_gets_a_second_look_where_one_is_asked_for_and_there_is_time(renderer, closer):
    model = Model(closer=closer)
    parts = build_parts(None, parse_background("green"), model, (64, 48), live=True, fps=30.0)
    assert Matter.made.options.closer_pixels is None, "not before it is known how long one look takes"
    for _ in range(1000):
        parts.pace.note(1.0, 1.0)
    assert parts.pace.sizes == ((832, 480), *([(1280, 704)] if closer else []))
    parts.close()


def test_a_film_is_looked_at_as_closely_as_the_network_can(renderer):
    parts = build_parts(None, parse_background("green"), Model(), (64, 48), live=False)
    assert parts.pace is None
    assert not Matter.made.options.impatient
    assert not Matter.made.options.doubting, "a film may be about a dog"
    assert Matter.made.options.working_pixels == max(STEPS)
    assert Matter.made.options.closer_pixels == FILM_PIXELS
    parts.close()


def test_a_size_that_the_user_chose_is_kept(renderer):
    model = Model(size=(640, 352))
    parts = build_parts(None, parse_background("green"), model, (64, 48), live=True, fps=30.0)
    assert parts.pace is None
    assert Matter.made.options.working_pixels == 640 * 352
    parts.close()
    parts = build_parts(None, parse_background("green"), model, (64, 48), live=False)
    assert Matter.made.options.working_pixels == 640 * 352
    assert Matter.made.options.closer_pixels is None
    parts.close()
    model = Model(size=(640, 352), closer=True)
    parts = build_parts(None, parse_background("green"), model, (64, 48), live=True, fps=30.0)
    assert parts.pace is None
    assert Matter.made.options.closer_pixels == CLOSER_PIXELS
    parts.close()
    parts = build_parts(None, parse_background("green"), model, (64, 48), live=False)
    assert Matter.made.options.closer_pixels == FILM_PIXELS
    parts.close()


@pytest.mark.parametrize("live", [True, False])
def test_with_a_plate_it_is_followed(renderer, live):
    room = Plate("desk", (160, 90), (View(drawn_room(1, (160, 90))),))
    parts = build_parts(room, parse_background("green"), Model(), (160, 90), live=live)
    assert isinstance(parts.aligner, PlateAligner)
    parts.close()


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (640, 480), (1920, 1080), (1280, 960)])
def test_a_plate_of_another_size_or_crop_is_for_the_aligner_to_find(size):
    refuse_other_shape(plate(1280, 720), size)


@pytest.mark.parametrize("size", [(720, 1280), (720, 720), (1, 1), (1280, 300)])
def test_a_plate_of_quite_another_shape_is_refused_with_both_sizes(size):
    with pytest.raises(PlateError, match=f"1280x720, the camera gives {size[0]}x{size[1]}"):
        refuse_other_shape(plate(1280, 720), size)


def test_a_sweep_may_have_any_shape():
    refuse_other_shape(plate(1280, 72, views=2), (1280, 720))


def test_a_broken_video_behind_is_said_before_anything_runs(renderer, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError):
        build_parts(None, parse_background(str(tmp_path / "clip.mp4")), Model(), (64, 48), live=True)


@pytest.mark.parametrize(
    ("live", "fps", "shown_live"), [(True, 30.0, True), (False, 25.0, True), (False, None, False)]
)
def test_a_video_behind_keeps_nobody_waiting_who_looks_on(
    renderer, tmp_path, monkeypatch, live, fps, shown_live
):
    """A film that is shown at its pace has gaps in its times, too: its pauses."""
    asked = {}

    def backdrop(path, size, **more):
        asked.update(more)
        return ColourBackdrop((0, 0, 0))

    monkeypatch.setattr("live.backdrop.VideoBackdrop", backdrop)
    (tmp_path / "clip.mp4").touch()
    background = parse_background(str(tmp_path / "clip.mp4"))
    build_parts(None, background, Model(), (64, 48), live=live, fps=fps).close()
    assert asked == {"live": shown_live}
