"""AWS::SQS::Queue and AWS::SQS::QueuePolicy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, compact, text, words
from local.deploy.handlers import AwsResource, Resource, unless_gone
from local.deploy.tags import change_tags, tag_map

_ATTRIBUTES = words("""
    DelaySeconds MaximumMessageSize MessageRetentionPeriod ReceiveMessageWaitTimeSeconds VisibilityTimeout
    RedrivePolicy RedriveAllowPolicy FifoQueue ContentBasedDeduplication DeduplicationScope FifoThroughputLimit
    KmsMasterKeyId KmsDataKeyReusePeriodSeconds SqsManagedSseEnabled
""")
_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
    "KmsDataKeyReusePeriodSeconds": "300",
    "SqsManagedSseEnabled": "true",
}


class Queue(AwsResource):
    """A queue; Ref is its URL."""

    resource_type = "AWS::SQS::Queue"
    service = "sqs"
    name_properties = ("QueueName",)
    implemented = words("""
        QueueName DelaySeconds MaximumMessageSize MessageRetentionPeriod ReceiveMessageWaitTimeSeconds
        VisibilityTimeout RedrivePolicy FifoQueue ContentBasedDeduplication Tags
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "KmsMasterKeyId": "stored and reported; messages are not encrypted",
        "KmsDataKeyReusePeriodSeconds": "stored and reported; messages are not encrypted",
        "SqsManagedSseEnabled": "stored and reported; messages are not encrypted",
        "RedriveAllowPolicy": "kept in the stack's state only; any queue may redrive to this one",
        "DeduplicationScope": "stored and reported; deduplication is by queue",
        "FifoThroughputLimit": "stored and reported; nothing is throttled",
    }
    attributes = words("Arn QueueUrl QueueName")

    def create(self, properties: Properties) -> Resource:
        is_fifo = text(properties.get("FifoQueue", False)) == "true"
        generated = self.identity.name(limit=75) + (".fifo" if is_fifo else "")
        name = properties.get("QueueName") or generated
        self.refuse_existing("get_queue_url", {"QueueName": name})
        url = self.client.create_queue(QueueName=name, Attributes=_attributes(properties), tags=tag_map(properties))[
            "QueueUrl"
        ]
        return self._resource(url)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        before, after = _attributes(old), _attributes(new)
        changed = {
            name: after.get(name, _DEFAULTS.get(name, ""))
            for name in sorted(before | after)
            if before.get(name) != after.get(name)
        }
        if changed:
            # moto forgets a queue's policy when another attribute is set without it.
            known = self.client.get_queue_attributes(QueueUrl=physical_id, AttributeNames=["Policy"])
            kept = known.get("Attributes", {})
            self.client.set_queue_attributes(QueueUrl=physical_id, Attributes={**kept, **changed})
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_queue(QueueUrl=physical_id, Tags=tags),
            remove=lambda keys: self.client.untag_queue(QueueUrl=physical_id, TagKeys=keys),
        )
        return self._resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_queue(QueueUrl=physical_id)

    def _resource(self, url: str) -> Resource:
        name = url.rpartition("/")[2]
        arn = f"arn:aws:sqs:{self.surroundings.region}:{self.surroundings.account}:{name}"
        return Resource(url, {"Arn": arn, "QueueUrl": url, "QueueName": name})


class QueuePolicy(AwsResource):
    """One policy, given to each of its queues."""

    resource_type = "AWS::SQS::QueuePolicy"
    service = "sqs"
    implemented = words("Queues")
    simulated: ClassVar[Mapping[str, str]] = {"PolicyDocument": "stored and reported; who may send is not judged"}
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        self._put(properties["Queues"], compact(properties["PolicyDocument"]))
        name = self.identity.name()
        return Resource(name, {"Id": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put([queue for queue in old["Queues"] if queue not in new["Queues"]], "")
        self._put(new["Queues"], compact(new["PolicyDocument"]))
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._put(properties["Queues"], "")

    def _put(self, queues: list[str], policy: str) -> None:
        for queue in queues:
            with unless_gone():
                self.client.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


def _attributes(properties: Properties) -> dict[str, str]:
    return {name: _written(properties[name]) for name in sorted(_ATTRIBUTES) if name in properties}


def _written(value: Json) -> str:
    return compact(value) if isinstance(value, (dict, list)) else text(value)
