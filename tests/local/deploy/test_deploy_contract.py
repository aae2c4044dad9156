"""What every handler owes, each against moto: no take-over, updates that go there and back, deletions that may repeat.

A property is `implemented`, or its sentence says what becomes of it: what is "stored and reported" must be read back
from the service, what is "kept in the stack's state only" must not be there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from local.clock import ManualClock
from local.deploy.assembly import ACCOUNT
from local.deploy.documents import Json, compact, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource, Surroundings, unless_gone
from local.deploy.names import Identity
from local.deploy.registry import default_registry
from local.moto_hooks import CloudHooks, install
from local.services.lambda_function import Invocation, InvocationType
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
GRANT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
TAGS = [{"Key": "a", "Value": "b"}]
CODE = {"ZipFile": "print('made')"}
EXPIRY = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
            "action": {"type": "expire"},
        }
    ]
}
ROLE_ARN = "arn:aws:iam::123456789012:role/model"
ACCOUNT_ARN = "arn:aws:{}:us-east-1:123456789012:{}"

Read: TypeAlias = Callable[["Given", Resource], Json]


@dataclass
class Given:
    """The cloud, and the other resources that one of the type under test needs."""

    cloud: MotoCloud
    made: dict[str, Resource] = field(default_factory=dict)

    def handler(self, resource_type: str, logical_id: str = "It", generation: int = 0) -> AwsResource:
        identity = Identity("stack", "arn:stack", logical_id, resource_type, generation)
        surroundings = Surroundings(clients=self.cloud.clients, clock=ManualClock(), receiver=DeafReceiver())
        found = default_registry().handlers[resource_type](identity, surroundings)
        assert isinstance(found, AwsResource)
        return found

    def need(self, logical_id: str, resource_type: str, **properties: Json) -> Resource:
        """Another resource, made once."""
        if logical_id not in self.made:
            self.made[logical_id] = self.handler(resource_type, logical_id).create(properties)
        return self.made[logical_id]

    def __getattr__(self, service: str) -> Any:
        return self.cloud.clients(service.replace("_", "-"))

    @property
    def role(self) -> Resource:
        return self.need("Role", "AWS::IAM::Role", AssumeRolePolicyDocument=TRUST)

    @property
    def api(self) -> Resource:
        return self.need("Api", "AWS::ApiGateway::RestApi", Name="api")

    @property
    def function(self) -> str:
        properties = {"Runtime": "python3.12", "Handler": "index.handler", "Code": CODE}
        made = self.need("Function", "AWS::Lambda::Function", Role=self.role.attributes["Arn"], **properties)
        return made.physical_id

    @property
    def version(self) -> str:
        return str(self.need("V", "AWS::Lambda::Version", FunctionName=self.function).attributes["Version"])

    @property
    def deployment(self) -> str:
        place = {"RestApiId": self.api.physical_id, "ResourceId": self.api.attributes["RootResourceId"]}
        mock = {"Type": "MOCK"}
        self.need(
            "Method", "AWS::ApiGateway::Method", **place, HttpMethod="GET", AuthorizationType="NONE", Integration=mock
        )
        return self.need("Deployment", "AWS::ApiGateway::Deployment", RestApiId=self.api.physical_id).physical_id

    @property
    def log_group(self) -> str:
        return self.need("Logs", "AWS::Logs::LogGroup").physical_id

    @property
    def alarm(self) -> str:
        compared = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1, "EvaluationPeriods": 1}
        metric = {"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Period": 60}
        return self.need("Alarm", "AWS::CloudWatch::Alarm", **compared, **metric).physical_id

    @property
    def topic(self) -> str:
        return self.need("Topic", "AWS::SNS::Topic").physical_id

    @property
    def queue(self) -> Resource:
        return self.need("Queue", "AWS::SQS::Queue")

    @property
    def key(self) -> str:
        return self.need("Key", "AWS::KMS::Key", KeyPolicy=GRANT).physical_id

    @property
    def bucket(self) -> str:
        return self.need("Bucket", "AWS::S3::Bucket").physical_id

    @property
    def model(self) -> str:
        made = self.need("Model", "AWS::SageMaker::Model", PrimaryContainer={"Image": "i:1"}, ExecutionRoleArn=ROLE_ARN)
        return str(made.attributes["ModelName"])

    def config(self, name: str) -> str:
        variants = _variants(self)
        made = self.need(name, "AWS::SageMaker::EndpointConfig", EndpointConfigName=name, ProductionVariants=variants)
        return str(made.attributes["EndpointConfigName"])


@dataclass(frozen=True)
class Case:
    """One type: the least it needs, what may be changed or added, and how the service tells of it."""

    resource_type: str
    minimal: Callable[[Given], dict[str, Json]]
    read: Read
    edits: Callable[[Given], Mapping[str, Json]] = lambda _: {}
    is_named: bool = True
    """Whether the minimal properties give a name that no second may have."""


def answer(operation: str, service: str, argument: str, *path: str, key: str = "") -> Read:
    """Reads by one call that takes the physical id, or the attribute `key`; `path` leads to what matters."""

    def read(given: Given, resource: Resource) -> Json:
        name = resource.attributes[key] if key else resource.physical_id
        found = getattr(given.cloud.clients(service), operation)(**{argument: name})
        for part in path:
            found = found[part] if isinstance(found, dict) else found[int(part)]
        return found

    return read


def api_answer(operation: str, **names: str) -> Read:
    def read(given: Given, resource: Resource) -> Json:
        arguments = {argument: name or resource.physical_id for argument, name in names.items()}
        return getattr(given.apigateway, operation)(restApiId=given.api.physical_id, **arguments)

    return read


def both(*reads: Read) -> Read:
    return lambda given, resource: [read(given, resource) for read in reads]


def bucket(given: Given, resource: Resource) -> Json:
    calls = words("versioning encryption lifecycle_configuration tagging ownership_controls logging acl policy")
    where = {"Bucket": resource.physical_id}
    found = {call: _unless_missing(getattr(given.s3, f"get_bucket_{call}"), **where) for call in sorted(calls)}
    # A bucket that ever had versions cannot be without the setting again, on AWS neither.
    found["versioning"] = found["versioning"].get("Status", "Suspended")
    block = _unless_missing(given.s3.get_public_access_block, Bucket=resource.physical_id)
    # moto does not tell of EventBridge.
    notification = s3_backends[ACCOUNT]["aws"].buckets[resource.physical_id].notification_configuration
    return [found, block, notification is not None and notification.event_bridge is not None]


def _unless_missing(call: Callable[..., Json], **arguments: str) -> Json:
    try:
        return call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]


def key(given: Given, resource: Resource) -> Json:
    where = {"KeyId": resource.physical_id}
    metadata = given.kms.describe_key(**where)["KeyMetadata"]
    rotation = given.kms.get_key_rotation_status(**where)
    policy = json.loads(given.kms.get_key_policy(**where, PolicyName="default")["Policy"])
    return [metadata, rotation, policy, given.kms.list_resource_tags(**where)["Tags"]]


def role(given: Given, resource: Resource) -> Json:
    name = {"RoleName": resource.physical_id}
    inline = given.iam.list_role_policies(**name)["PolicyNames"]
    documents = [given.iam.get_role_policy(**name, PolicyName=policy)["PolicyDocument"] for policy in inline]
    attached = given.iam.list_attached_role_policies(**name)["AttachedPolicies"]
    return [given.iam.get_role(**name)["Role"], documents, attached]


def managed_policy(given: Given, resource: Resource) -> Json:
    arn = {"PolicyArn": resource.physical_id}
    policy = given.iam.get_policy(**arn)["Policy"]
    version = given.iam.get_policy_version(**arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    return [version, given.iam.list_entities_for_policy(**arn)["PolicyRoles"]]


def inline_policy(given: Given, _: Resource) -> Json:
    names = given.iam.list_role_policies(RoleName=given.role.physical_id)["PolicyNames"]
    return [given.iam.get_role_policy(RoleName=given.role.physical_id, PolicyName=name) for name in names]


def function(given: Given, resource: Resource) -> Json:
    found = given.cloud.clients("lambda").get_function(FunctionName=resource.physical_id)
    return [found["Configuration"], found.get("Tags"), found.get("Concurrency")]


def statement(given: Given, _: Resource) -> Json:
    return given.cloud.clients("lambda").get_policy(FunctionName=given.function)["Policy"]


def versions(given: Given, _: Resource) -> Json:
    return given.cloud.clients("lambda").list_versions_by_function(FunctionName=given.function)["Versions"]


def log_group(given: Given, resource: Resource) -> Json:
    found = given.logs.describe_log_groups(logGroupNamePrefix=resource.physical_id)["logGroups"][0]
    return [found, given.logs.list_tags_log_group(logGroupName=resource.physical_id)["tags"]]


def metric_filter(given: Given, _: Resource) -> Json:
    return given.logs.describe_metric_filters(logGroupName=given.log_group)["metricFilters"]


def alarm(given: Given, resource: Resource) -> Json:
    found = given.cloudwatch.describe_alarms(AlarmNames=[resource.physical_id])["MetricAlarms"][0]
    return [found, given.cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]]


def composite_alarm(given: Given, resource: Resource) -> Json:
    asked = {"AlarmNames": [resource.physical_id], "AlarmTypes": ["CompositeAlarm"]}
    found = given.cloudwatch.describe_alarms(**asked)["CompositeAlarms"][0]
    # A rule that reads otherwise is judged at once, and its reason says so.
    told = {name: value for name, value in found.items() if not name.startswith("State")}
    return [told, given.cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]]


def rule(given: Given, resource: Resource) -> Json:
    name = resource.physical_id
    targets = given.events.list_targets_by_rule(Rule=name)["Targets"]
    tags = given.events.list_tags_for_resource(ResourceARN=resource.attributes["Arn"])["Tags"]
    return [given.events.describe_rule(Name=name), targets, tags]


def table(given: Given, resource: Resource) -> Json:
    where = {"TableName": resource.physical_id}
    found = given.dynamodb.describe_table(**where)["Table"]
    expiry = given.dynamodb.describe_time_to_live(**where)["TimeToLiveDescription"]["TimeToLiveStatus"]
    recovery = given.dynamodb.describe_continuous_backups(**where)["ContinuousBackupsDescription"]
    tags = given.dynamodb.list_tags_of_resource(ResourceArn=resource.attributes["Arn"])["Tags"]
    return [found, expiry, recovery, tags]


def topic(given: Given, resource: Resource) -> Json:
    arn = resource.physical_id
    subscriptions = given.sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    protocols = [(entry["Protocol"], entry["Endpoint"]) for entry in subscriptions]
    tags = given.sns.list_tags_for_resource(ResourceArn=arn)["Tags"]
    return [given.sns.get_topic_attributes(TopicArn=arn)["Attributes"], protocols, tags]


def subscription(given: Given, resource: Resource) -> Json:
    attributes = given.sns.get_subscription_attributes(SubscriptionArn=resource.physical_id)["Attributes"]
    # What a filter is about is told only where there is one, and stays told when it goes.
    return {**attributes, "FilterPolicyScope": ""}


def queue(given: Given, resource: Resource) -> Json:
    url = {"QueueUrl": resource.physical_id}
    return [
        given.sqs.get_queue_attributes(**url, AttributeNames=["All"])["Attributes"],
        given.sqs.list_queue_tags(**url).get("Tags", {}),
    ]


def parameter(given: Given, resource: Resource) -> Json:
    found = given.ssm.describe_parameters(Filters=[{"Key": "Name", "Values": [resource.physical_id]}])["Parameters"][0]
    tags = given.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=resource.physical_id)["TagList"]
    return [found, given.ssm.get_parameter(Name=resource.physical_id)["Parameter"]["Value"], tags]


def sagemaker(operation: str, argument: str) -> Read:
    def read(given: Given, resource: Resource) -> Json:
        name = resource.physical_id.rpartition("/")[2]
        found = getattr(given.sagemaker, operation)(**{argument: name})
        return [found, given.sagemaker.list_tags(ResourceArn=resource.physical_id)["Tags"]]

    return read


def scalable_target(given: Given, _: Resource) -> Json:
    return given.application_autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]


def scaling_policy(given: Given, _: Resource) -> Json:
    found = given.application_autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    # moto makes a policy anew with each change, AWS does not.
    return [{**policy, "PolicyARN": "", "Alarms": [], "CreationTime": ""} for policy in found]


def usage_plan_keys(given: Given, _: Resource) -> Json:
    return given.apigateway.get_usage_plan_keys(usagePlanId=given.made["Plan"].physical_id)["items"]


def image_repository(given: Given, resource: Resource) -> Json:
    found = given.ecr.describe_repositories(repositoryNames=[resource.physical_id])["repositories"][0]
    policies = [
        _unless_missing(call, repositoryName=resource.physical_id)
        for call in (given.ecr.get_repository_policy, given.ecr.get_lifecycle_policy)
    ]
    return [found, policies, given.ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]]


def nothing(_given: Given, _resource: Resource) -> Json:
    """For what is in the stack's state alone."""
    return None


def _scalable(given: Given) -> dict[str, Json]:
    given.config("config")
    given.need("Endpoint", "AWS::SageMaker::Endpoint", EndpointName="e", EndpointConfigName="config")
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def _scaling(given: Given) -> dict[str, Json]:
    place = _scalable(given)
    target = given.need("Target", "AWS::ApplicationAutoScaling::ScalableTarget", **place, MinCapacity=1, MaxCapacity=2)
    return {"PolicyName": "track", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": target.physical_id}


def _tracking(target: float) -> Json:
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    return {"TargetValue": target, "PredefinedMetricSpecification": metric}


def _in_api(**properties: Json) -> Callable[[Given], dict[str, Json]]:
    return lambda given: {"RestApiId": given.api.physical_id, **properties}


def _on_root(**properties: Json) -> Callable[[Given], dict[str, Json]]:
    return lambda given: {
        "RestApiId": given.api.physical_id,
        "ResourceId": given.api.attributes["RootResourceId"],
        **properties,
    }


def _stage(given: Given) -> dict[str, Json]:
    return {"RestApiId": given.api.physical_id, "StageName": "api", "DeploymentId": given.deployment}


def _stage_edits(given: Given) -> dict[str, Json]:
    setting = {"HttpMethod": "*", "ResourcePath": "/*"}
    return {
        "Description": "the one",
        "Variables": {"colour": "green"},
        "AccessLogSetting": {"DestinationArn": ACCOUNT_ARN.format("logs", "log-group:x"), "Format": "$context.path"},
        "MethodSettings": [{**setting, "ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3, "LoggingLevel": "INFO"}],
        "TracingEnabled": True,
        "Tags": TAGS,
    }


def _plan_key(given: Given) -> dict[str, Json]:
    plan = given.need("Plan", "AWS::ApiGateway::UsagePlan", UsagePlanName="plan")
    made = given.need("ApiKey", "AWS::ApiGateway::ApiKey", Name="key")
    return {"KeyId": made.physical_id, "KeyType": "API_KEY", "UsagePlanId": plan.physical_id}


def _usage_plan_edits(given: Given) -> dict[str, Json]:
    given.need("Stage", "AWS::ApiGateway::Stage", **_stage(given))
    return {
        "UsagePlanName": "other",
        "Description": "for friends",
        "Quota": {"Limit": 5, "Period": "DAY"},
        "Throttle": {"BurstLimit": 6, "RateLimit": 3},
        "ApiStages": [{"ApiId": given.api.physical_id, "Stage": "api"}],
        "Tags": TAGS,
    }


CASES = (
    Case("AWS::CDK::Metadata", lambda _: {}, nothing, lambda _: {"Analytics": "v2"}, is_named=False),
    Case(
        "AWS::S3::Bucket",
        lambda _: {"BucketName": "mine"},
        bucket,
        lambda _: {
            "VersioningConfiguration": {"Status": "Enabled"},
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            "Tags": TAGS,
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
            },
            "LifecycleConfiguration": {"Rules": [{"Id": "r", "Status": "Enabled", "ExpirationInDays": 3}]},
            "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "AccessControl": "Private",
            "LoggingConfiguration": {"LogFilePrefix": "x"},
        },
    ),
    Case(
        "AWS::S3::BucketPolicy",
        lambda given: {"Bucket": given.bucket, "PolicyDocument": POLICY},
        lambda given, _: _unless_missing(given.s3.get_bucket_policy, Bucket=given.bucket),
        lambda _: {"PolicyDocument": {**POLICY, "Statement": [{**POLICY["Statement"][0], "Sid": "two"}]}},  # type: ignore[dict-item]
    ),
    Case(
        "AWS::KMS::Key",
        lambda _: {},
        key,
        lambda _: {
            "KeyPolicy": GRANT,
            "Description": "for all",
            "Enabled": False,
            "EnableKeyRotation": True,
            "Tags": TAGS,
        },
        is_named=False,
    ),
    Case(
        "AWS::KMS::Alias",
        lambda given: {"AliasName": "alias/mine", "TargetKeyId": given.key},
        lambda given, _: [entry for entry in given.kms.list_aliases()["Aliases"] if entry["AliasName"] == "alias/mine"],
        lambda given: {"TargetKeyId": given.need("Other", "AWS::KMS::Key", KeyPolicy=GRANT).physical_id},
    ),
    Case(
        "AWS::IAM::Role",
        lambda _: {"RoleName": "mine", "AssumeRolePolicyDocument": TRUST},
        role,
        lambda _: {
            "AssumeRolePolicyDocument": {**TRUST, "Id": "two"},
            "Description": "runs it",
            "MaxSessionDuration": 7200,
            "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"],
            "Policies": [{"PolicyName": "p", "PolicyDocument": GRANT}],
            "PermissionsBoundary": "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::IAM::Policy",
        lambda given: {"PolicyName": "p", "PolicyDocument": GRANT, "Roles": [given.role.physical_id]},
        inline_policy,
        lambda _: {"PolicyName": "q", "PolicyDocument": {**GRANT, "Id": "two"}, "Roles": []},
        is_named=False,
    ),
    Case(
        "AWS::IAM::ManagedPolicy",
        lambda _: {"ManagedPolicyName": "mine", "PolicyDocument": GRANT},
        managed_policy,
        lambda given: {"PolicyDocument": {**GRANT, "Id": "two"}, "Roles": [given.role.physical_id]},
    ),
    Case(
        "AWS::Lambda::Function",
        lambda given: {
            "FunctionName": "mine",
            "Role": given.role.attributes["Arn"],
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Code": CODE,
        },
        function,
        lambda given: {
            "Description": "does it",
            "Handler": "index.other",
            "Timeout": 10,
            "MemorySize": 512,
            "Environment": {"Variables": {"LEVEL": "DEBUG"}},
            "Code": {"ZipFile": "print('edited')"},
            "ReservedConcurrentExecutions": 2,
            "TracingConfig": {"Mode": "Active"},
            "EphemeralStorage": {"Size": 1024},
            "LoggingConfig": {"LogFormat": "JSON"},
            "DeadLetterConfig": {"TargetArn": given.queue.attributes["Arn"]},
            "KmsKeyArn": ACCOUNT_ARN.format("kms", "key/x"),
            "Architectures": ["arm64"],
            "Tags": TAGS,
            "Runtime": "python3.13",
            "SnapStart": {"ApplyOn": "None"},
            "RuntimeManagementConfig": {"UpdateRuntimeOn": "Auto"},
            "RecursiveLoop": "Allow",
        },
    ),
    Case(
        "AWS::Lambda::Permission",
        lambda given: {"FunctionName": given.function, "Action": "lambda:InvokeFunction", "Principal": "*"},
        statement,
        is_named=False,
    ),
    Case("AWS::Lambda::Version", lambda given: {"FunctionName": given.function}, versions),
    Case(
        "AWS::Lambda::Alias",
        lambda given: {"FunctionName": given.function, "FunctionVersion": "$LATEST", "Name": "live"},
        lambda given, _: given.cloud.clients("lambda").get_alias(FunctionName=given.function, Name="live"),
        lambda given: {
            "Description": "what is served",
            "FunctionVersion": given.version,
        },
    ),
    Case(
        "AWS::Lambda::LayerVersion",
        lambda given: {"LayerName": "mine", "Content": _object(given)},
        lambda given, _: given.cloud.clients("lambda").list_layer_versions(LayerName="mine")["LayerVersions"],
        is_named=False,
    ),
    Case(
        "AWS::Logs::LogGroup",
        lambda _: {"LogGroupName": "mine"},
        log_group,
        lambda _: {"RetentionInDays": 7, "Tags": TAGS, "LogGroupClass": "STANDARD"},
    ),
    Case(
        "AWS::Logs::MetricFilter",
        lambda given: {
            "FilterName": "mine",
            "LogGroupName": given.log_group,
            "FilterPattern": "ERROR",
            "MetricTransformations": [{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}],
        },
        metric_filter,
        lambda _: {
            "FilterPattern": "WARN",
            "MetricTransformations": [{"MetricName": "o", "MetricNamespace": "n", "MetricValue": "2"}],
        },
    ),
    Case(
        "AWS::CloudWatch::Alarm",
        lambda _: {
            "AlarmName": "mine",
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "MetricName": "m",
            "Namespace": "n",
            "Period": 60,
            "Statistic": "Sum",
            "Threshold": 1,
        },
        alarm,
        lambda given: {
            "AlarmDescription": "too many",
            "AlarmActions": [given.topic],
            "OKActions": [given.topic],
            "InsufficientDataActions": [given.topic],
            "ActionsEnabled": False,
            "DatapointsToAlarm": 1,
            "Dimensions": [{"Name": "d", "Value": "v"}],
            "Threshold": 2,
            "TreatMissingData": "breaching",
            "Unit": "Count",
            "EvaluationPeriods": 2,
            "Period": 120,
            "Statistic": "Average",
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::CloudWatch::CompositeAlarm",
        lambda given: {"AlarmName": "any", "AlarmRule": f"ALARM({given.alarm})"},
        composite_alarm,
        lambda given: {
            "AlarmDescription": "any of them",
            "AlarmRule": f"OK({given.alarm})",
            "ActionsEnabled": False,
            "AlarmActions": [given.topic],
            "OKActions": [given.topic],
            "InsufficientDataActions": [given.topic],
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::CloudWatch::Dashboard",
        lambda _: {"DashboardName": "mine", "DashboardBody": '{"widgets":[]}'},
        answer("get_dashboard", "cloudwatch", "DashboardName", "DashboardBody"),
        lambda _: {"DashboardBody": '{"widgets":[],"start":"-PT1H"}'},
    ),
    Case(
        "AWS::DynamoDB::Table",
        lambda _: {
            "TableName": "mine",
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
        table,
        lambda _: {
            "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
            "DeletionProtectionEnabled": True,
            "SSESpecification": {"SSEEnabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            "TableClass": "STANDARD_INFREQUENT_ACCESS",
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::Events::Rule",
        lambda _: {"Name": "mine", "ScheduleExpression": "rate(1 hour)"},
        rule,
        lambda given: {
            "ScheduleExpression": "rate(2 hours)",
            "Description": "now and then",
            "State": "DISABLED",
            "EventPattern": {"source": ["x"]},
            "RoleArn": given.role.attributes["Arn"],
            "Targets": [{"Id": "t", "Arn": given.topic}],
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::SNS::Topic",
        lambda _: {"TopicName": "mine"},
        topic,
        lambda given: {
            "DisplayName": "Alarms",
            "Subscription": [{"Protocol": "sqs", "Endpoint": given.queue.attributes["Arn"]}],
            "Tags": TAGS,
            "KmsMasterKeyId": "alias/aws/sns",
            "SignatureVersion": "2",
            "TracingConfig": "Active",
        },
    ),
    Case(
        "AWS::SNS::TopicPolicy",
        lambda given: {"Topics": [given.topic], "PolicyDocument": POLICY},
        lambda given, _: given.sns.get_topic_attributes(TopicArn=given.topic)["Attributes"]["Policy"],
        lambda _: {"PolicyDocument": {**POLICY, "Version": "2008-10-17"}, "Topics": []},
        is_named=False,
    ),
    Case(
        "AWS::SNS::Subscription",
        lambda given: {"TopicArn": given.topic, "Protocol": "sqs", "Endpoint": given.queue.attributes["Arn"]},
        subscription,
        lambda given: {
            "RawMessageDelivery": True,
            "FilterPolicy": {"a": ["b"]},
            "RedrivePolicy": {"deadLetterTargetArn": given.queue.attributes["Arn"]},
        },
        is_named=False,
    ),
    Case(
        "AWS::SQS::Queue",
        lambda _: {"QueueName": "mine"},
        queue,
        lambda given: {
            "DelaySeconds": 5,
            "MaximumMessageSize": 2048,
            "MessageRetentionPeriod": 120,
            "ReceiveMessageWaitTimeSeconds": 3,
            "VisibilityTimeout": 60,
            "RedrivePolicy": {"deadLetterTargetArn": given.queue.attributes["Arn"], "maxReceiveCount": 3},
            "KmsMasterKeyId": "alias/aws/sqs",
            "SqsManagedSseEnabled": False,
            "RedriveAllowPolicy": {"redrivePermission": "denyAll"},
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::SQS::QueuePolicy",
        lambda given: {"Queues": [given.queue.physical_id], "PolicyDocument": POLICY},
        lambda given, _: queue(given, given.queue),
        lambda _: {"PolicyDocument": {**POLICY, "Version": "2008-10-17"}, "Queues": []},
        is_named=False,
    ),
    Case(
        "AWS::SSM::Parameter",
        lambda _: {"Name": "/mine", "Type": "String", "Value": "none"},
        parameter,
        lambda _: {
            "Value": "v1",
            "Description": "who serves",
            "AllowedPattern": ".*",
            "Tags": {"a": "b"},
        },
    ),
    Case(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        lambda given: {**_scalable(given), "MinCapacity": 1, "MaxCapacity": 2},
        scalable_target,
        lambda _: {
            "MinCapacity": 2,
            "MaxCapacity": 8,
            "SuspendedState": {"DynamicScalingInSuspended": True},
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        lambda given: {**_scaling(given), "TargetTrackingScalingPolicyConfiguration": _tracking(70)},
        scaling_policy,
        lambda _: {"TargetTrackingScalingPolicyConfiguration": _tracking(50)},
    ),
    Case(
        "AWS::SageMaker::Model",
        lambda _: {"ModelName": "mine", "ExecutionRoleArn": ROLE_ARN, "PrimaryContainer": {"Image": "i:1"}},
        sagemaker("describe_model", "ModelName"),
        lambda _: {"Tags": TAGS},
    ),
    Case(
        "AWS::SageMaker::EndpointConfig",
        lambda given: {"EndpointConfigName": "mine", "ProductionVariants": _variants(given)},
        sagemaker("describe_endpoint_config", "EndpointConfigName"),
        lambda _: {"Tags": TAGS},
    ),
    Case(
        "AWS::SageMaker::Endpoint",
        lambda given: {"EndpointName": "mine", "EndpointConfigName": given.config("one")},
        sagemaker("describe_endpoint", "EndpointName"),
        lambda given: {"EndpointConfigName": given.config("two"), "Tags": TAGS},
    ),
    Case(
        "AWS::SageMaker::ModelPackageGroup",
        lambda _: {"ModelPackageGroupName": "mine"},
        sagemaker("describe_model_package_group", "ModelPackageGroupName"),
        lambda _: {"Tags": TAGS},
    ),
    Case(
        "AWS::ECR::Repository",
        lambda _: {"RepositoryName": "mine"},
        image_repository,
        lambda _: {
            "ImageTagMutability": "IMMUTABLE",
            "ImageScanningConfiguration": {"ScanOnPush": True},
            "RepositoryPolicyText": POLICY,
            "LifecyclePolicy": {"LifecyclePolicyText": compact(EXPIRY)},
            "Tags": TAGS,
        },
    ),
    Case(
        "AWS::ApiGateway::RestApi",
        lambda _: {"Name": "mine"},
        answer("get_rest_api", "apigateway", "restApiId"),
        lambda _: {
            "Name": "yours",
            "Description": "all models",
            "ApiKeySourceType": "AUTHORIZER",
            "BinaryMediaTypes": ["application/x-npy"],
            "Policy": POLICY,
            "Tags": TAGS,
        },
        is_named=False,
    ),
    Case(
        "AWS::ApiGateway::Resource",
        lambda given: {
            "RestApiId": given.api.physical_id,
            "ParentId": given.api.attributes["RootResourceId"],
            "PathPart": "models",
        },
        api_answer("get_resource", resourceId=""),
    ),
    Case(
        "AWS::ApiGateway::Method",
        _on_root(HttpMethod="GET", AuthorizationType="NONE", Integration={"Type": "MOCK"}),
        lambda given, _: given.apigateway.get_method(
            restApiId=given.api.physical_id, resourceId=given.api.attributes["RootResourceId"], httpMethod="GET"
        ),
        lambda _: {
            "AuthorizationType": "AWS_IAM",
            "ApiKeyRequired": True,
            "OperationName": "list",
            "RequestParameters": {"method.request.header.x": True},
            "MethodResponses": [{"StatusCode": "200"}],
            "Integration": {"Type": "MOCK", "TimeoutInMillis": 1000},
        },
    ),
    Case(
        "AWS::ApiGateway::RequestValidator",
        _in_api(Name="mine"),
        api_answer("get_request_validator", requestValidatorId=""),
        lambda _: {"ValidateRequestBody": True, "ValidateRequestParameters": True},
        is_named=False,
    ),
    Case(
        "AWS::ApiGateway::Model",
        _in_api(Name="mine"),
        # An update makes it anew: moto gives it another id.
        lambda given, resource: {**api_answer("get_model", modelName="")(given, resource), "id": ""},
        lambda _: {"Description": "a row", "Schema": {"type": "array"}},
    ),
    Case(
        "AWS::ApiGateway::GatewayResponse",
        _in_api(ResponseType="DEFAULT_4XX"),
        api_answer("get_gateway_response", responseType="DEFAULT_4XX"),
        lambda _: {
            "StatusCode": "400",
            "ResponseParameters": {"gatewayresponse.header.x": "'y'"},
            "ResponseTemplates": {"application/json": "{}"},
        },
    ),
    Case(
        "AWS::ApiGateway::Authorizer",
        _in_api(Name="mine", Type="REQUEST", AuthorizerUri="arn", IdentitySource="method.request.header.x"),
        api_answer("get_authorizer", authorizerId=""),
        is_named=False,
    ),
    Case(
        "AWS::ApiGateway::Deployment",
        lambda given: {"RestApiId": given.api.physical_id} if given.deployment else {},
        api_answer("get_deployment", deploymentId=""),
        is_named=False,
    ),
    Case("AWS::ApiGateway::Stage", _stage, api_answer("get_stage", stageName=""), _stage_edits),
    Case(
        "AWS::ApiGateway::ApiKey",
        lambda _: {"Name": "mine"},
        answer("get_api_key", "apigateway", "apiKey"),
        lambda _: {"Description": "a key", "Enabled": True, "CustomerId": "c", "Tags": TAGS},
        is_named=False,
    ),
    Case(
        "AWS::ApiGateway::UsagePlan",
        lambda _: {"UsagePlanName": "mine"},
        answer("get_usage_plan", "apigateway", "usagePlanId"),
        _usage_plan_edits,
        is_named=False,
    ),
    Case("AWS::ApiGateway::UsagePlanKey", _plan_key, usage_plan_keys),
    Case(
        "AWS::ApiGateway::Account",
        lambda given: {"CloudWatchRoleArn": given.role.attributes["Arn"]},
        lambda given, _: given.apigateway.get_account().get("cloudwatchRoleArn"),
        lambda _: {"CloudWatchRoleArn": ACCOUNT_ARN.format("iam", "role/other")},
        is_named=False,
    ),
)


def _object(given: Given) -> Json:
    given.s3.put_object(Bucket=given.bucket, Key="layer.zip", Body=b"PK\x05\x06" + bytes(18))
    return {"S3Bucket": given.bucket, "S3Key": "layer.zip"}


def _variants(given: Given) -> Json:
    return [{"VariantName": "main", "ModelName": given.model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}]


@pytest.fixture
def given() -> Iterator[Given]:
    with moto_cloud() as cloud:
        uninstall = install(CloudHooks(invoke_lambda=_no_function))
        yield Given(cloud)
        uninstall()


def _no_function(arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError(f"nobody calls {arn}")


def by_type(case: Case) -> str:
    return case.resource_type


_PASSING = words("""
    ResponseMetadata LastModified LastModifiedTime LastUpdatedTimestamp LastModifiedDate RevisionId UpdatedAt Version
    AlarmConfigurationUpdatedTimestamp StateUpdatedTimestamp LastModifiedTimestamp lastUpdatedDate
""")


def settled(value: Json) -> Json:
    """What a service says, without times and counters, and without what is empty: no tags and none at all are one."""
    if isinstance(value, dict):
        entries = {name: settled(item) for name, item in value.items() if name not in _PASSING}
        return {name: item for name, item in entries.items() if item not in (None, "", {}, [], False)}
    return [settled(item) for item in value] if isinstance(value, (list, tuple)) else value


# Subscribing twice gives the one subscription, on AWS too.
_SHARED = ("AWS::SNS::Subscription",)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=by_type)
def test_a_second_of_the_same_name_is_not_taken_over(given: Given, case: Case) -> None:
    properties = case.minimal(given)
    made = given.handler(case.resource_type).create(properties)
    before = settled(case.read(given, made))

    if case.is_named:
        with pytest.raises((ResourceFailed, ClientError)):
            given.handler(case.resource_type, generation=1).create(properties)
        assert settled(case.read(given, made)) == before
    else:
        other = given.handler(case.resource_type, "Other", generation=1).create(properties)
        assert (other.physical_id == made.physical_id) is (case.resource_type in _SHARED)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=by_type)
def test_each_change_reaches_the_service_and_is_taken_back(given: Given, case: Case) -> None:
    handler = given.handler(case.resource_type)
    minimal = case.minimal(given)
    made = handler.create(minimal)
    before = settled(case.read(given, made))
    edits = case.edits(given)

    unlike = [problem for name in edits for problem in problems(given, case, made, minimal, name=name)]

    assert unlike == []
    assert not [path for path in handler.create_only() if path in {(name,) for name in edits}]
    assert settled(case.read(given, made)) == before


def problems(
    given: Given, case: Case, made: Resource, minimal: dict[str, Json], *, name: str
) -> Iterator[tuple[str, str, Json]]:
    """What is wrong with changing one property and changing it back."""
    handler = given.handler(case.resource_type)
    changed = {**minimal, name: case.edits(given)[name]}
    before = settled(case.read(given, made))
    handler.update(made.physical_id, minimal, changed)
    after = settled(case.read(given, made))
    handler.update(made.physical_id, changed, minimal)
    back = settled(case.read(given, made))
    if back != before:
        yield name, "is not taken back", (before, back)
    if case.read is not nothing and (after != before) is keeps_to_itself(handler, name):
        yield name, "is not what its sentence says", (before, after)


def keeps_to_itself(handler: AwsResource, name: str) -> bool:
    """Whether the handler says that the service is told nothing of a property."""
    sentences = [sentence for path, sentence in handler.simulated.items() if path == name]
    return any("kept in the stack's state only" in sentence for sentence in sentences)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=by_type)
def test_what_is_deleted_may_be_deleted_again_and_made_again(given: Given, case: Case) -> None:
    properties = case.minimal(given)
    handler = given.handler(case.resource_type)
    made = handler.create(properties)

    delete(handler, made, properties)
    delete(handler, made, properties)

    if case.resource_type != "AWS::Lambda::Version":  # nothing has changed that could be published
        handler.create(properties)


def delete(handler: AwsResource, made: Resource, properties: Mapping[str, Json]) -> None:
    with unless_gone():
        handler.delete(made.physical_id, properties)


def test_every_type_has_its_case() -> None:
    elsewhere = {"AWS::CloudFormation::CustomResource"}
    missing = default_registry().handlers.keys() - {case.resource_type for case in CASES} - elsewhere

    # test_deploy_ec2.py, test_deploy_authorization.py, test_deploy_stepfunctions.py
    others = ("AWS::EC2::", "AWS::Cognito::", "AWS::StepFunctions::", "AWS::WAFv2::")
    assert {name for name in missing if not name.startswith(others)} == set()
