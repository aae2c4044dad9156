"""What a template's functions see: parameters, conditions, mappings, the stack's own resources, and other stacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from botocore.exceptions import ClientError

from local.deploy.documents import Json, text
from local.deploy.errors import TemplateError
from local.deploy.handlers import Clients, Resource
from local.deploy.intrinsics import NO_VALUE, Unknown, evaluate
from local.deploy.state import StackStore
from local.deploy.template import Template

KnownResource: TypeAlias = Resource | Unknown

_SSM_TYPES = ("AWS::SSM::Parameter::Value<String>", "AWS::SSM::Parameter::Value<List<String>>")
_LIST_TYPES = ("CommaDelimitedList", "List<Number>", "AWS::SSM::Parameter::Value<List<String>>")
_PLAIN_TYPES = ("String", "Number")


@dataclass(frozen=True)
class Neighbours:
    """What lies outside the stack: other stacks' exports and outputs, and SSM parameters."""

    store: StackStore
    clients: Clients
    stack_name: str

    def exported(self, name: str) -> str:
        """The value that a deployed stack exports under `name`."""
        for state in self.store.all():
            if name in state.exports and not state.is_gone:
                return state.exports[name]
        raise TemplateError(stack_name=self.stack_name, problem=f"no stack exports {name}")

    def stack_output(self, stack_name: str, output_name: str) -> str:
        """An output of a deployed stack."""
        state = self.store.load(stack_name)
        if state is None or state.is_gone or output_name not in state.outputs:
            problem = f"stack {stack_name} has no output {output_name}"
            raise TemplateError(stack_name=self.stack_name, problem=problem)
        return state.outputs[output_name]

    def ssm(self, name: str) -> str:
        """An SSM parameter's present value; `name` may end in `:<version>`."""
        try:
            answer = self.clients("ssm").get_parameter(Name=name, WithDecryption=True)
        except ClientError as error:
            problem = f"SSM parameter {name} cannot be read: {error}"
            raise TemplateError(stack_name=self.stack_name, problem=problem) from error
        return str(answer["Parameter"]["Value"])


@dataclass
class StackScope:
    """The scope of one deployment; `resources` grows as the deployment goes on, `imports` collects what it uses."""

    template: Template
    parameters: Mapping[str, Json]
    pseudo: Mapping[str, Json]
    neighbours: Neighbours
    resources: dict[str, KnownResource] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)

    @property
    def stack_name(self) -> str:
        """The stack's name."""
        return self.template.stack_name

    def reference(self, name: str) -> Json:
        if name in self.parameters:
            return self.parameters[name]
        if name in self.pseudo:
            return self.pseudo[name]
        known = self._resource(name)
        return known if isinstance(known, Unknown) else known.physical_id

    def attribute(self, logical_id: str, name: str) -> Json:
        known = self._resource(logical_id)
        if isinstance(known, Unknown):
            return Unknown(f"{logical_id}.{name}")
        if name not in known.attributes:
            raise self._problem(f"{logical_id} has no attribute {name}")
        return known.attributes[name]

    def condition(self, name: str) -> bool:
        conditions = self.template.section("Conditions")
        if name not in conditions:
            raise self._problem(f"there is no condition {name}")
        return evaluate(conditions[name], self)

    def mapped(self, name: str, top_key: str, second_key: str) -> Json:
        try:
            return self.template.section("Mappings")[name][top_key][second_key]
        except KeyError as error:
            raise self._problem(f"mapping {name} has no {top_key}.{second_key}") from error

    def exported(self, name: str) -> Json:
        self.imports.add(name)
        return self.neighbours.exported(name)

    def stack_output(self, stack_name: str, output_name: str) -> Json:
        return self.neighbours.stack_output(stack_name, output_name)

    def ssm(self, name: str) -> str:
        return self.neighbours.ssm(name)

    def check_rules(self) -> None:
        """Raises TemplateError with the description of the first rule that does not hold."""
        for rule in self.template.section("Rules").values():
            if "RuleCondition" in rule and not evaluate(rule["RuleCondition"], self):
                continue
            for assertion in rule["Assertions"]:
                if not evaluate(assertion["Assert"], self):
                    raise self._problem(assertion.get("AssertDescription", "a rule does not hold"))

    def _resource(self, logical_id: str) -> KnownResource:
        if logical_id not in self.resources:
            raise self._problem(f"{logical_id} is neither a parameter nor a resource that this stack has")
        return self.resources[logical_id]

    def _problem(self, problem: str) -> TemplateError:
        return TemplateError(stack_name=self.stack_name, problem=problem)


def parameter_values(template: Template, given: Mapping[str, str], neighbours: Neighbours) -> dict[str, Json]:
    """Every parameter's value, SSM-valued ones read now; raises TemplateError for a missing, unknown or refused one."""
    declared = template.section("Parameters")
    for name in given.keys() - declared.keys():
        raise TemplateError(stack_name=template.stack_name, problem=f"there is no parameter {name}")
    return {
        name: _parameter(name, declaration, given.get(name), template.stack_name, neighbours)
        for name, declaration in declared.items()
    }


def _parameter(
    name: str,
    declaration: Mapping[str, Json],
    given: str | None,
    stack_name: str,
    neighbours: Neighbours,
) -> Json:
    value = declaration.get("Default") if given is None else given
    kind = declaration["Type"]
    if value is None:
        raise TemplateError(stack_name=stack_name, problem=f"parameter {name} has no value")
    if kind not in (*_PLAIN_TYPES, *_SSM_TYPES, *_LIST_TYPES):
        raise TemplateError(stack_name=stack_name, problem=f"parameter {name} has the unknown type {kind}")
    allowed = declaration.get("AllowedValues", [value])
    if text(value) not in map(text, allowed):
        problem = f"parameter {name} is {value!r}; allowed: {', '.join(map(text, allowed))}"
        raise TemplateError(stack_name=stack_name, problem=problem)
    word = neighbours.ssm(text(value)) if kind in _SSM_TYPES else text(value)
    return [part.strip() for part in word.split(",")] if kind in _LIST_TYPES else word


def pseudo_parameters(*, stack_name: str, stack_id: str, account: str, region: str) -> dict[str, Json]:
    """AWS::Region and its kin; AWS::NoValue is the functions' own."""
    return {
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": stack_name,
        "AWS::StackId": stack_id,
        "AWS::NotificationARNs": [],
        "AWS::NoValue": NO_VALUE,
    }


def importers(store: StackStore, exports: Iterable[str]) -> dict[str, list[str]]:
    """Which stacks import which of `exports`."""
    users = {
        export: [state.name for state in store.all() if export in state.imports and not state.is_gone]
        for export in exports
    }
    return {export: names for export, names in users.items() if names}
