"""As much of SageMaker and CloudWatch as a rollout calls, in memory. Every request is checked by the service model, and
an update goes on until a test says how it ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import validate_parameters

from local.services.sagemaker.service_model import check, operation_model
from tests.functions.retraining.loops import ENDPOINT, GROUP, NOON, SETTINGS

Arguments = Mapping[str, Any]

STACK_MODEL, STACK_CONFIG = "Model-1a2b3c", "Config-1a2b3c"
VERSION_3, VERSION_4 = f"{GROUP}/3", f"{GROUP}/4"
VARIANT: dict[str, Any] = {
    "VariantName": "main",
    "ModelName": STACK_MODEL,
    "InstanceType": "ml.g6.xlarge",
    "InitialInstanceCount": 2,
    "InitialVariantWeight": 1.0,
    "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
}
CONFIG: dict[str, Any] = {
    "EndpointConfigName": STACK_CONFIG,
    "ProductionVariants": [VARIANT],
    "DataCaptureConfig": {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://captures/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    },
    "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/1",
    "MetricsConfig": {"EnableDetailedObservability": True},
}
INITIAL_MODEL: dict[str, Any] = {
    "ModelName": STACK_MODEL,
    "PrimaryContainer": {
        "Image": SETTINGS.image_uri,
        "ModelDataUrl": "https://s3.us-east-1.amazonaws.com/assets/model.tar.gz",
        "Environment": {"FLYBALL_PACKAGE": "flowers", "FLYBALL_MODEL_VERSION": "initial-model"},
    },
}


def refused(message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)


@dataclass
class SageMaker:
    """An endpoint that CloudFormation made and that serves the initial version, and two versions in the registry."""

    now: datetime = NOON
    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {STACK_MODEL: INITIAL_MODEL})
    configs: dict[str, dict[str, Any]] = field(default_factory=lambda: {STACK_CONFIG: CONFIG})
    endpoint: dict[str, Any] = field(
        default_factory=lambda: {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": STACK_CONFIG,
            "EndpointStatus": "InService",
            "LastModifiedTime": NOON - timedelta(days=1),
        }
    )
    versions: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {arn: {"ModelApprovalStatus": "Approved"} for arn in (VERSION_3, VERSION_4)}
    )
    updates: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _operation: None
    """Called before each operation; what it raises is what the caller gets."""
    page_size: int = 100

    def settle(self, *, back: bool = False, reason: str = "", minutes: float = 10) -> None:
        """Ends the update that is under way."""
        pending = self.endpoint.pop("PendingDeploymentSummary")
        self.now += timedelta(minutes=minutes)
        serving = self.endpoint["EndpointConfigName"] if back else pending["EndpointConfigName"]
        self.endpoint |= {"EndpointStatus": "InService", "EndpointConfigName": serving, "LastModifiedTime": self.now}
        self.endpoint |= {"FailureReason": reason} if reason else {}

    def put_loop_config(self, name: str, *, model: str) -> None:
        self.models[model] = {"ModelName": model, "PrimaryContainer": {"ModelPackageName": VERSION_3}}
        variant = {**VARIANT, "ModelName": model}
        self.configs[name] = {**CONFIG, "EndpointConfigName": name, "ProductionVariants": [variant]}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        perform: Callable[[Arguments], Any] = object.__getattribute__(self, f"_{operation}")

        def call(**arguments: Any) -> Any:
            self.before(operation)
            name = "".join(word.capitalize() for word in operation.split("_"))
            validate_parameters(arguments, operation_model(name).input_shape)
            check(name, arguments)
            self.calls.append(operation)
            return perform(arguments)

        return call

    def _describe_endpoint(self, arguments: Arguments) -> Any:
        if self.endpoint.get("EndpointName") != arguments["EndpointName"]:
            raise refused(f'Could not find endpoint "{arguments["EndpointName"]}".', "DescribeEndpoint")
        return dict(self.endpoint)

    def _describe_endpoint_config(self, arguments: Arguments) -> Any:
        return {**self._found(self.configs, arguments["EndpointConfigName"]), "CreationTime": self.now}

    def _describe_model(self, arguments: Arguments) -> Any:
        return self._found(self.models, arguments["ModelName"])

    def _describe_model_package(self, arguments: Arguments) -> Any:
        return self._found(self.versions, arguments["ModelPackageName"])

    def _update_model_package(self, arguments: Arguments) -> Any:
        self.versions[arguments["ModelPackageArn"]] |= dict(arguments)

    def _create_model(self, arguments: Arguments) -> Any:
        self._create(self.models, arguments["ModelName"], arguments)

    def _create_endpoint_config(self, arguments: Arguments) -> Any:
        for variant in arguments["ProductionVariants"]:
            self._found(self.models, variant["ModelName"])
        self._create(self.configs, arguments["EndpointConfigName"], arguments)

    def _update_endpoint(self, arguments: Arguments) -> Any:
        self._found(self.configs, arguments["EndpointConfigName"])
        if self.endpoint["EndpointStatus"] != "InService":
            raise refused("Cannot update in-progress endpoint", "UpdateEndpoint")
        self.updates.append(dict(arguments))
        summary = {"EndpointConfigName": arguments["EndpointConfigName"], "StartTime": self.now}
        self.endpoint |= {
            "EndpointStatus": "Updating",
            "PendingDeploymentSummary": summary,
            "LastModifiedTime": self.now,
        }

    def _list_endpoint_configs(self, arguments: Arguments) -> Any:
        return self._page(self.configs, "EndpointConfigs", "EndpointConfigName", arguments)

    def _list_models(self, arguments: Arguments) -> Any:
        return self._page(self.models, "Models", "ModelName", arguments)

    def _delete_endpoint_config(self, arguments: Arguments) -> Any:
        self._found(self.configs, arguments["EndpointConfigName"])
        del self.configs[arguments["EndpointConfigName"]]

    def _delete_model(self, arguments: Arguments) -> Any:
        self._found(self.models, arguments["ModelName"])
        del self.models[arguments["ModelName"]]

    def _page(self, kept: Mapping[str, Any], key: str, member: str, arguments: Arguments) -> Any:
        after = arguments.get("NextToken", "")
        names = [name for name in sorted(kept) if arguments["NameContains"] in name and name > after]
        page = names[: self.page_size]
        more = {"NextToken": page[-1]} if len(names) > len(page) else {}
        return {key: [{member: name} for name in page], **more}

    @staticmethod
    def _found(kept: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in kept:
            raise refused(f'Could not find "{name}".', "Describe")
        return kept[name]

    @staticmethod
    def _create(kept: dict[str, dict[str, Any]], name: str, arguments: Arguments) -> None:
        if name in kept:
            raise refused(f'Cannot create already existing "{name}".', "Create")
        kept[name] = dict(arguments)


@dataclass
class Alarms:
    """When each alarm went off, and those that still are."""

    went_off: dict[str, list[datetime]] = field(default_factory=dict)
    still_off: set[str] = field(default_factory=set)

    def describe_alarms(self, **arguments: Any) -> Any:
        validate_parameters(arguments, _cloudwatch().operation_model("DescribeAlarms").input_shape)
        assert arguments["StateValue"] == "ALARM"
        names = [name for name in arguments["AlarmNames"] if name in self.still_off]
        return {"MetricAlarms": [{"AlarmName": name} for name in names], "CompositeAlarms": []}

    def describe_alarm_history(self, **arguments: Any) -> Any:
        validate_parameters(arguments, _cloudwatch().operation_model("DescribeAlarmHistory").input_shape)
        first, last = arguments["StartDate"], arguments["EndDate"]
        moments = [each for each in self.went_off.get(arguments["AlarmName"], ()) if first <= each <= last]
        return {"AlarmHistoryItems": [item for each in sorted(moments) for item in _items(each)]}


@cache
def _cloudwatch() -> Any:
    return Session().get_service_model("cloudwatch")


def _items(moment: datetime) -> list[dict[str, Any]]:
    """An alarm goes off after it had been quiet."""
    states = [("OK", moment - timedelta(minutes=1)), ("ALARM", moment)]
    return [{"Timestamp": at, "HistoryData": json.dumps({"newState": {"stateValue": state}})} for state, at in states]
