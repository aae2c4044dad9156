"""What retrains a model: what starts it, what it is told, and how a deployment asks it first."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from functions.retraining.settings import RetrainingSettings
from local.services.states.checks import problems_of
from tests.cdk.synth import Assembly, Json, Workshop
from tests.cdk.template_snapshots import spelled

MACHINE = "AWS::StepFunctions::StateMachine"
RULE = "AWS::Events::Rule"
ALL_TRIGGERS: Json = {"retraining": {"triggers": ("drift", "quality", "schedule", "labels")}}


def rules(assembly: Assembly, stack: str = "flowers") -> dict[str, Json]:
    """The loop's rules by what each is for."""
    found = assembly.resources(RULE, stack).items()
    prefix = "RetrainingTriggers"
    return {name.removeprefix(prefix)[:-8]: rule for name, rule in found if name.startswith(prefix)}


def definition(assembly: Assembly, stack: str = "flowers") -> Json:
    """The state machine's, with a text where a reference stands."""
    found: Json = json.loads(spelled(assembly.only(MACHINE, stack)["DefinitionString"]))
    return found


def target(rule: Json) -> Json:
    (found,) = rule["Targets"]
    return dict(found)


def guard(assembly: Assembly) -> tuple[str, Json]:
    (found,) = assembly.resources("Custom::DeploymentGuard", "flowers").items()
    return found


def test_it_is_started_by_the_triggers_that_the_package_names_and_looks_each_hour(assembly: Assembly) -> None:
    found = rules(assembly)

    assert found.keys() == {"Drift", "Quality", "Look", "Settle"}
    assert found["Look"]["ScheduleExpression"] == "rate(1 hour)"
    assert json.loads(target(found["Look"])["Input"]) == {"trigger": {"kind": "look"}}


@pytest.mark.parametrize(
    ("triggers", "expected"),
    [
        ((), {"Settle"}),
        (("labels",), {"Look", "Settle"}),
        (("schedule",), {"Look", "Settle"}),
        (("drift",), {"Drift", "Look", "Settle"}),
    ],
)
def test_a_trigger_that_the_package_does_not_name_starts_nothing(
    workshop: Workshop, triggers: tuple[str, ...], expected: set[str]
) -> None:
    assembly = workshop.synthesize([workshop.package(retraining={"triggers": triggers})])

    assert rules(assembly).keys() == expected


@pytest.mark.parametrize(("kind", "alarms"), [("Drift", ["Drift"]), ("Quality", ["QualityDrop", "LowQuality"])])
def test_an_alarm_that_goes_off_starts_it_and_says_why(workshop: Workshop, kind: str, alarms: list[str]) -> None:
    assembly = workshop.synthesize([workshop.package(monitor={"quality": {"minimum": 0.8}})])

    rule = rules(assembly)[kind]

    pattern, transformer = rule["EventPattern"], target(rule)["InputTransformer"]
    named = assembly.resources("AWS::CloudWatch::Alarm", "flowers")
    assert [named[each["Fn::GetAtt"][0]]["AlarmName"] for each in pattern["resources"]] == [
        f"flyball-flowers-{alarm}" for alarm in alarms
    ]
    assert (pattern["source"], pattern["detail"]) == (["aws.cloudwatch"], {"state": {"value": ["ALARM"]}})
    paths = {path: f'"{path}"' for path in transformer["InputPathsMap"].values()}
    filled = re.sub(
        r"<([\w-]+)>", lambda name: paths[transformer["InputPathsMap"][name[1]]], transformer["InputTemplate"]
    )
    assert json.loads(filled)["trigger"] == {
        "kind": kind.lower(),
        "alarm": "$.detail.alarmName",
        "reason": "$.detail.state.reason",
    }


def test_a_model_that_captures_nothing_has_no_alarm_to_be_started_by(workshop: Workshop) -> None:
    assembly = workshop.synthesize([workshop.package(capture={"percent": 0})])

    assert rules(assembly).keys() == {"Look", "Settle"}


def test_an_execution_that_ended_without_a_word_reaches_the_function(assembly: Assembly) -> None:
    settle = rules(assembly)["Settle"]

    (machine,) = assembly.resources(MACHINE, "flowers")
    function = target(settle)["Arn"]["Fn::GetAtt"][0]
    assert settle["EventPattern"]["detail"] == {
        "status": ["ABORTED", "FAILED", "TIMED_OUT"],
        "stateMachineArn": [{"Fn::GetAtt": [machine, "Arn"]}],
    }
    assert function.startswith("RetrainingFunction")
    assert "Input" not in target(settle)


def test_events_start_it_under_a_role_of_their_own(assembly: Assembly) -> None:
    found = rules(assembly)

    roles = {json.dumps(target(found[name])["RoleArn"]) for name in ("Drift", "Quality", "Look")}

    assert len(roles) == 1
    assert "RetrainingTriggersRole" in roles.pop()


def test_its_definition_is_right_as_it_stands_in_the_template(assembly: Assembly) -> None:
    text = spelled(assembly.only(MACHINE, "flowers")["DefinitionString"]).replace("${AWS::Partition}", "aws")

    assert problems_of(text) == []


def test_it_knows_its_function_and_its_function_knows_it(assembly: Assembly) -> None:
    machine = assembly.only(MACHINE, "flowers")
    variables = assembly.function("retraining", "flowers")["Environment"]["Variables"]

    function = definition(assembly)["States"]["Admit"]["Arguments"]["FunctionName"]

    assert function.startswith("${RetrainingFunction")
    assert spelled(variables["FLYBALL_STATE_MACHINE"]).endswith(f":stateMachine:{machine['StateMachineName']}")


def test_its_functions_environment_is_what_it_reads(assembly: Assembly) -> None:
    variables = {
        name: str(spelled(value))
        for name, value in assembly.function("retraining", "flowers")["Environment"]["Variables"].items()
    }

    settings = RetrainingSettings.from_environment(variables)

    assert (settings.package, settings.endpoint_name) == ("flowers", "flyball-flowers")
    assert settings.drift_alarm == "flyball-flowers-Drift"
    assert settings.quality_alarm == "flyball-flowers-QualityDrop"
    assert len(settings.rollback_alarms) == 3
    assert re.search(r"s3://.+\.zip", settings.base_data_uri)
    assert re.search(r"^s3://.+\.gz$", settings.initial_model_uri)
    assert settings.champion_parameter == "/flyball/flowers/champion"


def test_it_rolls_out_to_as_many_instances_as_the_environment_has(variations: dict[str, Assembly]) -> None:
    variables = variations["dev"].function("retraining", "flowers")["Environment"]["Variables"]

    counts = variables["FLYBALL_MINIMUM_INSTANCES"], variables["FLYBALL_MAXIMUM_INSTANCES"]

    assert counts == ("1", "1")


def test_an_environment_fits_lambdas_four_kilobytes(private: Assembly) -> None:
    variables = private.function("retraining", "flowers")["Environment"]["Variables"]

    assert sum(len(name) + len(str(spelled(value))) for name, value in variables.items()) < 3500


def test_data_that_lies_in_s3_is_taken_from_there(workshop: Workshop) -> None:
    assembly = workshop.synthesize([workshop.package(training={"data": "s3://elsewhere/flowers/"})])

    variables = assembly.function("retraining", "flowers")["Environment"]["Variables"]
    roles = assembly.resources("AWS::IAM::Role", "flowers")
    (role,) = (properties for name, properties in roles.items() if name.startswith("RetrainingFunctionRole"))
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    below = [each.get("Condition", {}).get("StringLike", {}).get("s3:prefix") for each in statements]
    allowed = json.dumps(role)
    assert variables["FLYBALL_BASE_DATA"] == "s3://elsewhere/flowers/"
    assert ":s3:::elsewhere/flowers/*" in allowed
    assert ["flowers/*"] in below


def test_its_models_and_jobs_have_their_interfaces_in_the_vpc(private: Assembly) -> None:
    variables = private.function("retraining", "flowers")["Environment"]["Variables"]
    states = definition(private)["States"]

    train, evaluate = states["Train"]["Arguments"], states["Evaluate"]["Arguments"]

    assert len(spelled(variables["FLYBALL_SUBNETS"]).split(",")) == 3
    assert "ModelsGroup" in spelled(variables["FLYBALL_SECURITY_GROUPS"])
    assert len(train["VpcConfig"]["Subnets"]) == 3
    assert "JobsGroup" in train["VpcConfig"]["SecurityGroupIds"][0]
    assert evaluate["NetworkConfig"]["VpcConfig"] == train["VpcConfig"]


def test_everything_that_an_execution_does_is_logged_and_encrypted(assembly: Assembly) -> None:
    logging = assembly.only(MACHINE, "flowers")["LoggingConfiguration"]

    (destination,) = logging["Destinations"]
    name = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    log_group = assembly.resources("AWS::Logs::LogGroup", "flowers")[name]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", True)
    assert log_group["LogGroupName"] == "/aws/vendedlogs/states/flyball-flowers-retraining"
    assert "KmsKeyId" in log_group


def test_a_deployment_asks_the_loop_before_it_changes_the_endpoint(assembly: Assembly) -> None:
    name, properties = guard(assembly)
    resources = assembly.template("flowers")["Resources"]
    (endpoint,) = (each for each in resources.values() if each["Type"] == "AWS::SageMaker::Endpoint")

    assert name in endpoint["DependsOn"]
    assert properties["EndpointConfigName"] == endpoint["Properties"]["EndpointConfigName"]
    assert properties["ServiceToken"]["Fn::GetAtt"][0].startswith("RetrainingFunction")
    assert int(properties["ServiceTimeout"]) < 3600


def test_nothing_that_the_guard_needs_waits_for_the_endpoint(assembly: Assembly) -> None:
    resources = assembly.template("flowers")["Resources"]
    needed: set[str] = set()
    waiting = [guard(assembly)[0]]
    while waiting:
        name = waiting.pop()
        if name in resources and name not in needed:
            needed.add(name)
            waiting += references(resources[name])

    types = {resources[name]["Type"] for name in needed}

    assert "AWS::Lambda::Function" in types
    assert "AWS::SageMaker::Endpoint" not in types


def references(value: Any) -> list[str]:
    """Logical ids that a part of a template names."""
    match value:
        case {"Ref": str(name)}:
            return [name]
        case {"Fn::GetAtt": [str(name), _]}:
            return [name]
        case dict():
            depends = value.get("DependsOn", [])
            return [*depends, *(name for each in value.values() for name in references(each))]
        case list():
            return [name for each in value for name in references(each)]
        case _:
            return []


def test_what_a_run_was_trained_on_is_kept_as_long_as_captures(workshop: Workshop) -> None:
    assembly = workshop.synthesize([workshop.package(capture={"retention_days": 17})])

    buckets = assembly.resources("AWS::S3::Bucket").values()
    kept = {
        rule["Prefix"]: rule["ExpirationInDays"] for each in buckets for rule in each_rule(each) if "Prefix" in rule
    }

    assert kept["retraining/flyball-flowers/"] == 17
    assert "retraining/" in kept


def each_rule(bucket: Json) -> list[Json]:
    found: list[Json] = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
    return found


def test_the_outputs_name_what_the_command_line_needs_of_it(assembly: Assembly) -> None:
    outputs = assembly.template("flowers")["Outputs"]

    assert outputs["RetrainingFunction"]["Value"] == "flyball-flowers-retraining"
    assert outputs["StateMachine"]["Value"]["Fn::GetAtt"][1] == "Arn"
