"""The browser that looks at our pages asks again for one that did not come."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.live.chromium import Chromium, find_chromium

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="needs chromium, which is not installed")


@pytest.fixture
def server():
    """Its `silent` first requests for a page get no answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/page" and server.silent > 0:
                server.silent -= 1
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<p>here")

        def log_message(self, *words: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def words_on(url: str) -> str:
    async def look() -> str:
        async with Chromium(str(find_chromium())) as browser:
            await browser.open(url)
            return str(await browser.evaluate("document.body.textContent"))

    return asyncio.run(look())


def test_a_page_that_did_not_come_at_first_is_asked_for_again(server):
    server.silent = 2
    assert words_on(f"http://127.0.0.1:{server.server_port}/page") == "here"
    assert server.silent == 0


def test_what_was_shown_instead_is_named_when_no_try_helps(server):
    server.silent = 1 << 16
    with pytest.raises(TimeoutError, match="ERR_EMPTY_RESPONSE"):
        words_on(f"http://127.0.0.1:{server.server_port}/page")
