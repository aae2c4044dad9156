"""What botocore's service model says of SageMaker's requests and answers, in the words in which AWS refuses a request.

A client checks little of it before it sends: patterns, lengths and enums are judged by the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape
from moto.sagemaker.exceptions import AWSValidationException

SHOWN_CHARACTERS: Final = 256
"""How much of a value an error repeats."""


@cache
def service_model() -> ServiceModel:
    """SageMaker's, as the installed botocore has it."""
    model: ServiceModel = botocore.session.get_session().get_service_model("sagemaker")
    return model


def operation_model(operation: str) -> OperationModel:
    return service_model().operation_model(operation)


def invalid(message: str) -> AWSValidationException:
    """The error that SageMaker's control plane gives for nearly everything."""
    return AWSValidationException(message)


def check(operation: str, parameters: Mapping[str, Any]) -> None:
    """Raises AWSValidationException naming every constraint of the service model that a request breaks."""
    found = list(_violations(operation_model(operation).input_shape, parameters, path=""))
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise invalid(f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def answer(operation: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """A document with ISO times as the operation's answer: its own members only, times as datetimes."""
    shaped: dict[str, Any] = _shaped(operation_model(operation).output_shape, document)
    return shaped


def moment(value: datetime | str | float) -> datetime:
    """A time in any of the forms that moto, a record or a request gives it; aware, in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _shaped(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {
                name: _shaped(shape.members[name], member)
                for name, member in value.items()
                if name in shape.members and member is not None
            }
        case "list":
            return [_shaped(shape.member, member) for member in value]
        case "timestamp":
            return moment(value)
        case _:
            return value


def _violations(shape: Shape, value: Any, *, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if value.get(name) is None:
                    at = _member(path, name)
                    yield f"Value null at '{at}' failed to satisfy constraint: Member must not be null"
            for name, member in value.items():
                if name in shape.members and member is not None:
                    yield from _violations(shape.members[name], member, path=_member(path, name))
        case "list":
            yield from _out_of_bounds(shape, len(value), shown=value, path=path, noun="length")
            for index, member in enumerate(value, start=1):
                yield from _violations(shape.member, member, path=f"{path}.{index}.member")
        case "map":
            yield from _out_of_bounds(shape, len(value), shown=value, path=path, noun="length")
        case "string":
            yield from _string_violations(shape, value, path=path)
        case "integer" | "long":
            yield from _out_of_bounds(shape, value, shown=value, path=path, noun="value")


def _string_violations(shape: Any, value: str, *, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _sentence(value, path, f"satisfy enum value set: [{', '.join(shape.enum)}]")
    yield from _out_of_bounds(shape, len(value), shown=value, path=path, noun="length")
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, value):
        yield _sentence(value, path, f"satisfy regular expression pattern: {pattern}")


def _out_of_bounds(shape: Shape, size: int, *, shown: Any, path: str, noun: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _sentence(shown, path, f"have {noun} greater than or equal to {least}")
    if most is not None and size > most:
        yield _sentence(shown, path, f"have {noun} less than or equal to {most}")


def _fits(pattern: str, value: str) -> bool:
    """Whether a value has the form; Java's character classes other than Alnum are not judged."""
    translated = pattern.replace(r"\p{Alnum}", "a-zA-Z0-9")
    return r"\p{" in translated or re.fullmatch(translated, value, re.DOTALL) is not None


def _sentence(value: Any, path: str, rule: str) -> str:
    shown = str(value)[:SHOWN_CHARACTERS]
    return f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must {rule}"


def _member(path: str, name: str) -> str:
    """`InstanceType` below `resourceConfig` is `resourceConfig.instanceType`."""
    own = name[0].lower() + name[1:]
    return f"{path}.{own}" if path else own
