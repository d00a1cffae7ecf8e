"""What is said to a media server by HTTP: here is an offer, and later that it ends (RFC 9725)."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping

import aiohttp
from yarl import URL

from core.errors import DeviceError
from live.web.endpoint import SCHEMES, Endpoint, shown

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0  # for all requests until there is an answer
END_TIMEOUT_S = 0.5  # of the second that a stop may take
EARLIER_TIMEOUT_S = 2.0
MOST_REDIRECTS = 5
REDIRECTS = (307, 308)  # RFC 9725, section 4.5: those that keep method and body
LARGEST_ANSWER = 65_536  # bytes
MOST_SAID = 120  # characters of what a server says that are shown
SDP = "application/sdp"
TOKEN_HINT = "set CLEANPLATE_WEB_WHIP_TOKEN, or whip_token under [web]"

# Sessions whose end the server has not heard, as when the network is gone. Some servers keep them, and the
# stream is taken by ourselves, so that this is told before there is another offer to the same endpoint.
_unheard: dict[Endpoint, URL] = {}


class Signalling:
    """One session at one endpoint. Lives on an event loop; whoever makes it calls `end`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: URL | None = None
        # Without a proxy, and without what ~/.netrc knows (trust_env), nobody else is told.
        self._http = aiohttp.ClientSession(headers={"User-Agent": "cleanplate"})

    async def answer_to(self, offer: str) -> str:
        """The server's answer to the offer, both SDP. DeviceError: none, and why."""
        url = self._endpoint.url
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                earlier = _unheard.pop(self._endpoint, None)
                if earlier is not None:
                    await self._delete(earlier, EARLIER_TIMEOUT_S)
                for _ in range(MOST_REDIRECTS + 1):
                    answer = await self._post(url, offer)
                    if isinstance(answer, str):
                        return answer
                    url = answer
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise unreachable(error, url) from error
        raise DeviceError(
            f"{self._endpoint} sends on more than {MOST_REDIRECTS} times: ask its operator which address "
            "takes the stream"
        )

    async def end(self) -> None:
        """Tells the server that it is over, where there is a session; gives up after half a second."""
        session, self._session = self._session, None
        try:
            if session is not None:
                await self._delete(session, END_TIMEOUT_S)
        finally:
            await self._http.close()

    async def _delete(self, session: URL, timeout_s: float) -> None:
        heard = False
        try:
            async with asyncio.timeout(timeout_s):
                headers = self._endpoint.headers_for(session)
                async with self._http.delete(session, headers=headers, allow_redirects=False) as reply:
                    log.info("whip: %s ends the session: %d", self._endpoint, reply.status)
                    heard = reply.status < 500
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.info("whip: %s was not told of the end: %s", self._endpoint, type(error).__name__)
        finally:
            if not heard:
                _unheard[self._endpoint] = session

    async def _post(self, url: URL, offer: str) -> str | URL:
        """The answer, or the address to which the server sends on."""
        headers = {"Content-Type": SDP} | self._endpoint.headers_for(url)
        async with self._http.post(url, data=offer.encode(), headers=headers, allow_redirects=False) as reply:
            if reply.status in REDIRECTS:
                return self._next(url, reply.headers.get("Location", ""))
            text = await beginning_of(reply)
            if reply.status != 201:
                raise refusal(self._endpoint, url, reply.status, reply.headers, text)
            self._session = session_at(url, reply.headers.get("Location", ""))
            if self._session is None:
                log.info("whip: %s names no session, so its end cannot be told", self._endpoint)
            if reply.content_type != SDP and not text.startswith("v=0"):
                raise DeviceError(
                    f"{shown(url)} answers with {reply.content_type}, not {SDP}: check that the address is "
                    "that of a WHIP endpoint"
                )
            return text

    def _next(self, url: URL, location: str) -> URL:
        try:
            target = url.join(URL(location)) if location else None
        except ValueError:
            target = None
        if target is None or target.scheme not in SCHEMES or not target.host:
            raise DeviceError(f"{shown(url)} sends on to no address that can be asked: tell its operator")
        if url.scheme == "https" and target.scheme == "http":
            raise DeviceError(
                f"{shown(url)} sends on from https to http, to {shown(target)}, where others could read and "
                "change what is said: give that address yourself if you trust the way there"
            )
        log.info("whip: %s sends on to %s", shown(url), shown(target))
        return target.with_user(None).with_fragment(None)


async def beginning_of(reply: aiohttp.ClientResponse) -> str:
    """The text of a reply, as far as anybody needs it."""
    data = b""
    while len(data) < LARGEST_ANSWER and (part := await reply.content.read(LARGEST_ANSWER - len(data))):
        data += part
    return data.decode(errors="replace")


def session_at(url: URL, location: str) -> URL | None:
    """The session's address, against that which answered; None where there is none that may be asked."""
    try:
        session = url.join(URL(location)) if location else None
    except ValueError:
        return None
    if session is None or session.scheme not in SCHEMES or not session.host:
        return None
    if url.scheme == "https" and session.scheme == "http":
        return None  # its address is the key to the session
    return session.with_user(None).with_fragment(None)


def refusal(endpoint: Endpoint, url: URL, status: int, headers: Mapping[str, str], text: str) -> DeviceError:
    """What a status other than 201 comes to, in words.

    url: what answered, at the end of all redirects. text: what the server says itself.
    """
    where = shown(url)
    said = endpoint.without_secrets(first_line(text, headers.get("Content-Type", "")))
    told = f"{status}: {said}" if said else str(status)
    if status in (401, 403):
        if endpoint.credentials and not endpoint.headers_for(url):
            return DeviceError(
                f"{where} wants a token ({told}), and yours, which was for {endpoint}, was not passed on to "
                "it: if you trust it, give its address as the output"
            )
        if status == 403:  # also said of a stream that is taken, and of a ban
            check = "check the token, or password, and that nobody else is sending there"
            if not endpoint.credentials:
                check = f"check that nobody else is sending there; if it wants a token, {TOKEN_HINT}"
            return DeviceError(f"{where} refuses the stream ({told}): {check}")
        if endpoint.credentials:
            return DeviceError(
                f"{where} refuses the token, or password ({told}): check that it is the one for this stream, "
                "and has not run out"
            )
        return DeviceError(f"{where} wants a token ({told}): {TOKEN_HINT}")
    if status == 404:
        return DeviceError(f"there is no WHIP endpoint at {where} ({told}): check the address")
    if status == 503:
        asked = headers.get("Retry-After", "")
        wait = f" in {asked} s" if asked.isascii() and asked.isdigit() else " later"
        return DeviceError(f"{where} is busy ({told}): try again{wait}")
    if status >= 500:
        return DeviceError(f"{where} has an error of its own ({told}): try again later, or look into its log")
    if status >= 400:
        return DeviceError(
            f"{where} does not take the stream ({told}): check that the address is that of a WHIP endpoint, "
            "and that it takes H.264 or VP8"
        )
    return DeviceError(
        f"{where} answers with {told}, not 201: check that the address is that of a WHIP endpoint"
    )


def first_line(text: str, content_type: str) -> str:
    """What a server says of an error, short and printable; nothing of a page made for browsers.

    Express calls whatever it is given text/html, also a mere sentence.
    """
    if "html" in content_type.lower() and "<" in text:
        return ""
    if "json" in content_type.lower():
        text = message_in(text)
    lines = ("".join(filter(str.isprintable, line)).strip() for line in text.splitlines())
    line = next((line for line in lines if line), "")
    return line if len(line) <= MOST_SAID else line[: MOST_SAID - 1] + "…"


def message_in(text: str) -> str:
    """The sentence of an error in JSON, by the names that servers use for it; else the text."""
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text
    if isinstance(found, dict):
        for name in ("error", "message", "detail"):
            if isinstance(found.get(name), str):
                return str(found[name])
    return text


def unreachable(error: Exception, url: URL) -> DeviceError:
    """What kept a request from being answered, in words."""
    server = f"{url.host}:{url.port}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return DeviceError(f"the name {url.host} is not known: check the address, and the network")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "it does not fit"
        return DeviceError(
            f"the certificate of {server} is not trusted ({reason}): check the name in the address, or give "
            "the server a certificate that this machine trusts"
        )
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return DeviceError(f"{server} does not speak TLS as it should: does its address begin with http://?")
    if isinstance(error, TimeoutError):
        return DeviceError(
            f"{shown(url)} does not answer in {ANSWER_TIMEOUT_S:g} s: check the address, and the network"
        )
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return DeviceError(
            f"nothing listens at {server} (connection refused): start the server, or check address and port"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or type(error.os_error).__name__
        return DeviceError(f"{server} cannot be reached ({reason}): check the address, and the network")
    return DeviceError(
        f"{shown(url)} does not speak HTTP as it should ({type(error).__name__}): check address and port, "
        "and whether it is https:// or http://"
    )
