"""What a call needs beside its own action: to pass a role on, to tag what it makes, to use a key, to read code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from local.api_calls import ApiCall
from local.services.iam.context import tags_in
from local.services.iam.evaluation import Question
from local.services.iam.parameters import Parameters
from local.services.iam.patterns import Context
from local.services.iam.resources import Lookups, Place


class Encryption(Protocol):
    """Which key, by its ARN, something is encrypted with; None where it is none of the account's own."""

    def bucket_key(self, bucket: str) -> str | None: ...
    def object_key(self, bucket: str, key: str) -> str | None: ...
    def topic_key(self, topic_arn: str) -> str | None: ...
    def queue_key(self, queue_arn: str) -> str | None: ...
    def parameter_key(self, name: str) -> str | None: ...
    def uses_bucket_key(self, bucket: str) -> bool: ...
    def has_object(self, bucket: str, key: str) -> bool: ...


class State(Lookups, Encryption, Protocol):
    """What has to be looked up for a question."""


PASSED_ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "apigateway:PutIntegration": ("credentials", "apigateway.amazonaws.com"),
    "apigateway:UpdateAccount": ("patchOperations[].value", "apigateway.amazonaws.com"),
    "application-autoscaling:RegisterScalableTarget": ("RoleARN", "application-autoscaling.amazonaws.com"),
    "cloudformation:ContinueUpdateRollback": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:CreateChangeSet": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:CreateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:DeleteStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:RollbackStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:UpdateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cognito-idp:CreateGroup": ("RoleArn", "cognito-idp.amazonaws.com"),
    "cognito-idp:CreateUserPoolClient": ("AnalyticsConfiguration.RoleArn", "cognito-idp.amazonaws.com"),
    "cognito-idp:UpdateUserPoolClient": ("AnalyticsConfiguration.RoleArn", "cognito-idp.amazonaws.com"),
    "events:PutRule": ("RoleArn", "events.amazonaws.com"),
    "events:PutTargets": ("Targets[].RoleArn", "events.amazonaws.com"),
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "sagemaker:CreateEndpointConfig": ("ExecutionRoleArn", "sagemaker.amazonaws.com"),
    "sagemaker:CreateModel": ("ExecutionRoleArn", "sagemaker.amazonaws.com"),
    "sagemaker:CreateProcessingJob": ("RoleArn", "sagemaker.amazonaws.com"),
    "sagemaker:CreateTrainingJob": ("RoleArn", "sagemaker.amazonaws.com"),
    "scheduler:CreateSchedule": ("Target.RoleArn", "scheduler.amazonaws.com"),
    "scheduler:UpdateSchedule": ("Target.RoleArn", "scheduler.amazonaws.com"),
    "stepfunctions:CreateStateMachine": ("roleArn", "states.amazonaws.com"),
    "stepfunctions:UpdateStateMachine": ("roleArn", "states.amazonaws.com"),
}
"""Where a call names a role that a service is to act under, and which service: the caller needs iam:PassRole."""

TAGGING: Final[Mapping[str, str]] = {
    "application-autoscaling:RegisterScalableTarget": "application-autoscaling:TagResource",
    "cloudwatch:PutCompositeAlarm": "cloudwatch:TagResource",
    "cloudwatch:PutDashboard": "cloudwatch:TagResource",
    "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "dynamodb:CreateTable": "dynamodb:TagResource",
    "events:CreateEventBus": "events:TagResource",
    "events:PutRule": "events:TagResource",
    "iam:CreatePolicy": "iam:TagPolicy",
    "iam:CreateRole": "iam:TagRole",
    "iam:CreateUser": "iam:TagUser",
    "kms:CreateKey": "kms:TagResource",
    "lambda:CreateFunction": "lambda:TagResource",
    "logs:CreateLogGroup": "logs:TagResource",
    "sagemaker:CreateEndpoint": "sagemaker:AddTags",
    "sagemaker:CreateEndpointConfig": "sagemaker:AddTags",
    "sagemaker:CreateModel": "sagemaker:AddTags",
    "sagemaker:CreateModelPackage": "sagemaker:AddTags",
    "sagemaker:CreateModelPackageGroup": "sagemaker:AddTags",
    "sagemaker:CreateProcessingJob": "sagemaker:AddTags",
    "sagemaker:CreateTrainingJob": "sagemaker:AddTags",
    "scheduler:CreateScheduleGroup": "scheduler:TagResource",
    "secretsmanager:CreateSecret": "secretsmanager:TagResource",
    "sns:CreateTopic": "sns:TagResource",
    "sqs:CreateQueue": "sqs:TagQueue",
    "ssm:PutParameter": "ssm:AddTagsToResource",
    "stepfunctions:CreateStateMachine": "states:TagResource",
}
"""What a call that makes something asks for beside its own action, if it brings tags."""


def tagging(call: ApiCall, parameters: Parameters, own: Sequence[tuple[str, str]], context: Context) -> list[Question]:
    action = TAGGING.get(str(call))
    if action is None or not tags_in(parameters):
        return []
    return [Question(action, resource, context) for _, resource in own[:1]]


def passing(call: ApiCall, parameters: Parameters) -> list[Question]:
    rule = PASSED_ROLES.get(str(call))
    if rule is None:
        return []
    path, service = rule
    roles = [role for role in values_at(parameters, path) if role.startswith("arn:")]
    return [Question("iam:PassRole", role, {"iam:passedtoservice": service}) for role in roles]


def values_at(parameters: Any, path: str) -> Iterator[str]:
    """The texts at `a[].b.c`."""
    name, _, rest = path.partition(".")
    plain = name.removesuffix("[]")
    found = parameters.get(plain) if isinstance(parameters, Mapping) else None
    for each in found if name.endswith("[]") and isinstance(found, list) else [found]:
        if rest:
            yield from values_at(each, rest)
        elif isinstance(each, str):
            yield each


More = Callable[[ApiCall, Parameters, Place, State], Iterable[Question]]


def _use_of_key(key: str, action: str, *, service: str, place: Place, context: Context) -> Question:
    """The use of a key through a service, in the caller's name."""
    via = {"kms:viaservice": f"{service}.{place.region}.amazonaws.com", "kms:calleraccount": place.account}
    return Question(action, key, {**via, **context})


WRITES: Final = ("PutObject", "CreateMultipartUpload", "CopyObject")
READS: Final = ("GetObject", "HeadObject", "GetObjectAttributes")
PARTS: Final = ("UploadPart", "UploadPartCopy", "CompleteMultipartUpload")


def _s3_more(call: ApiCall, parameters: Parameters, place: Place, state: State) -> Iterator[Question]:
    bucket, name = str(parameters.get("Bucket", "")), str(parameters.get("Key", ""))
    if call.operation in WRITES:
        arn = f"arn:aws:s3:::{bucket}/{name}"
        yield from (Question(action, arn) for member, action in ALONG_WITH_OBJECT.items() if parameters.get(member))
    if call.operation in READS and not state.has_object(bucket, name):
        # AWS says that an object is missing only to those who may list the bucket.
        yield Question("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": name})
    about = f"arn:aws:s3:::{bucket}" if state.uses_bucket_key(bucket) else f"arn:aws:s3:::{bucket}/{name}"
    context: Context = {"kms:encryptioncontext:aws:s3:arn": about, "kms:encryptioncontextkeys": ("aws:s3:arn",)}
    for key, action in _object_keys(call.operation, parameters, place, state):
        if key is not None:
            yield _use_of_key(key, action, service="s3", place=place, context=context)


ALONG_WITH_OBJECT: Final = {"Tagging": "s3:PutObjectTagging", "ACL": "s3:PutObjectAcl"}


def _object_keys(
    operation: str, parameters: Parameters, place: Place, state: State
) -> Iterator[tuple[str | None, str]]:
    """Which key is used for what; None stands for the keys of S3 itself, which nobody is asked about."""
    bucket, name = str(parameters.get("Bucket", "")), str(parameters.get("Key", ""))
    if operation in WRITES:
        own = parameters.get("SSEKMSKeyId")
        yield place.lookups.key_arn(str(own)) if own else state.bucket_key(bucket), "kms:GenerateDataKey"
    if operation in PARTS:
        yield state.bucket_key(bucket), "kms:Decrypt"
    if operation in READS:
        yield state.object_key(bucket, name), "kms:Decrypt"
    if operation in ("CopyObject", "UploadPartCopy"):
        source_bucket, _, source = str(parameters.get("CopySource", "")).lstrip("/").partition("?")[0].partition("/")
        yield state.object_key(source_bucket, source), "kms:Decrypt"


def _lambda_more(call: ApiCall, parameters: Parameters, _place: Place, _state: State) -> Iterator[Question]:
    """Whoever deploys code has to be able to read it, and the layers below it."""
    if call.operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        for layer in values_at(parameters, "Layers[]"):
            yield Question("lambda:GetLayerVersion", layer)
    if call.operation not in ("CreateFunction", "UpdateFunctionCode", "PublishLayerVersion"):
        return
    code = parameters.get("Code") or parameters.get("Content") or parameters
    if isinstance(code, Mapping) and code.get("S3Bucket"):
        action = "s3:GetObjectVersion" if code.get("S3ObjectVersion") else "s3:GetObject"
        yield Question(action, f"arn:aws:s3:::{code['S3Bucket']}/{code.get('S3Key')}")


def _sns_more(call: ApiCall, parameters: Parameters, place: Place, state: State) -> Iterator[Question]:
    if call.operation in ("Publish", "PublishBatch") and (key := state.topic_key(str(parameters.get("TopicArn", "")))):
        for action in ("kms:GenerateDataKey", "kms:Decrypt"):
            yield _use_of_key(key, action, service="sns", place=place, context={})


def _sqs_more(call: ApiCall, parameters: Parameters, place: Place, state: State) -> Iterator[Question]:
    actions = {
        "SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
        "SendMessageBatch": ("kms:GenerateDataKey", "kms:Decrypt"),
        "ReceiveMessage": ("kms:Decrypt",),
    }.get(call.operation, ())
    queue = str(parameters.get("QueueUrl", "")).rpartition("/")[2]
    key = state.queue_key(f"arn:aws:sqs:{place.region}:{place.account}:{queue}") if actions else None
    for action in actions if key else ():
        yield _use_of_key(str(key), action, service="sqs", place=place, context={})


def _ssm_more(call: ApiCall, parameters: Parameters, place: Place, state: State) -> Iterator[Question]:
    """The values of SecureStrings."""
    if call.operation == "PutParameter" and parameters.get("Type") == "SecureString" and parameters.get("KeyId"):
        key = place.lookups.key_arn(str(parameters["KeyId"]))
        yield _use_of_key(key, "kms:Encrypt", service="ssm", place=place, context={})
    if parameters.get("WithDecryption"):
        names = parameters.get("Names") or [parameters.get("Name")]
        for name in names:
            if name and (found := state.parameter_key(str(name))):
                yield _use_of_key(found, "kms:Decrypt", service="ssm", place=place, context={})


def _sts_more(call: ApiCall, parameters: Parameters, _place: Place, _state: State) -> Iterator[Question]:
    """Whoever tags a session needs leave to do so, from the caller's policies and from the role's."""
    if call.operation == "AssumeRole" and parameters.get("Tags"):
        yield Question("sts:TagSession", str(parameters.get("RoleArn")))


MORE: Final[Mapping[str, tuple[More, ...]]] = {
    "lambda": (_lambda_more,),
    "s3": (_s3_more,),
    "sns": (_sns_more,),
    "sqs": (_sqs_more,),
    "ssm": (_ssm_more,),
    "sts": (_sts_more,),
}
"""What else a service asks for, in the caller's name."""


def more_of(call: ApiCall, parameters: Parameters, place: Place, state: State) -> Iterator[Question]:
    """Everything else that the service asks for, in the caller's name."""
    for more in MORE.get(call.service, ()):
        yield from more(call, parameters, place, state)
