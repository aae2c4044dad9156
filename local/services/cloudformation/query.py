"""AWS's query protocol, server side: forms into arguments and results into XML, both by botocore's shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session

from local.api_calls import ApiRequest
from local.api_errors import ApiResponse
from local.deploy.documents import Json

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@cache
def service_model(service: str) -> Any:
    """botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def read_form(request: ApiRequest, operation: Any) -> dict[str, Json]:
    """The arguments of a call: absent ones are left out."""
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    form |= {name: values[0] for name, values in request.query.items()}
    arguments: dict[str, Json] = _read(form, "", operation.input_shape) or {}
    return arguments


def _read(form: Mapping[str, str], prefix: str, shape: Any) -> Json:
    match shape.type_name:
        case "structure":
            members = ((name, _read(form, _below(prefix, name), member)) for name, member in shape.members.items())
            return {name: value for name, value in members if value is not None} or None
        case "list":
            return list(_items(form, prefix, shape.member)) if _has(form, prefix) else None
        case "map":
            return dict(_entries(form, prefix, shape)) if _has(form, prefix) else None
        case "boolean":
            return form[prefix].lower() == "true" if prefix in form else None
        case "integer" | "long":
            return int(form[prefix]) if prefix in form else None
        case _:
            return form.get(prefix)


def _items(form: Mapping[str, str], prefix: str, member: Any) -> Iterator[Json]:
    index = 1
    while _has(form, place := f"{prefix}.member.{index}"):
        yield _read(form, place, member)
        index += 1


def _entries(form: Mapping[str, str], prefix: str, shape: Any) -> Iterator[tuple[str, Json]]:
    index = 1
    while (key := f"{prefix}.entry.{index}.key") in form:
        yield form[key], _read(form, f"{prefix}.entry.{index}.value", shape.value)
        index += 1


def _has(form: Mapping[str, str], prefix: str) -> bool:
    return prefix in form or any(name.startswith(f"{prefix}.") for name in form)


def _below(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def write_result(operation: Any, result: Mapping[str, Json], *, request_id: str) -> ApiResponse:
    """The answer of a call; a None is left out."""
    name, namespace = operation.name, operation.service_model.metadata["xmlNamespace"]
    shape = operation.output_shape
    wrapped = "" if shape is None else f"<{name}Result>{_xml(result, shape)}</{name}Result>"
    body = (
        f'<{name}Response xmlns="{namespace}">{wrapped}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
    )
    return ApiResponse(200, {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}, body.encode())


def _xml(value: Json, shape: Any) -> str:
    match shape.type_name:
        case "structure":
            unknown = value.keys() - shape.members.keys()
            if unknown:
                raise LookupError(f"{shape.name} has no {', '.join(sorted(unknown))}")
            return "".join(_element(name, value.get(name), member) for name, member in shape.members.items())
        case "list":
            return "".join(f"<member>{_xml(item, shape.member)}</member>" for item in value)
        case "map":
            entries = ((_xml(key, shape.key), _xml(item, shape.value)) for key, item in value.items())
            return "".join(f"<entry><key>{key}</key><value>{item}</value></entry>" for key, item in entries)
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case _:
            # A carriage return would come back as a line feed, were it not written as a reference.
            return escape(_NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value)), {"\r": "&#13;"})


def _element(name: str, value: Json, shape: Any) -> str:
    return "" if value is None else f"<{name}>{_xml(value, shape)}</{name}>"
