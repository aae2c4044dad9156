"""AWS::ApiGateway::ApiKey, UsagePlan, UsagePlanKey and Account: who may call how often, and the account's log role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, PropertyPath, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.resources.apigateway import Patch, patches, replaced
from local.deploy.tags import tag_map

_TAGGED_ONCE = "stored and reported as they were at creation; a later change is kept in the stack's state only"


class ApiKey(AwsResource):
    """An API key; without a Value its value is made up."""

    resource_type = "AWS::ApiGateway::ApiKey"
    service = "apigateway"
    implemented = words("Name Description Enabled Value")
    simulated: ClassVar[Mapping[str, str]] = {
        "CustomerId": "stored and reported; there is no Marketplace here",
        "GenerateDistinctId": "passed to the API Gateway service",
        "Tags": _TAGGED_ONCE,
        "StageKeys": "stored and reported; a change makes a new key",
    }
    attributes = words("APIKeyId")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("Name") or self.identity.name()
        key_id = self.call("create_api_key", {**properties, "Name": name, "Tags": tag_map(properties)})["id"]
        return Resource(key_id, {"APIKeyId": key_id})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        defaults = {"Enabled": False}
        paths = {"Description": "/description", "Enabled": "/enabled", "CustomerId": "/customerId"}
        operations = patches({**defaults, **old}, {**defaults, **new}, paths)
        if operations:
            self.client.update_api_key(apiKey=physical_id, patchOperations=operations)
        return Resource(physical_id, {"APIKeyId": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_api_key(apiKey=physical_id)

    def create_only(self) -> frozenset[PropertyPath]:
        # moto has no call that changes them.
        return super().create_only() | {("StageKeys",)}


class UsagePlan(AwsResource):
    """A throttle and a quota for the keys that are added to it."""

    resource_type = "AWS::ApiGateway::UsagePlan"
    service = "apigateway"
    implemented = words("""
        UsagePlanName Description Quota.Limit Quota.Period Quota.Offset Throttle.BurstLimit Throttle.RateLimit
        ApiStages.ApiId ApiStages.Stage
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "ApiStages.Throttle": "stored; a plan that throttles one method is refused when it is read",
        "Tags": _TAGGED_ONCE,
    }
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        passed = {key: properties.get(key) for key in ("Description", "Quota", "Throttle", "ApiStages")}
        name = properties.get("UsagePlanName") or self.identity.name()
        plan_id = self.call("create_usage_plan", {**passed, "Name": name, "Tags": tag_map(properties)})["id"]
        return Resource(plan_id, {"Id": plan_id})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        operations = [
            *patches(old, new, {"UsagePlanName": "/name", "Description": "/description"}),
            *_limit_patches("Quota", "/quota", old, new),
            *_limit_patches("Throttle", "/throttle", old, new),
            *_stage_patches(old, new),
        ]
        if operations:
            self.client.update_usage_plan(usagePlanId=physical_id, patchOperations=operations)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        # moto has no answer of its own to the deletion of what is not there; reading it has.
        self.client.get_usage_plan(usagePlanId=physical_id)
        self.client.delete_usage_plan(usagePlanId=physical_id)

    def create_only(self) -> frozenset[PropertyPath]:
        # moto has no call that changes it.
        return super().create_only() | {("ApiStages", "Throttle")}


def _limit_patches(key: str, path: str, old: Properties, new: Properties) -> list[Patch]:
    before, after = old.get(key), new.get(key)
    if before == after:
        return []
    if not after:
        return [{"op": "remove", "path": path}]
    return [replaced(f"{path}/{name[:1].lower()}{name[1:]}", value) for name, value in after.items()]


def _stage_patches(old: Properties, new: Properties) -> list[Patch]:
    before, after = _stages(old), _stages(new)
    gone = [{"op": "remove", "path": "/apiStages", "value": stage} for stage in before if stage not in after]
    return gone + [{"op": "add", "path": "/apiStages", "value": stage} for stage in after if stage not in before]


def _stages(properties: Properties) -> list[str]:
    stages: list[Json] = properties.get("ApiStages", [])
    return [f"{stage['ApiId']}:{stage['Stage']}" for stage in stages]


class UsagePlanKey(AwsResource):
    """A key's place in a usage plan."""

    resource_type = "AWS::ApiGateway::UsagePlanKey"
    service = "apigateway"
    name_properties = ("KeyId", "UsagePlanId")
    implemented = words("KeyId KeyType UsagePlanId")
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        self.refuse_existing("get_usage_plan_key", {key: properties[key] for key in ("UsagePlanId", "KeyId")})
        self.call("create_usage_plan_key", properties)
        joined = f"{properties['KeyId']}:{properties['UsagePlanId']}"
        return Resource(joined, {"Id": joined})

    def delete(self, physical_id: str, properties: Properties) -> None:
        where = {"usagePlanId": properties["UsagePlanId"], "keyId": properties["KeyId"]}
        self.client.get_usage_plan_key(**where)
        self.client.delete_usage_plan_key(**where)


class Account(AwsResource):
    """The role with which API Gateway writes logs; deleting it leaves the role set, as on AWS."""

    resource_type = "AWS::ApiGateway::Account"
    service = "apigateway"
    implemented = words("CloudWatchRoleArn")
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        self._put(properties)
        name = self.identity.name()
        return Resource(name, {"Id": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put(new)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Leaves the account as it is."""

    def _put(self, properties: Properties) -> None:
        role = properties.get("CloudWatchRoleArn", "")
        self.client.update_account(patchOperations=[replaced("/cloudwatchRoleArn", role)])
