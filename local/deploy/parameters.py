"""A template's parameters: what is given for them, checked as CloudFormation checks it, SSM-valued ones read now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.deploy.documents import Json, text
from local.deploy.errors import TemplateError
from local.deploy.scope import Neighbours
from local.deploy.template import STACK_TYPE, Template
from model_packages.errors import UnsupportedResource

_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(?P<inner>.+)>")
_PLAIN_TYPES = ("String", "Number", "CommaDelimitedList", "List<Number>", "AWS::SSM::Parameter::Name")


@dataclass(frozen=True)
class Parameter:
    """One declared parameter and the text given for it, or its default."""

    name: str
    declaration: Mapping[str, Json]
    value: str

    @property
    def kind(self) -> str:
        """The declared type."""
        return str(self.declaration["Type"])

    @property
    def is_ssm(self) -> bool:
        """Whether the text is the name of the SSM parameter that has the value."""
        return _SSM_VALUE.fullmatch(self.kind) is not None

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        found = _SSM_VALUE.fullmatch(self.kind)
        inner = found["inner"] if found else self.kind
        return inner == "CommaDelimitedList" or inner.startswith("List<")

    @property
    def words(self) -> list[str]:
        """What the constraints are about: each item of a list, or the text."""
        is_listed = self.is_list and not self.is_ssm
        return [part.strip() for part in self.value.split(",")] if is_listed else [self.value]


def parameter_values(template: Template, given: Mapping[str, str], neighbours: Neighbours) -> dict[str, Json]:
    """Every parameter's value; raises TemplateError in CloudFormation's words, UnsupportedResource for a type."""
    declared = template.section("Parameters")
    parameters = _present(declared, given, stack_name=template.stack_name)
    for parameter in parameters:
        _check_type(parameter, stack_name=template.stack_name)
        for problem in _problems(parameter):
            raise TemplateError(stack_name=template.stack_name, problem=problem)
    stored = neighbours.ssm_values([parameter.value for parameter in parameters if parameter.is_ssm])
    return {parameter.name: _value(parameter, stored) for parameter in parameters}


def _present(declared: Mapping[str, Json], given: Mapping[str, str], *, stack_name: str) -> list[Parameter]:
    if unknown := [name for name in given if name not in declared]:
        problem = f"Parameters: [{', '.join(unknown)}] do not exist in the template"
        raise TemplateError(stack_name=stack_name, problem=problem)
    if missing := [name for name, entry in declared.items() if name not in given and "Default" not in entry]:
        problem = f"Parameters: [{', '.join(missing)}] must have values"
        raise TemplateError(stack_name=stack_name, problem=problem)
    return [Parameter(name, entry, text(given.get(name, entry.get("Default")))) for name, entry in declared.items()]


def _check_type(parameter: Parameter, *, stack_name: str) -> None:
    if parameter.kind in _PLAIN_TYPES or parameter.is_ssm:
        return
    if parameter.kind.startswith(("AWS::", "List<AWS::")):
        detail = f"the type {parameter.kind} of parameter {parameter.name}"
        raise UnsupportedResource(resource_type=STACK_TYPE, logical_id=stack_name, detail=detail)
    problem = f"Template format error: Unrecognized parameter type: {parameter.kind}"
    raise TemplateError(stack_name=stack_name, problem=problem)


def _problems(parameter: Parameter) -> Iterator[str]:
    """What the declaration's constraints forbid; its own ConstraintDescription takes the place of the reason."""
    described = parameter.declaration.get("ConstraintDescription")
    for reason in _violations(parameter):
        if described is None:
            yield f"Parameter '{parameter.name}' {reason}"
        else:
            yield f"Parameter {parameter.name} failed to satisfy constraint: {described}"


def _violations(parameter: Parameter) -> Iterator[str]:
    declaration = parameter.declaration
    allowed = declaration.get("AllowedValues")
    is_number = parameter.kind in ("Number", "List<Number>")
    for word in parameter.words:
        if allowed is not None and word not in map(text, allowed):
            yield "must be one of AllowedValues"
        if is_number:
            yield from _number_violations(word, declaration)
        elif not parameter.is_list:
            yield from _text_violations(word, declaration)


def _number_violations(word: str, declaration: Mapping[str, Json]) -> Iterator[str]:
    try:
        number = float(word)
    except ValueError:
        yield "must be a number"
        return
    if "MinValue" in declaration and number < float(declaration["MinValue"]):
        yield f"must be a number not less than {declaration['MinValue']}"
    if "MaxValue" in declaration and number > float(declaration["MaxValue"]):
        yield f"must be a number not greater than {declaration['MaxValue']}"


def _text_violations(word: str, declaration: Mapping[str, Json]) -> Iterator[str]:
    if "AllowedPattern" in declaration and re.fullmatch(declaration["AllowedPattern"], word) is None:
        yield f"must match pattern {declaration['AllowedPattern']}"
    if "MinLength" in declaration and len(word) < int(declaration["MinLength"]):
        yield f"must contain at least {declaration['MinLength']} characters"
    if "MaxLength" in declaration and len(word) > int(declaration["MaxLength"]):
        yield f"must contain at most {declaration['MaxLength']} characters"


def _value(parameter: Parameter, stored: Mapping[str, str]) -> Json:
    word = stored[parameter.value] if parameter.is_ssm else parameter.value
    return [part.strip() for part in word.split(",")] if parameter.is_list else word
