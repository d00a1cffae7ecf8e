"""The weights on this machine: fetched or imported by the user's wish, kept with checksum and licence.

One folder a model under the user's data folder (~/.local/share/cleanplate/models on Linux), with
the file under its published name and `model.json` beside it. Nothing here is ever fetched unasked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import platformdirs

from core.errors import WeightsError
from core.nets.registry import WEIGHTS_FOLDER, Model, find_model, load_model
from live.download import Progress, download

_RECORD = "model.json"


@dataclass(frozen=True, slots=True)
class Stored:
    """Weights that are here, as written down when they came.

    file: name in the model's folder; origin: the URL or the file it came from.
    licence: the one that the user accepted.
    """

    file: str
    sha256: str
    size_bytes: int
    origin: str
    licence: str


class ModelStore:
    """The folder of weights. Not for two processes at a time."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: None is the user's data folder."""
        self.folder = folder or platformdirs.user_data_path("cleanplate") / "models"

    def stored(self, name: str) -> Stored | None:
        """What is here of a model; None when nothing is. WeightsError for an unknown name."""
        record = self.folder / find_model(name).name / _RECORD
        if not record.is_file():
            return None
        try:
            return Stored(**json.loads(record.read_text()))
        except OSError as error:
            raise WeightsError(f"{record} cannot be read ({error.strerror}): check its rights") from error
        except (ValueError, TypeError) as error:
            raise WeightsError(
                f"{record} is damaged: `cleanplate models remove {name}`, then get it again"
            ) from error

    def weights(self, name: str) -> Path:
        """The file to load for a model, its checksum compared.

        Raises:
            WeightsError: unknown, not here, its licence not accepted, or damaged.
        """
        model = find_model(name)
        if model.bundled:
            return WEIGHTS_FOLDER / model.files[0]
        stored = self.stored(name)
        if stored is None:
            raise WeightsError(
                f"the weights of {name} are not on this machine: get them with `cleanplate models fetch "
                f"{name}`, or bring a file with `cleanplate models import {name} FILE`"
            )
        if stored.licence != model.licence:
            raise WeightsError(
                f"the licence of {name}, {model.licence}, has not been accepted: "
                f"`cleanplate models fetch {name}` shows it and asks"
            )
        return self._intact(name, stored)

    def accept(self, name: str, accepted_licence: str) -> None:
        """Writes down that the user accepted the licence of weights that are here; fetches nothing.

        Args:
            accepted_licence: as for `fetch`.
        Raises:
            WeightsError: not accepted, not here, damaged, or not to be written.
        """
        model = find_model(name)
        _require_accepted(model, accepted_licence)
        stored = self.stored(name)
        if stored is None:
            raise WeightsError(f"{name} is not on this machine: `cleanplate models list` shows what is")
        self._intact(name, stored)
        folder = self.folder / name
        with _writing(folder):
            _write_record(folder, replace(stored, licence=model.licence))

    def fetch(self, name: str, accepted_licence: str, progress: Progress) -> Stored:
        """Downloads the official weights; goes on where an earlier attempt broke off.

        Args:
            accepted_licence: Model.licence, as a sign that the user was shown it and agreed.
        Raises:
            WeightsError: not accepted, nothing to download, no network, or not what was expected.
        """
        model = find_model(name)
        if model.url is None:
            raise WeightsError(_no_download(model))
        url = model.url
        return self._take_in(
            model, model.files[0], url, accepted_licence, lambda part: download(url, part, progress)
        )

    def import_file(self, name: str, source: Path, accepted_licence: str) -> Stored:
        """Copies weights from a file of the user's. Arguments and errors as `fetch`."""
        if not source.is_file():
            raise WeightsError(f"there is no file {source} to import: check the path")

        def copy(part: Path) -> None:
            try:
                shutil.copyfile(source, part)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise WeightsError(
                    f"{source} cannot be copied to {part} ({error.strerror or error}): "
                    "check the rights of both, and the room there"
                ) from error

        return self._take_in(find_model(name), source.name, str(source.resolve()), accepted_licence, copy)

    def remove(self, name: str) -> None:
        """Deletes a model's weights, also half-fetched ones. WeightsError when there are none."""
        model = find_model(name)
        if model.bundled:
            raise WeightsError(f"{name} is part of cleanplate and cannot be removed")
        folder = self.folder / name
        if not folder.is_dir():
            raise WeightsError(f"{name} is not on this machine: `cleanplate models list` shows what is")
        with _writing(folder):
            shutil.rmtree(folder)

    def _take_in(
        self, model: Model, file: str, origin: str, accepted_licence: str, bring: Callable[[Path], None]
    ) -> Stored:
        if model.bundled:
            raise WeightsError(f"{model.name} is part of cleanplate: it is here already")
        _require_accepted(model, accepted_licence)
        folder = self.folder / model.name
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        # The ending stays last: it tells the reader the format.
        part = folder / f"part.{file}"
        bring(part)
        try:
            sha256 = _sha256(part)
            if model.sha256 is not None and origin == model.url and sha256 != model.sha256:
                raise WeightsError(
                    f"{origin} is not what it was: its checksum is {sha256}, not {model.sha256}; "
                    "take the file from another source and use `cleanplate models import`"
                )
            load_model(model.name, part)
            with _writing(folder):
                part.replace(folder / file)
                stored = Stored(file, sha256, (folder / file).stat().st_size, origin, model.licence)
                _write_record(folder, stored)
                for old in folder.iterdir():
                    if old.name not in (file, _RECORD):
                        old.unlink()
        except Exception:  # whatever is wrong with it; Ctrl-C alone throws no download away
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        return stored

    def _intact(self, name: str, stored: Stored) -> Path:
        """The file of weights, its checksum compared. WeightsError: missing or damaged."""
        path = self.folder / name / stored.file
        if not path.is_file() or _sha256(path) != stored.sha256:
            raise WeightsError(
                f"{path} is missing or damaged (its checksum changed): `cleanplate models remove {name}`, "
                "then get it again"
            )
        return path


def _require_accepted(model: Model, accepted_licence: str) -> None:
    if accepted_licence != model.licence:
        raise WeightsError(f"{model.name} is under {model.licence} ({model.licence_url}): accept it first")


def _write_record(folder: Path, stored: Stored) -> None:
    part = folder / f"part.{_RECORD}"  # a full disk leaves the record that is there
    part.write_text(json.dumps(asdict(stored), indent=2) + "\n")
    part.replace(folder / _RECORD)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """A refusal of the file system as a WeightsError."""
    try:
        yield
    except OSError as error:
        raise WeightsError(
            f"{error.filename or folder} cannot be changed ({error.strerror}): check the rights and the room "
            f"of {folder}"
        ) from error


def _no_download(model: Model) -> str:
    if model.bundled:
        return f"{model.name} is part of cleanplate: it is here already"
    return (
        f"{model.name} has no direct download: get {model.files[0]} from {model.page} with a browser, "
        f"then `cleanplate models import {model.name} FILE`"
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}): check its rights") from error
