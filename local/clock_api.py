"""The cloud's time over HTTP, on the port of the AWS APIs and no part of any: where `flyball replay` moves it.

    GET  /_flyball/clock                              {"now": ..., "ahead_seconds": ...}
    POST /_flyball/clock  {"advance_to": "2026-..."}  the same and "fired", once all that was due has been done

An advance has to say that it is JSON, which no page of another site can have a browser send.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from local.clock import CloudClock
from local.timers import AdvanceRefused, Timers

PATH: Final = "/_flyball/clock"


class Advance(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    advance_to: AwareDatetime


class ClockApi:
    """Answers for one cloud's clock."""

    def __init__(self, clock: CloudClock, timers: Timers) -> None:
        self._clock, self._timers = clock, timers

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self.show), web.post(PATH, self.advance)]

    async def show(self, _request: web.Request) -> web.Response:
        return web.json_response(self._state())

    async def advance(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _refusal(415, f"found the content type {request.content_type}; allowed: application/json")
        try:
            asked = Advance.model_validate_json(await request.read())
            fired = await self._timers.advance_to(asked.advance_to.astimezone(UTC))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the body"
            example = json.dumps({"advance_to": _text(self._clock.now())})
            return _refusal(400, f"{where}: {first['msg']}; an example: {example}")
        except AdvanceRefused as refused:
            return _refusal(400, str(refused))
        return web.json_response({**self._state(), "fired": fired})

    def _state(self) -> dict[str, Any]:
        return {"now": _text(self._clock.now()), "ahead_seconds": round(self._clock.ahead.total_seconds(), 3)}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
