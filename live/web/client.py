"""Asks the page of a cleanplate that runs on this machine, as the page itself does."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from core.errors import DeviceError, SettingsError

PATIENCE_S = 15  # a video is opened, and a large picture read, before the answer


class Client:
    """What stands behind the person, asked and changed from another process.

    host, port: where the page is (settings: web.host, web.port).
    Raises: DeviceError: no cleanplate answers there. SettingsError: what it refuses, in its words.
    """

    def __init__(self, host: str, port: int) -> None:
        self._url = f"http://{host}:{port}"
        self.url = f"{self._url}/"
        self._opener = build_opener(ProxyHandler({}))  # a proxy would not find this machine

    def now(self) -> str:
        """The word for what stands behind; SettingsError where it cannot be changed."""
        background = self._ask("state").get("background")
        if not isinstance(background, str):
            raise SettingsError(
                "the background cannot be changed now: what runs is transparent, which is for a whole run, "
                "or waits for a camera"
            )
        return background

    def offered(self) -> tuple[str, list[str]]:
        """The folder of pictures and videos, and their names."""
        said = self._ask("backgrounds")
        return str(said["folder"]), [str(name) for name in said["files"]]

    def choose(self, word: str) -> str:
        """Changes it; the word for what stands behind now."""
        body = json.dumps({"background": word}).encode()
        return str(self._ask("background", body, "application/json")["background"])

    def add(self, name: str, data: bytes) -> str:
        """Adds a picture; the name under which it is on offer."""
        return str(self._ask(f"backgrounds/{quote(name)}", data, "application/octet-stream")["name"])

    def _ask(self, path: str, body: bytes | None = None, kind: str = "") -> dict[str, Any]:
        headers = {"Origin": self._url} | ({"Content-Type": kind} if kind else {})
        request = Request(f"{self._url}/{path}", body, headers)
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                said = json.loads(answer.read())
        except HTTPError as error:
            said = error.read().decode(errors="replace").strip()
            if error.code in (400, 413) and said:
                raise SettingsError(said.splitlines()[0]) from error
            raise self._stranger(f"answers {error.code}") from error
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise self._stranger(getattr(reason, "strerror", None) or str(reason) or "no answer") from error
        except ValueError as error:
            raise self._stranger("what answers is another program") from error
        if not isinstance(said, dict):
            raise self._stranger("what answers is another program")
        return said

    def _stranger(self, why: str) -> DeviceError:
        return DeviceError(
            f"no cleanplate with a page is found at {self.url} ({why}): start `cleanplate run`, or give "
            "the --port that it printed"
        )
