"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Json, Properties, words
from local.deploy.handlers import AwsResource, Resource

_PLACE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_NOTHING_SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}
_NEVER_SCALES = "stored and reported; nothing scales: a variant has one process here"


class ScalableTarget(AwsResource):
    """What may be scaled, and between which capacities; Ref is `<resource id>|<dimension>|<namespace>`."""

    resource_type = "AWS::ApplicationAutoScaling::ScalableTarget"
    service = "application-autoscaling"
    name_properties = ("ResourceId", "ScalableDimension", "ServiceNamespace")
    implemented = words("ServiceNamespace ResourceId ScalableDimension")
    simulated: ClassVar[Mapping[str, str]] = {
        "MinCapacity": _NEVER_SCALES,
        "MaxCapacity": _NEVER_SCALES,
        "RoleARN": _NEVER_SCALES,
        "SuspendedState": _NEVER_SCALES,
        "Tags": "kept in the stack's state only",
    }
    attributes = words("Id")

    def create(self, properties: Properties) -> Resource:
        dimension = {key: properties[key] for key in ("ServiceNamespace", "ScalableDimension")}
        place = {**dimension, "ResourceIds": [properties["ResourceId"]]}
        self.refuse_existing("describe_scalable_targets", place, listed="ScalableTargets")
        self._register(properties)
        target_id = "|".join(properties[key] for key in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        return Resource(target_id, {"Id": target_id})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        # A state that is left out stays as it was.
        self._register({"SuspendedState": _NOTHING_SUSPENDED, **new} if "SuspendedState" in old else new)
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.deregister_scalable_target(**{key: properties[key] for key in _PLACE})

    def _register(self, properties: Properties) -> None:
        passed = {key: value for key, value in properties.items() if key != "Tags"}
        self.call("register_scalable_target", passed)


class ScalingPolicy(AwsResource):
    """How a target is scaled; Ref is the policy's ARN."""

    resource_type = "AWS::ApplicationAutoScaling::ScalingPolicy"
    service = "application-autoscaling"
    name_properties = ("PolicyName", "ScalingTargetId")
    implemented = words("PolicyName ScalingTargetId ServiceNamespace ResourceId ScalableDimension")
    simulated: ClassVar[Mapping[str, str]] = {
        "PolicyType": _NEVER_SCALES,
        "TargetTrackingScalingPolicyConfiguration": _NEVER_SCALES,
        "StepScalingPolicyConfiguration": _NEVER_SCALES,
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        place = {**_place(properties), "PolicyNames": [properties["PolicyName"]]}
        self.refuse_existing("describe_scaling_policies", place, listed="ScalingPolicies")
        arn = self._put(properties)
        return Resource(arn, {"Arn": arn})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put(new)
        return Resource(physical_id, {"Arn": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_scaling_policy(PolicyName=properties["PolicyName"], **_place(properties))

    def _put(self, properties: Properties) -> str:
        passed = {key: value for key, value in properties.items() if key != "ScalingTargetId"}
        return str(self.call("put_scaling_policy", {**passed, **_place(properties)})["PolicyARN"])


def _place(properties: Properties) -> dict[str, Json]:
    if "ScalingTargetId" not in properties:
        return {key: properties[key] for key in _PLACE}
    resource_id, dimension, namespace = properties["ScalingTargetId"].split("|")
    return {"ServiceNamespace": namespace, "ResourceId": resource_id, "ScalableDimension": dimension}
