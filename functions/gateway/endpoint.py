"""The one seam to SageMaker: bytes and an inference id in, bytes out, and every failure in Flyball's own words."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore import __version__ as botocore_version
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.session import Session

from model_packages.errors import (
    ContractViolation,
    FieldProblem,
    InvalidRequest,
    ModelError,
    ModelThrottled,
    ModelTimedOut,
    ModelUnavailable,
    PredictionFailed,
)
from model_packages.interface import FOUND_BEHIND_THE_EDGE

CONNECT_TIMEOUT_SECONDS = 1.0
UNVERSIONED = "unversioned"

_BY_CONTAINER_STATUS: Mapping[int, type[ModelError]] = {
    0: ModelTimedOut,  # SageMaker's word for a container that did not answer within 60 s
    400: ContractViolation,
    413: ContractViolation,
    415: ContractViolation,
    422: ContractViolation,
    429: ModelThrottled,
    503: ModelUnavailable,
    504: ModelTimedOut,
}
_BY_SAGEMAKER_CODE: Mapping[str, type[ModelError]] = {
    "ThrottlingException": ModelThrottled,
    "TooManyRequestsException": ModelThrottled,
}
_MODEL_VERSION = re.compile(r"(?:^|[;,]\s*)model-version=([^;,\s]+)")


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the endpoint answered, and which model did. `content` is not checked yet."""

    content: bytes
    version: str
    variant: str


class Endpoint(Protocol):
    """Answers one request. Raises: ModelError, or InvalidRequest for what only the container could find."""

    def invoke(self, body: bytes, *, inference_id: str, caller: str | None = None) -> Invocation: ...


def make_client(*, timeout_seconds: float) -> BaseClient:
    """The SageMaker runtime client of this process. It never repeats a call by itself: see SageMakerEndpoint."""
    config = Config(
        user_agent=f"Flyball Botocore/{botocore_version}",  # stated: botocore composes its own anew for each call
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1},
        parameter_validation=False,
        tcp_keepalive=True,
    )
    return Session().create_client("sagemaker-runtime", config=config)


class SageMakerEndpoint:
    """A real-time endpoint, through botocore.

    A call is repeated once, and only where the connection broke at once: a connection that was kept open while
    Lambda slept may be dead. A prediction that timed out is never repeated: the model may still be computing it.
    """

    def __init__(
        self, client: BaseClient, *, endpoint_name: str, clock_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._endpoint_name, self._clock_seconds = client, endpoint_name, clock_seconds

    def invoke(self, body: bytes, *, inference_id: str, caller: str | None = None) -> Invocation:
        """`caller` goes with the call as its custom attribute, and so into what the endpoint captures."""
        attributes = {"CustomAttributes": f"caller={caller}"} if caller else {}
        try:
            return self._invoke_despite_dead_connection(body, {"InferenceId": inference_id, **attributes})
        except (ClientError, HTTPClientError, IncompleteReadError) as error:
            raise failure_of(error) from error

    def rehearse(self) -> None:
        """Runs one call without the network, so that the first request does not pay for what botocore does lazily."""
        event = "before-send.sagemaker-runtime.InvokeEndpoint"
        self._client.meta.events.register_first(event, _answer_without_network)
        try:
            self._invoke_once(b"{}", {"InferenceId": ""})
        finally:
            self._client.meta.events.unregister(event, _answer_without_network)

    def _invoke_despite_dead_connection(self, body: bytes, facts: Mapping[str, str]) -> Invocation:
        started = self._clock_seconds()
        try:
            return self._invoke_once(body, facts)
        except (ConnectionClosedError, EndpointConnectionError):
            if self._clock_seconds() - started > CONNECT_TIMEOUT_SECONDS:
                raise
        return self._invoke_once(body, facts)

    def _invoke_once(self, body: bytes, facts: Mapping[str, str]) -> Invocation:
        answer = self._client.invoke_endpoint(
            EndpointName=self._endpoint_name,
            Body=body,
            ContentType="application/json",
            Accept="application/json",
            **facts,
        )
        return Invocation(
            content=answer["Body"].read(),
            version=_version_in(answer.get("CustomAttributes", "")),
            variant=answer.get("InvokedProductionVariant", ""),
        )


def failure_of(error: ClientError | HTTPClientError | IncompleteReadError) -> ModelError | InvalidRequest:
    """Whose failure it is, in Flyball's words. The message is for the log and holds nothing of the payload."""
    if isinstance(error, ReadTimeoutError):
        return ModelTimedOut("the endpoint did not answer within the read timeout")
    if not isinstance(error, ClientError):
        return ModelUnavailable(f"the connection to SageMaker failed: {type(error).__name__}")
    code = error.response["Error"].get("Code", "Unknown")
    if code == "ModelError":
        return _container_error(error.response)
    return _BY_SAGEMAKER_CODE.get(code, ModelUnavailable)(f"SageMaker refused the call: {code}")


def _container_error(response: Mapping[str, Any]) -> ModelError | InvalidRequest:
    # OriginalMessage may quote the payload, so the log only says where to read it.
    status = int(response.get("OriginalStatusCode", 0))
    if status in (400, 422) and (problems := _callers_problems(response.get("OriginalMessage", ""))):
        return InvalidRequest(problems)
    where = response.get("LogStreamArn", "the endpoint's log group")
    return _BY_CONTAINER_STATUS.get(status, PredictionFailed)(f"the container answered {status}; its log: {where}")


def _callers_problems(message: str) -> tuple[FieldProblem, ...]:
    """What the container tells the caller; empty where it found anything that the edge would have seen."""
    try:
        problems = tuple(FieldProblem(**problem) for problem in json.loads(message)["errors"])
    except (ValueError, TypeError, KeyError):
        return ()
    return problems if all(problem.code in FOUND_BEHIND_THE_EDGE for problem in problems) else ()


def _version_in(custom_attributes: str) -> str:
    found = _MODEL_VERSION.search(custom_attributes)
    return found[1] if found else UNVERSIONED


def _answer_without_network(request: AWSRequest, **_: Any) -> AWSResponse:
    return AWSResponse(request.url, 200, {}, io.BytesIO())
