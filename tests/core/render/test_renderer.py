"""What leaves the renderer: the person, the backdrop, and never the room."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.render.backdrops import ColourBackdrop, parse_background
from core.render.composite import fgr_without_room
from core.render.renderer import Compositor
from core.types import NO_PLATE, Alignment, Coarse, Frame, Light, Plate, SeenRoom, State, View

W, H = 192, 108
PERSON = (slice(40, 108), slice(70, 120))
RNG = np.random.default_rng(4)
ROOM = np.kron(RNG.integers(30, 220, (9, 16, 3)), np.ones((12, 12, 1))).astype(np.uint8)


def frame(index: int = 0) -> Frame:
    rgb = ROOM.copy()
    rgb[PERSON] = (250, 10, 10)
    return Frame(rgb, 5_000 + index, index)


def aligned(state: State = State.LOCKED, H_matrix: np.ndarray | None = None) -> Alignment:
    usable = state in (State.LOCKED, State.TRACKING)
    return Alignment(
        (np.eye(3) if H_matrix is None else H_matrix) if usable else None, Light(), state, 1.0, ""
    )


class Oracle:
    """A matter that knows where the person is; `level` is how sure it is of the room being no person."""

    def __init__(self, level: int = 0) -> None:
        self.level, self.resets, self.plates = level, 0, []

    def matte(self, rgb: np.ndarray, plate_rgb: np.ndarray | None, coverage: np.ndarray | None) -> np.ndarray:
        self.plates.append(None if plate_rgb is None else plate_rgb.copy())
        alpha = np.full(rgb.shape[:2], self.level, np.uint8)
        alpha[PERSON] = 255
        return alpha

    def reset(self) -> None:
        self.resets += 1


def compositor(spec: str, matter: Oracle | None = None, when_lost: str = "hide") -> Compositor:
    background = parse_background(spec)
    backdrop = ColourBackdrop(background.rgb) if spec.startswith("#") else None
    plate = Plate("room", (W, H), (View(ROOM),))
    return Compositor(plate, matter or Oracle(), background, backdrop, when_lost)


def room_share(rgb: np.ndarray) -> float:
    """Share of the pixels outside the person that look like the room's."""
    outside = np.ones((H, W), bool)
    outside[PERSON] = False
    return float((np.abs(rgb.astype(int) - ROOM).max(2) < 12)[outside].mean())


def test_the_person_stands_before_the_backdrop_and_time_and_index_travel() -> None:
    picture = compositor("#00b140").render(frame(7), aligned())
    assert (picture.rgb[PERSON] == (250, 10, 10)).all()
    assert (picture.rgb[:30] == (0, 177, 64)).all()
    assert (picture.time_ns, picture.index) == (5_007, 7)


def test_transparent_gives_straight_colour_and_nothing_of_the_room() -> None:
    picture = compositor("transparent").render(frame(), aligned())
    assert picture.straight
    assert (picture.rgb[PERSON] == (250, 10, 10)).all()
    assert (picture.rgb[:30] == 0).all()


def test_colours_are_estimated_alike_wherever_in_the_frame_somebody_stands() -> None:
    class Soft(Oracle):
        def matte(
            self, rgb: np.ndarray, plate_rgb: np.ndarray | None, coverage: np.ndarray | None
        ) -> np.ndarray:
            return alpha

    alpha = np.zeros((720, 1280), np.uint8)
    cv2.ellipse(alpha, (600, 500), (90, 200), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 12)
    colours = np.where(np.indices((720, 1280))[0][..., None] // 20 % 2, (220, 60, 40), (120, 160, 40))
    share = alpha[..., None] / 255
    rgb = np.round(colours * share + np.array((20, 180, 220)) * (1 - share)).astype(np.uint8)
    shown = Compositor(None, Soft(), parse_background("#000000"), ColourBackdrop((0, 0, 0)))
    picture = shown.render(Frame(rgb, 0, 0), NO_PLATE)
    expected = fgr_without_room(rgb, alpha)  # from the whole frame, as it is judged
    mixed = (alpha > 0) & (alpha < 255)
    assert np.abs(picture.rgb[mixed].astype(int) - expected[mixed]).mean() < 0.5  # grey levels


@pytest.mark.parametrize("alignment", [aligned(), NO_PLATE], ids=["plate", "no plate"])
def test_blur_shows_no_halo_the_persons_colour_does_not_reach_the_room(alignment: Alignment) -> None:
    pictures = []
    for colour in ((250, 10, 10), (10, 250, 250)):
        rgb = frame().rgb.copy()
        rgb[PERSON] = colour
        pictures.append(compositor("blur:0.5").render(Frame(rgb, 0, 0), alignment).rgb.astype(int))
    outside = np.ones((H, W), bool)
    outside[PERSON] = False
    assert np.abs(pictures[0] - pictures[1])[outside].max() <= 2  # roundings
    assert room_share(pictures[0]) < 0.5


def test_while_lost_only_what_is_surely_the_person_is_shown() -> None:
    unsure = Oracle(level=120)
    for spec in ("#00b140", "blur:0.3"):
        picture = compositor(spec, unsure).render(frame(), aligned(State.LOST))
        assert (picture.rgb[PERSON] == (250, 10, 10)).all()
        assert room_share(picture.rgb) < 0.02
    assert unsure.plates[-1] is None, "a plate that does not fit is not shown to the network"


def test_when_lost_freeze_repeats_the_last_good_picture() -> None:
    c = compositor("#00b140", when_lost="freeze")
    good = c.render(frame(0), aligned())
    moved = Frame(np.roll(frame().rgb, 30, 1), 99, 1)
    held = c.render(moved, aligned(State.LOST))
    assert (held.rgb == good.rgb).all()
    assert (held.time_ns, held.index) == (99, 1)


def test_freeze_goes_on_with_who_is_there_until_there_is_a_good_picture() -> None:
    c = compositor("#00b140", when_lost="freeze")
    for colour in ((250, 10, 10), (10, 10, 250)):
        rgb = frame().rgb.copy()
        rgb[PERSON] = colour
        picture = c.render(Frame(rgb, 0, 0), aligned(State.LOST))
        assert (picture.rgb[PERSON] == colour).all()


def test_freeze_repeats_no_picture_of_another_size() -> None:
    c = compositor("#00b140", when_lost="freeze")
    c.render(frame(), aligned())
    larger = Frame(cv2.resize(frame().rgb, (2 * W, 2 * H)), 1, 1)
    assert c.render(larger, aligned(State.LOST)).rgb.shape == larger.rgb.shape


def test_when_lost_blur_leaves_nothing_to_recognise() -> None:
    picture = compositor("blur:0.1", when_lost="blur").render(frame(), aligned(State.LOST))
    assert room_share(picture.rgb) < 0.5
    assert (
        cv2.Laplacian(picture.rgb[:30], cv2.CV_64F).std() < 0.1 * cv2.Laplacian(ROOM[:30], cv2.CV_64F).std()
    )


def test_the_plate_follows_the_homography_and_the_light() -> None:
    oracle = Oracle()
    shift = np.array([[1, 0, 12], [0, 1, 0], [0, 0, 1.0]])
    light = Light(gain=np.full(3, 0.5, np.float32))
    alignment = Alignment(shift, light, State.TRACKING, 1.0, "")
    compositor("#000000", oracle).render(frame(), alignment)
    seen = oracle.plates[-1]
    assert seen is not None
    assert np.abs(seen[:, 12:].astype(int) - ROOM[:, :-12] * 0.5).max() <= 2


def test_the_history_is_forgotten_when_the_plate_is_lost_or_found() -> None:
    oracle = Oracle()
    c = compositor("#000000", oracle)
    for state in (State.LOCKED, State.LOCKED, State.LOST, State.LOST, State.LOCKED):
        c.render(frame(), aligned(state))
    assert oracle.resets == 3


def test_a_backdrop_that_breaks_raises_and_gives_no_picture() -> None:
    class Broken:
        def picture(self, size: tuple[int, int], time_ns: int) -> np.ndarray:
            raise OSError("the disk is gone")

        def close(self) -> None: ...

    c = Compositor(None, Oracle(), parse_background("#000000"), Broken())
    with pytest.raises(OSError, match="disk"):
        c.render(frame(), NO_PLATE)


def test_none_is_the_camera_as_it_is() -> None:
    picture = compositor("none").render(frame(), aligned())
    assert (picture.rgb == frame().rgb).all()


@pytest.mark.parametrize("spec", ["#00b140", "blur"])
def test_a_refreshed_plate_is_shown_from_its_takeover_on_and_the_network_goes_on(spec: str):
    matter = Oracle()
    renderer = compositor(spec, matter)
    first = renderer.render(frame(0), aligned())
    fresh = np.where(ROOM > 100, ROOM - 20, ROOM).astype(np.uint8)
    take_over = renderer.prepare(Plate("room", (W, H), (View(fresh),)))
    renderer.render(frame(1), aligned())
    take_over()
    last = renderer.render(frame(2), aligned())
    np.testing.assert_array_equal(matter.plates[1], ROOM)
    np.testing.assert_array_equal(matter.plates[2], fresh)
    assert matter.resets == 1, "for the first plate only"
    assert (last.rgb == first.rgb).all() == (spec != "blur")


class Stepwise(Oracle):
    """The same in two steps; the first sees the picture at a quarter of the size."""

    def expect(self, rgb: np.ndarray) -> None: ...

    def coarse(self, rgb: np.ndarray, room: SeenRoom | None) -> Coarse:
        small = np.ascontiguousarray(rgb[::4, ::4])
        alpha = self.matte(rgb, None, None)[::4, ::4].copy()
        return Coarse(alpha, small, lambda: alpha)

    def refined(self, rgb: np.ndarray, room: SeenRoom | None, coarse: Coarse) -> np.ndarray:
        assert (coarse.rgb == rgb[::4, ::4]).all(), "another frame's"
        return self.matte(rgb, None, None)


@pytest.mark.parametrize("state", [State.LOCKED, State.LOST])
def test_a_picture_may_be_finished_after_the_next_one_is_begun(state: State) -> None:
    at_once, in_turn = compositor("#00b140", Oracle(level=90)), compositor("#00b140", Stepwise(level=90))
    frames = [frame(index) for index in range(3)]
    expected = [at_once.render(f, aligned(state)) for f in frames]
    begun = [in_turn.begin(f, aligned(state)) for f in frames]
    for one, picture in zip(begun, expected, strict=True):
        got = one.finish()
        assert (got.rgb == picture.rgb).all()
        assert got.alpha_u8 is not None
        assert one.alpha_u8 is not None
        assert one.alpha_u8.shape == (H // 4, W // 4)
        assert (one.alpha_u8 == got.alpha_u8[::4, ::4]).all(), "what is learnt is what is shown"
        assert (got.index, got.time_ns) == (picture.index, picture.time_ns)


class Doubting(Stepwise):
    """Sees everything as somebody, and does not believe the plate of a dark frame."""

    def coarse(self, rgb: np.ndarray, room: SeenRoom | None) -> Coarse:
        return replace(super().coarse(rgb, room), doubted=room is not None and int(rgb.mean()) < 60)


@pytest.mark.parametrize("when_lost", ["hide", "freeze"])
def test_a_frame_whose_plate_is_doubted_is_shown_as_one_that_has_lost_it(when_lost: str) -> None:
    dark = Frame((frame().rgb * 0.2).astype(np.uint8), 99, 1)
    c = compositor("#00b140", Doubting(level=120), when_lost)
    believed, doubted = c.begin(frame(0), aligned()), c.begin(dark, aligned())
    assert (believed.doubt, bool(doubted.doubt)) == ("", True)
    good, shown = believed.finish(), doubted.finish()
    lost = compositor("#00b140", Stepwise(level=120), when_lost)
    lost.render(frame(0), aligned())
    expected = lost.render(dark, aligned(State.LOST))
    assert (shown.rgb == expected.rgb).all()
    assert (shown.rgb == good.rgb).all() == (when_lost == "freeze")
    assert doubted.alpha_u8 is not None
    assert (doubted.alpha_u8[0] == 0).all(), "what is hidden is not learnt either"


@pytest.mark.parametrize("start", [True, False], ids=["plate", "no plate"])
def test_another_plate_is_shown_from_its_takeover_on_and_what_was_learnt_is_forgotten(start: bool) -> None:
    matter = Oracle()
    background = parse_background("blur:0.2")
    before = Plate("room", (W, H), (View(ROOM),)) if start else None
    renderer = Compositor(before, matter, background, None)
    first = renderer.render(frame(0), aligned() if start else NO_PLATE)
    other = np.ascontiguousarray(ROOM[:, ::-1])
    take_over = renderer.renew(Plate("other", (W, H), (View(other),)))
    resets = matter.resets
    take_over()
    last = renderer.render(frame(1), aligned())
    assert matter.resets > resets
    np.testing.assert_array_equal(matter.plates[-1], other)
    assert (first.rgb[:30] != last.rgb[:30]).any()
