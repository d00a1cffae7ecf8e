"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from live.settings import FILE_NAME, Settings, load

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="F", help="Settings file; see config.toml for its manual.")
]
CameraOption = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="SRC",
        help="Index (0), device (/dev/video0), label, video file, folder of pictures, or demo.",
    ),
]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="SPEC",
        help="What others see behind you: blur[:0..1], a colour (#00b140, green), a picture, a video, "
        "transparent, or none (the camera as it is).",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Matting network, see `cleanplate models list`; or the folder that `cleanplate train` wrote.",
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="auto|cpu|cuda", help="Where the network runs.")
]
SizeOption = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Size to ask the camera for, e.g. 1280x720.")
]
FpsOption = Annotated[float | None, typer.Option("--fps", metavar="N", help="Rate to ask the camera for.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]


def read_settings(config: Path | None, **flags: object) -> Settings:
    """The settings in force; flags are named section__key, None for those not given."""
    return load(
        config,
        flags={name.replace("__", "."): value for name, value in flags.items()},
        environ=os.environ,
        folder=Path.cwd(),
        xdg_file=user_file(),
    )


def user_file() -> Path:
    """The settings file in the user's configuration folder, which may not be there."""
    import platformdirs

    return platformdirs.user_config_path("cleanplate") / FILE_NAME
