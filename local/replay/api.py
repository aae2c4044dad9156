"""The running cloud, as a replay uses it: signed requests over a few kept connections, and the clock."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from local.client import Target, local_target
from local.clock_api import PATH as CLOCK_PATH
from local.running import RunningCloud
from model_packages.errors import OperatorError

CONNECTIONS: Final = 16
REQUEST_SECONDS: Final = 60.0
ADVANCE_SECONDS: Final = 3600.0
INFERENCE_ID: Final = "x-inference-id"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the API made of a request; without an id where it came from before the model's gateway."""

    status: int
    inference_id: str | None
    body: bytes


class Api:
    """The HTTPS API and the clock of one cloud."""

    def __init__(self, session: aiohttp.ClientSession, *, target: Target, clock_url: str) -> None:
        self._session, self._target, self._clock_url = session, target, clock_url
        self._signer = SigV4Auth(target.credentials, "execute-api", target.region)

    async def post(self, path: str, document: Mapping[str, Any]) -> Answered:
        """One signed request with a JSON body. Status 0 stands for no answer at all."""
        body = json.dumps(document).encode()
        request = AWSRequest("POST", self._target.url + path, data=body, headers={"Content-Type": "application/json"})
        self._signer.add_auth(request)
        try:
            async with self._session.post(request.url, data=body, headers=dict(request.headers.items())) as answer:
                return Answered(answer.status, answer.headers.get(INFERENCE_ID), await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answered(0, None, str(error).encode())

    async def now(self) -> datetime:
        """The cloud's time. Raises: OperatorError."""
        return _moment(await self._clock(None))

    async def advance_to(self, moment: datetime) -> datetime:
        """Go through all that is due until then; the cloud's time afterwards. Raises: OperatorError."""
        return _moment(await self._clock({"advance_to": moment.isoformat()}))

    async def _clock(self, document: Mapping[str, Any] | None) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=ADVANCE_SECONDS)
        method = "GET" if document is None else "POST"
        try:
            async with self._session.request(method, self._clock_url, json=document, timeout=timeout) as answer:
                found: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise OperatorError(f"the local cloud does not answer any more: {error or type(error).__name__}") from error
        if "now" not in found:
            raise OperatorError(f"the clock of the local cloud cannot be moved: {found.get('message')}")
        return found


@asynccontextmanager
async def open_api(running: RunningCloud) -> AsyncIterator[Api]:
    """A client of the running cloud."""
    target = local_target(running)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=ssl.create_default_context(cafile=target.certificate))
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Api(session, target=target, clock_url=running.aws_endpoint_url + CLOCK_PATH)


def _moment(found: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(found["now"])
