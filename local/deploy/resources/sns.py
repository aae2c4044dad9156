"""AWS::SNS::Topic, AWS::SNS::TopicPolicy and AWS::SNS::Subscription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, compact, text, words
from local.deploy.handlers import AwsResource, Resource, unless_gone
from local.deploy.tags import change_tags, tag_list, tag_map

_TOPIC_ATTRIBUTES = words(
    "DisplayName KmsMasterKeyId FifoTopic ContentBasedDeduplication SignatureVersion TracingConfig"
)
_SUBSCRIPTION_ATTRIBUTES = words("RawMessageDelivery FilterPolicy FilterPolicyScope RedrivePolicy DeliveryPolicy")


class Topic(AwsResource):
    """A topic, with the subscriptions that its template entry lists."""

    resource_type = "AWS::SNS::Topic"
    service = "sns"
    name_properties = ("TopicName",)
    implemented = words("TopicName DisplayName FifoTopic ContentBasedDeduplication Subscription Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "KmsMasterKeyId": "stored and reported; messages are not encrypted",
        "SignatureVersion": "kept in the stack's state only; messages are not signed",
        "TracingConfig": "kept in the stack's state only; nothing is traced",
    }
    attributes = words("TopicArn TopicName")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("TopicName") or self._generated_name(properties)
        arn = f"arn:aws:sns:{self.surroundings.region}:{self.surroundings.account}:{name}"
        self.refuse_existing("get_topic_attributes", {"TopicArn": arn})
        self.claim(arn)
        attributes = _attributes(properties, _TOPIC_ATTRIBUTES)
        tags = tag_list(tag_map(properties))
        self.client.create_topic(Name=name, Attributes=attributes, Tags=tags)
        with self.created(arn):
            self._subscribe(arn, properties)
        return _topic(arn)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        for name, value in _changed(old, new, _TOPIC_ATTRIBUTES).items():
            self.client.set_topic_attributes(TopicArn=physical_id, AttributeName=name, AttributeValue=value)
        if old.get("Subscription", []) != new.get("Subscription", []):
            self._unsubscribe(physical_id, old)
            self._subscribe(physical_id, new)
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_resource(ResourceArn=physical_id, Tags=tag_list(tags)),
            remove=lambda keys: self.client.untag_resource(ResourceArn=physical_id, TagKeys=keys),
        )
        return _topic(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._unsubscribe(physical_id, properties)
        self.client.delete_topic(TopicArn=physical_id)

    def _generated_name(self, properties: Properties) -> str:
        is_fifo = text(properties.get("FifoTopic", False)) == "true"
        return self.identity.name(limit=251) + (".fifo" if is_fifo else "")

    def _subscribe(self, arn: str, properties: Properties) -> None:
        for subscription in properties.get("Subscription", []):
            self.call("subscribe", {"TopicArn": arn, **subscription})

    def _unsubscribe(self, arn: str, properties: Properties) -> None:
        listed = {(entry["Protocol"], entry["Endpoint"]) for entry in properties.get("Subscription", [])}
        if not listed:
            return
        for entry in self.client.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]:
            if (entry["Protocol"], entry["Endpoint"]) in listed:
                self.client.unsubscribe(SubscriptionArn=entry["SubscriptionArn"])


def _topic(arn: str) -> Resource:
    return Resource(arn, {"TopicArn": arn, "TopicName": arn.rpartition(":")[2]})


class TopicPolicy(AwsResource):
    """One policy, given to each of its topics."""

    resource_type = "AWS::SNS::TopicPolicy"
    service = "sns"
    implemented = words("Topics")
    simulated: ClassVar[Mapping[str, str]] = {"PolicyDocument": "stored and reported; who may publish is not judged"}
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        self._put(properties["Topics"], compact(properties["PolicyDocument"]))
        return self._resource(self.identity.name())

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put([topic for topic in old["Topics"] if topic not in new["Topics"]], "")
        self._put(new["Topics"], compact(new["PolicyDocument"]))
        return self._resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self._put(properties["Topics"], "")

    def _put(self, topics: list[str], policy: str) -> None:
        for topic in topics:
            with unless_gone():
                self.client.set_topic_attributes(
                    TopicArn=topic, AttributeName="Policy", AttributeValue=policy or self._default_policy(topic)
                )

    def _default_policy(self, topic: str) -> str:
        owner = {"StringEquals": {"AWS:SourceOwner": self.surroundings.account}}
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "SNS:Publish",
            "Resource": topic,
            "Condition": owner,
        }
        return compact({"Version": "2008-10-17", "Statement": [statement]})

    def _resource(self, physical_id: str) -> Resource:
        return Resource(physical_id, {"Id": physical_id})


class Subscription(AwsResource):
    """A topic's subscription. An e-mail address is never written to; it counts as confirmed."""

    resource_type = "AWS::SNS::Subscription"
    service = "sns"
    implemented = words("TopicArn Endpoint RawMessageDelivery FilterPolicy FilterPolicyScope")
    simulated: ClassVar[Mapping[str, str]] = {
        "Protocol": "queues, functions and loopback addresses are reached; e-mail and SMS are not sent",
        "RedrivePolicy": "stored and reported; nothing is redriven",
        "DeliveryPolicy": "stored and reported; deliveries are tried once",
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        arn = self.client.subscribe(
            TopicArn=properties["TopicArn"],
            Protocol=properties["Protocol"],
            Endpoint=properties["Endpoint"],
            Attributes=_attributes(properties, _SUBSCRIPTION_ATTRIBUTES),
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return Resource(arn, {"Arn": arn})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        for name, value in _changed(old, new, _SUBSCRIPTION_ATTRIBUTES).items():
            self.client.set_subscription_attributes(
                SubscriptionArn=physical_id, AttributeName=name, AttributeValue=value
            )
        return Resource(physical_id, {"Arn": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.unsubscribe(SubscriptionArn=physical_id)


def _attributes(properties: Properties, names: frozenset[str]) -> dict[str, str]:
    return {name: _written(properties[name]) for name in sorted(names) if name in properties}


def _changed(old: Properties, new: Properties, names: frozenset[str]) -> Mapping[str, str]:
    before, after = _attributes(old, names), _attributes(new, names)
    return {name: after.get(name, "") for name in sorted(before | after) if before.get(name) != after.get(name)}


def _written(value: Json) -> str:
    return compact(value) if isinstance(value, (dict, list)) else text(value)
