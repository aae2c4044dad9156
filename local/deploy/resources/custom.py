"""Custom::* and AWS::CloudFormation::CustomResource: a Lambda function does the work and puts its answer at an address.

A creation that fails is followed by a Delete, as on AWS also where the function has named no physical id.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from local.deploy.documents import Json, Properties, PropertyPath, text
from local.deploy.errors import CloudFormationRefused, CreationIncomplete
from local.deploy.handlers import Resource, Surroundings
from local.deploy.names import Identity
from local.deploy.receiver import TOO_LONG, Answer

_LONGEST_TIMEOUT_SECONDS = 3600
_NO_ANSWER = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [{}]. "
    "If you are using the Python cfn-response module, you may need to update your Lambda function code so that "
    "CloudFormation can attach the updated version."
)


class CustomResourceFailed(CloudFormationRefused):
    """The function said no, something that is no answer, or nothing; `physical_id` is what it named, if it did."""

    def __init__(self, reason: str, *, physical_id: str = "") -> None:
        self.physical_id = physical_id
        super().__init__(reason)


class CustomResource:
    """A resource that a function of the user's makes, changes and removes."""

    implemented: ClassVar[frozenset[str]] = frozenset({"ServiceTimeout", "*"})
    simulated: ClassVar[Mapping[str, str]] = {
        "ServiceToken": (
            "a function's ARN: the function is invoked once, and an error that it raises ends the wait at once, where "
            "AWS tries again and waits for the timeout; an answer's NoEcho hides nothing"
        )
    }

    def __init__(self, identity: Identity, surroundings: Surroundings) -> None:
        self.identity, self.surroundings = identity, surroundings

    def create(self, properties: Properties) -> Resource:
        try:
            answer = self._ask("Create", properties, {})
        except CustomResourceFailed as failure:
            physical_id = failure.physical_id or self.identity.name()
            raise CreationIncomplete(physical_id, str(failure)) from failure
        return Resource(answer["PhysicalResourceId"], answer.get("Data") or {})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        if old["ServiceToken"] != new["ServiceToken"]:
            raise CloudFormationRefused("Modifying service token is not allowed.")
        known = {"PhysicalResourceId": physical_id, "OldResourceProperties": _strings(dict(old))}
        answer = self._ask("Update", new, known)
        return Resource(answer["PhysicalResourceId"], answer.get("Data") or {})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._ask("Delete", properties, {"PhysicalResourceId": physical_id})

    def accepts(self, path: PropertyPath) -> bool:
        return True

    def has_attribute(self, name: str) -> bool:
        return True

    def create_only(self) -> frozenset[PropertyPath]:
        return frozenset()

    def is_volatile(self, attribute: str) -> bool:
        return True

    def keeps_name(self, old: Properties, new: Properties) -> bool:
        return False

    def orphan(self, properties: Properties) -> str | None:
        # What a Create left that nobody saw the answer of is the function's to find: it gets a Delete all the same.
        return self.identity.name()

    def _timeout_seconds(self, properties: Properties) -> float:
        seconds = float(properties.get("ServiceTimeout", _LONGEST_TIMEOUT_SECONDS))
        if not 1 <= seconds <= _LONGEST_TIMEOUT_SECONDS:
            allowed = f"between 1 and {_LONGEST_TIMEOUT_SECONDS} seconds"
            raise CustomResourceFailed(f"ServiceTimeout is {seconds:g}; it must be {allowed}")
        return seconds

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
        timeout_seconds = self._timeout_seconds(properties)
        self._invoke(properties["ServiceToken"], event)
        answer = self.surroundings.receiver.wait(request_id, timeout_seconds)
        if answer is None:
            raise CustomResourceFailed(_NO_ANSWER.format(request_id))
        return _checked(answer, request_id, default_id=known.get("PhysicalResourceId", ""))

    def _invoke(self, function: str, event: Mapping[str, Json]) -> None:
        client: Any = self.surroundings.clients("lambda")
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        if "FunctionError" in answer:
            message = answer["Payload"].read().decode(errors="replace")
            raise CustomResourceFailed(f"{function} failed: {message}")


def _checked(answer: Answer, request_id: str, *, default_id: str) -> Answer:
    """A good answer, with a physical id; raises CustomResourceFailed for any other."""
    if answer == TOO_LONG:
        raise CustomResourceFailed("Response object is too long.")
    physical_id = answer.get("PhysicalResourceId") or default_id
    status = answer.get("Status")
    if status != "SUCCESS":
        message = answer.get("Reason", "")
        reason = f"Received response status [{status}] from custom resource. Message returned: {message}"
        raise CustomResourceFailed(f"{reason} (RequestId: {request_id})", physical_id=physical_id)
    if not physical_id:
        raise CustomResourceFailed("Invalid PhysicalResourceId")
    return {**answer, "PhysicalResourceId": physical_id}


def _strings(value: Json) -> Json:
    """Properties as CloudFormation hands them to a function: every scalar is a string."""
    if isinstance(value, dict):
        return {key: _strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strings(item) for item in value]
    return text(value)
