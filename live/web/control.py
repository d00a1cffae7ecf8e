"""What the page turns: the pause, what stands behind the person, and the plate of the room.

    POST /pause              {"paused": true}
    POST /room               {"record": true} photographs the empty room anew; false calls it off
    GET  /backgrounds        {"folder": ..., "files": [names]}
    POST /background         {"background": "blur:0.5"}, a colour, or a file's name
    POST /backgrounds/NAME   a picture, which is on offer from then on
    GET  /backgrounds/NAME   a small JPEG of a file

For the page alone; programs have SIGUSR1 for the pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from core.errors import CleanplateError
from live.backgrounds import LARGEST_PICTURE, Backgrounds
from live.panel import Panel
from live.pause import Pause
from live.retake import Retake
from live.web.requests import refuse_programs, wanted_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The handlers. tell: answers with the state, as it is after a change."""

    def __init__(self, panel: Panel, tell: Handler) -> None:
        self._tell = tell
        self._routes: list[web.RouteDef] = []
        if panel.pause is not None:
            self._add_pause(panel.pause)
        if panel.retake is not None:
            self._add_retake(panel.retake)
        if panel.backgrounds is not None:
            self._add_backgrounds(panel.backgrounds)

    def routes(self) -> list[web.RouteDef]:
        return self._routes

    def _add_pause(self, pause: Pause) -> None:
        async def turn(request: web.Request) -> web.StreamResponse:
            pause.on = await wanted_of(request, "paused", bool, "true")
            return await self._tell(request)

        self._routes.append(web.post("/pause", turn))

    def _add_retake(self, retake: Retake) -> None:
        async def record(request: web.Request) -> web.StreamResponse:
            if await wanted_of(request, "record", bool, "true"):
                await answered(retake.start)
            else:
                retake.cancel()
            return await self._tell(request)

        self._routes.append(web.post("/room", record))

    def _add_backgrounds(self, backgrounds: Backgrounds) -> None:
        async def offer(request: web.Request) -> web.StreamResponse:
            files = await asyncio.to_thread(backgrounds.files)
            return web.json_response({"folder": str(backgrounds.folder), "files": list(files)})

        async def choose(request: web.Request) -> web.StreamResponse:
            word = await wanted_of(request, "background", str, '"blur:0.5"')
            await answered(backgrounds.choose, word)
            return await self._tell(request)

        async def add(request: web.Request) -> web.StreamResponse:
            refuse_programs(request)
            data = bytearray()
            async for part in request.content.iter_any():  # the limit of all other requests is far lower
                data += part
                if len(data) > LARGEST_PICTURE:
                    raise web.HTTPRequestEntityTooLarge(
                        LARGEST_PICTURE,
                        len(data),
                        text=f"At most {LARGEST_PICTURE >> 20} MiB can be added.\n",
                    )
            name = await answered(backgrounds.add, request.match_info["name"], bytes(data))
            return web.json_response({"name": name}, status=201)

        async def show(request: web.Request) -> web.StreamResponse:
            jpeg = await answered(backgrounds.thumbnail, request.match_info["name"], status=404)
            return web.Response(body=jpeg, content_type="image/jpeg")

        self._routes += [
            web.get("/backgrounds", offer),
            web.post("/background", choose),
            web.post("/backgrounds/{name}", add),
            web.get("/backgrounds/{name}", show),
        ]


async def answered(ask: Callable[..., Any], *words: Any, status: int = 400) -> Any:
    """What a slow question comes to, on another thread; what it refuses is the answer's text."""
    try:
        return await asyncio.to_thread(ask, *words)
    except CleanplateError as error:
        kind = web.HTTPNotFound if status == 404 else web.HTTPBadRequest
        raise kind(text=f"{error}\n") from error
