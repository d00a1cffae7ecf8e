"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers give /dev/shm 64 MB
    "--remote-debugging-port=0",
)
TRIES = 4  # to show a page


def find_chromium() -> str | None:
    """The program's path, or None where this machine has none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Chromium:
    """`async with Chromium(...) as browser`: one page of one browser with a profile of its own.

    patience_s: how long the start and each command may take.
    """

    def __init__(
        self, program: str, *flags: str, size: tuple[int, int] = (1280, 900), patience_s: float = 60
    ) -> None:
        self._patience_s = patience_s
        self._program = program
        self._flags = flags
        self._size = size
        self._calls = 0

    async def __aenter__(self) -> Chromium:
        self._profile = tempfile.TemporaryDirectory(prefix="cleanplate-chromium-", ignore_cleanup_errors=True)
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *FLAGS,
            *self._flags,
            f"--user-data-dir={self._profile.name}",
            f"--window-size={self._size[0]},{self._size[1]}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            self._session = aiohttp.ClientSession()
            address = await asyncio.wait_for(self._debugging_address(), self._patience_s)
            async with self._session.get(f"http://{address}/json/list") as reply:
                targets = await reply.json()
            page = next(target for target in targets if target["type"] == "page")
            self._socket = await self._session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)
        except BaseException:
            await self._quit()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._quit()

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, e.g. `Page.navigate`; its result."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=self._patience_s)
            if message.get("id") == self._calls:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        result = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    async def open(self, url: str) -> None:
        """Shows the page, whole. Asked for again where something else is shown, or nothing: while a browser
        starts, its own blank page or news of the network may end what is under way."""
        shown = ""
        for _ in range(TRIES):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s / TRIES):
                    error = (await self.call("Page.navigate", url=url)).get("errorText")
                    await self.until("document.readyState == 'complete'")
                    shown = error or await self.evaluate("location.href")
            if shown.startswith(url):
                return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{url} is not shown after {TRIES} tries, but {shown or 'nothing'}")

    async def until(self, expression: str) -> Any:
        """The first value of the expression that is true."""
        value: Any = None
        try:
            async with asyncio.timeout(self._patience_s):
                while not (value := await self.evaluate(expression)):
                    await asyncio.sleep(0.1)
                return value
        except TimeoutError as error:
            raise TimeoutError(f"{expression} was {value} to the end") from error

    async def screenshot(self, path: Path) -> None:
        result = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))

    async def _debugging_address(self) -> str:
        assert self._process.stderr is not None
        said = b""
        async for line in self._process.stderr:
            said += line
            found = re.search(rb"DevTools listening on ws://([^/]+)/", line)
            if found:
                self._drain = asyncio.create_task(self._process.stderr.read())
                return found[1].decode()
        raise RuntimeError(f"Chromium did not start: {said.decode(errors='replace')}")

    async def _quit(self) -> None:
        if hasattr(self, "_socket"):
            await self._socket.close()
        await self._session.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if hasattr(self, "_drain"):
            await self._drain
        self._profile.cleanup()
