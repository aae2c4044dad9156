"""One model in production: which version serves, on what, how traffic moves to it, and what takes it back."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.alarms import ROLLBACK_ALARMS
from cdk.instances import has_gpu, has_local_disks
from tests.cdk.synth import Assembly, Workshop, walk

NO_SCALING = {"minimum_instances": 2, "maximum_instances": 2}


def container_of(assembly: Assembly, pointer: str, stack: str = "flowers") -> dict[str, Any]:
    """The model's container as CloudFormation resolves it when the champion pointer has the value `pointer`."""
    template = assembly.template(stack)
    (parameter,) = (name for name, value in template["Parameters"].items() if "champion" in value["Default"])
    ((condition, expression),) = template["Conditions"].items()
    assert expression == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, "none"]}]}
    name, champion, initial = assembly.only("AWS::SageMaker::Model", stack)["PrimaryContainer"]["Fn::If"]
    assert name == condition
    container: dict[str, Any] = initial if pointer == "none" else champion
    return container


def variant_of(assembly: Assembly, stack: str = "flowers") -> dict[str, Any]:
    (variant,) = assembly.only("AWS::SageMaker::EndpointConfig", stack)["ProductionVariants"]
    found: dict[str, Any] = variant
    return found


def test_the_champion_pointer_is_read_at_each_deploy(assembly: Assembly) -> None:
    parameters = assembly.template("house-prices")["Parameters"].values()

    assert {"AWS::SSM::Parameter::Value<String>"} == {parameter["Type"] for parameter in parameters}
    assert "/flyball/house-prices/champion" in {parameter["Default"] for parameter in parameters}


def test_without_a_champion_the_initial_artifact_serves(assembly: Assembly) -> None:
    container = container_of(assembly, "none")

    assert container.keys() == {"Image", "ModelDataUrl", "Environment"}
    assert container["Environment"]["FLYBALL_PACKAGE"] == "flowers"
    assert container["Environment"]["FLYBALL_MODEL_VERSION"].startswith("initial-")


def test_a_champion_serves_with_its_own_image_artifact_and_number(assembly: Assembly) -> None:
    container = container_of(assembly, "arn:aws:sagemaker:us-east-1:1:model-package/flyball-flowers/3")

    assert container.keys() == {"ModelPackageName", "Environment"}
    (select,) = (value["Fn::Select"] for value in walk(container) if isinstance(value, dict) and "Fn::Select" in value)
    assert select == [2, {"Fn::Split": ["/", container["ModelPackageName"]]}]


def test_the_initial_versions_name_changes_with_its_artifact_only(workshop: Workshop) -> None:
    package = workshop.package()
    before = container_of(workshop.synthesize([package], out="before"), "none")
    artifact = workshop.sources([package]).initial_artifact(package)

    artifact.write_bytes(b"another model")
    after = container_of(workshop.synthesize([package], out="after"), "none")

    assert after["Environment"] != before["Environment"]
    assert after["Image"] == before["Image"]


def test_the_model_cannot_reach_the_network(assembly: Assembly) -> None:
    assert assembly.only("AWS::SageMaker::Model", "flowers")["EnableNetworkIsolation"] is True


def test_a_gpu_host_has_the_driver_for_the_images_cuda(assembly: Assembly) -> None:
    assert variant_of(assembly)["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert "InferenceAmiVersion" not in variant_of(assembly, "house-prices")


def test_a_disk_of_its_own_takes_no_key_and_a_network_disk_does(assembly: Assembly) -> None:
    with_nvme = assembly.only("AWS::SageMaker::EndpointConfig", "flowers")
    without = assembly.only("AWS::SageMaker::EndpointConfig", "house-prices")

    assert "KmsKeyId" not in with_nvme
    assert "KmsKeyId" in without


@pytest.mark.parametrize(
    ("instance_type", "gpu", "local_disks"),
    [
        ("ml.g4dn.xlarge", True, True),
        ("ml.g6e.12xlarge", True, True),
        ("ml.p3.2xlarge", True, False),
        ("ml.p3dn.24xlarge", True, True),
        ("ml.p5.4xlarge", True, True),
        ("ml.p6-b200.48xlarge", True, True),
        ("ml.m5.large", False, False),
        ("ml.m5d.large", False, True),
        ("ml.c6gd.xlarge", False, True),
        ("ml.c7i.large", False, False),
        ("ml.inf2.xlarge", False, False),
        ("ml.trn1.2xlarge", False, True),
    ],
)
def test_instance_types_are_told_apart(instance_type: str, gpu: bool, local_disks: bool) -> None:  # noqa: FBT001
    assert has_gpu(instance_type) is gpu
    assert has_local_disks(instance_type) is local_disks


def test_the_variant_is_called_main_and_routes_to_the_idlest(assembly: Assembly) -> None:
    variant = variant_of(assembly)

    assert variant["VariantName"] == "main"
    assert variant["InitialInstanceCount"] == 2
    assert variant["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}


def test_observability_is_asked_for_and_not_left_to_a_default(assembly: Assembly) -> None:
    config = assembly.only("AWS::SageMaker::EndpointConfig", "flowers")

    assert config["MetricsConfig"] == {"EnableDetailedObservability": True}


def test_json_is_captured_readable_and_encrypted(assembly: Assembly) -> None:
    capture = assembly.only("AWS::SageMaker::EndpointConfig", "flowers")["DataCaptureConfig"]

    assert (capture["EnableCapture"], capture["InitialSamplingPercentage"]) == (True, 100)
    assert [option["CaptureMode"] for option in capture["CaptureOptions"]] == ["Input", "Output"]
    assert capture["CaptureContentTypeHeader"] == {"JsonContentTypes": ["application/json"]}
    assert "Fn::ImportValue" in capture["KmsKeyId"]


def test_no_percent_turns_capture_off(workshop: Workshop) -> None:
    assembly = workshop.synthesize([workshop.package(capture={"percent": 0})])

    assert assembly.only("AWS::SageMaker::EndpointConfig", "flowers")["DataCaptureConfig"]["EnableCapture"] is False


@pytest.mark.parametrize(
    ("rollout", "traffic", "seconds"),
    [
        (
            {"strategy": "canary", "step_percent": 25, "bake_minutes": 2},
            {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25}, "WaitIntervalInSeconds": 120},
            3960,
        ),
        (
            {"strategy": "linear", "step_percent": 30, "bake_minutes": 1},
            {
                "Type": "LINEAR",
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 30},
                "WaitIntervalInSeconds": 60,
            },
            3900,
        ),
        (
            {"strategy": "all_at_once", "bake_minutes": 0},
            {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            3600,
        ),
    ],
)
def test_the_rollout_is_a_blue_green_update_in_the_packages_steps(
    workshop: Workshop, rollout: dict[str, Any], traffic: dict[str, Any], seconds: int
) -> None:
    assembly = workshop.synthesize([workshop.package(rollout=rollout)])

    policy = assembly.only("AWS::SageMaker::Endpoint", "flowers")["DeploymentConfig"]["BlueGreenUpdatePolicy"]

    assert policy["TrafficRoutingConfiguration"] == traffic
    assert policy["MaximumExecutionTimeoutInSeconds"] == seconds


def test_an_endpoint_keeps_its_number_of_instances_while_it_scales(assembly: Assembly) -> None:
    scaling = assembly.only("AWS::SageMaker::Endpoint", "flowers")
    fixed = assembly.only("AWS::SageMaker::Endpoint", "house-prices")

    assert scaling["RetainAllVariantProperties"] is True
    assert scaling["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DataCaptureConfig"}]
    assert {"VariantPropertyType": "DesiredInstanceCount"} in fixed["ExcludeRetainedVariantProperties"]


def test_every_rollback_alarm_guards_the_rollout(assembly: Assembly) -> None:
    alarms = assembly.resources("AWS::CloudWatch::Alarm", "flowers")

    guards = assembly.only("AWS::SageMaker::Endpoint", "flowers")["DeploymentConfig"]["AutoRollbackConfiguration"]

    named = [alarms[alarm["AlarmName"]["Ref"]]["AlarmName"] for alarm in guards["Alarms"]]
    assert named == [f"flyball-flowers-{watch.name}" for watch in ROLLBACK_ALARMS]
    assert len(named) == 3


def test_alarms_watch_the_metrics_in_their_own_units(workshop: Workshop) -> None:
    rollout = {"maximum_p99_latency_ms": 250, "maximum_error_percent": 2}
    assembly = workshop.synthesize([workshop.package(rollout=rollout)])

    alarms = assembly.alarms("flowers")
    found = {
        alarm["MetricName"]: (alarm.get("ExtendedStatistic") or alarm["Statistic"], alarm["Threshold"])
        for alarm in (alarms[watch.name] for watch in ROLLBACK_ALARMS)
    }

    assert found == {
        "ModelLatency": ("p99", 250_000),
        "Invocation5XXErrors": ("Average", 0.02),
        "InvocationModelErrors": ("Average", 0.02),
    }


def test_rollback_alarms_watch_the_endpoints_variant_and_stay_quiet_without_traffic(assembly: Assembly) -> None:
    alarms = assembly.alarms("house-prices")

    for alarm in (alarms[watch.name] for watch in ROLLBACK_ALARMS):
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}

        assert dimensions == {"EndpointName": "flyball-house-prices", "VariantName": "main"}
        assert alarm["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize(("bake_minutes", "window"), [(1, (1, 1)), (2, (2, 2)), (5, (2, 3)), (60, (2, 3))])
def test_an_alarm_can_fire_within_the_bake(workshop: Workshop, bake_minutes: int, window: tuple[int, int]) -> None:
    assembly = workshop.synthesize([workshop.package(rollout={"bake_minutes": bake_minutes})])

    alarms = assembly.alarms("flowers")
    windows = {
        (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"])
        for alarm in (alarms[watch.name] for watch in ROLLBACK_ALARMS)
    }

    assert windows == {window}


def test_instances_follow_the_requests_in_flight(assembly: Assembly) -> None:
    target = assembly.only("AWS::ApplicationAutoScaling::ScalableTarget", "flowers")
    policy = assembly.only("AWS::ApplicationAutoScaling::ScalingPolicy", "flowers")

    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    assert tracking["TargetValue"] == 8
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    }


def test_nothing_scales_where_there_is_no_room(workshop: Workshop) -> None:
    assembly = workshop.synthesize([workshop.package(endpoint=NO_SCALING)])

    assert assembly.resources("AWS::ApplicationAutoScaling::ScalableTarget", "flowers") == {}


def test_the_gateway_has_the_name_that_the_api_calls(assembly: Assembly) -> None:
    names = [
        function["FunctionName"]
        for stack in assembly.stacks[:2]
        for function in assembly.resources("AWS::Lambda::Function", stack).values()
    ]

    assert [name for name in names if name.endswith("-gateway")] == [
        "flyball-flowers-gateway",
        "flyball-house-prices-gateway",
    ]


def test_the_gateway_changes_after_its_endpoint(assembly: Assembly) -> None:
    (endpoint,) = assembly.resources("AWS::SageMaker::Endpoint", "flowers")

    variables = assembly.function("gateway", "flowers")["Environment"]["Variables"]

    assert variables["FLYBALL_ENDPOINT_NAME"] == {"Fn::GetAtt": [endpoint, "EndpointName"]}


def test_the_gateway_outlives_the_endpoints_timeout(workshop: Workshop) -> None:
    assembly = workshop.synthesize([workshop.package(endpoint={"timeout_seconds": 40})])

    function = assembly.function("gateway", "flowers")

    assert function["Timeout"] == 45
    assert function["Environment"]["Variables"]["FLYBALL_TIMEOUT_SECONDS"] == "40"


def test_functions_run_on_python_3_14_and_x86_64(assembly: Assembly) -> None:
    functions = [f for stack in assembly.stacks for f in assembly.resources("AWS::Lambda::Function", stack).values()]

    assert {(function["Runtime"], *function["Architectures"]) for function in functions} == {("python3.14", "x86_64")}


def test_the_api_may_invoke_a_gateway_for_its_own_paths_only(assembly: Assembly) -> None:
    permissions = assembly.resources("AWS::Lambda::Permission", "house-prices").values()
    (permission,) = (each for each in permissions if each["Principal"] != "events.amazonaws.com")

    source = permission["SourceArn"]["Fn::Join"][1]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert source[-1] == "/api/*/models/house_prices/*"
    assert "Fn::ImportValue" in source[-2]


def test_the_endpoints_logs_are_made_before_sagemaker_would(assembly: Assembly) -> None:
    resources = assembly.template("flowers")["Resources"]
    (endpoint,) = (resource for resource in resources.values() if resource["Type"] == "AWS::SageMaker::Endpoint")
    logs = next(name for name in endpoint["DependsOn"] if resources[name]["Type"] == "AWS::Logs::LogGroup")

    assert resources[logs]["Properties"]["LogGroupName"] == "/aws/sagemaker/Endpoints/flyball-flowers"
    assert resources[logs]["DeletionPolicy"] == "Delete"


def test_the_outputs_name_what_the_command_line_needs(assembly: Assembly) -> None:
    outputs = assembly.template("house-prices")["Outputs"]

    assert outputs["ChampionParameter"]["Value"] == "/flyball/house-prices/champion"
    assert outputs["GatewayFunction"]["Value"] == "flyball-house-prices-gateway"
    assert {"EndpointName", "ModelPackageGroup"} <= outputs.keys()
