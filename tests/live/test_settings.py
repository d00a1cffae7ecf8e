"""The settings: one manual, one order, and messages that name the way out."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from core.errors import SettingsError
from live.settings import AUTO_SIZE, Settings, all_keys, load

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_manual_names_every_key_with_its_default():
    manual = ROOT / "config.toml"
    tables = tomllib.loads(manual.read_text(encoding="utf-8"))
    assert [f"{s}.{k}" for s, table in tables.items() for k in table] == list(all_keys())
    assert load(manual) == Settings()


def test_the_manual_says_something_about_every_key():
    lines = (ROOT / "config.toml").read_text(encoding="utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if "=" in line and not line.startswith("#"):
            assert before.startswith("# "), f"no comment above: {line}"


def test_flags_win_over_environment_over_file_over_defaults(tmp_path):
    file = written(tmp_path, "[camera]\nfps = 10\nsize = [640, 360]\n")
    environ = {"CLEANPLATE_CAMERA_FPS": "15", "CLEANPLATE_CAMERA_SIZE": "800x600", "HOME": "/"}
    camera = load(file, environ=environ, flags={"camera.fps": 20.0, "plate.name": None}).camera
    assert (camera.fps, camera.size, camera.source) == (20.0, (800, 600), "auto")


def test_the_folders_file_wins_over_the_users_and_a_named_one_over_both(tmp_path):
    here, xdg, named = tmp_path / "here", tmp_path / "xdg", tmp_path / "named"
    for number, folder in enumerate((here, xdg, named), 1):
        folder.mkdir()
        written(folder, f"[web]\nport = {number}\n")
    places = {"folder": here, "xdg_file": xdg / "config.toml"}
    assert load(named / "config.toml", **places).web.port == 3
    assert load(**places).web.port == 1
    (here / "config.toml").unlink()
    assert load(**places).web.port == 2


def test_a_file_of_an_editor_that_marks_its_utf8_is_read(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[camera]\nfps = 15\n", encoding="utf-8-sig")
    assert load(file).camera.fps == 15.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[camera]\nfsp = 30\n", ["camera.fsp = 30", "did you mean camera.fps?", "source, size, fps"]),
        ("[camara]\nfps = 30\n", ["[camara]", "did you mean camera?"]),
        ("fps = 30\n", ["fps = 30", "outside a section", "did you mean camera.fps?"]),
        ('[camera]\nfps = "fast"\n', ["camera.fps = 'fast'", "a number from 1 to 240"]),
        ("[camera]\nfps = 0\n", ["camera.fps = 0", "a number from 1 to 240"]),
        ("[camera]\nfps = nan\n", ["camera.fps = nan", "a number from 1 to 240"]),
        ("[camera]\nsize = [1280]\n", ["camera.size = [1280]", "[1280, 720]"]),
        ("[camera]\nsize = [1280.0, 720.0]\n", ["camera.size", "[1280, 720]"]),
        ("[model]\nsize = [5000, 288]\n", ["model.size = [5000, 288]", '"auto", or', "from 64 to 4096"]),
        ("[model]\nsize = [0, 0]\n", ["model.size = [0, 0]", "from 64 to 4096"]),
        ('[camera]\nsize = "auto"\n', ["camera.size = 'auto'", "must be width and height"]),
        ('[plate]\nwhen_lost = "show"\n', ["plate.when_lost = 'show'", '"hide", "blur", "freeze"']),
        ("[model]\nthreads = true\n", ["model.threads = True", "a whole number from 0 to 256"]),
        ("[output]\nsinks = []\n", ["output.sinks = []", "one or more"]),
        ("[output]\nsinks = [1]\n", ["output.sinks = [1]", "one or more"]),
        ('[plate]\nname = ""\n', ["plate.name = ''", "not empty"]),
        ("[camera\n", ["not valid TOML"]),
        ('[background]\nspec = "C:\\Users\\me.jpg"\n', ["not valid TOML", "in a path write C:/beach.jpg"]),
    ],
)
def test_a_wrong_file_is_answered_with_file_key_value_and_what_is_allowed(tmp_path, text, words):
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    for word in [str(file), *words]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value).replace("\\n", "") or "TOML" in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CLEANPLATE_CAMERA_FSP": "3"}, ["CLEANPLATE_CAMERA_FSP", "did you mean CLEANPLATE_CAMERA_FPS?"]),
        ({"CLEANPLATE_CAMERA_FPS": "fast"}, ["CLEANPLATE_CAMERA_FPS: camera.fps = 'fast'", "1 to 240"]),
        ({"CLEANPLATE_MODEL_THREADS": "1.5"}, ["CLEANPLATE_MODEL_THREADS", "a whole number"]),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_allowed(environ, words):
    with pytest.raises(SettingsError) as caught:
        load(environ=environ)
    for word in words:
        assert word in str(caught.value)


def test_the_environment_gives_lists_numbers_and_sizes():
    settings = load(
        environ={
            "CLEANPLATE_OUTPUT_SINKS": "webrtc, file:out.mp4",
            "CLEANPLATE_MODEL_SIZE": "640x352",
            "CLEANPLATE_MODEL_THREADS": "2",
        }
    )
    assert settings.output.sinks == ("webrtc", "file:out.mp4")
    assert settings.model.size == (640, 352)
    assert settings.model.threads == 2


@pytest.mark.parametrize("environ", [{}, {"CLEANPLATE_MODEL_SIZE": " auto "}])
def test_the_networks_size_is_the_programs_to_choose_unless_it_is_given(tmp_path, environ):
    assert load(written(tmp_path, '[model]\nsize = "auto"\n'), environ=environ).model.size == AUTO_SIZE
    assert load(environ=environ).model.size == AUTO_SIZE


@pytest.mark.parametrize("wrong", ["Bearer abc", "new\nline", "schlüssel", 12345])
def test_a_token_that_cannot_be_one_is_refused_and_never_shown(wrong):
    with pytest.raises(SettingsError) as caught:
        load(flags={"web.whip_token": wrong})
    assert str(caught.value) == (
        "web.whip_token: web.whip_token = (not shown) is not allowed; it must be a text of visible ASCII "
        "characters without spaces, or empty"
    )


@pytest.mark.parametrize(
    "text", ['whip_token = "s3cret"', '[web]\nwhip_tokn = "s3cret"', '[web]\ntoken = "s3cret"']
)
def test_a_token_in_the_wrong_place_or_under_a_wrong_name_is_not_shown(tmp_path, text):
    with pytest.raises(SettingsError, match=r"\(not shown\)") as caught:
        load(written(tmp_path, text))
    assert "s3cret" not in str(caught.value)


def test_a_token_may_come_from_the_environment_and_is_no_part_of_the_settings_words():
    settings = load(environ={"CLEANPLATE_WEB_WHIP_TOKEN": " s3cret "})
    assert settings.web.whip_token == "s3cret"
    assert "s3cret" not in repr(settings)
    assert load(environ={"CLEANPLATE_WEB_WHIP_TOKEN": ""}).web.whip_token == ""


def test_a_wrong_flag_is_named_as_it_was_typed():
    with pytest.raises(SettingsError, match=r"--size: camera\.size = '720p' is not allowed"):
        load(flags={"camera.size": "720p"})


def test_a_named_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SettingsError, match="there is no such file"):
        load(tmp_path / "gone.toml")


def test_a_file_that_is_no_text_is_said(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(file)


def test_variables_of_the_kernel_tests_machine_are_no_settings():
    assert load(environ={"CLEANPLATE_VM": "1", "CLEANPLATE_VM_SHARE": "/tmp"}) == Settings()


@pytest.mark.parametrize(("text", "on"), [("true", True), ("False", False), (True, True)])
def test_a_switch_is_true_or_false(text, on):
    assert load(flags={"output.on_demand": text}).output.on_demand is on


@pytest.mark.parametrize("wrong", ["yes", 1, "1"])
def test_a_switch_is_nothing_else(wrong):
    with pytest.raises(SettingsError, match="must be true or false"):
        load(flags={"output.on_demand": wrong})
