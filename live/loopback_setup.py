"""What a Linux system needs to have a virtual camera: the commands, and the files that keep it.

The one place for these words: `doctor`, `setup virtualcam` and the errors of the virtual camera say them.
Nothing here is run by the program; a person with root's rights does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import MediaError

CARD = "cleanplate"  # label of the device, which programs list
OPTIONS = f'exclusive_caps=1 video_nr=10 card_label="{CARD}"'
INSTALL = "sudo apt install v4l2loopback-dkms"
LOAD = f"sudo modprobe v4l2loopback {OPTIONS}"
RELOAD = f"sudo modprobe -r v4l2loopback && {LOAD}"
JOIN_COMMAND = "sudo usermod -aG video $USER"
JOIN_VIDEO = f"{JOIN_COMMAND}   # then log in anew"
APPLY_RULES = "sudo udevadm control --reload && sudo udevadm trigger -s video4linux"


@dataclass(frozen=True, slots=True)
class SystemFile:
    """A file of one line below /etc. path: absolute; why: what it is for."""

    path: str
    line: str
    why: str

    @property
    def command(self) -> str:
        """Writes the file, to be pasted into a shell."""
        return f"echo '{self.line}' | sudo tee {self.path}"


OPTIONS_FILE = SystemFile(
    "/etc/modprobe.d/cleanplate.conf",
    f"options v4l2loopback {OPTIONS}",
    "the options, whoever loads the module: exclusive_caps=1, or Chrome, Zoom and Teams do not list it",
)
LOAD_FILE = SystemFile(
    "/etc/modules-load.d/cleanplate.conf", "v4l2loopback", "loads the module when the system starts"
)
RULE_FILE = SystemFile(
    "/etc/udev/rules.d/60-cleanplate.rules",
    'KERNEL=="video[0-9]*", SUBSYSTEM=="video4linux", GROUP="video", MODE="0660", TAG+="uaccess"',
    "lets whoever sits at this machine, and the group video, open the device",
)
FILES = (OPTIONS_FILE, LOAD_FILE, RULE_FILE)


def script() -> str:
    """All of it as a shell script, each step with its reason, to be read and then run by a person."""
    lines = ["# the driver of the virtual camera (Debian, Ubuntu; other systems name it v4l2loopback, too)"]
    lines.append(INSTALL)
    for file in FILES:
        lines += [f"# {file.path}: {file.why}", file.command]
    lines += ["# now, without a restart", APPLY_RULES, LOAD]
    return "\n".join(lines)


def write_files(folder: Path, *, force: bool = False) -> list[Path]:
    """Writes the files below `folder` as they are to lie below /, and says where.

    Raises: MediaError when one is there with other words and `force` is not given (then none is written),
        or when it cannot be written.
    """
    targets = {folder / file.path.removeprefix("/"): f"{file.line}\n" for file in FILES}
    try:
        for path, text in targets.items():
            if path.exists() and not force and path.read_text(errors="replace") != text:
                raise MediaError(
                    f"{path} is there already and says something else: look at it, or add --force"
                )
        for path, text in targets.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MediaError(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    return list(targets)
