"""API Gateway's REST proxy integration (payload version 1): how a request is read and an answer is written.

Bodies are bytes here, as they were on the wire; nothing is parsed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypedDict

from model_packages.errors import PayloadTooLarge, UnsupportedContent

JSON_MEDIA_TYPE = "application/json"

ProxyEvent = Mapping[str, Any]
"""The event as Lambda hands it over; only the functions below know its keys."""


class ProxyAnswer(TypedDict):
    """What API Gateway turns into the HTTP response."""

    statusCode: int
    headers: dict[str, str]
    body: str
    isBase64Encoded: bool


def answer(status: int, body: str, *, media_type: str, headers: Mapping[str, str] | None = None) -> ProxyAnswer:
    """An answer whose body is text."""
    return ProxyAnswer(
        statusCode=status,
        headers={"Content-Type": media_type, **(headers or {})},
        body=body,
        isBase64Encoded=False,
    )


def read_headers(event: ProxyEvent) -> dict[str, str]:
    """The headers with their names in lower case: API Gateway passes them in the case they were sent in."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def read_host(event: ProxyEvent) -> str:
    """Host and port that the caller asked; API Gateway sets the header itself, and on AWS the port is always 443."""
    host: str = event["requestContext"].get("domainName", "")
    port = read_headers(event).get("x-forwarded-port", "443")
    return host if port == "443" else f"{host}:{port}"


def read_base_path(event: ProxyEvent) -> str:
    """What stands before the API's own paths in the URL: the stage ("/api"), or a custom domain's mapping, or ""."""
    full, own = _parts(event["requestContext"]["path"]), _parts(read_path(event))
    return "".join(f"/{part}" for part in full[: max(0, len(full) - len(own))])


def read_path(event: ProxyEvent) -> str:
    """The path within the API, whatever stage or mapping stands before it: "/models/digits".

    API Gateway routes by the parts of a path, so slashes at its end or in a row are none of it.
    """
    own: str = event["resource"]
    for name, value in (event.get("pathParameters") or {}).items():
        own = own.replace(f"{{{name}+}}", value).replace(f"{{{name}}}", value)
    return "/" + "/".join(_parts(own))


def read_time_ms(event: ProxyEvent) -> int | None:
    """When API Gateway received the request, in milliseconds since 1970; None where the event does not say."""
    moment = (event.get("requestContext") or {}).get("requestTimeEpoch")
    return moment if isinstance(moment, int) and moment > 0 else None


def read_json_body(event: ProxyEvent, *, limit_bytes: int) -> bytes:
    """The body as the caller sent it.

    Raises: PayloadTooLarge; UnsupportedContent if the headers do not say that it is JSON in UTF-8, uncompressed.
    """
    text: str = event.get("body") or ""
    is_base64 = bool(event.get("isBase64Encoded"))
    _refuse_larger(len(text) * 3 // 4 - 2 if is_base64 else len(text), limit_bytes=limit_bytes)
    _refuse_other_content(read_headers(event))
    body = _decode_base64(text) if is_base64 else text.encode("utf-8", "surrogatepass")
    _refuse_larger(len(body), limit_bytes=limit_bytes)
    return body


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _refuse_larger(size_bytes: int, *, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise PayloadTooLarge(size_bytes=size_bytes, limit_bytes=limit_bytes)


def _refuse_other_content(headers: Mapping[str, str]) -> None:
    content_type, encoding = headers.get("content-type", ""), headers.get("content-encoding", "identity")
    media_type, _, parameters = content_type.lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media_type.strip() != JSON_MEDIA_TYPE or charset not in ("", "charset=utf-8"):
        raise UnsupportedContent(header="Content-Type", found=content_type, allowed=JSON_MEDIA_TYPE)
    if encoding.lower() != "identity":
        raise UnsupportedContent(header="Content-Encoding", found=encoding, allowed="identity")


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnsupportedContent(header="isBase64Encoded", found="true", allowed="a body in base64") from error
