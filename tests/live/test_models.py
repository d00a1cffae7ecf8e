"""Fetching, importing, keeping and exporting models, from a server on this machine alone."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.errors import CleanplateError, SettingsError, WeightsError
from core.matte.working_size import MULTIPLE
from core.nets.bgm2020 import BackgroundMatting2020
from core.nets.bgmv2 import Setting
from core.nets.registry import MODELS, load_model
from core.runtime.base import WEIGHTS
from core.runtime.compiled import compile_on_cpu
from core.runtime.export import Exported
from core.runtime.torch import TorchPlateNet, load_platenet
from live.cli import models as cli
from live.download import download
from live.models_store import ModelStore

NAME = "bgm2020"  # of which a tiny one is built from a tiny file
FILE = "netG_epoch_12.pth"


class WeightsServer:
    """One file on 127.0.0.1, with ranges and an ETag; it can hang up early.

    hang_up_after: bytes of the body after which the connection is closed, once.
    ranges: the Range header of each request, None where it had none.
    """

    def __init__(self) -> None:
        self.body = b""
        self.etag = '"one"'
        self.hang_up_after: int | None = None
        self.ranges: list[str | None] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), name="weights server")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{FILE}"

    def close(self) -> None:
        """Safe to call twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        if not request.path.endswith(FILE):
            request.send_error(404)
            return
        start = 0
        if wanted and request.headers.get("If-Range", self.etag) == self.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.body) > 0:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        rest = self.body[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        request.send_header("Content-Length", str(len(rest)))
        request.send_header("ETag", self.etag)
        request.end_headers()
        request.wfile.write(rest[: self.hang_up_after])
        self.hang_up_after = None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = WeightsServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / FILE
    state = BackgroundMatting2020(width=4).state_dict()
    torch.save({f"module.{key}": tensor for key, tensor in state.items()}, path)
    return path


@pytest.fixture
def published(server: WeightsServer, weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsServer:
    """The tiny model stands in the table as if it could be downloaded."""
    server.body = weights_file.read_bytes()
    monkeypatch.setitem(MODELS, NAME, dataclasses.replace(MODELS[NAME], url=server.url))
    return server


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("live.models_store.platformdirs.user_data_path", lambda app: tmp_path / app)
    return ModelStore()


def silent(done: int, total: int | None) -> None:
    pass


def run(*arguments: str) -> str:
    """What a command prints; its CleanplateError is raised."""
    result = CliRunner().invoke(cli.app, list(arguments))
    if isinstance(result.exception, CleanplateError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


LICENCE = MODELS[NAME].licence


def test_fetches_a_file_and_says_how_far_it_is(server: WeightsServer, tmp_path: Path):
    server.body = bytes(range(256)) * 4000
    seen: list[tuple[int, int | None]] = []
    download(server.url, tmp_path / "part", lambda done, total: seen.append((done, total)))
    assert (tmp_path / "part").read_bytes() == server.body
    assert seen[0] == (0, len(server.body))
    assert seen[-1] == (len(server.body), len(server.body))
    assert [p.name for p in tmp_path.iterdir()] == ["part"]


def test_goes_on_where_the_connection_broke_off(server: WeightsServer, tmp_path: Path):
    server.body = bytes(range(256)) * 4000
    server.hang_up_after = 300_000
    with pytest.raises(WeightsError, match=r"broke off after 0\.3 of 1\.0 MB: try again"):
        download(server.url, tmp_path / "part", silent)
    seen: list[int] = []
    download(server.url, tmp_path / "part", lambda done, total: seen.append(done))
    assert (tmp_path / "part").read_bytes() == server.body
    assert server.ranges == [None, "bytes=300000-"]
    assert seen[0] == 300_000


def test_starts_again_when_the_file_changed_in_between(server: WeightsServer, tmp_path: Path):
    server.body = b"a" * 100_000
    server.hang_up_after = 50_000
    with pytest.raises(WeightsError, match="broke off"):
        download(server.url, tmp_path / "part", silent)
    server.body, server.etag = b"b" * 100_000, '"two"'
    download(server.url, tmp_path / "part", silent)
    assert (tmp_path / "part").read_bytes() == server.body


def test_a_part_that_is_whole_already_is_taken_as_it_is(server: WeightsServer, tmp_path: Path):
    server.body = b"a" * 1000
    (tmp_path / "part").write_bytes(server.body)
    download(server.url, tmp_path / "part", silent)
    assert (tmp_path / "part").read_bytes() == server.body
    (tmp_path / "part").write_bytes(b"longer" * 1000)
    download(server.url, tmp_path / "part", silent)
    assert (tmp_path / "part").read_bytes() == server.body


def test_says_in_a_sentence_that_there_is_no_network_or_no_such_file(server: WeightsServer, tmp_path: Path):
    with pytest.raises(WeightsError, match="the server answers 404"):
        download(server.url + ".gone", tmp_path / "part", silent)
    url = server.url
    server.close()
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1:\d+ cannot be reached .*: connect to the network"):
        download(url, tmp_path / "part", silent)


def test_fetched_weights_are_kept_with_checksum_origin_and_licence(
    published: WeightsServer, store: ModelStore
):
    stored = store.fetch(NAME, LICENCE, silent)
    assert stored.sha256 == hashlib.sha256(published.body).hexdigest()
    assert stored.origin == published.url
    assert stored.licence == LICENCE
    assert store.stored(NAME) == stored
    assert sorted(p.name for p in (store.folder / NAME).iterdir()) == ["model.json", FILE]
    net = load_model(NAME, store.weights(NAME))
    assert sum(p.numel() for p in net.parameters()) > 1000


def test_a_broken_off_fetch_goes_on_and_is_not_used_before(published: WeightsServer, store: ModelStore):
    published.hang_up_after = 10_000
    with pytest.raises(WeightsError, match="try again"):
        store.fetch(NAME, LICENCE, silent)
    with pytest.raises(WeightsError, match="not on this machine"):
        store.weights(NAME)
    store.fetch(NAME, LICENCE, silent)
    assert published.ranges == [None, "bytes=10000-"]
    assert store.weights(NAME).read_bytes() == published.body


def test_nothing_is_asked_of_the_server_before_the_licence_is_accepted(
    published: WeightsServer, store: ModelStore
):
    with pytest.raises(WeightsError, match="CC BY-NC-SA"):
        store.fetch(NAME, "", silent)
    with pytest.raises(WeightsError, match=f"`cleanplate models fetch {NAME}`"):
        store.weights(NAME)
    assert published.ranges == []


def test_weights_whose_licence_was_never_accepted_are_not_used(published: WeightsServer, store: ModelStore):
    store.fetch(NAME, LICENCE, silent)
    record = store.folder / NAME / "model.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "licence": ""}))
    with pytest.raises(WeightsError, match="has not been accepted"):
        store.weights(NAME)


def test_damaged_weights_are_not_used(published: WeightsServer, store: ModelStore):
    store.fetch(NAME, LICENCE, silent)
    with (store.folder / NAME / FILE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsError, match="checksum changed"):
        store.weights(NAME)


def test_what_arrives_must_be_the_expected_file_of_that_network(
    published: WeightsServer, store: ModelStore, monkeypatch: pytest.MonkeyPatch
):
    published.body = b"<html>please log in</html>"
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        store.fetch(NAME, LICENCE, silent)
    assert list((store.folder / NAME).iterdir()) == []
    monkeypatch.setitem(MODELS, NAME, dataclasses.replace(MODELS[NAME], sha256="0" * 64))
    with pytest.raises(WeightsError, match="is not what it was"):
        store.fetch(NAME, LICENCE, silent)


def test_imports_a_file_and_replaces_what_was_there(store: ModelStore, weights_file: Path, tmp_path: Path):
    store.import_file(NAME, weights_file, LICENCE)
    other = tmp_path / "netG_epoch_64.pth"
    torch.save(BackgroundMatting2020(width=8).state_dict(), other)
    stored = store.import_file(NAME, other, LICENCE)
    assert stored.origin == str(other.resolve())
    assert store.weights(NAME).name == "netG_epoch_64.pth"
    assert sorted(p.name for p in (store.folder / NAME).iterdir()) == ["model.json", "netG_epoch_64.pth"]


def test_a_failed_import_leaves_what_was_there(store: ModelStore, weights_file: Path, tmp_path: Path):
    store.import_file(NAME, weights_file, LICENCE)
    (tmp_path / "other.pth").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        store.import_file(NAME, tmp_path / "other.pth", LICENCE)
    assert store.weights(NAME).read_bytes() == weights_file.read_bytes()


def test_what_cannot_even_be_judged_is_not_kept(
    store: ModelStore, weights_file: Path, monkeypatch: pytest.MonkeyPatch
):
    def load(name, path):
        raise MemoryError

    monkeypatch.setattr("live.models_store.load_model", load)
    with pytest.raises(MemoryError):
        store.import_file(NAME, weights_file, LICENCE)
    assert list((store.folder / NAME).iterdir()) == []


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_store_that_cannot_be_written_is_said_in_a_sentence(
    store: ModelStore, weights_file: Path, monkeypatch: pytest.MonkeyPatch
):
    store.folder.parent.mkdir()
    store.folder.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"models/bgm2020 cannot be changed \(Not a directory\): check"):
        store.import_file(NAME, weights_file, LICENCE)
    store.folder.unlink()
    store.import_file(NAME, weights_file, LICENCE)
    (store.folder / NAME / "part.other.pth").write_text("of an earlier attempt")
    for refused in ("pathlib.Path.replace", "pathlib.Path.unlink", "pathlib.Path.write_text"):
        with monkeypatch.context() as patched:
            patched.setattr(refused, refuse)
            with pytest.raises(WeightsError, match=r"bgm2020 cannot be changed \(Permission denied\): check"):
                store.import_file(NAME, weights_file, LICENCE)
        assert store.weights(NAME).read_bytes() == weights_file.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", refuse)
        with pytest.raises(WeightsError, match=r"bgm2020 cannot be changed \(Permission denied\): check"):
            store.remove(NAME)
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.read_text", refuse)
        with pytest.raises(WeightsError, match=r"model\.json cannot be read \(Permission denied\)"):
            store.weights(NAME)
    assert store.weights(NAME).is_file()


def test_a_file_that_cannot_be_copied_whole_leaves_nothing(
    store: ModelStore, weights_file: Path, monkeypatch: pytest.MonkeyPatch
):
    def copy(source, target):
        target.write_bytes(b"half")
        refuse()

    monkeypatch.setattr("shutil.copyfile", copy)
    with pytest.raises(WeightsError, match=r"cannot be copied to .* \(Permission denied\)"):
        store.import_file(NAME, weights_file, LICENCE)
    assert list((store.folder / NAME).iterdir()) == []


def test_a_network_without_a_direct_download_says_where_to_get_it(store: ModelStore):
    with pytest.raises(
        WeightsError, match=r"get netG_epoch_12\.pth from https://drive\.google\.com.* with a browser"
    ):
        store.fetch(NAME, LICENCE, silent)


def test_the_bundled_network_is_always_there(store: ModelStore):
    assert store.weights("platenet").name == "platenet.safetensors"
    with pytest.raises(WeightsError, match="part of cleanplate"):
        store.remove("platenet")
    with pytest.raises(WeightsError, match="part of cleanplate"):
        store.fetch("platenet", "MIT", silent)


def test_list_names_every_network_with_its_licence(store: ModelStore, weights_file: Path):
    store.import_file(NAME, weights_file, LICENCE)
    lines = {line.split()[0]: line for line in run("list").splitlines()}
    assert set(MODELS) < set(lines)
    assert lines["platenet"].split()[1:3] == ["yes", "used"]
    assert lines["rvm-resnet50"].split()[1:5] == ["no", "not", "used", "GPL-3.0"]
    assert lines[NAME].split()[1:3] == ["yes", "needed"]


def test_fetch_shows_the_licence_and_goes_on_when_told_to(published: WeightsServer, store: ModelStore):
    output = run("fetch", NAME, "--accept-licence")
    assert "CC BY-NC-SA 4.0" in output
    assert "creativecommons.org/licenses/by-nc-sa/4.0" in output
    assert hashlib.sha256(published.body).hexdigest() in output
    assert "is here already" in run("fetch", NAME)
    assert len(published.ranges) == 1


def test_fetch_asks_and_takes_no_for_an_answer(
    published: WeightsServer, store: ModelStore, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(WeightsError, match="give --accept-licence"):
        run("fetch", NAME)
    monkeypatch.setattr(cli, "_somebody_can_answer", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, default: default)
    with pytest.raises(WeightsError, match="was not accepted"):
        run("fetch", NAME)
    assert published.ranges == []
    monkeypatch.setattr("typer.confirm", lambda question, default: True)
    assert f"--model {NAME}" in run("fetch", NAME)


def with_another_licence(store: ModelStore) -> None:
    """The record of the weights that are here, as if their licence had been another one then."""
    record = store.folder / NAME / "model.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "licence": "an older text"}))


@pytest.mark.parametrize("imported", [False, True])
def test_fetch_asks_again_after_the_licence_changed_and_fetches_nothing(
    published: WeightsServer,
    store: ModelStore,
    weights_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    imported: bool,
):
    if imported:
        run("import", NAME, str(weights_file), "--accept-licence")
    else:
        run("fetch", NAME, "--accept-licence")
    asked = list(published.ranges)
    before = store.stored(NAME)
    with_another_licence(store)
    with pytest.raises(WeightsError, match=f"`cleanplate models fetch {NAME}` shows it and asks"):
        store.weights(NAME)
    with pytest.raises(WeightsError, match="give --accept-licence"):
        run("fetch", NAME)
    monkeypatch.setattr(cli, "_somebody_can_answer", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question, default: True)
    output = run("fetch", NAME)
    assert "CC BY-NC-SA 4.0" in output
    assert "is here already" in output
    assert store.stored(NAME) == before
    assert store.weights(NAME).read_bytes() == weights_file.read_bytes()
    assert published.ranges == asked


def test_a_changed_licence_is_not_accepted_for_damaged_weights(published: WeightsServer, store: ModelStore):
    run("fetch", NAME, "--accept-licence")
    with_another_licence(store)
    with (store.folder / NAME / FILE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsError, match="checksum changed"):
        run("fetch", NAME, "--accept-licence")
    assert store.stored(NAME).licence == "an older text"


def test_import_remove_and_unknown_names(store: ModelStore, weights_file: Path):
    assert "sha256" in run("import", NAME, str(weights_file), "--accept-licence")
    assert run("remove", NAME) == f"{NAME} removed\n"
    with pytest.raises(WeightsError, match="is not on this machine"):
        run("remove", NAME)
    with pytest.raises(WeightsError, match="did you mean bgm2020"):
        run("fetch", "bgm2O20")
    with pytest.raises(WeightsError, match="there is no file"):
        run("import", NAME, "nowhere.pth", "--accept-licence")


def test_export_writes_a_checked_file(store: ModelStore, weights_file: Path, tmp_path: Path):
    store.import_file(NAME, weights_file, LICENCE)
    output = run("export", NAME, str(tmp_path / "out.onnx"), "--size", "64x48")
    assert "input frame 1x3x48x64" in output
    assert "differs from torch by" in output
    assert (tmp_path / "out.onnx").is_file()
    with pytest.raises(SettingsError, match="must be like 1280x720"):
        run("export", NAME, str(tmp_path / "out.onnx"), "--size", "large")
    with pytest.raises(SettingsError, match="above 0 and at most 1"):
        run("export", NAME, str(tmp_path / "out.onnx"), "--ratio", "2")


def test_export_takes_the_setting_of_background_matting_v2(
    store: ModelStore, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen = []

    def export(net, size, path, ratio, setting):
        seen.append(setting)
        return Exported(path, (), (), 0.0, 0.0)

    monkeypatch.setattr("core.runtime.export.export_model", export)
    store.import_file(NAME, weights_file, LICENCE)
    out = str(tmp_path / "out.onnx")
    run("export", NAME, out)
    run("export", NAME, out, "--sample-pixels", "5000", "--backbone-scale", "0.3")
    run("export", NAME, out, "--mode", "thresholding", "--threshold", "0.3")
    assert seen == [None, Setting("sampling", 0.3, 5000), Setting("thresholding", threshold=0.3)]
    for wrong, sentence in (
        (("--mode", "everywhere"), "must be one of full, sampling, thresholding"),
        (("--backbone-scale", "0.6"), "at most 0.5"),
        (("--sample-pixels", "-1"), "must be 16 or more"),
        (("--mode", "thresholding", "--threshold", "1.5"), "from 0 to 1"),
        (("--threshold", "0.3"), "--threshold is for --mode thresholding, not for sampling"),
        (
            ("--mode", "full", "--sample-pixels", "16"),
            "--sample-pixels is for --mode sampling, not for full",
        ),
    ):
        with pytest.raises(SettingsError, match=sentence):
            run("export", NAME, out, *wrong)
    assert len(seen) == 3


def test_without_a_size_each_network_gets_one_that_it_takes(
    store: ModelStore, weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sizes = []

    def export(net, size, path, ratio, setting):
        sizes.append(size)
        return Exported(path, (), (), 0.0, 0.0)

    monkeypatch.setattr("core.runtime.export.export_model", export)
    store.import_file(NAME, weights_file, LICENCE)
    for name in ("platenet", str(WEIGHTS), NAME):
        run("export", name, str(tmp_path / "out.onnx"))
    assert sizes == [(832, 480), (832, 480), (1280, 720)]
    assert all(side % MULTIPLE == 0 for side in sizes[0])


@pytest.mark.parametrize("wrong", [("--ratio", "0.5"), ("--mode", "full")])
def test_export_refuses_an_option_of_another_network(
    store: ModelStore, weights_file: Path, tmp_path: Path, wrong: tuple[str, str]
):
    store.import_file(NAME, weights_file, LICENCE)
    with pytest.raises(SettingsError, match=r"is given; only .* leave"):
        run("export", NAME, str(tmp_path / "out.onnx"), *wrong)


def test_the_exported_platenet_is_what_the_program_runs(store: ModelStore, tmp_path: Path):
    run("export", "platenet", str(tmp_path / "out.onnx"), "--size", "96x64")
    rng = np.random.default_rng(0)
    frame, plate = rng.integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)  # nothing that calibration saw
    known, prior = np.full((2, 64, 96), 255, np.uint8)
    expected = TorchPlateNet("cpu").alpha(frame, plate, known, prior) / 255
    inputs = [np.float32(a) / 255 for a in (frame, plate, known[..., None], prior[..., None])]
    inputs = [np.ascontiguousarray(a.transpose(2, 0, 1))[None] for a in inputs]
    exported = compile_on_cpu(str(tmp_path / "out.onnx"), INFERENCE_PRECISION_HINT="f32")(inputs)[0][0, 0]
    assert np.abs(exported - expected).max() < 0.004
    with torch.inference_mode():
        uncut = torch.sigmoid(load_platenet()(*map(torch.from_numpy, inputs))[0])[0, 0].numpy()
    assert np.abs(uncut - expected).max() > 0.02, "this picture does not show whether anything is cut"
