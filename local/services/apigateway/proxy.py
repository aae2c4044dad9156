"""The two documents of a Lambda proxy integration: the event (version 1.0) that goes in, the reply that comes out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from local.services.apigateway.api import Api, Stage
from local.services.apigateway.gateway_responses import Response
from local.services.apigateway.request import Request
from local.services.apigateway.routing import Route

ALLOWED_REPLY_KEYS = frozenset({"isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body"})
ADDED = frozenset({"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})
NEVER_FORWARDED = frozenset({"content-length", "connection", "transfer-encoding"})


class MalformedReply(ValueError):
    """The function's answer is not a proxy response; the message says how."""


def proxy_event(
    request: Request, route: Route, *, api: Api, stage: Stage, context: Mapping[str, Any]
) -> dict[str, Any]:
    """The event as a function behind a REST API gets it."""
    headers = forwarded_headers(request)
    query = [(unquote_plus(name), unquote_plus(value)) for name, value in request.query_pairs]
    body, encoded = event_body(request, api.binary_media_types)
    return {
        "resource": route.resource.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": grouped(headers) or None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": grouped(query) or None,
        "pathParameters": route.path_parameters or None,
        "stageVariables": dict(stage.variables) or None,
        "requestContext": context,
        "body": body,
        "isBase64Encoded": encoded,
    }


def forwarded_headers(request: Request) -> list[tuple[str, str]]:
    """The caller's headers and those that API Gateway adds."""
    passed = [(name, value) for name, value in request.headers if name.lower() not in NEVER_FORWARDED]
    before = [value for name, value in passed if name.lower() == "x-forwarded-for"]
    kept = [(name, value) for name, value in passed if name.lower() not in ADDED]
    return [
        *kept,
        ("X-Amzn-Trace-Id", request.header("x-amzn-trace-id") or request.trace_id),
        ("X-Forwarded-For", ", ".join((*before, request.source_ip))),
        ("X-Forwarded-Port", (request.header("host") or "").partition(":")[2] or "443"),
        ("X-Forwarded-Proto", "https"),
    ]


def event_body(request: Request, binary_media_types: frozenset[str]) -> tuple[str | None, bool]:
    """(body, isBase64Encoded): base64 for the media types that the API calls binary, text for the others."""
    if not request.body:
        return None, False
    if is_binary(request.header("content-type") or "application/json", binary_media_types):
        return base64.b64encode(request.body).decode(), True
    return request.body.decode("utf-8", "replace"), False


def is_binary(content_type: str, binary_media_types: frozenset[str]) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return bool({media_type, f"{media_type.partition('/')[0]}/*", "*/*"} & binary_media_types)


def grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Each name with all its values in order."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def read_reply(payload: bytes, *, accept: str, binary_media_types: frozenset[str]) -> Response:
    """The response that a function's reply stands for; raises MalformedReply where it stands for none."""
    reply = parse_reply(payload)
    headers = reply_headers(reply)
    body = reply.get("body")
    if body is None:
        data = b""
    elif not isinstance(body, str):
        raise MalformedReply("body is not a string")
    else:
        data = body.encode()
    if reply.get("isBase64Encoded") is True and is_binary(first_media_type(accept), binary_media_types):
        data = decoded(data)
    return Response(status=reply_status(reply), headers=headers, body=data)


def parse_reply(payload: bytes) -> dict[str, Any]:
    """An object that has no other keys than the allowed ones."""
    try:
        reply = json.loads(payload)
    except ValueError as error:
        raise MalformedReply(f"not JSON: {error}") from error
    if not isinstance(reply, dict):
        raise MalformedReply(f"a JSON {type(reply).__name__} instead of an object")
    if unknown := reply.keys() - ALLOWED_REPLY_KEYS:
        raise MalformedReply(f"unknown keys {', '.join(sorted(unknown))}")
    if not isinstance(reply.get("isBase64Encoded", False), bool | None):
        raise MalformedReply("isBase64Encoded is not a boolean")
    return reply


def reply_status(reply: Mapping[str, Any]) -> int:
    """`statusCode` may be a number or digits in a string; without one it is 200."""
    status = reply.get("statusCode", 200)
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise MalformedReply(f"statusCode is {status!r}")
    return status


def reply_headers(reply: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """`multiValueHeaders` first; a name that is in both keeps each different value."""
    single, multiple = reply.get("headers") or {}, reply.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        raise MalformedReply("headers are not an object")
    pairs: list[tuple[str, str]] = []
    for name, values in multiple.items():
        if not isinstance(values, list):
            raise MalformedReply(f"multiValueHeaders.{name} is not a list")
        pairs += [(name, header_text(name, value)) for value in values]
    taken = {(name.lower(), value) for name, value in pairs}
    texts = ((name, header_text(name, value)) for name, value in single.items())
    return (*pairs, *(pair for pair in texts if (pair[0].lower(), pair[1]) not in taken))


def header_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedReply(f"header {name} is not a string")


def first_media_type(accept: str) -> str:
    """AWS decides by the first media type of `Accept` whether the answer is binary."""
    return accept.partition(",")[0].strip() or "application/json"


def decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise MalformedReply(f"body is not base64: {error}") from error
