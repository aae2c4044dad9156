"""Custom::* and AWS::CloudFormation::CustomResource: a Lambda function does the work and puts its answer at an address.

On AWS the function is invoked asynchronously and a failed one is waited for until the timeout; here its error ends the
wait at once, and a creation that failed without naming a physical id is not followed by a Delete.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from local.deploy.documents import Json, Properties, PropertyPath, text
from local.deploy.errors import CreationIncomplete, ResourceFailed
from local.deploy.handlers import Resource, Surroundings
from local.deploy.names import Identity
from local.deploy.receiver import Answer

_DEFAULT_TIMEOUT_SECONDS = 3600


class CustomResource:
    """A resource that a function of the user's makes, changes and removes."""

    implemented: ClassVar[frozenset[str]] = frozenset({"ServiceToken", "ServiceTimeout", "*"})
    simulated: ClassVar[Mapping[str, str]] = {}

    def __init__(self, identity: Identity, surroundings: Surroundings) -> None:
        self.identity, self.surroundings = identity, surroundings

    def create(self, properties: Properties) -> Resource:
        answer = self._ask("Create", properties, {})
        physical_id = answer.get("PhysicalResourceId")
        if answer["Status"] != "SUCCESS":
            reason = answer.get("Reason", "no reason given")
            raise CreationIncomplete(physical_id, reason) if physical_id else ResourceFailed(reason)
        return _resource(answer, physical_id)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        known = {"PhysicalResourceId": physical_id, "OldResourceProperties": _strings(dict(old))}
        answer = self._ask("Update", new, known)
        _refuse_failure(answer)
        return _resource(answer, answer.get("PhysicalResourceId", physical_id))

    def delete(self, physical_id: str, properties: Properties) -> None:
        _refuse_failure(self._ask("Delete", properties, {"PhysicalResourceId": physical_id}))

    def accepts(self, path: PropertyPath) -> bool:
        return True

    def has_attribute(self, name: str) -> bool:
        return True

    def create_only(self) -> frozenset[PropertyPath]:
        return frozenset()

    def is_volatile(self, attribute: str) -> bool:
        return True

    def _ask(self, request_type: str, properties: Properties, known: Mapping[str, Json]) -> Answer:
        request_id = str(uuid.uuid4())
        event = {
            "RequestType": request_type,
            "RequestId": request_id,
            "ResponseURL": self.surroundings.receiver.url_for(request_id),
            "StackId": self.identity.stack_id,
            "ServiceToken": properties["ServiceToken"],
            "ResourceType": self.identity.resource_type,
            "LogicalResourceId": self.identity.logical_id,
            "ResourceProperties": _strings(dict(properties)),
            **known,
        }
        self._invoke(properties["ServiceToken"], event)
        timeout_seconds = float(properties.get("ServiceTimeout", _DEFAULT_TIMEOUT_SECONDS))
        answer = self.surroundings.receiver.wait(request_id, timeout_seconds)
        if answer is None:
            raise ResourceFailed(f"{properties['ServiceToken']} did not answer within {timeout_seconds:g} seconds")
        return answer

    def _invoke(self, function: str, event: Mapping[str, Json]) -> None:
        client: Any = self.surroundings.clients("lambda")
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        if "FunctionError" in answer:
            message = answer["Payload"].read().decode(errors="replace")
            raise ResourceFailed(f"{function} failed: {message}")


def _refuse_failure(answer: Answer) -> None:
    if answer["Status"] != "SUCCESS":
        raise ResourceFailed(answer.get("Reason", "no reason given"))


def _resource(answer: Answer, physical_id: str | None) -> Resource:
    if not physical_id:
        raise ResourceFailed("the function's answer has no PhysicalResourceId")
    return Resource(physical_id, answer.get("Data") or {})


def _strings(value: Json) -> Json:
    """Properties as CloudFormation hands them to a function: every scalar is a string."""
    if isinstance(value, dict):
        return {key: _strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings(item) for item in value]
    return text(value)
