"""Errors as an AWS service would send them, in the protocol that the caller speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from local.api_calls import Protocol


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """The HTTP answer to an AWS API call."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ApiRefusal:
    """An answer that is an error: `code` is what an SDK makes its exception of."""

    code: str
    message: str
    status: int = 400


def refused(refusal: ApiRefusal, protocol: Protocol, *, request_id: str) -> ApiResponse:
    """The refusal as the service itself would write it."""
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": refusal.code}
    match protocol:
        case "ec2":
            content_type, body = "text/xml", _ec2_xml(refusal, request_id)
        case "query":
            content_type, body = "text/xml", _query_xml(refusal, request_id)
        case "rest-xml":
            content_type, body = "application/xml", _s3_xml(refusal, request_id)
        case "smithy-rpc-v2-cbor":
            headers["smithy-protocol"] = "rpc-v2-cbor"
            content_type, body = "application/cbor", _cbor(refusal)
        case "rest-json":
            content_type, body = "application/json", _json({"message": refusal.message})
        case "json":
            content_type = "application/x-amz-json-1.1"
            body = _json({"__type": refusal.code, "message": refusal.message})
    return ApiResponse(refusal.status, {**headers, "Content-Type": content_type}, body)


def _json(document: Mapping[str, str]) -> bytes:
    return json.dumps(document).encode()


def _query_xml(refusal: ApiRefusal, request_id: str) -> bytes:
    fault = "Sender" if refusal.status < 500 else "Receiver"
    return (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(refusal.code)}</Code>"
        f"<Message>{escape(refusal.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _ec2_xml(refusal: ApiRefusal, request_id: str) -> bytes:
    return (
        f"<Response><Errors><Error><Code>{escape(refusal.code)}</Code>"
        f"<Message>{escape(refusal.message)}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
    ).encode()


def _s3_xml(refusal: ApiRefusal, request_id: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(refusal.code)}</Code>'
        f"<Message>{escape(refusal.message)}</Message><RequestId>{request_id}</RequestId></Error>"
    ).encode()


def _cbor(refusal: ApiRefusal) -> bytes:
    """A CBOR map of two text strings (RFC 8949)."""
    entries = {"__type": refusal.code, "message": refusal.message}
    return bytes([0xA0 + len(entries)]) + b"".join(_cbor_text(k) + _cbor_text(v) for k, v in entries.items())


def _cbor_text(text: str) -> bytes:
    """Always with a length of four bytes, which is allowed and the same for every text."""
    encoded = text.encode()
    return b"\x7a" + len(encoded).to_bytes(4, "big") + encoded
