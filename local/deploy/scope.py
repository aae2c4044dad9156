"""What a template's functions see: parameters, conditions, mappings, the stack's own resources, and other stacks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from botocore.exceptions import ClientError

from local.deploy.documents import Json, text
from local.deploy.errors import TemplateError
from local.deploy.handlers import Clients, Resource, says_gone
from local.deploy.intrinsics import NO_VALUE, Unknown, evaluate
from local.deploy.state import StackStore
from local.deploy.template import Template

KnownResource: TypeAlias = Resource | Unknown


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
        raise self._problem(f"No export named {name} found")

    def stack_output(self, stack_name: str, output_name: str) -> str:
        """An output of a deployed stack."""
        state = self.store.load(stack_name)
        if state is None or state.is_gone or output_name not in state.outputs:
            raise self._problem(f"stack {stack_name} has no output {output_name}")
        return state.outputs[output_name]

    def ssm_values(self, names: Sequence[str]) -> dict[str, str]:
        """The present values of SSM parameters; a name may end in `:<version>`. CloudFormation takes no secure ones."""
        found = {name: entry for name in dict.fromkeys(names) if (entry := self._ssm_parameter(name)) is not None}
        if missing := [name for name in dict.fromkeys(names) if name not in found]:
            raise self._problem(
                f"Unable to fetch parameters [{','.join(missing)}] from parameter store for this account."
            )
        if secure := [name for name, entry in found.items() if entry["Type"] == "SecureString"]:
            listed = ", ".join(secure)
            raise self._problem(
                f"Parameters [{listed}] referenced by template have types not supported by CloudFormation."
            )
        return {name: str(entry["Value"]) for name, entry in found.items()}

    def _ssm_parameter(self, name: str) -> Mapping[str, Json] | None:
        try:
            entry: Mapping[str, Json] = self.clients("ssm").get_parameter(Name=name)["Parameter"]
        except ClientError as error:
            if not says_gone(error):
                raise
            return None
        return entry

    def ssm(self, name: str) -> str:
        """The value that a dynamic reference to an SSM parameter stands for."""
        try:
            return self.ssm_values([name])[name]
        except TemplateError as error:
            raise self._problem(f"Parameters: [ssm:{name}] cannot be found.") from error

    def secret(self, reference: str) -> str:
        """The value that a dynamic reference to a secret stands for: id, SecretString, JSON key, stage, version."""
        secret_id, key, stage, version = _secret_reference(reference)
        which = {name: value for name, value in (("VersionStage", stage), ("VersionId", version)) if value}
        try:
            value = str(self.clients("secretsmanager").get_secret_value(SecretId=secret_id, **which)["SecretString"])
        except ClientError as error:
            raise self._problem(error.response["Error"].get("Message", str(error))) from error
        return value if not key else self._member(value, key)

    def _member(self, value: str, key: str) -> str:
        try:
            return text(json.loads(value)[key])
        except (ValueError, KeyError, TypeError) as error:
            raise self._problem("Could not find a value associated with JSONKey in SecretString") from error

    def _problem(self, problem: str) -> TemplateError:
        return TemplateError(stack_name=self.stack_name, problem=problem)


_ARN_PARTS = 7


def _secret_reference(reference: str) -> tuple[str, str, str, str]:
    parts = reference.split(":")
    length = _ARN_PARTS if parts[0] == "arn" else 1
    _, key, stage, version = (*parts[length:], "", "", "", "")[:4]
    return ":".join(parts[:length]), key, stage, version


@dataclass
class StackScope:
    """The scope of one deployment; `resources` grows as the deployment goes on, `imports` collects what it uses."""

    template: Template
    parameters: Mapping[str, Json]
    pseudo: Mapping[str, Json]
    neighbours: Neighbours
    resources: dict[str, KnownResource] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack_name(self) -> str:
        """The stack's name."""
        return self.template.stack_name

    @property
    def region(self) -> str:
        """The stack's region."""
        return str(self.pseudo["AWS::Region"])

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
            resource_type = self.template.resources[logical_id].resource_type
            if resource_type.startswith(("Custom::", "AWS::CloudFormation::Custom")):
                missing = f"Vendor response doesn't contain {name} key in object"
                raise self._problem(f"CustomResource attribute error: {missing}")
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

    def secret(self, reference: str) -> str:
        return self.neighbours.secret(reference)

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
