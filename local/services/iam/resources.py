"""The ARN of what a call acts on, from its parameters: one table by service and type of resource.

A type is used for the operations whose action has it in AWS's service authorization reference, and whose parameters
can name it. Where the caller has left the parameter out, the resource is `*`, as AWS asks for all of that type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

Parameters = Mapping[str, Any]

ALL: Final = "*"
FIELD: Final = re.compile(r"\{([A-Za-z]+)\}")


class Lookups(Protocol):
    """What only the state of a service knows: what a key, a secret, a role are called in full."""

    def key_arn(self, name: str) -> str: ...
    def ciphertext_key(self, ciphertext: str) -> str: ...
    def secret_arn(self, name: str) -> str: ...
    def role_arn(self, name: str) -> str: ...
    def user_arn(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the resources are, and who can look them up."""

    account: str
    region: str
    lookups: Lookups


Name = Callable[[str, Place], str]
"""Makes one parameter's value into an ARN, or what is to stand in the template."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One type of resource. `form` is its ARN with the parameters that name it; a value that is an ARN already is
    taken as it is.
    """

    type: str
    """As AWS's reference calls it, in lower case; `*` for any."""
    form: str
    name: Name | None = None
    """Reads the parameter; without it the value goes into the form."""

    @property
    def members(self) -> tuple[str, ...]:
        """The parameters that it needs."""
        return tuple(field for field in FIELD.findall(self.form) if field not in ("Region", "Account"))

    def is_a(self, resource_type: str) -> bool:
        return self.type in ("*", resource_type.lower())

    def arns(self, parameters: Parameters, place: Place) -> list[str]:
        """The ARN, or one for each value where a parameter is a list."""
        values: list[dict[str, str]] = [{}]
        for member in self.members:
            found = parameters.get(member)
            each = found if isinstance(found, list) and found else [found]
            values = [{**value, member: ALL if one in (None, "") else str(one)} for value in values for one in each]
        return [self._arn(value, place) for value in values]

    def _arn(self, values: Mapping[str, str], place: Place) -> str:
        last = values[self.members[-1]]
        if self.name is not None and last != ALL:
            return self.name(last, place)
        if last.startswith("arn:"):
            return last
        filled = {**values, "Region": place.region, "Account": place.account}
        return FIELD.sub(lambda match: filled[match[1]], self.form)


def _regional(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{{Region}}:{{Account}}:{rest}"


def _lower_case(form: str) -> Name:
    """SageMaker's ARNs have names in lower case."""

    def arn(value: str, place: Place) -> str:
        if value.startswith("arn:"):
            return value
        return f"arn:aws:sagemaker:{place.region}:{place.account}:{form}/{value.lower()}"

    return arn


def _sagemaker(kind: str, member: str) -> Resource:
    return Resource(kind, _regional("sagemaker", f"{kind}/{{{member}}}"), _lower_case(kind))


def _queue(url: str, place: Place) -> str:
    """`http://host/123456789012/name`."""
    return f"arn:aws:sqs:{place.region}:{place.account}:{url.rsplit('/', 1)[-1]}"


def function_arn(name: str, place: Place) -> str:
    """A name, a part of an ARN or an ARN; each may end in a version or an alias."""
    if name.startswith("arn:"):
        return name
    tail = name.rpartition("function:")[2]
    return f"arn:aws:lambda:{place.region}:{place.account}:function:{tail}"


def _topic_of_subscription(arn: str, _place: Place) -> str:
    return arn.rpartition(":")[0]


def _parameter(name: str, place: Place) -> str:
    """A parameter's own name, without the version or label that a reading may add."""
    plain = name if name.startswith("arn:") else f"arn:aws:ssm:{place.region}:{place.account}:parameter/"
    return plain if name.startswith("arn:") else plain + name.lstrip("/").partition(":")[0]


def _bus(name: str, place: Place) -> str:
    return name if name.startswith("arn:") else f"arn:aws:events:{place.region}:{place.account}:event-bus/{name}"


def _any_of_ec2(kind: str, place: Place) -> str:
    """What has no id yet, or is named by another one's."""
    return f"arn:aws:ec2:{place.region}:{place.account}:{kind}/*"


LOG_GROUP: Final = "log-group:{logGroupName}:log-stream:"
"""CloudWatch Logs compares a group as the prefix of its streams, so that `<group>:*` covers it too."""

RESOURCES: Final[Mapping[str, tuple[Resource, ...]]] = {
    "application-autoscaling": (
        Resource("scalabletarget", _regional("application-autoscaling", "scalable-target/{ResourceId}")),
    ),
    "cloudformation": (
        Resource("stack", _regional("cloudformation", "stack/{StackName}/*")),
        Resource("changeset", _regional("cloudformation", "changeSet/{ChangeSetName}/*")),
    ),
    "cloudwatch": (
        Resource("alarm", _regional("cloudwatch", "alarm:{AlarmNames}")),
        Resource("alarm", _regional("cloudwatch", "alarm:{AlarmName}")),
        Resource("dashboard", "arn:aws:cloudwatch::{Account}:dashboard/{DashboardNames}"),
        Resource("dashboard", "arn:aws:cloudwatch::{Account}:dashboard/{DashboardName}"),
        Resource("*", "{ResourceARN}"),
    ),
    "cognito-idp": (Resource("userpool", _regional("cognito-idp", "userpool/{UserPoolId}")),),
    "dynamodb": (Resource("table", _regional("dynamodb", "table/{TableName}")), Resource("*", "{ResourceArn}")),
    "ecr": (
        Resource("repository", _regional("ecr", "repository/{repositoryName}")),
        Resource("repository", _regional("ecr", "repository/{repositoryNames}")),
        Resource("*", "{resourceArn}"),
    ),
    "ec2": (
        Resource("vpc", _regional("ec2", "vpc/{VpcId}")),
        Resource("vpc", _regional("ec2", "vpc/{CidrBlock}"), lambda _, place: _any_of_ec2("vpc", place)),
        Resource("subnet", _regional("ec2", "subnet/{SubnetId}")),
        Resource("route-table", _regional("ec2", "route-table/{RouteTableId}")),
        Resource(
            "route-table", _regional("ec2", "route-table/{AssociationId}"), lambda _, place: _any_of_ec2("*", place)
        ),
        Resource("security-group", _regional("ec2", "security-group/{GroupId}")),
        Resource("vpc-endpoint", _regional("ec2", "vpc-endpoint/{VpcEndpointId}")),
        Resource("vpc-endpoint", _regional("ec2", "vpc-endpoint/{VpcEndpointIds}")),
        Resource("vpc-flow-log", _regional("ec2", "vpc-flow-log/{FlowLogIds}")),
        Resource("vpc", _regional("ec2", "*/{ResourceIds}")),
        Resource("*", _regional("ec2", "*/{Resources}")),
    ),
    "events": (
        Resource("event-bus", _regional("events", "event-bus/{Name}"), _bus),
        Resource("*", "{ResourceARN}"),
    ),
    "iam": (
        Resource("policy", "{PolicyArn}"),
        Resource("policy", "arn:aws:iam::{Account}:policy/{PolicyName}"),
        Resource("role", "arn:aws:iam::{Account}:role/{RoleName}", lambda name, place: place.lookups.role_arn(name)),
        Resource("user", "arn:aws:iam::{Account}:user/{UserName}", lambda name, place: place.lookups.user_arn(name)),
    ),
    "kms": (
        Resource("key", _regional("kms", "key/{KeyId}"), lambda name, place: place.lookups.key_arn(name)),
        Resource("key", _regional("kms", "key/{TargetKeyId}"), lambda name, place: place.lookups.key_arn(name)),
        Resource("alias", _regional("kms", "{AliasName}")),
    ),
    "lambda": (
        Resource("function", _regional("lambda", "function:{FunctionName}"), function_arn),
        Resource("eventsourcemapping", _regional("lambda", "event-source-mapping:{UUID}")),
        Resource("layerversion", _regional("lambda", "layer:{LayerName}:{VersionNumber}")),
        Resource("layer", _regional("lambda", "layer:{LayerName}")),
        Resource("*", "{Resource}"),
    ),
    "logs": (
        Resource("log-stream", _regional("logs", "log-group:{logGroupName}:log-stream:{logStreamName}")),
        Resource("log-group", _regional("logs", LOG_GROUP)),
        Resource("*", "{resourceArn}"),
    ),
    "s3": (
        Resource("object", "arn:aws:s3:::{Bucket}/{Key}"),
        Resource("bucket", "arn:aws:s3:::{Bucket}"),
    ),
    "sagemaker": (
        _sagemaker("endpoint", "EndpointName"),
        _sagemaker("endpoint-config", "EndpointConfigName"),
        _sagemaker("model", "ModelName"),
        _sagemaker("model-package-group", "ModelPackageGroupName"),
        Resource("model-package", "{ModelPackageArn}"),
        _sagemaker("model-package", "ModelPackageName"),
        _sagemaker("training-job", "TrainingJobName"),
        _sagemaker("processing-job", "ProcessingJobName"),
        _sagemaker("transform-job", "TransformJobName"),
        _sagemaker("hyper-parameter-tuning-job", "HyperParameterTuningJobName"),
        _sagemaker("pipeline", "PipelineName"),
        _sagemaker("experiment", "ExperimentName"),
        Resource("*", "{ResourceArn}"),
    ),
    "scheduler": (
        Resource("schedule", _regional("scheduler", "schedule/{GroupName}/{Name}")),
        Resource("schedule-group", _regional("scheduler", "schedule-group/{Name}")),
        Resource("*", "{ResourceArn}"),
    ),
    "secretsmanager": (
        Resource(
            "secret",
            _regional("secretsmanager", "secret:{SecretId}"),
            lambda name, place: place.lookups.secret_arn(name),
        ),
        Resource("secret", _regional("secretsmanager", "secret:{Name}")),
    ),
    "sns": (
        Resource("topic", "{TopicArn}"),
        Resource("topic", "{SubscriptionArn}", _topic_of_subscription),
        Resource("topic", _regional("sns", "{Name}")),
        Resource("topic", "{ResourceArn}"),
    ),
    "sqs": (
        Resource("queue", _regional("sqs", "{QueueUrl}"), _queue),
        Resource("queue", _regional("sqs", "{QueueName}")),
    ),
    "ssm": (
        Resource("parameter", _regional("ssm", "parameter/{Name}"), _parameter),
        Resource("parameter", _regional("ssm", "parameter/{Names}"), _parameter),
        Resource("parameter", _regional("ssm", "parameter/{Path}"), _parameter),
    ),
    "states": (
        Resource("statemachine", _regional("states", "stateMachine:{stateMachineArn}")),
        Resource("statemachine", _regional("states", "stateMachine:{name}")),
        Resource("execution", _regional("states", "execution:{executionArn}")),
        Resource("*", "{resourceArn}"),
    ),
    "sts": (Resource("role", "{RoleArn}"), Resource("federated-user", "arn:aws:sts::{Account}:federated-user/{Name}")),
    "wafv2": (
        Resource("webacl", _regional("wafv2", "regional/webacl/{Name}/*")),
        Resource("webacl", "{WebACLArn}"),
        Resource("*", "{ResourceARN}"),
        Resource("*", "{ResourceArn}"),
    ),
}
"""By the prefix of the service's actions; of the entries for one type, the first whose parameters the operation has."""
