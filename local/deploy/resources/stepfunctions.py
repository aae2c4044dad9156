"""AWS::StepFunctions::StateMachine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import ClassVar, Final

from local.deploy.documents import Json, Properties, compact, text, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_map

SUBSTITUTION: Final = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")


class StateMachine(AwsResource):
    """A state machine; Ref gives its ARN."""

    resource_type = "AWS::StepFunctions::StateMachine"
    service = "stepfunctions"
    operation = "create_state_machine"
    name_properties = ("StateMachineName",)
    implemented = words(
        "StateMachineName StateMachineType Definition DefinitionString DefinitionSubstitutions RoleArn Tags "
        "LoggingConfiguration"
    )
    simulated: ClassVar[Mapping[str, str]] = {
        "EncryptionConfiguration": "stored and reported; definitions and executions lie unencrypted on this machine's "
        "disk",
        "TracingConfiguration": "stored and reported; nothing is traced",
    }
    attributes = words("Arn Name StateMachineRevisionId")
    volatile = words("StateMachineRevisionId")

    def accepts(self, path: tuple[str, ...]) -> bool:
        # Definitions and tags have no shape of the operation's; the service checks the one.
        return super().accepts(path if path[0] == "LoggingConfiguration" else path[:1])

    def create(self, properties: Properties) -> Resource:
        name = properties.get("StateMachineName") or self.identity.name(limit=80)
        place = f"{self.surroundings.region}:{self.surroundings.account}"
        arn = f"arn:aws:states:{place}:stateMachine:{name}"
        self.refuse_existing("describe_state_machine", {"stateMachineArn": arn})
        self.claim(arn)
        self.call(
            "create_state_machine",
            {
                **_settings(properties),
                "name": name,
                "type": properties.get("StateMachineType"),
                "tags": [{"key": key, "value": value} for key, value in tag_map(properties).items()] or None,
            },
        )
        return self._resource(arn)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        if _settings(old) != _settings(new):
            defaults = {"loggingConfiguration": {"level": "OFF"}, "tracingConfiguration": {"enabled": False}}
            given = {name: value for name, value in _settings(new).items() if value is not None}
            self.call("update_state_machine", {**defaults, **given, "stateMachineArn": physical_id})
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(
                resourceArn=physical_id, tags=[{"key": key, "value": value} for key, value in tags.items()]
            ),
            remove=lambda keys: self.client.untag_resource(resourceArn=physical_id, tagKeys=keys),
        )
        return self._resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_state_machine(stateMachineArn=physical_id)

    def _resource(self, arn: str) -> Resource:
        found = self.client.describe_state_machine(stateMachineArn=arn)
        revision = found.get("revisionId", "INITIAL")
        return Resource(arn, {"Arn": arn, "Name": found["name"], "StateMachineRevisionId": revision})


def _settings(properties: Properties) -> dict[str, Json]:
    """What an update can change, as the API takes it."""
    return {
        "definition": definition_of(properties),
        "roleArn": properties["RoleArn"],
        "loggingConfiguration": properties.get("LoggingConfiguration"),
        "tracingConfiguration": properties.get("TracingConfiguration"),
        "encryptionConfiguration": properties.get("EncryptionConfiguration"),
    }


def definition_of(properties: Properties) -> str:
    """The definition's text, with what is substituted in it.

    Raises: ResourceFailed.
    """
    given = [name for name in ("Definition", "DefinitionString") if name in properties]
    if len(given) != 1:
        raise ResourceFailed("exactly one of Definition and DefinitionString is required", code="InvalidRequest")
    definition = properties[given[0]]
    written = definition if isinstance(definition, str) else json.dumps(definition)
    substitutions = properties.get("DefinitionSubstitutions", {})

    def substituted(match: re.Match[str]) -> str:
        if match[1] not in substitutions:
            return match[0]
        value = substitutions[match[1]]
        plain = compact(value) if isinstance(value, dict | list) else text(value)
        return json.dumps(plain)[1:-1]

    return SUBSTITUTION.sub(substituted, written)
