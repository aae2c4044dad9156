"""What all models share: encrypted, private, logged, and kept for as long as the settings say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.synth import Assembly, Workshop, walk

KMS = {"SSEAlgorithm": "aws:kms"}


def bucket(assembly: Assembly, name: str) -> dict[str, Any]:
    (properties,) = (
        properties
        for logical_id, properties in assembly.resources("AWS::S3::Bucket").items()
        if logical_id.startswith(f"Buckets{name}")
    )
    return properties


def test_the_key_rotates(assembly: Assembly) -> None:
    assert assembly.only("AWS::KMS::Key")["EnableKeyRotation"] is True


def test_the_key_serves_logs_of_this_installation_only(assembly: Assembly) -> None:
    statements = assembly.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    (logs,) = (statement for statement in statements if "kms:Encrypt*" in statement["Action"])

    patterns = [part for part in walk(logs["Condition"]) if isinstance(part, str) and ":log-group:" in part]

    assert patterns == [
        ":log-group:flyball-*",
        ":log-group:/aws/sagemaker/Endpoints/flyball-*",
        ":log-group:/aws/vendedlogs/states/flyball-*",
    ]


@pytest.mark.parametrize("name", ["Artifacts", "Captures", "AccessLogs"])
def test_every_bucket_is_private_and_deletes_something(assembly: Assembly, name: str) -> None:
    properties = bucket(assembly, name)

    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert "AbortIncompleteMultipartUpload" in properties["LifecycleConfiguration"]["Rules"][0]


def test_every_bucket_refuses_plain_http(assembly: Assembly) -> None:
    policies = assembly.resources("AWS::S3::BucketPolicy").values()

    denied = [
        policy["Bucket"]["Ref"]
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]

    assert sorted(denied) == sorted(assembly.resources("AWS::S3::Bucket"))


@pytest.mark.parametrize("name", ["Artifacts", "Captures"])
def test_buckets_with_data_use_the_key_and_log_who_reads_them(assembly: Assembly, name: str) -> None:
    properties = bucket(assembly, name)

    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"].items() >= KMS.items()
    assert properties["LoggingConfiguration"]["LogFilePrefix"] == f"{name.lower()}/"


def test_artifacts_are_versioned(assembly: Assembly) -> None:
    assert bucket(assembly, "Artifacts")["VersioningConfiguration"] == {"Status": "Enabled"}


def test_captures_are_deleted_when_their_package_says(workshop: Workshop) -> None:
    short = workshop.package("short", capture={"retention_days": 7})
    long = workshop.package("long_kept", capture={"retention_days": 365})

    rules = bucket(workshop.synthesize([short, long]), "Captures")["LifecycleConfiguration"]["Rules"]

    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    captures = {prefix: kept for prefix, kept in days.items() if prefix.startswith("captures/")}
    assert captures == {"captures/": 365, "captures/flyball-short/": 7, "captures/flyball-long-kept/": 365}


def test_what_quotes_requests_is_kept_while_they_may_be_labelled_and_the_monitors_state_for_ever(
    workshop: Workshop,
) -> None:
    package = workshop.package(capture={"retention_days": 7}, monitor={"label_days": 14})

    rules = bucket(workshop.synthesize([package]), "Captures")["LifecycleConfiguration"]["Rules"]

    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    written = {prefix: kept for prefix, kept in days.items() if not prefix.startswith("captures/")}
    parts = ("windows", "quality", "jobs", "unreadable")
    assert written == {
        "labels/": 14,
        "retraining/": 14,
        "retraining/flyball-flowers/": 7,
        "labels/flyball-flowers/": 14,
        **{f"monitor/flyball-flowers/{part}/": 14 for part in parts},
    }


def test_refusals_of_the_api_are_counted_out_of_its_access_log(assembly: Assembly) -> None:
    counted = assembly.only("AWS::Logs::MetricFilter")
    alarm = assembly.only("AWS::CloudWatch::Alarm")

    (metric,) = counted["MetricTransformations"]
    assert counted["LogGroupName"]["Ref"].startswith("ApiAccessLog")
    assert counted["FilterPattern"] == '{ ($.errorType = "THROTTLED") || ($.errorType = "QUOTA_EXCEEDED") }'
    assert (metric["MetricNamespace"], metric["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert alarm["AlarmActions"]


@pytest.mark.parametrize("stack", ["platform", "flowers"])
def test_every_log_group_is_encrypted_and_ends(assembly: Assembly, stack: str) -> None:
    groups = assembly.resources("AWS::Logs::LogGroup", stack).values()

    assert groups
    assert all(group["RetentionInDays"] == 90 and "KmsKeyId" in group for group in groups)


def test_there_is_one_champion_pointer_a_package(assembly: Assembly) -> None:
    pointers = assembly.resources("Custom::ChampionPointer").values()

    names = sorted(pointer["ParameterName"] for pointer in pointers)
    assert names == ["/flyball/flowers/champion", "/flyball/house-prices/champion"]


def test_a_champion_pointer_is_made_by_our_function_and_no_framework(assembly: Assembly) -> None:
    functions = assembly.resources("AWS::Lambda::Function")
    (creator,) = (logical_id for logical_id in functions if logical_id.startswith("ChampionPointers"))

    tokens = [pointer["ServiceToken"] for pointer in assembly.resources("Custom::ChampionPointer").values()]

    assert tokens == [{"Fn::GetAtt": [creator, "Arn"]}] * 2
    assert len(functions) == 2


def test_cloudformation_never_owns_the_champion_parameter_itself(assembly: Assembly) -> None:
    assert all(assembly.resources("AWS::SSM::Parameter", stack) == {} for stack in assembly.stacks)


@pytest.mark.parametrize(
    ("removal_policy", "deletion_policy"), [("retain", "RetainExceptOnCreate"), ("destroy", "Delete")]
)
def test_data_outlives_its_stack_as_the_setting_says(
    workshop: Workshop, removal_policy: str, deletion_policy: str
) -> None:
    template = workshop.synthesize([], removal_policy=removal_policy).template()

    policies = {
        resource["DeletionPolicy"]
        for resource in template["Resources"].values()
        if resource["Type"] in ("AWS::KMS::Key", "AWS::S3::Bucket", "AWS::Logs::LogGroup")
    }
    assert policies == {deletion_policy}


def test_an_alarm_email_is_subscribed_and_none_is_by_default(workshop: Workshop, assembly: Assembly) -> None:
    told = workshop.synthesize([], alarm_email="watch@example.com")

    assert assembly.resources("AWS::SNS::Subscription") == {}
    told.assertions().has_resource_properties(
        "AWS::SNS::Subscription", {"Protocol": "email", "Endpoint": "watch@example.com"}
    )


def test_alarms_may_publish_to_the_encrypted_topic(assembly: Assembly) -> None:
    (key,) = assembly.resources("AWS::KMS::Key")
    statements = assembly.only("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]

    allowed = [statement["Principal"] for statement in statements if statement["Effect"] == "Allow"]

    assert assembly.only("AWS::SNS::Topic")["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert allowed == [{"Service": "cloudwatch.amazonaws.com"}]


def test_the_outputs_name_what_people_look_for(assembly: Assembly) -> None:
    outputs = assembly.template()["Outputs"]

    assert {"ApiUrl", "ArtifactsBucket", "CapturesBucket", "AlarmTopicArn"} <= outputs.keys()


def test_stacks_are_tagged_by_cloudformation_and_not_in_every_resource(assembly: Assembly) -> None:
    for stack in assembly.stacks:
        tagged = [value for value in walk(assembly.template(stack)) if isinstance(value, dict) and "Tags" in value]

        assert tagged == []
