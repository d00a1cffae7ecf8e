"""What a request brings, or the refusal that it gets."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


async def text_of(request: web.Request) -> str:
    """What a request brings: UTF-8, which SDP and JSON are, whatever else it calls itself.

    Raises: HTTPBadRequest, HTTPRequestEntityTooLarge.
    """
    try:
        return (await request.read()).decode()
    except UnicodeDecodeError as error:
        raise web.HTTPBadRequest(text="Send UTF-8.\n") from error


async def wanted_of(request: web.Request, key: str, kind: type, example: str) -> Any:
    """The value of a key of the JSON that our page sends. example: of it, in JSON.

    Raises: HTTPForbidden, HTTPUnsupportedMediaType, HTTPBadRequest, HTTPRequestEntityTooLarge.
    """
    refuse_programs(request)
    usage = f'Send {{"{key}": {example}}} as application/json.\n'
    if request.content_type != "application/json":  # which a form of another page cannot send
        raise web.HTTPUnsupportedMediaType(text=usage)
    text = await text_of(request)
    try:
        wanted = json.loads(text)[key]
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError):
        wanted = None
    if not isinstance(wanted, kind):
        raise web.HTTPBadRequest(text=usage)
    return wanted


def refuse_programs(request: web.Request) -> None:
    """HTTPForbidden for what no page sends: browsers always name the page, and another one was refused."""
    if "Origin" not in request.headers:
        raise web.HTTPForbidden(text="Only the page of cleanplate may do this.\n")
