"""AWS::DynamoDB::Table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, text, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list

_CREATED_WITH = words("""
    AttributeDefinitions KeySchema BillingMode GlobalSecondaryIndexes LocalSecondaryIndexes ProvisionedThroughput
    DeletionProtectionEnabled Tags
""")
# What UpdateTable takes, and what a property that goes away goes back to.
_UPDATED_WITH: Mapping[str, Json] = {
    "BillingMode": "PROVISIONED",
    "ProvisionedThroughput": None,
    "DeletionProtectionEnabled": False,
}


class Table(AwsResource):
    """A table. Its keys and local indexes are those it was made with."""

    resource_type = "AWS::DynamoDB::Table"
    service = "dynamodb"
    operation = "create_table"
    name_properties = ("TableName",)
    implemented = words("""
        TableName AttributeDefinitions KeySchema GlobalSecondaryIndexes LocalSecondaryIndexes Tags
        DeletionProtectionEnabled
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "BillingMode": "stored and reported; nothing is throttled or charged",
        "ProvisionedThroughput": "stored and reported; nothing is throttled",
        "TableClass": "kept in the stack's state only; nothing is charged",
        "SSESpecification": "kept in the stack's state only; items lie unencrypted on this machine's disk",
        "PointInTimeRecoverySpecification": "kept in the stack's state only; nothing is backed up",
        "TimeToLiveSpecification": "stored and reported; items never expire",
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("TableName") or self.identity.name(limit=255)
        self.claim_if_free(name, "describe_table", TableName=name)
        passed = {key: properties.get(key) for key in _CREATED_WITH}
        arn = self.call("create_table", {**passed, "TableName": name})["TableDescription"]["TableArn"]
        with self.created(name):
            self._expire(name, {}, properties)
        return Resource(name, {"Arn": arn})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        changed = {key: new.get(key, default) for key, default in _UPDATED_WITH.items() if new.get(key) != old.get(key)}
        for arguments in (changed, *_index_updates(old, new)):
            if arguments:
                self.call("update_table", {"TableName": physical_id, **arguments})
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
        # A table has its local indexes from birth.
        return super().create_only() | {("LocalSecondaryIndexes",)}

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


def _index_updates(old: Properties, new: Properties) -> Iterator[dict[str, Json]]:
    """One UpdateTable for each global index that goes or comes, as DynamoDB wants them."""
    before, after = _indexes(old), _indexes(new)
    attributes = {"AttributeDefinitions": new.get("AttributeDefinitions")}
    for name in (name for name, index in before.items() if after.get(name) != index):
        yield {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]}
    for index in (index for name, index in after.items() if before.get(name) != index):
        yield {**attributes, "GlobalSecondaryIndexUpdates": [{"Create": index}]}


def _indexes(properties: Properties) -> dict[str, Json]:
    return {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
