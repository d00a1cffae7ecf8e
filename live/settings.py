"""All settings, typed: defaults here, their manual in config.toml at the root.

Order, the later wins: the defaults below, one file (`--config`, else ./config.toml, else the XDG one),
the environment (CLEANPLATE_SECTION_KEY), flags. Read once, by the command line; a part of the program is
given its own values and never the whole.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core.errors import SettingsError

ENVIRONMENT_PREFIX = "CLEANPLATE_"
HIDDEN = "(not shown)"  # in place of a secret's value
AUTO_SIZE = (0, 0)  # "auto": the program chooses
NOT_SETTINGS = "CLEANPLATE_VM"  # by these the machine of the kernel tests says what it is
FILE_NAME = "config.toml"


def _text(default: str) -> Any:
    return field(default=default, metadata={"kind": "text"})


def _secret() -> Any:
    """A token or a key: empty unless given, and never shown."""
    return field(default="", repr=False, metadata={"kind": "secret"})


def _choice(default: str, *others: str) -> Any:
    return field(default=default, metadata={"kind": "choice", "choices": (default, *others)})


def _switch(default: bool) -> Any:
    return field(default=default, metadata={"kind": "switch"})


def _number(default: float, least: float, most: float) -> Any:
    kind = "whole" if isinstance(default, int) else "number"
    return field(default=default, metadata={"kind": kind, "least": least, "most": most})


def _size(default: tuple[int, int], least: int, most: int) -> Any:
    """auto is allowed where it is the default."""
    auto = default == AUTO_SIZE
    return field(default=default, metadata={"kind": "size", "least": least, "most": most, "auto": auto})


def _texts(*default: str) -> Any:
    return field(default=default, metadata={"kind": "texts"})


@dataclass(frozen=True, slots=True)
class Camera:
    source: str = _text("auto")
    size: tuple[int, int] = _size((1280, 720), 1, 8192)
    fps: float = _number(30.0, 1.0, 240.0)
    oldest_ms: float = _number(100.0, 20.0, 60000.0)


@dataclass(frozen=True, slots=True)
class Plate:
    name: str = _text("auto")
    when_lost: str = _choice("hide", "blur", "freeze")
    refresh: bool = _switch(True)
    absorb_after_s: float = _number(0.0, 0.0, 86400.0)
    record_seconds: float = _number(4.0, 0.5, 60.0)
    countdown_seconds: float = _number(5.0, 0.0, 60.0)


@dataclass(frozen=True, slots=True)
class Background:
    spec: str = _text("blur")


@dataclass(frozen=True, slots=True)
class Output:
    sinks: tuple[str, ...] = _texts("auto")
    on_demand: bool = _switch(False)
    grace_seconds: float = _number(5.0, 0.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Model:
    name: str = _text("platenet")
    size: tuple[int, int] = _size(AUTO_SIZE, 64, 4096)
    closer: bool = _switch(False)
    refine: bool = _switch(True)
    device: str = _choice("auto", "cpu", "cuda")
    threads: int = _number(0, 0, 256)


@dataclass(frozen=True, slots=True)
class Web:
    host: str = _text("127.0.0.1")
    port: int = _number(8770, 0, 65535)
    whip_token: str = _secret()
    whip_mbps: float = _number(2.5, 0.1, 50.0)


@dataclass(frozen=True, slots=True)
class Log:
    level: str = _choice("warning", "debug", "info", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting; a section is an attribute, a key an attribute of that."""

    camera: Camera = field(default_factory=Camera)
    plate: Plate = field(default_factory=Plate)
    background: Background = field(default_factory=Background)
    output: Output = field(default_factory=Output)
    model: Model = field(default_factory=Model)
    web: Web = field(default_factory=Web)
    log: Log = field(default_factory=Log)

    def with_value(self, key: str, value: object, where: str) -> Settings:
        """These settings with `section.key` set to a checked value.

        value: as TOML gives it, or text (from the environment or a flag), which is converted.
        where: who says so, for the message: "config.toml", "CLEANPLATE_CAMERA_FPS", "--fps".
        Raises: SettingsError with what is allowed.
        """
        section_name, _, name = key.partition(".")
        section = getattr(self, section_name)
        spec = next(f for f in fields(section) if f.name == name)
        checked = _checked(key, value, spec.metadata, where)
        return replace(self, **{section_name: replace(section, **{name: checked})})


def all_keys() -> Iterator[str]:
    """Every setting as `section.key`, in the order of config.toml."""
    defaults = Settings()
    for section in fields(defaults):
        for entry in fields(getattr(defaults, section.name)):
            yield f"{section.name}.{entry.name}"


def load(
    config: Path | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    xdg_file: Path | None = None,
) -> Settings:
    """The settings in force.

    config: the file named by the user; it must exist. Without it: `folder`/config.toml, else xdg_file.
    flags: `section.key` to value; None values were not given and are left out.
    environ: environment variables; only those with the prefix are looked at.
    Raises: SettingsError naming the place, key, value, what is allowed and the nearest right name.
    """
    settings = Settings()
    file = _find_file(config, folder, xdg_file)
    if file is not None:
        settings = _with_file(settings, file)
    environ = environ or {}
    for variable, key in settings_in(environ).items():
        settings = settings.with_value(key, environ[variable], variable)
    for key, value in (flags or {}).items():
        if value is not None:
            settings = settings.with_value(key, value, FLAG_OF_KEY.get(key, key))
    return settings


def settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment's variables that are settings, each with its `section.key`; SettingsError as `load`."""
    names = sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX))
    return {name: _key_of_variable(name) for name in names if not name.startswith(NOT_SETTINGS)}


# The flags of commands that stand for a setting, for messages that name what was typed.
FLAG_OF_KEY = {
    "camera.source": "--camera",
    "camera.size": "--size",
    "camera.fps": "--fps",
    "plate.name": "--plate",
    "background.spec": "--background",
    "output.sinks": "--output",
    "model.name": "--model",
    "model.device": "--device",
    "model.size": "--working-size",
    "web.port": "--port",
    "plate.record_seconds": "--seconds",
    "plate.countdown_seconds": "--countdown",
}


def _find_file(config: Path | None, folder: Path | None, xdg_file: Path | None) -> Path | None:
    if config is not None:
        if not config.is_file():
            raise SettingsError(f"--config {config}: there is no such file")
        return config
    for candidate in ((folder / FILE_NAME) if folder else None, xdg_file):
        if candidate is not None and candidate.is_file():
            return candidate
    return None


def _with_file(settings: Settings, file: Path) -> Settings:
    try:
        text = file.read_text(encoding="utf-8-sig")  # editors of Windows put a mark before UTF-8
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        path = r" (in a path write C:/beach.jpg, or single quotes: 'C:\beach.jpg')" if "\\" in text else ""
        raise SettingsError(f"{file} is not valid TOML: {error}{path}") from error
    sections = [section.name for section in fields(settings)]
    known = list(all_keys())
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise SettingsError(
                f"{file}: {section} = {_shown(section, table, known)} stands outside a section"
                f"{_nearest(section, known)}; sections are {_listed(sections)}"
            )
        if section not in sections:
            raise SettingsError(
                f"{file}: [{section}] is not a section{_nearest(section, sections)}; "
                f"there are {_listed(sections)}"
            )
        for name, value in table.items():
            key = f"{section}.{name}"
            if key not in known:
                mine = [k for k in known if k.startswith(f"{section}.")]
                raise SettingsError(
                    f"{file}: {key} = {_shown(name, value, known)} is not a setting{_nearest(key, known)}; "
                    f"[{section}] has {_listed([k.partition('.')[2] for k in mine])}"
                )
            settings = settings.with_value(key, value, str(file))
    return settings


def _key_of_variable(variable: str) -> str:
    names = {ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in all_keys()}
    if variable not in names:
        raise SettingsError(
            f"{variable} in the environment is not a setting{_nearest(variable, list(names))}; "
            f"names are {ENVIRONMENT_PREFIX}SECTION_KEY with the sections and keys of {FILE_NAME}"
        )
    return names[variable]


def _nearest(name: str, known: list[str]) -> str:
    """ ", did you mean X?" as part of a sentence, or nothing when no name is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        last = name.rpartition(".")[2]
        near = [k for k in known if k.rpartition(".")[2] == last][:1]
    return f" (did you mean {near[0]}?)" if near else ""


def _shown(name: str, value: object, known: list[str]) -> str:
    """The value of what is no setting, unless its name is near to that of a secret one."""
    secret = [key.rpartition(".")[2] for key in known if _kind(key) == "secret"]
    return HIDDEN if difflib.get_close_matches(name.lower(), secret, n=1, cutoff=0.5) else repr(value)


def _kind(key: str) -> str:
    section, _, name = key.partition(".")
    entries = fields(getattr(Settings(), section))
    return str(next(entry.metadata["kind"] for entry in entries if entry.name == name))


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def _checked(key: str, value: object, spec: Mapping[str, Any], where: str) -> object:
    """The value in its proper type. Raises SettingsError."""
    kind = spec["kind"]
    parsed = _parsed(value, kind)
    if parsed is not None and _fits(parsed, kind, spec):
        return parsed
    shown = HIDDEN if kind == "secret" else repr(value)
    raise SettingsError(f"{where}: {key} = {shown} is not allowed; it must be {_allowed(kind, spec)}")


def _parsed(value: object, kind: str) -> object | None:
    """The value as its kind, from TOML or from text; None when it is not one."""
    match kind, value:
        case (("text" | "choice" | "secret"), str()):
            return value.strip()
        case "switch", bool():
            return value
        case "switch", str():
            return {"true": True, "false": False}.get(value.strip().lower())
        case (("whole" | "number"), bool()):
            return None
        case "whole", int():
            return value
        case "whole", str() if re.fullmatch(r"[+-]?\d{1,9}", value):
            return int(value)
        case "number", (int() | float()):
            return float(value)
        case "number", str():
            try:
                return float(value)
            except ValueError:
                return None
        case "size", str() if value.strip() == "auto":
            return AUTO_SIZE
        case "size", str() if size := re.fullmatch(r"(\d{1,5})x(\d{1,5})", value):
            return _no_auto(int(size[1]), int(size[2]))
        case "size", (list() | tuple()) if len(value) == 2:
            return _no_auto(*value) if all(type(side) is int for side in value) else None
        case "texts", str():
            return tuple(part.strip() for part in value.split(","))
        case "texts", (list() | tuple()):
            return tuple(value) if all(isinstance(part, str) for part in value) else None
    return None


def _no_auto(width: int, height: int) -> tuple[int, int] | None:
    """What stands for "auto" is no size that somebody may write."""
    return None if (width, height) == AUTO_SIZE else (width, height)


def _fits(value: Any, kind: str, spec: Mapping[str, Any]) -> bool:
    match kind:
        case "text":
            return bool(value)
        case "secret":
            return re.fullmatch(r"[!-~]*", value) is not None
        case "choice":
            return value in spec["choices"]
        case "whole" | "number":
            return bool(spec["least"] <= value <= spec["most"])
        case "size" if value == AUTO_SIZE:
            return bool(spec["auto"])
        case "size":
            return all(spec["least"] <= side <= spec["most"] for side in value)
        case "texts":
            return len(value) > 0 and all(value)
    return True


def _allowed(kind: str, spec: Mapping[str, Any]) -> str:
    match kind:
        case "choice":
            return "one of " + ", ".join(f'"{choice}"' for choice in spec["choices"])
        case "whole":
            return f"a whole number from {spec['least']} to {spec['most']}"
        case "number":
            return f"a number from {spec['least']:g} to {spec['most']:g}"
        case "switch":
            return "true or false"
        case "size":
            sides = f"width and height, each from {spec['least']} to {spec['most']}"
            auto = '"auto", or ' if spec["auto"] else ""
            return f"{auto}{sides}: [1280, 720], or 1280x720 outside a file"
        case "texts":
            return "one or more texts"
        case "secret":
            return "a text of visible ASCII characters without spaces, or empty"
    return "a text that is not empty"
