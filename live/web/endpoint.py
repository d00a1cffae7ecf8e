"""Where a media server takes a stream by WHIP: its address, and what logs in there and is never shown."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from functools import cached_property

from yarl import URL

from core.errors import SettingsError

SCHEMES = ("https", "http")
EXAMPLE = "whip:https://server.example/live/whip"
HIDDEN = "…"
LONGEST_SHOWN = 20  # characters of a part of a path; longer ones are keys, as Cloudflare's are


@dataclass(frozen=True)
class Endpoint:
    """An address that can be asked, and what is sent along.

    url: without user, password and fragment; the query is kept, some servers have their key there.
    credentials: the Authorization header's value, or "".
    secrets: what must not be in words that somebody reads.
    """

    url: URL = field(repr=False)
    credentials: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return shown(self.url)

    @cached_property
    def loopback(self) -> str | None:
        """The address by which the server is on this machine, if its name says so."""
        host = self.url.host or ""
        if host == "localhost":
            return "127.0.0.1"
        try:
            return host if ipaddress.ip_address(host).is_loopback else None
        except ValueError:
            return None

    def headers_for(self, url: URL) -> dict[str, str]:
        """The Authorization header where `url` is of this server: same scheme, host and port."""
        mine = origin(url) == origin(self.url)
        return {"Authorization": self.credentials} if self.credentials and mine else {}

    def without_secrets(self, words: str) -> str:
        """The words, fit to be shown."""
        for secret in self.secrets:
            words = words.replace(secret, HIDDEN)
        return words


def parsed_endpoint(text: str, token: str = "") -> Endpoint:
    """The endpoint at an address as somebody wrote it.

    token: for "Authorization: Bearer" (RFC 9725, section 4.7); not used where the address has a user of its
        own, which is sent as "Authorization: Basic".
    Raises:
        SettingsError: no address of http or https. It does not show what may be secret.
    """
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise SettingsError(f"output whip: what follows is no address: write {EXAMPLE}") from error
    if url.scheme not in SCHEMES:
        what = f"{url.scheme}: is no scheme for it" if url.scheme else "the address has no scheme"
        raise SettingsError(f"output whip: {what}: write https:// or http://, as in {EXAMPLE}")
    if not url.host or not port or any(not " " < letter < "\x7f" for letter in url.raw_host or " "):
        raise SettingsError(f"output whip: the address names no server: write {EXAMPLE}")
    credentials = f"Bearer {token}" if token else ""
    if url.user is not None:
        login = f"{url.user}:{url.password or ''}".encode()
        credentials = f"Basic {base64.b64encode(login).decode()}"
    keys = [part for part in url.path.split("/") if len(part) > LONGEST_SHOWN]
    kept = (token, url.user, url.password, url.query_string, url.raw_query_string, *url.query.values(), *keys)
    secrets = sorted({secret for secret in kept if secret}, key=len, reverse=True)
    return Endpoint(url.with_user(None).with_fragment(None), credentials, tuple(secrets))


def origin(url: URL) -> tuple[str, str | None, int | None]:
    """Scheme, host and port; yarl's own takes :443 for another port than none."""
    return url.scheme, url.host, url.port


def shown(url: URL) -> str:
    """Host, port where it is not the usual one, and path: no user, no password, no query, no key."""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host
    port = "" if url.is_default_port() else f":{url.port}"
    path = "".join(letter for letter in url.path if letter.isprintable())
    parts = (HIDDEN if len(part) > LONGEST_SHOWN else part for part in path.split("/"))
    return f"{host}{port}{'/'.join(parts)}"
