"""Something real in each service of the table, and what can be read of it afterwards."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.local.state.moto_account import Account

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "x"}}]})
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
LARGE = bytes(range(256)) * 1024
ROLE = "arn:aws:iam::123456789012:role/role"
VOLATILE = {"ResponseMetadata", "SequenceToken", "RequestId", "Marker"}

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """`fill` makes something; `look` reads it, and answers the same before and after."""

    fill: Callable[[Account], None]
    look: Callable[[Account], object]


def stable(answer: object) -> object:
    """An answer without what differs each time it is read; a body is read."""
    if isinstance(answer, Mapping):
        return {key: stable(value) for key, value in answer.items() if key not in VOLATILE}
    if isinstance(answer, list | tuple):
        return [stable(value) for value in answer]
    return answer.read() if hasattr(answer, "read") else answer


def code(source: str = "def handler(event, context): return event", *, padding: bytes = b"") -> bytes:
    """A function's zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), source)
        archive.writestr(zipfile.ZipInfo("padding"), padding)
    return buffer.getvalue()


def fill_apigateway(account: Account) -> None:
    gateway = account.client("apigateway")
    api = gateway.create_rest_api(name="api", tags={"a": "b"})["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    where = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**where, authorizationType="NONE", apiKeyRequired=True)
    gateway.put_method_response(**where, statusCode="200")
    gateway.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gateway.put_integration_response(**where, statusCode="200")
    gateway.put_gateway_response(restApiId=api, responseType="DEFAULT_4XX", responseTemplates={"a/b": "c"})
    deployment = gateway.create_deployment(restApiId=api, description="first")["id"]
    gateway.create_stage(restApiId=api, stageName="api", deploymentId=deployment, variables={"a": "b"})
    key = gateway.create_api_key(name="key", enabled=True)["id"]
    plan = gateway.create_usage_plan(name="plan", apiStages=[{"apiId": api, "stage": "api"}])["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")


def look_at_apigateway(account: Account) -> object:
    gateway = account.client("apigateway")
    api = gateway.get_rest_apis()["items"][0]
    plan = gateway.get_usage_plans()["items"][0]
    return [
        api,
        gateway.get_resources(restApiId=api["id"], embed=["methods"])["items"],
        gateway.get_stages(restApiId=api["id"])["item"],
        gateway.get_gateway_responses(restApiId=api["id"])["items"],
        gateway.get_api_keys(includeValues=True)["items"],
        plan,
        gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"],
    ]


def fill_autoscaling(account: Account) -> None:
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    account.client("dynamodb")
    client = account.client("application-autoscaling")
    sagemaker = account.client("sagemaker")
    sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    client.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2, RoleARN=ROLE)
    client.put_scaling_policy(
        **target,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 3.0},
    )


def look_at_autoscaling(account: Account) -> object:
    client = account.client("application-autoscaling")
    return [
        client.describe_scalable_targets(ServiceNamespace="sagemaker"),
        client.describe_scaling_policies(ServiceNamespace="sagemaker"),
    ]


def fill_cloudwatch(account: Account) -> None:
    client = account.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="a", MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold", Threshold=1.0, Tags=[{"Key": "a", "Value": "b"}],
    )  # fmt: skip
    client.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(a)", AlarmDescription="of a")
    client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="because")
    client.put_dashboard(DashboardName="d", DashboardBody="{}")
    client.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 2.5}])


def look_at_cloudwatch(account: Account) -> object:
    client = account.client("cloudwatch")
    return [
        client.describe_alarms()["MetricAlarms"],
        client.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"],
        client.describe_alarm_history()["AlarmHistoryItems"],
        client.list_tags_for_resource(ResourceARN="arn:aws:cloudwatch:us-east-1:123456789012:alarm:a")["Tags"],
        client.get_dashboard(DashboardName="d")["DashboardBody"],
        client.list_metrics(Namespace="n")["Metrics"],
    ]


def fill_cognito(account: Account) -> None:
    client = account.client("cognito-idp")
    pool = client.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client.create_user_pool_client(UserPoolId=pool, ClientName="app", GenerateSecret=True)
    client.create_group(UserPoolId=pool, GroupName="group")
    client.admin_create_user(UserPoolId=pool, Username="ada", TemporaryPassword="Secret-123")
    client.admin_add_user_to_group(UserPoolId=pool, Username="ada", GroupName="group")


def look_at_cognito(account: Account) -> object:
    client = account.client("cognito-idp")
    pool = client.list_user_pools(MaxResults=9)["UserPools"][0]["Id"]
    return [
        client.describe_user_pool(UserPoolId=pool)["UserPool"],
        client.list_user_pool_clients(UserPoolId=pool)["UserPoolClients"],
        client.list_users_in_group(UserPoolId=pool, GroupName="group")["Users"],
    ]


def fill_dynamodb(account: Account) -> None:
    client = account.client("dynamodb")
    client.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    for number in range(3):
        client.put_item(TableName="table", Item={"id": {"S": str(number)}, "b": {"B": b"\0"}, "l": {"L": [{"N": "1"}]}})
    client.update_time_to_live(TableName="table", TimeToLiveSpecification={"Enabled": True, "AttributeName": "t"})


def look_at_dynamodb(account: Account) -> object:
    client = account.client("dynamodb")
    return [client.describe_table(TableName="table")["Table"], client.scan(TableName="table")["Items"]]


def fill_ec2(account: Account) -> None:
    client = account.client("ec2")
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = client.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    client.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    client.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        SecurityGroupIds=[group],
    )


def look_at_ec2(account: Account) -> object:
    client = account.client("ec2")
    return [
        client.describe_vpcs()["Vpcs"],
        client.describe_subnets()["Subnets"],
        client.describe_security_groups()["SecurityGroups"],
        client.describe_vpc_endpoints()["VpcEndpoints"],
        client.describe_route_tables()["RouteTables"],
    ]


def fill_events(account: Account) -> None:
    client = account.client("events")
    client.create_event_bus(Name="bus")
    client.put_rule(Name="rule", EventPattern='{"source": ["a"]}', EventBusName="bus")
    client.put_rule(Name="timer", ScheduleExpression="rate(1 hour)")
    client.put_targets(Rule="timer", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}])


def look_at_events(account: Account) -> object:
    client = account.client("events")
    return [
        client.list_event_buses()["EventBuses"],
        client.list_rules(EventBusName="bus")["Rules"],
        client.list_rules()["Rules"],
        client.list_targets_by_rule(Rule="timer")["Targets"],
    ]


def fill_iam(account: Account) -> None:
    client = account.client("iam")
    client.create_role(RoleName="role", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "a", "Value": "b"}])
    client.put_role_policy(RoleName="role", PolicyName="inline", PolicyDocument=POLICY)
    own = client.create_policy(PolicyName="own", PolicyDocument=POLICY)["Policy"]["Arn"]
    client.attach_role_policy(RoleName="role", PolicyArn=own)
    client.attach_role_policy(RoleName="role", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    client.create_user(UserName="ada")
    client.create_access_key(UserName="ada")


def look_at_iam(account: Account) -> object:
    client = account.client("iam")
    return [
        client.get_role(RoleName="role")["Role"],
        client.get_role_policy(RoleName="role", PolicyName="inline")["PolicyDocument"],
        client.list_attached_role_policies(RoleName="role")["AttachedPolicies"],
        client.list_policies(Scope="Local")["Policies"],
        client.get_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")["Policy"],
        client.list_access_keys(UserName="ada")["AccessKeyMetadata"],
    ]


def fill_kms(account: Account) -> None:
    client = account.client("kms")
    key = client.create_key(Description="key", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/key", TargetKeyId=key)
    sealed = client.encrypt(KeyId="alias/key", Plaintext=b"secret")["CiphertextBlob"]
    account.client("ssm").put_parameter(Name="/sealed", Value=sealed.hex(), Type="String")
    client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")


def look_at_kms(account: Account) -> object:
    client = account.client("kms")
    sealed = bytes.fromhex(account.client("ssm").get_parameter(Name="/sealed")["Parameter"]["Value"])
    return [
        client.list_aliases()["Aliases"],
        [client.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in client.list_keys()["Keys"]],
        client.decrypt(CiphertextBlob=sealed)["Plaintext"],
    ]


def fill_lambda(account: Account) -> None:
    account.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument=TRUST)
    queue = account.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    source = account.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    client = account.client("lambda")
    client.create_function(
        FunctionName="f",
        Runtime="python3.13",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": code(padding=LARGE)},
        Environment={"Variables": {"A": "b"}},
        LoggingConfig={"LogGroup": "/own"},
        Tags={"a": "b"},
    )
    client.publish_version(FunctionName="f")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    client.add_permission(
        FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="a.amazonaws.com"
    )
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
    client.create_event_source_mapping(FunctionName="f", EventSourceArn=source["QueueArn"], BatchSize=2)


def look_at_lambda(account: Account) -> object:
    client = account.client("lambda")
    return [
        client.get_function(FunctionName="f")["Configuration"],
        client.get_function_concurrency(FunctionName="f"),
        client.list_versions_by_function(FunctionName="f")["Versions"],
        client.get_alias(FunctionName="f", Name="live"),
        client.get_policy(FunctionName="f")["Policy"],
        client.list_event_source_mappings()["EventSourceMappings"],
    ]


def fill_logs(account: Account) -> None:
    client = account.client("logs")
    client.create_log_group(logGroupName="/group", tags={"a": "b"})
    client.put_retention_policy(logGroupName="/group", retentionInDays=7)
    client.create_log_stream(logGroupName="/group", logStreamName="stream")
    now_ms = 1_000 * int(time.time())
    for start in range(0, 600, 100):
        lines = [{"timestamp": now_ms, "message": f"line {number}"} for number in range(start, start + 100)]
        client.put_log_events(logGroupName="/group", logStreamName="stream", logEvents=lines)


def look_at_logs(account: Account) -> object:
    client = account.client("logs")
    events = client.get_log_events(logGroupName="/group", logStreamName="stream", startFromHead=True, limit=1000)
    return [
        client.describe_log_groups()["logGroups"],
        client.describe_log_streams(logGroupName="/group")["logStreams"],
        events["events"],
    ]


def fill_s3(account: Account) -> None:
    client = account.client("s3")
    client.create_bucket(Bucket="bucket")
    client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket="bucket", Key="folder/small", Body=b"small", Metadata={"a": "b"}, ContentType="a/b")
    client.put_object(Bucket="bucket", Key="folder/large", Body=LARGE, Tagging="a=b")
    client.put_object(Bucket="bucket", Key="folder/small", Body=b"smaller")
    client.put_object(Bucket="bucket", Key="gone", Body=b"gone")
    client.delete_object(Bucket="bucket", Key="gone")
    client.put_bucket_policy(Bucket="bucket", Policy=POLICY.replace('"Action"', '"Principal": "*", "Action"'))
    upload = client.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    part = {"Bucket": "bucket", "Key": "parts", "UploadId": upload}
    client.upload_part(**part, PartNumber=1, Body=LARGE)
    other = client.create_multipart_upload(Bucket="bucket", Key="whole")["UploadId"]
    etag = client.upload_part(Bucket="bucket", Key="whole", UploadId=other, PartNumber=1, Body=LARGE)["ETag"]
    client.complete_multipart_upload(
        Bucket="bucket",
        Key="whole",
        UploadId=other,
        MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]},
    )


def look_at_s3(account: Account) -> object:
    client = account.client("s3")
    upload = client.list_multipart_uploads(Bucket="bucket")["Uploads"][0]["UploadId"]
    return [
        client.list_buckets()["Buckets"],
        client.list_object_versions(Bucket="bucket"),
        client.get_object(Bucket="bucket", Key="folder/small"),
        client.get_object(Bucket="bucket", Key="folder/large"),
        client.get_object_tagging(Bucket="bucket", Key="folder/large")["TagSet"],
        client.get_bucket_policy(Bucket="bucket")["Policy"],
        client.list_parts(Bucket="bucket", Key="parts", UploadId=upload)["Parts"],
        client.get_object(Bucket="bucket", Key="whole"),
    ]


def fill_sagemaker(account: Account) -> None:
    client = account.client("sagemaker")
    client.create_model_package_group(ModelPackageGroupName="group", Tags=[{"Key": "a", "Value": "b"}])
    client.create_model_package(
        ModelPackageGroupName="group",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [{"Image": "i", "ModelDataUrl": "s3://b/k"}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    client.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    client.create_endpoint(EndpointName="e", EndpointConfigName="c")


def look_at_sagemaker(account: Account) -> object:
    client = account.client("sagemaker")
    version = client.list_model_packages(ModelPackageGroupName="group")["ModelPackageSummaryList"][0]
    return [
        client.describe_model_package_group(ModelPackageGroupName="group"),
        client.describe_model_package(ModelPackageName=version["ModelPackageArn"]),
        client.describe_model(ModelName="m"),
        client.describe_endpoint_config(EndpointConfigName="c"),
        client.describe_endpoint(EndpointName="e"),
    ]


def fill_scheduler(account: Account) -> None:
    account.client("scheduler").create_schedule(
        Name="s",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:lambda:us-east-1:123456789012:function:f", "RoleArn": ROLE},
    )


def fill_secrets(account: Account) -> None:
    client = account.client("secretsmanager")
    client.create_secret(Name="secret", SecretString="first", Tags=[{"Key": "a", "Value": "b"}])
    client.put_secret_value(SecretId="secret", SecretString="second")


def look_at_secrets(account: Account) -> object:
    client = account.client("secretsmanager")
    return [
        client.get_secret_value(SecretId="secret")["SecretString"],
        client.list_secret_version_ids(SecretId="secret")["Versions"],
    ]


def fill_sns(account: Account) -> None:
    client = account.client("sns")
    topic = client.create_topic(Name="topic", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    queue = account.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    source = account.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    client.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=source["QueueArn"], Attributes={"RawMessageDelivery": "true"}
    )


def look_at_sns(account: Account) -> object:
    client = account.client("sns")
    subscription = client.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"]
    return [
        client.list_topics()["Topics"],
        client.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"],
    ]


def fill_sqs(account: Account) -> None:
    client = account.client("sqs")
    queue = client.create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "7"}, tags={"a": "b"})["QueueUrl"]
    for number in range(3):
        client.send_message(QueueUrl=queue, MessageBody=f"message {number}")
    received = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=1)["Messages"][0]
    client.delete_message(QueueUrl=queue, ReceiptHandle=received["ReceiptHandle"])


def look_at_sqs(account: Account) -> object:
    client = account.client("sqs")
    queue = client.get_queue_url(QueueName="queue")["QueueUrl"]
    return [
        client.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"],
        client.list_queue_tags(QueueUrl=queue)["Tags"],
    ]


def fill_ssm(account: Account) -> None:
    client = account.client("ssm")
    client.put_parameter(Name="/a/b", Value="first", Type="String", Tags=[{"Key": "a", "Value": "b"}])
    client.put_parameter(Name="/a/b", Value="second", Type="String", Overwrite=True)
    client.label_parameter_version(Name="/a/b", ParameterVersion=1, Labels=["old"])


def look_at_ssm(account: Account) -> object:
    client = account.client("ssm")
    return [
        client.get_parameter_history(Name="/a/b")["Parameters"],
        client.list_tags_for_resource(ResourceType="Parameter", ResourceId="/a/b")["TagList"],
    ]


def fill_sts(account: Account) -> None:
    account.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="session")


def look_at_sts(account: Account) -> object:
    from moto.sts.models import sts_backends  # noqa: PLC0415 - no call lists the roles that were assumed

    roles = sts_backends["123456789012"]["aws"].assumed_roles
    return [{**vars(role), "access_key": vars(role.access_key)} for role in roles]


def fill_wafv2(account: Account) -> None:
    metrics = {"CloudWatchMetricsEnabled": True, "SampledRequestsEnabled": False, "MetricName": "acl"}
    account.client("wafv2").create_web_acl(
        Name="acl",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig=metrics,
        Rules=[
            {
                "Name": "rate",
                "Priority": 0,
                "Statement": {"RateBasedStatement": {"Limit": 1000, "AggregateKeyType": "IP"}},
                "Action": {"Block": {}},
                "VisibilityConfig": metrics,
            }
        ],
    )


def look_at_wafv2(account: Account) -> object:
    client = account.client("wafv2")
    (acl,) = client.list_web_acls(Scope="REGIONAL")["WebACLs"]
    return client.get_web_acl(Name=acl["Name"], Scope="REGIONAL", Id=acl["Id"])["WebACL"]


CONTENTS: Mapping[str, Content] = {
    "apigateway": Content(fill_apigateway, look_at_apigateway),
    "application-autoscaling": Content(fill_autoscaling, look_at_autoscaling),
    "cloudwatch": Content(fill_cloudwatch, look_at_cloudwatch),
    "cognito-idp": Content(fill_cognito, look_at_cognito),
    "dynamodb": Content(fill_dynamodb, look_at_dynamodb),
    "ec2": Content(fill_ec2, look_at_ec2),
    "events": Content(fill_events, look_at_events),
    "iam": Content(fill_iam, look_at_iam),
    "kms": Content(fill_kms, look_at_kms),
    "lambda": Content(fill_lambda, look_at_lambda),
    "logs": Content(fill_logs, look_at_logs),
    "s3": Content(fill_s3, look_at_s3),
    "sagemaker": Content(fill_sagemaker, look_at_sagemaker),
    "scheduler": Content(fill_scheduler, lambda account: account.client("scheduler").get_schedule(Name="s")),
    "secretsmanager": Content(fill_secrets, look_at_secrets),
    "sns": Content(fill_sns, look_at_sns),
    "sqs": Content(fill_sqs, look_at_sqs),
    "ssm": Content(fill_ssm, look_at_ssm),
    "sts": Content(fill_sts, look_at_sts),
    "wafv2": Content(fill_wafv2, look_at_wafv2),
}
