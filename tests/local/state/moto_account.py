"""moto in this process with its state in a folder: reached by boto3 clients without a port, ended as `kill` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config

from local.api_calls import ApiCall, ApiRequest, identify
from local.api_errors import ApiRefusal, ApiResponse, refused
from local.clock import SystemClock
from local.moto_hooks import CloudHooks
from local.moto_host import MotoHost
from local.services.cloudwatch.actions import Reach
from local.services.cloudwatch.cloudwatch import CloudWatch
from local.services.lambda_function import Invocation, InvocationType
from local.state.blobs import Write, write_durably
from local.state.keeper import Keeper
from local.state.store import StateStore

ENDPOINT = "http://127.0.0.1:9"


class Account:
    """One life of a cloud: what it has when it begins is what the folder has."""

    def __init__(self, folder: Path, *, write_blob: Write = write_durably, aws_policies: bool = False) -> None:
        forget_everything()
        self.invoked: list[tuple[str, bytes]] = []
        self.store = StateStore(folder, write_blob=write_blob)
        self.keeper = Keeper(self.store, lazy_seconds=3600.0)
        self.cloudwatch = CloudWatch(
            self.store, clock=SystemClock(), account="123456789012", region="us-east-1", reach=_reach(self.client)
        )
        self.host = MotoHost(CloudHooks(invoke_lambda=self._invoke), keeper=self.keeper)
        # AWS's own policies take a second to load; a test that needs them says so.
        default_user_config["iam"]["load_aws_managed_policies"] = aws_policies

    def client(self, service: str) -> Any:
        """A boto3 client."""
        client = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=ENDPOINT,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, s3={"addressing_style": "path"}),
        )
        client.meta.events.register("before-send.*.*", self._answer)
        return client

    def commit(self) -> None:
        """What is kept within a second."""
        self.keeper.commit_pending()
        self.cloudwatch.flush()

    def down(self) -> None:
        """What `flyball down` does."""
        self.keeper.close()
        self._end()

    def killed(self) -> None:
        """What `kill -9` leaves: nothing more is written."""
        self.keeper.abandon()
        self._end()

    def _end(self) -> None:
        self.host.close()
        self.store.close()
        forget_everything()

    def _answer(self, request: AWSPreparedRequest, **_event: Any) -> AWSResponse:
        parts = urlsplit(request.url)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        asked = ApiRequest(str(request.method), target, {**headers, "host": parts.netloc}, _bytes(request.body))
        call = identify(asked)
        if isinstance(call, ApiCall) and call.service == "cloudwatch":
            answer = self._cloudwatch(call, asked)
        else:
            answer = self.host.call_blocking(asked)
        return _Response(request.url, answer.status, answer.headers, answer.body)

    def _cloudwatch(self, call: ApiCall, request: ApiRequest) -> ApiResponse:
        answer = self.cloudwatch.answer_blocking(call, request)
        return refused(answer, call.protocol, request_id="id") if isinstance(answer, ApiRefusal) else answer

    def _invoke(self, arn: str, payload: bytes, kind: InvocationType) -> Invocation:
        self.invoked.append((arn, payload))
        return Invocation(b"{}", 200)


@contextmanager
def account(folder: Path, *, write_blob: Write = write_durably, aws_policies: bool = False) -> Iterator[Account]:
    """An account for the length of a block, which it leaves as `flyball down` does."""
    opened = Account(folder, write_blob=write_blob, aws_policies=aws_policies)
    try:
        yield opened
    finally:
        opened.down()


def forget_everything() -> None:
    """moto as it is in a new process."""
    BackendDict.reset()


def _reach(clients: Callable[[str], Any]) -> Reach:
    """Alarms here have no actions."""
    return Reach(clients, lambda *_question, **_source: False, lambda _topic: None, lambda _event: None)


class _Response(AWSResponse):  # type: ignore[misc]  # botocore is not typed
    """An answer that is here already."""

    def __init__(self, url: str, status: int, headers: Any, body: bytes) -> None:
        super().__init__(url, status, {name.lower(): value for name, value in headers.items()}, _Raw(body))
        self._content = body


class _Raw(BytesIO):
    def stream(self, *_arguments: Any, **_options: Any) -> Iterator[bytes]:
        yield self.read()


def _bytes(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return bytes(body or b"") if not hasattr(body, "read") else bytes(body.read())


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
