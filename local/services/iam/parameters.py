"""The parameters of an API call by AWS's own names, read from the request as botocore's service model lays it out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import botocore.session
import orjson
from botocore.model import ServiceModel
from botocore.parsers import RpcV2CBORParser

from local.api_calls import ApiCall, ApiRequest

Parameters = Mapping[str, Any]

OBJECT_KEY: Final = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


def parameters_of(call: ApiCall, request: ApiRequest) -> Parameters:
    """What the caller asks for. A body that cannot be read gives no parameters: the service will refuse the call."""
    match call.protocol:
        case "json":
            return _json(request.body)
        case "query" | "ec2":
            return _query(request)
        case "smithy-rpc-v2-cbor":
            return _cbor(request.body)
        case "rest-json":
            return {**_json_of_rest(call, request), **_located(call, request)}
        case "rest-xml":
            return {**_xml(call, request), **_located(call, request)}


def _json(body: bytes) -> Parameters:
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _json_of_rest(call: ApiCall, request: ApiRequest) -> Parameters:
    """The body's members, unless the body is a payload of its own, as a Lambda event is."""
    return {} if _payload(call.service, call.operation) else _json(request.body)


def _cbor(body: bytes) -> Parameters:
    parser = RpcV2CBORParser()
    found = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    return found if isinstance(found, dict) else {}


def _query(request: ApiRequest) -> Parameters:
    """`A.member.1.B=x` as `{"A": [{"B": "x"}]}`."""
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    pairs += [(name, values[0]) for name, values in request.query.items()]
    root: dict[str, Any] = {}
    for name, value in pairs:
        _put(root, name.split("."), value)
    return {name: _with_lists(value) for name, value in root.items()}


def _put(node: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        child = node.setdefault(step, {})
        if not isinstance(child, dict):
            return
        node = child
    node[path[-1]] = value


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node.keys() <= {"member", "entry"} and node:
        node = next(iter(node.values()))
    if isinstance(node, dict) and node and all(step.isdigit() for step in node):
        return [_with_lists(node[step]) for step in sorted(node, key=int)]
    return {step: _with_lists(child) for step, child in node.items()} if isinstance(node, dict) else node


def _xml(call: ApiCall, request: ApiRequest) -> Parameters:
    """Of S3's documents only the keys of a DeleteObjects: no other body says which resource is meant."""
    if call.operation != "DeleteObjects":
        return {}
    return {"Keys": [unescape(key.decode("utf-8", "replace")) for key in OBJECT_KEY.findall(request.body)]}


def _located(call: ApiCall, request: ApiRequest) -> Parameters:
    """Members in path, query string and headers."""
    found: dict[str, Any] = {}
    query = request.query
    for member, location, name in _locations(call.service, call.operation):
        if location == "uri" and name in call.parameters:
            found[member] = call.parameters[name]
        elif location == "querystring" and name in query:
            found[member] = query[name][0] if len(query[name]) == 1 else query[name]
        elif location == "header" and name.lower() in request.headers:
            found[member] = unquote(request.headers[name.lower()])
    return found


@cache
def service_model(service: str) -> ServiceModel:
    """What botocore knows of a service."""
    return botocore.session.get_session().get_service_model(service)


@cache
def _locations(service: str, operation: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(_members(service, operation))


def _members(service: str, operation: str) -> Iterator[tuple[str, str, str]]:
    shape = service_model(service).operation_model(operation).input_shape
    for member, details in shape.members.items() if shape else ():
        if location := details.serialization.get("location"):
            yield member, location, details.serialization.get("name", member)


@cache
def _payload(service: str, operation: str) -> str | None:
    shape = service_model(service).operation_model(operation).input_shape
    payload: str | None = shape.serialization.get("payload") if shape else None
    return payload
