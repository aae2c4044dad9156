"""AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, compact, words
from local.deploy.handlers import AwsResource, Resource


class Bucket(AwsResource):
    """A bucket, and each part of its configuration by the call that puts it."""

    resource_type = "AWS::S3::Bucket"
    service = "s3"
    name_properties = ("BucketName",)
    implemented = words("""
        BucketName Tags VersioningConfiguration.Status NotificationConfiguration.EventBridgeConfiguration
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "BucketEncryption": "stored and reported; objects lie unencrypted on this machine's disk",
        "LifecycleConfiguration.Rules.Id": "stored and reported",
        "LifecycleConfiguration.Rules.Status": "stored and reported",
        "LifecycleConfiguration.Rules.Prefix": "stored and reported",
        "LifecycleConfiguration.Rules.ExpirationInDays": "stored and reported; objects never expire",
        "LifecycleConfiguration.Rules.NoncurrentVersionExpiration": "stored and reported; versions never expire",
        "LifecycleConfiguration.Rules.AbortIncompleteMultipartUpload": "stored and reported; uploads never expire",
        "PublicAccessBlockConfiguration": "stored and reported; nothing outside this machine reaches a bucket anyway",
        "OwnershipControls": "stored and reported; every object belongs to the one local account",
        "AccessControl": "kept in the stack's state only; access is not checked",
        "LoggingConfiguration": "kept in the stack's state only; no access logs are written",
    }
    attributes = words("Arn DomainName RegionalDomainName DualStackDomainName WebsiteURL")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("BucketName") or self.identity.name(limit=63, lower_case=True)
        self.refuse_existing("head_bucket", {"Bucket": name})
        self.claim(name)
        self.client.create_bucket(Bucket=name)
        with self.created(name):
            self._configure(name, {}, properties)
        return self._resource(name)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._configure(physical_id, old, new)
        return self._resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_bucket(Bucket=physical_id)

    def _resource(self, name: str) -> Resource:
        region = self.surroundings.region
        return Resource(
            name,
            {
                "Arn": f"arn:aws:s3:::{name}",
                "DomainName": f"{name}.s3.amazonaws.com",
                "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
                "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
                "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
            },
        )

    def _configure(self, name: str, old: Properties, new: Properties) -> None:
        for key, (put, argument, remove) in _PARTS.items():
            if new.get(key) == old.get(key):
                continue
            if new.get(key):
                document = _PART_DOCUMENTS[key](new[key]) if key in _PART_DOCUMENTS else new[key]
                self.call(put, {"Bucket": name, argument: document})
            elif key == "VersioningConfiguration":
                self.call(put, {"Bucket": name, argument: {"Status": "Suspended"}})
            elif key == "NotificationConfiguration":
                self.call(put, {"Bucket": name, argument: {}})
            else:
                self.call(remove, {"Bucket": name})


_PARTS: Mapping[str, tuple[str, str, str]] = {
    "VersioningConfiguration": ("put_bucket_versioning", "VersioningConfiguration", ""),
    "NotificationConfiguration": ("put_bucket_notification_configuration", "NotificationConfiguration", ""),
    "Tags": ("put_bucket_tagging", "Tagging", "delete_bucket_tagging"),
    "BucketEncryption": (
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        "delete_bucket_encryption",
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        "delete_bucket_lifecycle",
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        "delete_public_access_block",
    ),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "OwnershipControls",
        "delete_bucket_ownership_controls",
    ),
}


def _encryption(value: Json) -> Json:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault"),
            "BucketKeyEnabled": rule.get("BucketKeyEnabled"),
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"Rules": rules}


def _lifecycle(value: Json) -> Json:
    return {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}


def _lifecycle_rule(rule: Json) -> Json:
    days = rule.get("ExpirationInDays")
    return {
        "ID": rule.get("Id"),
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
        "Expiration": None if days is None else {"Days": days},
        "NoncurrentVersionExpiration": rule.get("NoncurrentVersionExpiration"),
        "AbortIncompleteMultipartUpload": rule.get("AbortIncompleteMultipartUpload"),
    }


_PART_DOCUMENTS: Mapping[str, Callable[[Json], Json]] = {
    "BucketEncryption": _encryption,
    "LifecycleConfiguration": _lifecycle,
    "Tags": lambda tags: {"TagSet": tags},
    "NotificationConfiguration": lambda value: {
        "EventBridgeConfiguration": {}
        if value.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled", True)
        else None
    },
}


class BucketPolicy(AwsResource):
    """A bucket's policy, without the statements that only AWS can judge."""

    resource_type = "AWS::S3::BucketPolicy"
    service = "s3"
    name_properties = ("Bucket",)
    implemented = words("Bucket PolicyDocument")
    simulated: ClassVar[Mapping[str, str]] = {
        "PolicyDocument.Statement.Effect": "a Deny without a condition is enforced; an Allow is not needed",
        "PolicyDocument.Statement.Condition": (
            "conditions are not judged: a Deny with a condition (such as aws:SecureTransport) is kept in the stack's "
            "state only, because it would otherwise refuse every request"
        ),
    }

    def create(self, properties: Properties) -> Resource:
        self.refuse_existing("get_bucket_policy", {"Bucket": properties["Bucket"]})
        self._put(properties)
        return Resource(properties["Bucket"])

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put(new)
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_bucket_policy(Bucket=physical_id)

    def _put(self, properties: Properties) -> None:
        bucket, document = properties["Bucket"], properties["PolicyDocument"]
        enforced = [statement for statement in document["Statement"] if not _is_conditional_deny(statement)]
        if enforced:
            self.client.put_bucket_policy(Bucket=bucket, Policy=compact({**document, "Statement": enforced}))
        else:
            self.client.delete_bucket_policy(Bucket=bucket)


def _is_conditional_deny(statement: Json) -> bool:
    return statement["Effect"] == "Deny" and "Condition" in statement
