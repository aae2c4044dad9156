"""CloudFormation's intrinsic functions, as pure functions of their argument and a `Scope`.

A value that will be known only once a resource exists is an `Unknown`; whatever is computed from it is unknown, too.
Nothing is passed through unread: a function that is not here raises UnsupportedResource by its name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice
from typing import Final, Protocol

from local.deploy.documents import Json, text
from local.deploy.errors import TemplateError
from model_packages.errors import UnsupportedResource


@dataclass(frozen=True)
class Unknown:
    """A value known only after deployment; `source` is the resource (and attribute) it will come from."""

    source: str


class _NoValue:
    """AWS::NoValue: the property or list item that holds it is left out."""


NO_VALUE: Final = _NoValue()


class Scope(Protocol):
    """What the functions may look up: the stack's surroundings."""

    @property
    def stack_name(self) -> str:
        """The stack's name."""
        ...

    def reference(self, name: str) -> Json:
        """A parameter, pseudo parameter or resource's physical id."""
        ...

    def attribute(self, logical_id: str, name: str) -> Json:
        """A resource's attribute."""
        ...

    def condition(self, name: str) -> bool:
        """A condition of the template."""
        ...

    def mapped(self, name: str, top_key: str, second_key: str) -> Json:
        """A value of the template's Mappings."""
        ...

    def exported(self, name: str) -> Json:
        """A value that another stack exports."""
        ...

    def stack_output(self, stack_name: str, output_name: str) -> Json:
        """An output of another stack."""
        ...

    def ssm(self, name: str) -> str:
        """The present value of an SSM parameter."""
        ...

    def secret(self, reference: str) -> str:
        """The present value of a secret, or of one key of it."""
        ...


def resolve(value: Json, scope: Scope) -> Json:
    """`value` with every intrinsic function and dynamic reference replaced by what it stands for."""
    if isinstance(value, str):
        return _dynamic_references(value, scope)
    if isinstance(value, list):
        items = (resolve(item, scope) for item in value)
        return [item for item in items if item is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    if (name := function_name(value)) is not None:
        return _call(name, value[name], scope)
    entries = ((key, resolve(entry, scope)) for key, entry in value.items())
    return {key: entry for key, entry in entries if entry is not NO_VALUE}


def evaluate(expression: Json, scope: Scope) -> bool:
    """A condition expression of Conditions or Rules."""
    name = function_name(expression) if isinstance(expression, dict) else None
    if isinstance(expression, dict) and expression.keys() == {"Condition"}:
        return scope.condition(expression["Condition"])
    argument: Json = expression[name] if name else None
    match name:
        case "Fn::And":
            return all(evaluate(part, scope) for part in argument)
        case "Fn::Or":
            return any(evaluate(part, scope) for part in argument)
        case "Fn::Not":
            return not evaluate(argument[0], scope)
        case "Fn::Equals":
            left, right = resolve(argument, scope)
            return text(left) == text(right)
        case "Fn::Contains":
            values, wanted = resolve(argument, scope)
            return text(wanted) in map(text, values)
    raise _unsupported(f"the condition {name or expression!r}", scope)


def function_name(value: Mapping[str, Json]) -> str | None:
    """The intrinsic function that a mapping is a call of, if it is one."""
    if len(value) != 1:
        return None
    (name,) = value
    return name if name == "Ref" or name.startswith("Fn::") else None


def unknown_in(value: Json) -> Unknown | None:
    """The first value inside that is known only after deployment."""
    if isinstance(value, Unknown):
        return value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in inside if (found := unknown_in(item)) is not None), None)


def supports(name: str) -> bool:
    """Whether a property may call this function."""
    return name in _SCOPED or name in _PLAIN


def _call(name: str, argument: Json, scope: Scope) -> Json:
    if name in _SCOPED:
        return _SCOPED[name](argument, scope)
    if name not in _PLAIN:
        raise _unsupported(f"the intrinsic function {name}", scope)
    resolved = resolve(argument, scope)
    if (unknown := unknown_in(resolved)) is not None:
        return unknown
    try:
        result = _PLAIN[name](resolved)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        problem = f"Template error: {name} cannot be computed from {resolved!r}: {error}"
        raise TemplateError(stack_name=scope.stack_name, problem=problem) from error
    return _dynamic_references(result, scope) if isinstance(result, str) else result


def _unsupported(detail: str, scope: Scope) -> UnsupportedResource:
    return UnsupportedResource(resource_type="AWS::CloudFormation::Stack", logical_id=scope.stack_name, detail=detail)


def _ref(argument: Json, scope: Scope) -> Json:
    return NO_VALUE if argument == "AWS::NoValue" else scope.reference(argument)


def attribute_target(argument: Json) -> tuple[str, Json]:
    """Logical id and attribute name of a Fn::GetAtt, written as a list or with a dot."""
    if isinstance(argument, str):
        logical_id, _, name = argument.partition(".")
        return logical_id, name
    return argument[0], argument[1]


def _get_att(argument: Json, scope: Scope) -> Json:
    logical_id, name = attribute_target(argument)
    return scope.attribute(logical_id, resolve(name, scope))


def _if(argument: Json, scope: Scope) -> Json:
    condition, when_true, when_false = argument
    return resolve(when_true if scope.condition(condition) else when_false, scope)


_PLACEHOLDER = re.compile(r"\$\{(!?)([^{}]*)\}")


def _sub(argument: Json, scope: Scope) -> Json:
    template, given = (argument, {}) if isinstance(argument, str) else argument
    values = {name: _placeholder(name, given, scope) for name in substituted(template)}
    if (unknown := unknown_in(values)) is not None:
        return unknown

    def fill(found: re.Match[str]) -> str:
        literal, name = found.groups()
        return f"${{{name}}}" if literal else text(values[name.strip()])

    return _dynamic_references(_PLACEHOLDER.sub(fill, template), scope)


def substituted(template: str) -> Iterator[str]:
    """The names that a Fn::Sub string asks for."""
    return (name.strip() for literal, name in _PLACEHOLDER.findall(template) if not literal)


def _placeholder(name: str, given: Mapping[str, Json], scope: Scope) -> Json:
    if name in given:
        return resolve(given[name], scope)
    if "." in name:
        logical_id, _, attribute = name.partition(".")
        return scope.attribute(logical_id, attribute)
    return scope.reference(name)


_MAP_KEYS = 3


def _find_in_map(argument: Json, scope: Scope) -> Json:
    if len(argument) > _MAP_KEYS:
        raise _unsupported("Fn::FindInMap with a DefaultValue, of the transform AWS::LanguageExtensions", scope)
    resolved = resolve(argument, scope)
    return unknown_in(resolved) or scope.mapped(*map(text, resolved))


def _import_value(argument: Json, scope: Scope) -> Json:
    name = resolve(argument, scope)
    return unknown_in(name) or scope.exported(text(name))


def _get_stack_output(argument: Json, scope: Scope) -> Json:
    wanted = resolve(argument, scope)
    for key in wanted.keys() & {"RoleArn", "Region"}:
        raise _unsupported(f"Fn::GetStackOutput with {key}", scope)
    return scope.stack_output(wanted["StackName"], wanted["OutputName"])


def _get_azs(argument: Json, scope: Scope) -> Json:
    region = resolve(argument, scope) or scope.reference("AWS::Region")
    return [f"{region}{zone}" for zone in "abc"]


def _join(argument: Json) -> str:
    separator, parts = argument
    joined: str = separator.join(text(part) for part in parts)
    return joined


def _select(argument: Json) -> Json:
    index, values = argument
    if not 0 <= int(index) < len(values):
        raise IndexError(f"it cannot select nonexistent value at index {index}")
    return values[int(index)]


def _split(argument: Json) -> list[str]:
    separator, whole = argument
    parts: list[str] = whole.split(separator)
    return parts


_MOST_SUBNETS = 256


def _cidr(argument: Json) -> list[str]:
    block, count, *bits = argument
    network = ip_network(block)
    prefix = network.max_prefixlen - int(bits[0]) if bits else network.prefixlen + (int(count) - 1).bit_length()
    subnets = [str(subnet) for subnet in islice(network.subnets(new_prefix=prefix), min(int(count), _MOST_SUBNETS))]
    if len(subnets) < int(count):
        raise ValueError(f"{block} has no {count} subnets of /{prefix}")
    return subnets


_SCOPED: Mapping[str, Callable[[Json, Scope], Json]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::Sub": _sub,
    "Fn::FindInMap": _find_in_map,
    "Fn::ImportValue": _import_value,
    "Fn::GetStackOutput": _get_stack_output,
    "Fn::GetAZs": _get_azs,
}

_PLAIN: Mapping[str, Callable[[Json], Json]] = {
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Base64": lambda argument: base64.b64encode(text(argument).encode()).decode(),
    "Fn::Cidr": _cidr,
}

_DYNAMIC_REFERENCE = re.compile(r"\{\{resolve:([^:}]+):([^}]*)\}\}")


def _dynamic_references(value: str, scope: Scope) -> str:
    def look_up(found: re.Match[str]) -> str:
        service, name = found.groups()
        if service == "secretsmanager":
            return scope.secret(name)
        if service != "ssm":
            raise _unsupported(f"the dynamic reference to {service}", scope)
        return scope.ssm(name)

    return _DYNAMIC_REFERENCE.sub(look_up, value)
