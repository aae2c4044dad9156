"""One HTTP request and its reply, whichever server carries them: what `application` knows of HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

JSON = "application/json"


class Exchange(Protocol):
    """A request that waits for its reply."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    def header(self, name: str) -> str | None:
        """The value of the header whose lower-case name is `name`."""

    async def body(self, *, limit_bytes: int) -> bytes:
        """The whole body. Raises: PayloadTooLarge as soon as it is known to be larger than the limit."""

    async def client_gone(self) -> None:
        """Returns once the client has closed the connection; never, if it waits for the reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body and the headers beside Content-Type and Content-Length, which every reply has."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    def all_headers(self) -> list[tuple[str, str]]:
        """In lower case, Content-Length always: SageMaker's asynchronous inference fails on chunked replies."""
        entity = [("content-type", self.content_type), ("content-length", str(len(self.body)))]
        return [*entity, *((name.lower(), value) for name, value in self.headers.items())]


def json_reply(status: int, content: Any, *, headers: dict[str, str] | None = None) -> Reply:
    """A reply with `content` as JSON; NumPy's numbers and arrays are allowed. Raises: TypeError for anything else."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Reply(status=status, body=body, headers=headers or {})
