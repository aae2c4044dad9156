"""AWS::DynamoDB::Table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Properties, text, words
from local.deploy.handlers import AwsResource, Resource, created
from local.deploy.tags import change_tags, tag_list

_CREATED_WITH = words("""
    AttributeDefinitions KeySchema BillingMode GlobalSecondaryIndexes LocalSecondaryIndexes ProvisionedThroughput
    TableClass DeletionProtectionEnabled Tags
""")


class Table(AwsResource):
    """A table. Its keys and indexes are those it was made with."""

    resource_type = "AWS::DynamoDB::Table"
    service = "dynamodb"
    operation = "create_table"
    implemented = words("TableName AttributeDefinitions KeySchema GlobalSecondaryIndexes LocalSecondaryIndexes Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "BillingMode": "stored and reported; nothing is throttled or charged",
        "ProvisionedThroughput": "stored and reported; nothing is throttled",
        "TableClass": "stored and reported",
        "DeletionProtectionEnabled": "stored and reported",
        "SSESpecification": "kept in the stack's state only; items lie unencrypted in this machine's memory",
        "PointInTimeRecoverySpecification": "kept in the stack's state only; nothing is backed up",
        "TimeToLiveSpecification": "stored and reported; items never expire",
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("TableName") or self.identity.name(limit=255)
        passed = {key: properties.get(key) for key in _CREATED_WITH}
        arn = self.call("create_table", {**passed, "TableName": name})["TableDescription"]["TableArn"]
        with created(name):
            self._expire(name, {}, properties)
        return Resource(name, {"Arn": arn})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        changed = {
            key: new[key]
            for key in ("BillingMode", "ProvisionedThroughput", "TableClass", "DeletionProtectionEnabled")
            if key in new and new[key] != old.get(key)
        }
        if changed:
            self.call("update_table", {"TableName": physical_id, **changed})
        self._expire(physical_id, old, new)
        arn = self.client.describe_table(TableName=physical_id)["Table"]["TableArn"]
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(ResourceArn=arn, Tags=tag_list(tags)),
            remove=lambda keys: self.client.untag_resource(ResourceArn=arn, TagKeys=keys),
        )
        return Resource(physical_id, {"Arn": arn})

    def create_only(self) -> frozenset[tuple[str, ...]]:
        indexes = {("AttributeDefinitions",), ("GlobalSecondaryIndexes",), ("LocalSecondaryIndexes",)}
        return super().create_only() | indexes

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_table(TableName=physical_id)

    def _expire(self, name: str, old: Properties, new: Properties) -> None:
        before, after = old.get("TimeToLiveSpecification"), new.get("TimeToLiveSpecification")
        if before == after:
            return
        wanted = after or {**(before or {}), "Enabled": False}
        is_enabled = text(wanted["Enabled"]) == "true"
        self.client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"AttributeName": wanted["AttributeName"], "Enabled": is_enabled},
        )
