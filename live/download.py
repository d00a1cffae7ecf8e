"""Fetches a file over HTTP, and goes on where an earlier attempt broke off."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from core.errors import WeightsError

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says

_TIMEOUT_S = 30  # without a single byte
_CHUNK_BYTES = 1 << 18
_PARTIAL, _RANGE_NOT_SATISFIABLE = 206, 416


def download(url: str, path: Path, progress: Progress) -> None:
    """Completes `path`: what lies there is taken for the beginning of the file.

    The server's mark of the version (ETag) is kept beside it, so that two versions are never joined;
    it goes when the file is whole. Blocks.

    Raises:
        WeightsError: no network, a refusal, a connection that broke off, a full disk. What has
            arrived stays for the next attempt.
    """
    mark = path.with_name(path.name + ".etag")
    try:
        _receive(url, path, mark, progress)
    except urllib.error.HTTPError as error:
        raise WeightsError(
            f"{url} cannot be had: the server answers {error.code} {error.reason}; "
            "get the file by other means and use `cleanplate models import`"
        ) from error
    except urllib.error.URLError as error:
        raise WeightsError(
            f"{_host(url)} cannot be reached ({error.reason}): connect to the network and try again, "
            "or bring the file from another machine and use `cleanplate models import`"
        ) from error
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _broken_off(path, None) from error
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be written ({error.strerror}): make room, then try again"
        ) from error
    mark.unlink(missing_ok=True)


def _receive(url: str, path: Path, mark: Path, progress: Progress) -> None:
    have = path.stat().st_size if path.exists() else 0
    try:
        response = _open(url, have, mark.read_text() if mark.exists() else "")
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_NOT_SATISFIABLE or have == 0:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return  # it was whole already
        path.unlink()
        response = _open(url, 0, "")
    with response:
        start = have if response.status == _PARTIAL and _first_byte(response) == have else 0
        if response.status == _PARTIAL and start == 0 and have:
            raise WeightsError(f"{_host(url)} sent another part than asked for: delete {path} and try again")
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        mark.write_text(response.headers.get("ETag") or "")
        done = start
        with path.open("ab" if start else "wb") as file:
            progress(done, total)
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
    if total is not None and done < total:
        raise _broken_off(path, total)


def _open(url: str, have: int, etag: str) -> http.client.HTTPResponse:
    headers = {"User-Agent": "cleanplate", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag and not etag.startswith("W/"):  # a weak mark does not promise equal bytes
            headers["If-Range"] = etag
    answer: http.client.HTTPResponse = urllib.request.urlopen(
        urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S
    )
    return answer


def _first_byte(response: http.client.HTTPResponse) -> int:
    """Of `Content-Range: bytes 100-199/200`; -1 when it is not given."""
    words = (response.headers.get("Content-Range") or "").removeprefix("bytes ").split("-")
    return int(words[0]) if words[0].isdigit() else -1


def _broken_off(path: Path, total: int | None) -> WeightsError:
    done = path.stat().st_size if path.exists() else 0
    of = "" if total is None else f" of {total / 1e6:.1f}"
    return WeightsError(
        f"the connection broke off after {done / 1e6:.1f}{of} MB: try again, it goes on from there"
    )


def _host(url: str) -> str:
    return url.split("/")[2]
