"""AWS::KMS::Key and AWS::KMS::Alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, compact, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_map


class Key(AwsResource):
    """A key; deleting it schedules its deletion, as on AWS."""

    resource_type = "AWS::KMS::Key"
    service = "kms"
    implemented = words("Description Enabled KeyPolicy KeySpec KeyUsage PendingWindowInDays Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "EnableKeyRotation": "stored and reported; key material never rotates",
        "RotationPeriodInDays": "stored and reported; key material never rotates",
        "BypassPolicyLockoutSafetyCheck": "kept in the stack's state only; the lockout check is not made",
    }
    attributes = words("Arn KeyId")

    def create(self, properties: Properties) -> Resource:
        answer = self.call(
            "create_key",
            {
                "Policy": properties.get("KeyPolicy"),
                "Tags": _kms_tags(tag_map(properties)),
                **{name: properties.get(name) for name in ("Description", "KeySpec", "KeyUsage")},
            },
        )["KeyMetadata"]
        with self.created(answer["KeyId"]):
            self._configure(answer["KeyId"], {}, properties)
        return Resource(answer["KeyId"], {"Arn": answer["Arn"], "KeyId": answer["KeyId"]})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.client.update_key_description(KeyId=physical_id, Description=new.get("Description", ""))
        if old.get("KeyPolicy") != new.get("KeyPolicy"):
            policy = compact(new.get("KeyPolicy") or self._default_policy())
            self.client.put_key_policy(KeyId=physical_id, PolicyName="default", Policy=policy)
        self._configure(physical_id, old, new)
        change_tags(
            old,
            new,
            put=lambda tags: self.call("tag_resource", {"KeyId": physical_id, "Tags": _kms_tags(tags)}),
            remove=lambda keys: self.call("untag_resource", {"KeyId": physical_id, "TagKeys": keys}),
        )
        arn = self.client.describe_key(KeyId=physical_id)["KeyMetadata"]["Arn"]
        return Resource(physical_id, {"Arn": arn, "KeyId": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.call(
            "schedule_key_deletion",
            {"KeyId": physical_id, "PendingWindowInDays": properties.get("PendingWindowInDays", 30)},
        )

    def _configure(self, key_id: str, old: Properties, new: Properties) -> None:
        if new.get("EnableKeyRotation"):
            self.call(
                "enable_key_rotation",
                {"KeyId": key_id, "RotationPeriodInDays": new.get("RotationPeriodInDays")},
            )
        elif old.get("EnableKeyRotation"):
            self.client.disable_key_rotation(KeyId=key_id)
        if new.get("Enabled", True) != old.get("Enabled", True):
            switch = self.client.enable_key if new.get("Enabled", True) else self.client.disable_key
            switch(KeyId=key_id)

    def _default_policy(self) -> dict[str, Json]:
        statement = {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.surroundings.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        return {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}


def _kms_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


class Alias(AwsResource):
    """A name for a key."""

    resource_type = "AWS::KMS::Alias"
    service = "kms"
    name_properties = ("AliasName",)
    implemented = words("AliasName TargetKeyId")

    def create(self, properties: Properties) -> Resource:
        self.call("create_alias", properties)
        return Resource(properties["AliasName"])

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.call("update_alias", new)
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_alias(AliasName=physical_id)
