"""AWS::SageMaker::Model, EndpointConfig, Endpoint and ModelPackageGroup; Ref gives each one's ARN."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from botocore.exceptions import ClientError

from local.deploy.documents import Properties, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource, says_gone
from local.deploy.tags import change_tags, tag_list

_POLL_SECONDS = 0.25
_SETTLED = ("InService", "Failed", "UpdateRollbackFailed", "OutOfService")
# What CloudFormation gives an endpoint.
_CREATE_LIMIT, _UPDATE_LIMIT, _DELETE_LIMIT = timedelta(minutes=160), timedelta(minutes=970), timedelta(minutes=120)


class Model(AwsResource):
    """A model: an image, where its artifact lies, and its environment."""

    resource_type = "AWS::SageMaker::Model"
    service = "sagemaker"
    operation = "create_model"
    name_properties = ("ModelName",)
    implemented = words("ModelName PrimaryContainer Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "ExecutionRoleArn": "stored and reported; the model server runs with this machine's rights",
        "EnableNetworkIsolation": "stored and reported; the model server's network is this machine's",
        "VpcConfig": "stored and reported; there is no VPC here",
    }
    attributes = words("ModelArn ModelName")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("ModelName") or self.identity.name(limit=63)
        _claim(self, "model", "describe_model", ModelName=name)
        arn = self.call("create_model", {**properties, "ModelName": name})["ModelArn"]
        return Resource(arn, {"ModelArn": arn, "ModelName": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        _retag(self, physical_id, old, new)
        return Resource(physical_id, {"ModelArn": physical_id, "ModelName": _name(physical_id)})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_model(ModelName=_name(physical_id))


class EndpointConfig(AwsResource):
    """What an endpoint is to run; every change makes a new one."""

    resource_type = "AWS::SageMaker::EndpointConfig"
    service = "sagemaker"
    operation = "create_endpoint_config"
    name_properties = ("EndpointConfigName",)
    implemented = words("DataCaptureConfig EndpointConfigName ProductionVariants Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "KmsKeyId": "stored and reported; volumes are this machine's",
        "ExecutionRoleArn": "a rollout's alarms are read in its name; model servers run with this machine's rights",
        "EnableNetworkIsolation": "stored and reported; the model servers' network is this machine's",
        "VpcConfig": "stored and reported; there is no VPC here",
        "MetricsConfig": "stored; metrics are published as ever, whatever it says",
        "ProductionVariants.InitialInstanceCount": "stored and reported; a variant has one process",
        "ProductionVariants.InstanceType": "stored and reported; a variant runs on this machine",
        "ProductionVariants.InferenceAmiVersion": "stored and reported; a variant runs on this machine's drivers",
        "ProductionVariants.VolumeSizeInGB": "stored and reported; the disk is this machine's",
        "ProductionVariants.RoutingConfig": "stored and reported; a variant has one process",
        "ProductionVariants.ManagedInstanceScaling": "stored and reported; a variant has one process",
        "ProductionVariants.ModelDataDownloadTimeoutInSeconds": "stored and reported; a download has no limit",
    }
    attributes = words("EndpointConfigArn EndpointConfigName")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("EndpointConfigName") or self.identity.name(limit=63)
        _claim(self, "endpoint-config", "describe_endpoint_config", EndpointConfigName=name)
        arn = self.call("create_endpoint_config", {**properties, "EndpointConfigName": name})["EndpointConfigArn"]
        return Resource(arn, {"EndpointConfigArn": arn, "EndpointConfigName": name})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        _retag(self, physical_id, old, new)
        return Resource(physical_id, {"EndpointConfigArn": physical_id, "EndpointConfigName": _name(physical_id)})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_endpoint_config(EndpointConfigName=_name(physical_id))


class Endpoint(AwsResource):
    """An endpoint; done when it serves the configuration that was asked for.

    SageMaker rolls a bad update back by itself and is then InService on the old configuration: that is a failure.
    """

    resource_type = "AWS::SageMaker::Endpoint"
    service = "sagemaker"
    operation = "update_endpoint"
    name_properties = ("EndpointName",)
    implemented = words("""
        EndpointName EndpointConfigName Tags
        RetainAllVariantProperties ExcludeRetainedVariantProperties RetainDeploymentConfig
    """)
    simulated: ClassVar[Mapping[str, str]] = {
        "DeploymentConfig": (
            "followed: steps, bakes, alarms, rollback; a batch of instances is a share of the traffic, and a stack "
            "waits no longer for a bake once 5 seconds have brought no request"
        ),
    }
    attributes = words("EndpointArn EndpointName")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("EndpointName") or self.identity.name(limit=63)
        _claim(self, "endpoint", "describe_endpoint", EndpointName=name)
        passed = {key: properties.get(key) for key in ("EndpointConfigName", "DeploymentConfig", "Tags")}
        arn = self.call("create_endpoint", {**passed, "EndpointName": name})["EndpointArn"]
        with self.created(arn):
            self._wait(name, properties["EndpointConfigName"], _CREATE_LIMIT)
        return _endpoint(arn)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        name = _name(physical_id)
        serving = self.client.describe_endpoint(EndpointName=name)["EndpointConfigName"]
        if serving != new["EndpointConfigName"]:
            passed = {key: value for key, value in new.items() if key not in ("EndpointName", "Tags")}
            self.call("update_endpoint", {**passed, "EndpointName": name})
            self.surroundings.hurry(name)
            self._wait(name, new["EndpointConfigName"], _UPDATE_LIMIT)
        _retag(self, physical_id, old, new)
        return _endpoint(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        name = _name(physical_id)
        self.client.delete_endpoint(EndpointName=name)
        clock = self.surroundings.clock
        deadline = clock.now() + _DELETE_LIMIT
        while self._is_there(name):
            if clock.now() > deadline:
                raise ResourceFailed(f"endpoint {name} is still being deleted after {_DELETE_LIMIT}")
            clock.sleep(_POLL_SECONDS)

    def _wait(self, name: str, config_name: str, limit: timedelta) -> None:
        clock = self.surroundings.clock
        deadline = clock.now() + limit
        while (state := self.client.describe_endpoint(EndpointName=name))["EndpointStatus"] not in _SETTLED:
            if clock.now() > deadline:
                raise _not_stable(f"endpoint {name} is still {state['EndpointStatus']} after {limit}")
            clock.sleep(_POLL_SECONDS)
        reason = state.get("FailureReason", "no reason given")
        if state["EndpointStatus"] != "InService":
            raise _not_stable(f"endpoint {name} is {state['EndpointStatus']}: {reason}")
        if state["EndpointConfigName"] != config_name:
            raise _not_stable(f"endpoint {name} rolled back to {state['EndpointConfigName']}: {reason}")

    def _is_there(self, name: str) -> bool:
        try:
            self.client.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if not says_gone(error):
                raise
            return False
        return True


def _not_stable(reason: str) -> ResourceFailed:
    return ResourceFailed(reason, code="NotStabilized")


def _endpoint(arn: str) -> Resource:
    return Resource(arn, {"EndpointArn": arn, "EndpointName": _name(arn)})


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


class ModelPackageGroup(AwsResource):
    """A group of model versions in the registry."""

    resource_type = "AWS::SageMaker::ModelPackageGroup"
    service = "sagemaker"
    name_properties = ("ModelPackageGroupName",)
    implemented = words("ModelPackageGroupName ModelPackageGroupDescription Tags")
    attributes = words("ModelPackageGroupArn")

    def create(self, properties: Properties) -> Resource:
        name = properties["ModelPackageGroupName"]
        _claim(self, "model-package-group", "describe_model_package_group", ModelPackageGroupName=name)
        answer = self.call("create_model_package_group", properties)
        arn = answer["ModelPackageGroupArn"]
        return Resource(arn, {"ModelPackageGroupArn": arn})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        _retag(self, physical_id, old, new)
        return Resource(physical_id, {"ModelPackageGroupArn": physical_id})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_model_package_group(ModelPackageGroupName=properties["ModelPackageGroupName"])


def _claim(handler: AwsResource, kind: str, operation: str, **name: str) -> None:
    """Refuses a name that is taken, in SageMaker's words: moto would let the new one take the old one's place."""
    place = f"{handler.surroundings.region}:{handler.surroundings.account}"
    arn = f"arn:aws:sagemaker:{place}:{kind}/{''.join(name.values())}"
    handler.refuse_existing(operation, name, words=f'Cannot create already existing {kind} "{arn}".')
    handler.claim(arn)


def _retag(handler: AwsResource, arn: str, old: Properties, new: Properties) -> None:
    change_tags(
        old,
        new,
        put=lambda tags: handler.client.add_tags(ResourceArn=arn, Tags=tag_list(tags)),
        remove=lambda keys: handler.client.delete_tags(ResourceArn=arn, TagKeys=keys),
    )
