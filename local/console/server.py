"""The console page's server: on loopback, over HTTP, reading only. What it shows it asks of the cloud's own API.

Everything that the page loads comes from here: its own files, and two libraries from node_modules.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web
from botocore.exceptions import ClientError

from local.clock import Clock
from local.console import alarms, dashboards, packages
from local.console.dashboards import Span
from local.deploy.handlers import Clients
from local.ports import LOOPBACK

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
LIBRARIES: Final[Mapping[str, str]] = {
    "uplot.js": "uplot/dist/uPlot.esm.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "markdown-it.js": "markdown-it/dist/markdown-it.min.js",
}
"""The name on the page -> the file in node_modules."""
HOSTS: Final = ("localhost", LOOPBACK)
"""A name that another site lets point here is no name of this server's."""
LONGEST_SPAN: Final = timedelta(days=455)
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-src 'self'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
REPORT_HEADERS: Final = {**HEADERS, "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""A report has captured values in it: it may run nothing."""

Answer = Callable[[web.Request], Any]


@dataclass(frozen=True, slots=True)
class Console:
    """What the page is told; each method is a path below /api and blocks while it asks the cloud."""

    clients: Clients
    clock: Clock

    def overview(self, _request: web.Request) -> dict[str, Any]:
        return {
            "now": self.clock.now().timestamp(),
            "dashboards": dashboards.dashboard_names(self.clients),
            "alarms": alarms.all_alarms(self.clients),
            "endpoints": packages.endpoints(self.clients),
        }

    def dashboard(self, request: web.Request) -> dict[str, Any]:
        return dashboards.drawn_dashboard(self.clients, request.match_info["name"], span=self._span(request))

    def history(self, request: web.Request) -> list[dict[str, Any]]:
        return alarms.history(self.clients, request.query["alarm"])

    def refusals(self, request: web.Request) -> list[dict[str, Any]]:
        return packages.refusals(self.clients, request.match_info["package"], now=self.clock.now())

    def report(self, request: web.Request) -> bytes | None:
        return packages.newest_report(self.clients, request.match_info["package"])

    def _span(self, request: web.Request) -> Span:
        """The range that is asked for; without an end, until now.

        Raises: ValueError for what is no range.
        """
        end = float(request.query["end"]) if "end" in request.query else self.clock.now().timestamp()
        seconds = float(request.query.get("seconds", 3 * 3600))
        if not 60 <= seconds <= LONGEST_SPAN.total_seconds():
            raise ValueError(f"seconds is {seconds:g}; allowed: 60 to {LONGEST_SPAN.total_seconds():g}")
        until = datetime.fromtimestamp(end, UTC)
        return Span(until - timedelta(seconds=seconds), until)


class ConsoleServer:
    """The HTTP server in front of a `Console`."""

    def __init__(self, console: Console, *, node_modules: Path) -> None:
        self._console, self._node_modules = console, node_modules
        application = web.Application(middlewares=[_only_local])
        application.router.add_get("/", self._index)
        application.router.add_get("/library/{name}", self._library)
        application.router.add_get("/api/overview", _json(console.overview))
        application.router.add_get("/api/dashboards/{name}", _json(console.dashboard))
        application.router.add_get("/api/history", _json(console.history))
        application.router.add_get("/api/refusals/{package}", _json(console.refusals))
        application.router.add_get("/report/{package}", self._report)
        application.router.add_static("/page", PAGE)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, *, port: int) -> str:
        """Listen, on a free port where `port` is 0; the page's address."""
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port, reuse_address=True).start()
        return f"http://{LOOPBACK}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _index(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _library(self, request: web.Request) -> web.StreamResponse:
        file = LIBRARIES.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        path = self._node_modules / file
        if not path.is_file():
            raise web.HTTPServiceUnavailable(text=f"{file} is not in node_modules; `make setup` installs it")
        return web.FileResponse(path)

    async def _report(self, request: web.Request) -> web.StreamResponse:
        report = await _asked(self._console.report, request)
        if isinstance(report, web.Response):
            return report
        if report is None:
            return web.Response(text="There is no report yet: no window is closed.", headers=REPORT_HEADERS)
        return web.Response(body=report, content_type="text/html", charset="utf-8", headers=REPORT_HEADERS)


@web.middleware
async def _only_local(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if (request.url.host or "") not in HOSTS:
        raise web.HTTPForbidden(text=f"this page is served to {' and '.join(HOSTS)} alone")
    response = await handler(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _json(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        found = await _asked(answer, request)
        return found if isinstance(found, web.Response) else web.json_response(found)

    return handle


async def _asked(answer: Answer, request: web.Request) -> Any:
    """What the console says, or the response that tells why it says nothing."""
    try:
        return await asyncio.to_thread(partial(answer, request))
    except (KeyError, ValueError) as error:
        return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
    except ClientError as error:
        log.warning("the console page was refused: %s", error)
        return web.json_response({"error": str(error)}, status=502)
