"""AWS::Events::Rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Properties, compact, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list, tag_map


class Rule(AwsResource):
    """A rule and its targets; who matches patterns and keeps schedules is the local EventBridge service."""

    resource_type = "AWS::Events::Rule"
    service = "events"
    operation = "put_targets"
    name_properties = ("Name",)
    implemented = words("Name Description EventPattern EventBusName ScheduleExpression State Targets Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "Targets.Arn": "functions, topics, queues, log groups, state machines and buses are reached, a log group "
        "whatever its policy; any other target is refused",
        "Targets.RoleArn": "judged where the target is a bus or a state machine",
        "RoleArn": "stored and reported; EventBridge uses a target's role, or the target's policy",
    }
    attributes = words("Arn RuleName")

    def accepts(self, path: tuple[str, ...]) -> bool:
        # Patterns and tags are no part of PutTargets, whose shape judges the targets.
        return super().accepts(path if path[0] == "Targets" else path[:1])

    def create(self, properties: Properties) -> Resource:
        name = properties.get("Name") or self.identity.name(limit=64)
        self.refuse_existing("describe_rule", {"Name": name, "EventBusName": properties.get("EventBusName")})
        self.claim(name)
        arn = self._put(name, properties, tags=tag_map(properties))
        with self.created(name):
            self._aim(name, {}, properties)
        return Resource(name, {"Arn": arn, "RuleName": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        arn = self._put(physical_id, new, tags={})
        self._aim(physical_id, old, new)
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(ResourceARN=arn, Tags=tag_list(tags)),
            remove=lambda keys: self.client.untag_resource(ResourceARN=arn, TagKeys=keys),
        )
        return Resource(physical_id, {"Arn": arn, "RuleName": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._aim(physical_id, properties, {**properties, "Targets": []})
        self.call("delete_rule", {"Name": physical_id, "EventBusName": properties.get("EventBusName")})

    def _put(self, name: str, properties: Properties, *, tags: dict[str, str]) -> str:
        pattern = properties.get("EventPattern")
        passed = ("Description", "EventBusName", "ScheduleExpression", "State", "RoleArn")
        answer = self.call(
            "put_rule",
            {
                "Name": name,
                "EventPattern": compact(pattern) if pattern is not None else None,
                "Tags": tag_list(tags) or None,
                **{key: properties.get(key) for key in passed},
            },
        )
        return str(answer["RuleArn"])

    def _aim(self, name: str, old: Properties, new: Properties) -> None:
        targets = new.get("Targets", [])
        kept = {target["Id"] for target in targets}
        where = {"Rule": name, "EventBusName": new.get("EventBusName")}
        if gone := [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]:
            self.call("remove_targets", {**where, "Ids": gone})
        if targets:
            self.call("put_targets", {**where, "Targets": targets})
