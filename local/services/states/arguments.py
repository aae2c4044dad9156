"""A task's Arguments against botocore's model of the call, and what the call takes and gives in Step Functions' form.

Step Functions writes every name with a capital letter. Times are numbers of milliseconds in what an optimized
integration gives, and ISO texts in what the SDK integration gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.model import Shape

from local.services.iam.parameters import service_model
from local.services.states.expressions import is_expression
from local.services.states.integrations import Integration

TAKES_DOCUMENT: Final = frozenset(
    {
        ("events", "PutEvents", "Detail"),
        ("lambda", "Invoke", "Payload"),
        ("sns", "Publish", "Message"),
        ("sqs", "SendMessage", "MessageBody"),
    }
)
"""Members of optimized integrations that take a document where the API takes its text."""

TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (str, int, float),
    "blob": (str,),
}


def capitalized(name: str) -> str:
    """A name as Step Functions writes it."""
    return name[:1].upper() + name[1:]


def argument_problems(integration: Integration, arguments: Any) -> list[str]:
    """What the call would not take; expressions are passed over, for they are judged once they have a value."""
    if integration.function_arn is not None or is_expression(arguments):
        return []
    if not isinstance(arguments, Mapping):
        return ["Arguments should be an object"]
    shape = _input(integration)
    if shape is None:
        return [f'The field "{name}" is not supported by Step Functions' for name in arguments]
    return list(_problems(integration, shape, arguments, path=""))


def _problems(integration: Integration, shape: Shape, value: Any, *, path: str) -> Iterator[str]:
    if is_expression(value) or _takes_document(integration, path):
        return
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            yield from _members(integration, shape, value, path=path)
        case "map" if isinstance(value, Mapping):
            for key, member in value.items():
                yield from _problems(integration, shape.value, member, path=f"{path}.{key}")
        case "list" if isinstance(value, list):
            for member in value:
                yield from _problems(integration, shape.member, member, path=path)
        case kind:
            allowed = TYPES.get(kind, ())
            if not isinstance(value, allowed) or (isinstance(value, bool) and kind != "boolean"):
                yield f'The value of the field "{path.lstrip(".")}" should be of the type {kind}'


def _members(integration: Integration, shape: Any, value: Mapping[str, Any], *, path: str) -> Iterator[str]:
    members = {capitalized(name): member for name, member in shape.members.items()}
    for name, member in value.items():
        if name not in members:
            yield f'The field "{name}" is not supported by Step Functions'
        else:
            yield from _problems(integration, members[name], member, path=f"{path}.{name}")
    for name in shape.required_members:
        if capitalized(name) not in value:
            yield f'The field "{f"{path}.{capitalized(name)}".lstrip(".")}" is required but was missing'


def call_arguments(integration: Integration, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as a boto3 client takes them."""
    shape = _input(integration)
    found: dict[str, Any] = {} if shape is None else _taken(integration, shape, arguments, path="")
    return found


def _taken(integration: Integration, shape: Any, value: Any, *, path: str) -> Any:
    if _takes_document(integration, path):
        text = value if isinstance(value, str) else compact(value)
        return text.encode() if shape.type_name == "blob" else text
    match shape.type_name:
        case "structure":
            names = {capitalized(name): name for name in shape.members}
            return {
                names[name]: _taken(integration, shape.members[names[name]], member, path=f"{path}.{name}")
                for name, member in value.items()
            }
        case "map":
            return {key: _taken(integration, shape.value, each, path=f"{path}.{key}") for key, each in value.items()}
        case "list":
            return [_taken(integration, shape.member, each, path=path) for each in value]
        case "blob":
            return value.encode()
        case _:
            return value


def result_of(integration: Integration, response: Mapping[str, Any], *, operation: str | None = None) -> dict[str, Any]:
    """What a call gave, as the task's result."""
    about = response.get("ResponseMetadata", {})
    shape = service_model(integration.service).operation_model(operation or integration.operation).output_shape
    body = {name: member for name, member in response.items() if name != "ResponseMetadata"}
    found: dict[str, Any] = _given(shape, body, is_sdk=integration.is_sdk)
    if integration.is_sdk or operation is not None:
        return found
    return {
        **found,
        "SdkHttpMetadata": {"HttpStatusCode": about.get("HTTPStatusCode", 200)},
        "SdkResponseMetadata": {"RequestId": about.get("RequestId", "")},
    }


def _given(shape: Any, value: Any, *, is_sdk: bool) -> Any:
    kind = None if shape is None else shape.type_name
    if isinstance(value, Mapping):
        if kind == "map":
            return {key: _given(shape.value, each, is_sdk=is_sdk) for key, each in value.items()}
        members = {} if shape is None else shape.members
        return {capitalized(name): _given(members.get(name), each, is_sdk=is_sdk) for name, each in value.items()}
    if isinstance(value, list):
        return [_given(None if shape is None else shape.member, each, is_sdk=is_sdk) for each in value]
    return _scalar(value, is_sdk=is_sdk)


def _scalar(value: Any, *, is_sdk: bool) -> Any:
    if isinstance(value, datetime):
        return iso(value) if is_sdk else int(value.timestamp() * 1000)
    if hasattr(value, "read"):
        value = value.read()
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def iso(moment: datetime) -> str:
    """A moment as Step Functions writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(value: Any) -> str:
    """A document's text as Step Functions writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _takes_document(integration: Integration, path: str) -> bool:
    known = (integration.service, integration.operation, path.rpartition(".")[2])
    return not integration.is_sdk and known in TAKES_DOCUMENT


def _input(integration: Integration) -> Any:
    return service_model(integration.service).operation_model(integration.operation).input_shape
