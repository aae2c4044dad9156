"""Every handler against moto: a whole synthesized assembly is deployed, edited, rolled back and destroyed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from moto.s3.models import s3_backends

from local.clock import ManualClock
from local.deploy.assembly import ACCOUNT, Assembly, AssemblyStack, read_assembly
from local.deploy.documents import Json
from local.deploy.engine import Engine, StackOutcome
from local.deploy.errors import StackFailed
from local.deploy.publishing import publish
from local.deploy.registry import default_registry
from local.deploy.state import InMemoryStore, StackEvent, Status
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

pytestmark = pytest.mark.slow

ASSEMBLY = Path(__file__).parent / "assembly"
PLATFORM, DIGITS = "flyball-platform", "flyball-digits"


class WillingReceiver:
    """Answers every custom resource with success."""

    def url_for(self, request_id: str) -> str:
        return f"http://nowhere.invalid/{request_id}"

    def wait(self, request_id: str, timeout_seconds: float) -> dict[str, Json]:
        return {"Status": "SUCCESS", "PhysicalResourceId": "a-pointer"}


@dataclass
class Installation:
    """The synthesized assembly on moto."""

    cloud: MotoCloud
    assembly: Assembly = field(default_factory=lambda: read_assembly(ASSEMBLY))
    store: InMemoryStore = field(default_factory=InMemoryStore)
    events: list[StackEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(
            clients=self.cloud.clients,
            store=self.store,
            clock=ManualClock(),
            on_event=self.events.append,
            receiver=WillingReceiver(),
        )

    def stack(self, name: str) -> AssemblyStack:
        return next(stack for stack in self.assembly.stacks if stack.name == name)

    def edited(self, edits: Mapping[str, Mapping[str, Json]], *, name: str, **new: Json) -> AssemblyStack:
        """A stack with some properties set anew (None removes one), and with `new` resources."""
        stack = self.stack(name)
        template = copy.deepcopy(dict(stack.template))
        for logical_id, properties in edits.items():
            known = template["Resources"][logical_id].setdefault("Properties", {})
            known.update(properties)
            for gone in [key for key, value in known.items() if value is None]:
                del known[gone]
        template["Resources"].update(new)
        return replace(stack, template=template)

    def deploy_all(self) -> list[StackOutcome]:
        """Publishes and deploys every stack into an account that has what CDK's toolkit leaves."""
        self.cloud.bootstrap()
        outcomes = []
        for stack in self.assembly.stacks:
            publish(stack, self.cloud.clients)
            outcomes.append(self.engine.execute(self.engine.plan(stack)))
        return outcomes

    def deploy(self, stack: AssemblyStack) -> str:
        return self.engine.execute(self.engine.plan(stack)).result

    def physical_id(self, name: str, logical_id: str) -> str:
        state = self.store.load(name)
        assert state is not None
        return state.resources[logical_id].physical_id


@contextmanager
def deployed() -> Iterator[Installation]:
    with moto_cloud() as cloud:
        installed = Installation(cloud)
        installed.deploy_all()
        yield installed


@pytest.fixture
def installation() -> Iterator[Installation]:
    with deployed() as installed:
        yield installed


POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}

EDITS: Mapping[str, Mapping[str, Mapping[str, Json]]] = {
    PLATFORM: {
        "Key961B73FD": {"EnableKeyRotation": False, "Description": "for all"},
        "KeyAlias910D852D": {"TargetKeyId": {"Ref": "Spare"}},
        "CapturesDE857D5D": {
            "VersioningConfiguration": None,
            "LifecycleConfiguration": None,
            "Tags": [{"Key": "team", "Value": "flyball"}],
            "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
        },
        "CapturesPolicyD517EFCA": {
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}],
            }
        },
        "Alarms04B5A0BF": {"DisplayName": "Alarms"},
        "AlarmsPolicy5C860CFE": {"PolicyDocument": POLICY},
        "QueueflyballplatformAlarms3F0AB1963C94D920": {"RawMessageDelivery": False},
        "Queue4A7E3555": {"VisibilityTimeout": "60", "DelaySeconds": 5, "Tags": [{"Key": "a", "Value": "b"}]},
        "QueuePolicy25439813": {"PolicyDocument": POLICY},
        "Pointer9C14FD58": {"Value": "v1", "Tags": {"owner": "loop"}},
        "LockCE124363": {"TimeToLiveSpecification": None, "Tags": [{"Key": "a", "Value": "b"}]},
        "CatLogsA28358C7": {"RetentionInDays": 7, "Tags": [{"Key": "a", "Value": "b"}]},
        "CatalogueServiceRole9FB7D17F": {
            "ManagedPolicyArns": [],
            "Policies": [{"PolicyName": "p", "PolicyDocument": POLICY}],
            "Description": "runs the catalogue",
            "Tags": [{"Key": "a", "Value": "b"}],
        },
        "CatalogueServiceRoleDefaultPolicy7A31BFDA": {"PolicyName": "renamed"},
        "Catalogue6D2BB205": {
            "Timeout": 10,
            "MemorySize": None,
            "Environment": {"Variables": {"LEVEL": "DEBUG"}},
            "Code": {"ZipFile": "print('edited')"},
            "ReservedConcurrentExecutions": None,
            "Tags": [{"Key": "a", "Value": "b"}],
        },
        "Live848578DF": {"Description": "what is served"},
        "Errs4E0D14BC": {"FilterPattern": "ERROR"},
        "ApiF70053CD": {
            "Description": "all models",
            "BinaryMediaTypes": ["application/x-npy"],
            "Tags": [{"Key": "a", "Value": "b"}],
        },
        "ApiGET9257B917": {"AuthorizationType": "NONE"},
        "ApiReq6DCF17DE": {"Schema": {"type": "array"}},
        "ApiValBB0D9C64": {"ValidateRequestParameters": True},
        "ApiR46875B00C": {"ResponseTemplates": {"application/json": "{}"}},
        "ApiDeploymentStageapi01526A9D": {
            "MethodSettings": [{"HttpMethod": "GET", "ResourcePath": "/models", "ThrottlingBurstLimit": 7}],
            "AccessLogSetting": None,
            "Variables": {"colour": "green"},
            "Description": "the one",
            "Tags": [{"Key": "a", "Value": "b"}],
        },
        "ApiPlan25F8B52C": {"Quota": {"Limit": 2000, "Period": "WEEK"}, "Throttle": {"BurstLimit": 6, "RateLimit": 3}},
        "ApiK9184584D": {"Description": "a key", "Enabled": False},
        "NightlyC44EE0A7": {"ScheduleExpression": "rate(2 hours)", "Description": "nightly"},
        "PatFE2EB643": {"Targets": [{"Id": "Target1", "Arn": {"Ref": "Alarms04B5A0BF"}}]},
        "Put": {"Name": "/flyball/y/champion"},
    },
    DIGITS: {
        "Role1ABCC5F0": {"MaxSessionDuration": 7200},
        "MPAF8D442C": {"PolicyDocument": POLICY},
        "Model": {"PrimaryContainer": {"Image": "another:1"}},
        "Group": {"Tags": [{"Key": "a", "Value": "b"}]},
        "ErrorsFA5270DE": {"Threshold": "0.1", "Tags": [{"Key": "a", "Value": "b"}]},
        "Any9F5837F9": {"AlarmDescription": "any of them"},
        "Target3191CF44": {"MaxCapacity": 8},
        "TargetTrack15E7F595": {
            "TargetTrackingScalingPolicyConfiguration": {
                "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
                "TargetValue": 50,
            }
        },
        "DashCCD7F836": {"DashboardBody": '{"widgets":[]}'},
    },
}
SPARE_KEY = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": POLICY}}

Reading = Callable[[Callable[[str], Any], Callable[[str], str]], Json]


def _method(clients: Any, of: Any) -> Json:
    api = of("ApiF70053CD")
    root = clients("apigateway").get_rest_api(restApiId=api)["rootResourceId"]
    return clients("apigateway").get_method(restApiId=api, resourceId=root, httpMethod="GET")["authorizationType"]


def _api(operation: str, **names: str) -> Reading:
    def read(clients: Any, of: Any) -> Json:
        arguments = {key: of(value) for key, value in names.items()}
        answer = getattr(clients("apigateway"), operation)(restApiId=of("ApiF70053CD"), **arguments)
        unimportant = ("ResponseMetadata", "lastUpdatedDate", "id")
        return {key: value for key, value in answer.items() if value and key not in unimportant}

    return read


def _topic_arn_attributes(clients: Any, of: Any) -> Json:
    attributes = clients("sns").get_topic_attributes(TopicArn=of("Alarms04B5A0BF"))["Attributes"]
    return {key: attributes[key] for key in ("DisplayName", "Policy")}


def _function(clients: Any, of: Any) -> Json:
    answer = clients("lambda").get_function(FunctionName="flyball-catalogue")
    kept = ("Timeout", "MemorySize", "Environment", "CodeSha256")
    return [{key: answer["Configuration"][key] for key in kept}, answer.get("Tags"), answer.get("Concurrency")]


READINGS: Mapping[str, Mapping[str, Reading]] = {
    PLATFORM: {
        "key rotation": lambda c, of: c("kms").get_key_rotation_status(KeyId=of("Key961B73FD"))["KeyRotationEnabled"],
        "key": lambda c, of: c("kms").describe_key(KeyId=of("Key961B73FD"))["KeyMetadata"]["Description"],
        "versioning": lambda c, of: c("s3").get_bucket_versioning(Bucket=of("CapturesDE857D5D")).get("Status"),
        "events": lambda _, of: _sends_events(of("CapturesDE857D5D")),
        "topic": _topic_arn_attributes,
        "subscription": lambda c, of: c("sns").get_subscription_attributes(
            SubscriptionArn=of("QueueflyballplatformAlarms3F0AB1963C94D920")
        )["Attributes"]["RawMessageDelivery"],
        "queue": lambda c, of: {
            key: value
            for key, value in c("sqs")
            .get_queue_attributes(QueueUrl=of("Queue4A7E3555"), AttributeNames=["All"])["Attributes"]
            .items()
            if key in ("VisibilityTimeout", "DelaySeconds", "Policy")
        },
        "queue tags": lambda c, of: c("sqs").list_queue_tags(QueueUrl=of("Queue4A7E3555")).get("Tags"),
        "parameter": lambda c, of: c("ssm").get_parameter(Name=of("Pointer9C14FD58"))["Parameter"]["Value"],
        "expiry": lambda c, of: c("dynamodb").describe_time_to_live(TableName=of("LockCE124363"))[
            "TimeToLiveDescription"
        ]["TimeToLiveStatus"],
        "retention": lambda c, of: c("logs").describe_log_groups(logGroupNamePrefix=of("CatLogsA28358C7"))["logGroups"][
            0
        ]["retentionInDays"],
        "filter": lambda c, of: c("logs").describe_metric_filters(logGroupName=of("CatLogsA28358C7"))["metricFilters"][
            0
        ]["filterPattern"],
        "attached": lambda c, of: c("iam").list_attached_role_policies(RoleName=of("CatalogueServiceRole9FB7D17F"))[
            "AttachedPolicies"
        ],
        "inline": lambda c, of: c("iam").list_role_policies(RoleName=of("CatalogueServiceRole9FB7D17F"))["PolicyNames"],
        "role": lambda c, of: (
            c("iam").get_role(RoleName=of("CatalogueServiceRole9FB7D17F"))["Role"].get("Description", "")
        ),
        "function": _function,
        "alias": lambda c, _: c("lambda").get_alias(FunctionName="flyball-catalogue", Name="live")["Description"],
        "api": _api("get_rest_api"),
        "method": _method,
        "model": _api("get_model", modelName="ApiReq6DCF17DE"),
        "validator": _api("get_request_validator", requestValidatorId="ApiValBB0D9C64"),
        "gateway response": lambda c, of: c("apigateway").get_gateway_response(
            restApiId=of("ApiF70053CD"), responseType="DEFAULT_4XX"
        )["responseTemplates"],
        "stage": _api("get_stage", stageName="ApiDeploymentStageapi01526A9D"),
        "plan": lambda c, of: c("apigateway").get_usage_plan(usagePlanId=of("ApiPlan25F8B52C"))["quota"],
        "api key": lambda c, of: c("apigateway").get_api_key(apiKey=of("ApiK9184584D"))["enabled"],
        "rule": lambda c, of: c("events").describe_rule(Name=of("NightlyC44EE0A7"))["ScheduleExpression"],
        "targets": lambda c, of: sorted(
            target["Id"] for target in c("events").list_targets_by_rule(Rule=of("PatFE2EB643"))["Targets"]
        ),
    },
    DIGITS: {
        "role": lambda c, of: c("iam").get_role(RoleName=of("Role1ABCC5F0"))["Role"]["MaxSessionDuration"],
        "policy": lambda c, of: _document(c("iam"), of("MPAF8D442C")),
        "serving": lambda c, _: c("sagemaker").describe_endpoint(EndpointName="flyball-digits")["EndpointConfigName"],
        "alarm": lambda c, _: c("cloudwatch").describe_alarms(AlarmNames=["flyball-digits-errors"])["MetricAlarms"][0][
            "Threshold"
        ],
        "target": lambda c, _: c("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
            "ScalableTargets"
        ][0]["MaxCapacity"],
        "scaling": lambda c, _: c("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")[
            "ScalingPolicies"
        ][0]["TargetTrackingScalingPolicyConfiguration"],
        "dashboard": lambda c, _: c("cloudwatch").get_dashboard(DashboardName="flyball-digits")["DashboardBody"],
    },
}


def _sends_events(bucket: str) -> bool:
    configuration = s3_backends[ACCOUNT]["aws"].buckets[bucket].notification_configuration
    return configuration is not None and configuration.event_bridge is not None


def _document(iam: Any, arn: str) -> Json:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def readings(installed: Installation, name: str) -> dict[str, Json]:
    clients = installed.cloud.clients
    return {
        what: read(clients, lambda logical_id: installed.physical_id(name, logical_id))
        for what, read in READINGS[name].items()
    }


def test_the_assembly_holds_every_type_that_it_can(installation: Installation) -> None:
    deployed = {resource.resource_type for state in installation.store.all() for resource in state.resources.values()}

    missing = default_registry().handlers.keys() - deployed

    # test_deploy_cognito.py, test_deploy_ec2.py, test_deploy_contract.py, test_deploy_stepfunctions.py,
    # test_deploy_wafv2.py
    elsewhere = ("AWS::Cognito::", "AWS::EC2::", "AWS::ECR::", "AWS::StepFunctions::", "AWS::WAFv2::")
    assert {name for name in missing if not name.startswith(elsewhere)} == {
        "AWS::ApiGateway::Authorizer",
        "AWS::CloudFormation::CustomResource",
        "AWS::Lambda::LayerVersion",
    }


def test_deploying_an_assembly_again_changes_nothing(installation: Installation) -> None:
    writes, events = list(installation.cloud.writes), list(installation.events)

    outcomes = installation.deploy_all()

    assert [outcome.result for outcome in outcomes] == ["unchanged", "unchanged"]
    assert installation.cloud.writes == writes
    assert installation.events == events


@pytest.mark.parametrize("name", [PLATFORM, DIGITS])
def test_every_edit_reaches_the_service_and_is_taken_back_by_a_rollback(installation: Installation, name: str) -> None:
    new = {"Spare": SPARE_KEY} if name == PLATFORM else {}
    good = installation.edited(EDITS[name], name=name, **new)
    taken = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/taken", "Type": "String", "Value": "x"}}
    active = [key for key in installation.stack(name).template["Resources"] if key != "CDKMetadata"]
    bad = installation.edited(EDITS[name], name=name, **new, Taken={**taken, "DependsOn": active})
    installation.cloud.clients("ssm").put_parameter(Name="/taken", Value="y", Type="String")
    before = readings(installation, name)
    resources = installation.store.states[name].resources

    with pytest.raises(StackFailed) as failure:
        installation.deploy(bad)

    assert failure.value.logical_id == "Taken", failure.value
    assert failure.value.kept == ()
    assert readings(installation, name) == before
    assert installation.store.states[name].resources == resources

    installation.deploy(good)

    after = readings(installation, name)
    assert {what for what in before if before[what] == after[what]} == set()
    assert installation.deploy(good) == "unchanged"


def test_a_new_model_makes_a_new_config_and_the_old_ones_go(installation: Installation) -> None:
    sagemaker = installation.cloud.clients("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName="flyball-digits")["EndpointConfigName"]

    installation.deploy(installation.edited({"Model": {"PrimaryContainer": {"Image": "next:2"}}}, name=DIGITS))

    serving = sagemaker.describe_endpoint(EndpointName="flyball-digits")["EndpointConfigName"]
    assert serving != before
    configs = [config["EndpointConfigName"] for config in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    assert configs == [serving]
    assert len(sagemaker.list_models()["Models"]) == 1


def test_an_endpoint_that_rolls_itself_back_fails_the_stack(installation: Installation) -> None:
    sagemaker = installation.cloud.clients("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName="flyball-digits")["EndpointConfigName"]

    with pytest.raises(StackFailed, match="rolled back to") as failure:
        installation.deploy(installation.edited({"Config": {"EndpointConfigName": "Broken"}}, name=DIGITS))

    assert failure.value.logical_id == "Endpoint"
    configs = [config["EndpointConfigName"] for config in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
    assert configs == [before]
    assert installation.store.states[DIGITS].status is Status.UPDATE_ROLLBACK_COMPLETE


def test_a_champion_pointer_is_read_at_every_deployment(installation: Installation) -> None:
    installation.cloud.clients("ssm").put_parameter(Name="/flyball/digits/champion", Value="v2", Overwrite=True)

    result = installation.deploy(installation.stack(DIGITS))

    assert result == "updated"
    model = installation.physical_id(DIGITS, "Model").rpartition("/")[2]
    container = installation.cloud.clients("sagemaker").describe_model(ModelName=model)["PrimaryContainer"]
    assert container["ModelDataUrl"] == "s3://x/y"


def test_a_resource_that_is_not_the_stacks_own_is_not_taken_over(installation: Installation) -> None:
    entry = dict(installation.stack(DIGITS).template["Resources"]["ErrorsFA5270DE"])

    with pytest.raises(StackFailed, match="already exists") as failure:
        installation.deploy(installation.edited({}, name=DIGITS, Twin=entry))

    assert failure.value.logical_id == "Twin"
    alarms = installation.cloud.clients("cloudwatch").describe_alarms(AlarmNames=["flyball-digits-errors"])
    assert len(alarms["MetricAlarms"]) == 1


def test_destroying_leaves_what_is_retained_and_nothing_else(installation: Installation) -> None:
    for stack in reversed(installation.assembly.stacks):
        installation.engine.destroy(stack.name)

    clients = installation.cloud.clients
    skipped = {event.logical_id for event in installation.events if event.status is Status.DELETE_SKIPPED}
    assert skipped == {
        "ApiAccountA18C9B29",
        "LockCE124363",
        "ApiCloudWatchRole73EC6FC4",
        "Access9901B1FF",
        "Key961B73FD",
    }
    assert clients("sagemaker").list_endpoints()["Endpoints"] == []
    assert clients("lambda").list_functions()["Functions"] == []
    assert clients("apigateway").get_rest_apis()["items"] == []
    assert len(clients("iam").list_roles()["Roles"]) == 1
    assert len(clients("dynamodb").list_tables()["TableNames"]) == 1


def test_a_stack_can_be_deployed_after_it_was_destroyed(installation: Installation) -> None:
    installation.engine.destroy(DIGITS)
    installation.engine.destroy(PLATFORM)

    outcomes = installation.deploy_all()

    assert [outcome.result for outcome in outcomes] == ["created", "created"]


def test_a_conditional_deny_does_not_reach_the_bucket(installation: Installation) -> None:
    bucket = installation.physical_id(PLATFORM, "CapturesDE857D5D")

    installation.cloud.clients("s3").put_object(Bucket=bucket, Key="a", Body=b"b")

    declared = installation.store.states[PLATFORM].resources["CapturesPolicyD517EFCA"].properties
    assert declared["PolicyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_states_of_real_stacks_survive_json(installation: Installation) -> None:
    for state in installation.store.all():
        document = json.loads(json.dumps(state.to_json()))
        assert type(state).from_json(document) == state
