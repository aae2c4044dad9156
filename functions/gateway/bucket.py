"""The captures bucket as the gateway sees it: objects are put, and nothing is read.

The client is made when it is first needed: most processes answer predictions alone, and S3's client would add a tenth
of a second to each of their cold starts. How objects are encrypted is the bucket's default.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from model_packages.errors import StoreUnavailable

JSON_LINES = "application/x-ndjson"
TIMEOUT_SECONDS = 1.0
"""With both attempts it stays below the time that the function outlives the endpoint's timeout by."""


class Store(Protocol):
    """Keeps one object. Raises: StoreUnavailable."""

    def put(self, key: str, content: bytes) -> None: ...


def make_s3_client() -> BaseClient:
    """A client that gives up early: a request is waiting for it."""
    config = Config(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        retries={"total_max_attempts": 2, "mode": "standard"},
        tcp_keepalive=True,
    )
    return Session().create_client("s3", config=config)


class Bucket:
    """Puts objects of JSON lines."""

    def __init__(self, name: str, *, make_client: Callable[[], BaseClient] = make_s3_client) -> None:
        self._name, self._make_client = name, make_client

    def put(self, key: str, content: bytes) -> None:
        """Raises: StoreUnavailable with S3's own word for what was wrong."""
        try:
            self._client.put_object(Bucket=self._name, Key=key, Body=content, ContentType=JSON_LINES)
        except ClientError as error:
            code = error.response["Error"].get("Code", "Unknown")
            raise StoreUnavailable(f"S3 refused {key}: {code}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"S3 could not be reached for {key}: {type(error).__name__}") from error

    @cached_property
    def _client(self) -> BaseClient:
        return self._make_client()
