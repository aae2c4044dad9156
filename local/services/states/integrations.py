"""What a task's Resource stands for: a function, an optimized integration, or a call of the AWS SDK integration.

Names of services are those of the AWS SDK for Java 2, as Step Functions has them; names of operations begin with a
small letter. https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from local.api_table import API_TABLE


class Pattern(StrEnum):
    """How a task ends: with the call, with the job that the call began, or with the token that the call handed out."""

    REQUEST_RESPONSE = ""
    RUN_A_JOB = ".sync"
    WAIT_FOR_CALLBACK = ".waitForTaskToken"


@dataclass(frozen=True, slots=True)
class Job:
    """How a job is followed: botocore's operations, the members of its description, and the rule that AWS makes."""

    name: str
    status: str
    describe: str
    stop: str
    rule: str

    def has_completed(self, status: str) -> bool:
        return status == "Completed"

    def has_ended(self, status: str) -> bool:
        return status in ("Completed", "Failed", "Stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """A call: botocore's names of service and operation, and what the history says of it.

    `prefix` is what its errors' names begin with, `fallback` the name of those that the API does not define.
    """

    service: str
    operation: str
    pattern: Pattern
    resource_type: str
    resource: str
    prefix: str
    fallback: str
    is_sdk: bool = False
    function_arn: str | None = None
    job: Job | None = None

    @property
    def is_function(self) -> bool:
        return self.service == "lambda" and self.operation == "Invoke" and not self.is_sdk


class ResourceRefused(ValueError):
    """A Resource that is none, or none here; `is_known_to_aws` tells the two apart."""

    def __init__(self, message: str, *, is_known_to_aws: bool) -> None:
        super().__init__(message)
        self.is_known_to_aws = is_known_to_aws


TRAINING: Final = Job(
    name="TrainingJobName",
    status="TrainingJobStatus",
    describe="DescribeTrainingJob",
    stop="StopTrainingJob",
    rule="StepFunctionsGetEventsForSageMakerTrainingJobsRule",
)
PROCESSING: Final = Job(
    name="ProcessingJobName",
    status="ProcessingJobStatus",
    describe="DescribeProcessingJob",
    stop="StopProcessingJob",
    rule="StepFunctionsGetEventsForSageMakerProcessingJobsRule",
)

CALL: Final = Pattern.REQUEST_RESPONSE
TOKEN: Final = Pattern.WAIT_FOR_CALLBACK
JOB: Final = Pattern.RUN_A_JOB


@dataclass(frozen=True, slots=True)
class Optimized:
    """An integration of its own that Step Functions has with an API."""

    service: str
    prefix: str
    fallback: str
    patterns: frozenset[Pattern] = frozenset({CALL})
    job: Job | None = None


_LAMBDA = ("lambda", "Lambda", "AWSLambdaException")
_SAGEMAKER = ("sagemaker", "SageMaker", "AmazonSageMakerException")

OPTIMIZED: Final[Mapping[str, Optimized]] = {
    "events:putEvents": Optimized(
        "events", "EventBridge", "AmazonEventBridgeException", patterns=frozenset({CALL, TOKEN})
    ),
    "lambda:invoke": Optimized(*_LAMBDA, patterns=frozenset({CALL, TOKEN})),
    "sagemaker:createEndpoint": Optimized(*_SAGEMAKER),
    "sagemaker:createEndpointConfig": Optimized(*_SAGEMAKER),
    "sagemaker:createModel": Optimized(*_SAGEMAKER),
    "sagemaker:createProcessingJob": Optimized(*_SAGEMAKER, patterns=frozenset({CALL, JOB}), job=PROCESSING),
    "sagemaker:createTrainingJob": Optimized(*_SAGEMAKER, patterns=frozenset({CALL, JOB}), job=TRAINING),
    "sagemaker:updateEndpoint": Optimized(*_SAGEMAKER),
    "sns:publish": Optimized("sns", "SNS", "AmazonSNSException", patterns=frozenset({CALL, TOKEN})),
    "sqs:sendMessage": Optimized("sqs", "SQS", "AmazonSQSException", patterns=frozenset({CALL, TOKEN})),
}

SDK_SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "apigateway": ("apigateway", "ApiGateway"),
    "applicationautoscaling": ("application-autoscaling", "ApplicationAutoScaling"),
    "cloudformation": ("cloudformation", "CloudFormation"),
    "cloudwatch": ("cloudwatch", "CloudWatch"),
    "cloudwatchlogs": ("logs", "CloudWatchLogs"),
    "cognitoidentityprovider": ("cognito-idp", "CognitoIdentityProvider"),
    "dynamodb": ("dynamodb", "DynamoDb"),
    "ec2": ("ec2", "Ec2"),
    "ecr": ("ecr", "Ecr"),
    "eventbridge": ("events", "EventBridge"),
    "iam": ("iam", "Iam"),
    "kms": ("kms", "Kms"),
    "lambda": ("lambda", "Lambda"),
    "s3": ("s3", "S3"),
    "sagemaker": ("sagemaker", "SageMaker"),
    "sagemakerruntime": ("sagemaker-runtime", "SageMakerRuntime"),
    "scheduler": ("scheduler", "Scheduler"),
    "secretsmanager": ("secretsmanager", "SecretsManager"),
    "sfn": ("stepfunctions", "Sfn"),
    "sns": ("sns", "Sns"),
    "sqs": ("sqs", "Sqs"),
    "ssm": ("ssm", "Ssm"),
    "sts": ("sts", "Sts"),
    "wafv2": ("wafv2", "Wafv2"),
}
"""botocore's name of each service of the SDK integration, and what the names of its errors begin with."""

_RESOURCE = re.compile(r"arn:aws:states:::(?P<api>(aws-sdk:)?[a-zA-Z0-9]+:[a-zA-Z0-9]+)(?P<pattern>(\.\w+)?(:2)?)$")
_FUNCTION = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$")


def integration_of(resource: str) -> Integration:
    """What a Resource calls.

    Raises: ResourceRefused.
    """
    if _FUNCTION.match(resource):
        return Integration(
            service="lambda",
            operation="Invoke",
            pattern=CALL,
            resource_type="lambda",
            resource=resource,
            prefix="Lambda",
            fallback="AWSLambdaException",
            function_arn=resource,
        )
    found = _RESOURCE.match(resource)
    if found is None:
        known = resource.startswith("arn:aws:states:") and ":activity:" in resource
        raise _refused(resource, is_known_to_aws=known)
    if found["pattern"] not in list(Pattern):
        raise _refused(resource, is_known_to_aws=True)
    pattern = Pattern(found["pattern"])
    if found["api"].startswith("aws-sdk:"):
        return _of_sdk(resource, found["api"].removeprefix("aws-sdk:"), pattern)
    return _optimized(resource, found["api"], pattern)


def _optimized(resource: str, api: str, pattern: Pattern) -> Integration:
    known = OPTIMIZED.get(api)
    if known is None or pattern not in known.patterns:
        raise _refused(resource, is_known_to_aws=known is None)
    action = api.partition(":")[2]
    return Integration(
        service=known.service,
        operation=_operation(action),
        pattern=pattern,
        resource_type=api.partition(":")[0],
        resource=f"{action}{pattern}",
        prefix=known.prefix,
        fallback=known.fallback,
        job=known.job if pattern is JOB else None,
    )


def _of_sdk(resource: str, api: str, pattern: Pattern) -> Integration:
    name, _, action = api.partition(":")
    service, prefix = SDK_SERVICES.get(name, ("", ""))
    operation = _operation(action)
    if pattern is JOB:
        raise _refused(resource, is_known_to_aws=False)
    if service not in API_TABLE or API_TABLE[service].how(operation) is None:
        raise _refused(resource, is_known_to_aws=True)
    return Integration(
        service=service,
        operation=operation,
        pattern=pattern,
        resource_type=f"aws-sdk:{name}",
        resource=f"{action}{pattern}",
        prefix=prefix,
        fallback=f"{prefix}Exception",
        is_sdk=True,
    )


def _operation(action: str) -> str:
    return action[:1].upper() + action[1:]


def _refused(resource: str, *, is_known_to_aws: bool) -> ResourceRefused:
    if not is_known_to_aws:
        return ResourceRefused(f"The resource '{resource}' is not supported.", is_known_to_aws=False)
    allowed = f"functions, {', '.join(sorted(OPTIMIZED))} and aws-sdk calls of what the local cloud answers"
    return ResourceRefused(
        f"found the resource {resource}; the local cloud's state machines call {allowed}", is_known_to_aws=True
    )
