"""A version goes into service by an update of the endpoint, once however often it is asked; how that ends is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from functions.retraining.deployable import is_made_by_the_loop
from functions.retraining.loop_state import LockLost
from functions.retraining.rollout import EndpointBusy
from model_packages.errors import OperatorError
from tests.functions.retraining.cloud import PARAMETER
from tests.functions.retraining.deployments import (
    CONFIG,
    STACK_CONFIG,
    STACK_MODEL,
    VARIANT,
    VERSION_3,
    VERSION_4,
    refused,
)
from tests.functions.retraining.loops import ENDPOINT, NOON, SETTINGS
from tests.functions.retraining.rollouts import ALARMS, WATCHED, Run, fixed

MINUTE = timedelta(minutes=1)


def test_a_version_gets_a_model_and_the_config_in_service_with_it() -> None:
    run = Run()

    answer = run.roll_out(VERSION_3)

    assert answer["before"] == STACK_CONFIG
    assert run.sagemaker.models[answer["model"]] == {
        "ModelName": answer["model"],
        "ExecutionRoleArn": SETTINGS.execution_role_arn,
        "PrimaryContainer": {
            "ModelPackageName": VERSION_3,
            "Environment": {"FLYBALL_PACKAGE": "flowers", "FLYBALL_MODEL_VERSION": "3"},
        },
        "EnableNetworkIsolation": True,
    }
    assert run.sagemaker.configs[answer["config"]] == {
        **CONFIG,
        "EndpointConfigName": answer["config"],
        "ProductionVariants": [{**VARIANT, "ModelName": answer["model"]}],
    }
    assert all(is_made_by_the_loop(answer[name], ENDPOINT) for name in ("model", "config"))


def test_the_update_is_guarded_and_keeps_what_autoscaling_chose() -> None:
    run = Run()

    answer = run.roll_out(VERSION_3)

    assert run.sagemaker.updates == [
        {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": answer["config"],
            "DeploymentConfig": {
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm} for alarm in ALARMS]},
                "BlueGreenUpdatePolicy": {
                    "MaximumExecutionTimeoutInSeconds": 75 * 60,
                    "TerminationWaitInSeconds": 300,
                    "TrafficRoutingConfiguration": {
                        "Type": "CANARY",
                        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
                        "WaitIntervalInSeconds": 300,
                    },
                },
            },
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
        }
    ]


def test_where_nothing_scales_the_number_of_instances_is_the_configs() -> None:
    run = fixed(Run())

    run.roll_out(VERSION_3)

    excluded = run.sagemaker.updates[0]["ExcludeRetainedVariantProperties"]
    assert [each["VariantPropertyType"] for each in excluded] == ["DataCaptureConfig", "DesiredInstanceCount"]


def test_in_a_network_of_its_own_the_model_is_attached_to_it() -> None:
    run = Run(settings=replace(WATCHED, subnet_ids=("subnet-1",), security_group_ids=("sg-1",)))

    answer = run.roll_out(VERSION_3)

    attached = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert run.sagemaker.models[answer["model"]]["VpcConfig"] == attached


def test_the_endpoint_is_the_runs_before_the_update_begins() -> None:
    run = Run()
    phases: list[str] = []

    def note(operation: str) -> None:
        lock = run.state.lock
        if operation in ("create_model", "update_endpoint") and lock is not None:
            phases.append(lock.phase)

    run.sagemaker.before = note
    run.roll_out(VERSION_3)

    assert phases == ["preparing", "rollout"]


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack"])
def test_an_endpoint_that_somebody_else_changes_is_waited_for(status: str) -> None:
    run = Run()
    run.sagemaker.endpoint["EndpointStatus"] = status

    with pytest.raises(EndpointBusy, match=status):
        run.roll_out(VERSION_3)

    assert run.sagemaker.updates == []
    assert run.state.lock is not None
    assert run.state.lock.phase == "preparing"
    assert set(run.sagemaker.configs) == {STACK_CONFIG}


def test_an_endpoint_that_is_broken_is_not_updated() -> None:
    run = Run()
    run.sagemaker.endpoint["EndpointStatus"] = "Failed"

    with pytest.raises(OperatorError, match="flyball-flowers is Failed; allowed: InService") as raised:
        run.roll_out(VERSION_3)

    assert not isinstance(raised.value, EndpointBusy)


def test_somebody_who_is_quicker_is_waited_for_and_the_endpoint_is_theirs() -> None:
    run = Run()

    def be_quicker(operation: str) -> None:
        if operation == "update_endpoint":
            raise refused("Cannot update in-progress endpoint", "UpdateEndpoint")

    run.sagemaker.before = be_quicker
    with pytest.raises(EndpointBusy):
        run.roll_out(VERSION_3)
    run.sagemaker.before = lambda _: None
    run.sagemaker.endpoint["LastModifiedTime"] = NOON + MINUTE

    assert run.state.lock is not None
    assert run.state.lock.phase == "preparing"
    run.roll_out(VERSION_3)
    assert len(run.sagemaker.updates) == 1


def test_whatever_else_refuses_the_update_is_told_and_gives_the_endpoint_back() -> None:
    run = Run()

    def refuse(operation: str) -> None:
        if operation == "update_endpoint":
            raise refused("no such role", "UpdateEndpoint")

    run.sagemaker.before = refuse
    with pytest.raises(ClientError, match="no such role"):
        run.roll_out(VERSION_3)

    assert run.state.lock is not None
    assert run.state.lock.phase == "preparing"


def test_a_run_that_lost_its_lock_changes_nothing() -> None:
    run = Run()

    with pytest.raises(LockLost):
        run.roll_out(VERSION_3, run="another")

    assert run.sagemaker.updates == []


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", ["create_model", "create_endpoint_config", "update_endpoint", "describe_endpoint"])
def test_a_step_that_died_anywhere_is_done_once_when_it_comes_again(at: str) -> None:
    run = Run()
    expected = Run().roll_out(VERSION_3)

    def die(operation: str) -> None:
        if operation == at and (at != "describe_endpoint" or run.sagemaker.updates):
            raise Died

    run.sagemaker.before = die
    with pytest.raises(Died):
        run.roll_out(VERSION_3)
    run.sagemaker.before = lambda _: None
    answer = run.roll_out(VERSION_3)

    assert answer == expected
    assert len(run.sagemaker.updates) == 1
    assert len(run.sagemaker.configs) == len(run.sagemaker.models) == 2


def test_an_update_that_has_ended_well_meanwhile_is_not_begun_again() -> None:
    run = Run()
    answer = run.roll_out(VERSION_3)
    run.sagemaker.settle()

    again = run.roll_out(VERSION_3)

    assert (again["config"], again["model"]) == (answer["config"], answer["model"])
    assert len(run.sagemaker.updates) == 1
    assert run.observe(again)["status"] == "in_service"


def test_an_update_that_was_taken_back_meanwhile_is_not_begun_again() -> None:
    run = Run()
    run.roll_out(VERSION_3)
    run.sagemaker.settle(back=True)

    again = run.roll_out(VERSION_3)

    assert len(run.sagemaker.updates) == 1
    assert run.observe(again)["status"] == "rolled_back"


def test_a_version_that_serves_already_is_left_where_it_is() -> None:
    run = Run()

    answer = run.roll_out("none")

    assert answer == {
        "config": STACK_CONFIG,
        "model": STACK_MODEL,
        "before": STACK_CONFIG,
        "begun": NOON.isoformat().replace("+00:00", "Z"),
    }
    assert run.sagemaker.updates == []
    assert run.observe(answer)["status"] == "in_service"


def test_a_model_that_was_deleted_while_it_serves_is_not_taken_for_the_version() -> None:
    run = Run()
    del run.sagemaker.models[STACK_MODEL]

    answer = run.roll_out("none")

    assert answer["config"] != STACK_CONFIG
    assert len(run.sagemaker.updates) == 1


def test_the_initial_version_comes_back_as_a_model_of_its_own() -> None:
    run = Run()
    run.serve(VERSION_3)

    answer = run.roll_out("none")

    model = run.sagemaker.models[answer["model"]]
    assert model["PrimaryContainer"] == {
        "Image": SETTINGS.image_uri,
        "ModelDataUrl": SETTINGS.initial_model_uri,
        "Environment": {"FLYBALL_PACKAGE": "flowers", "FLYBALL_MODEL_VERSION": "initial-model"},
    }
    assert answer["model"].startswith(f"{ENDPOINT}-v0-")


def test_a_former_champion_comes_back_from_what_it_served_from() -> None:
    run = Run()
    first = run.serve(VERSION_3)
    run.serve(VERSION_4)

    answer = run.roll_out(VERSION_3)

    assert (answer["config"], answer["model"]) == (first["config"], first["model"])


@pytest.mark.parametrize("change", [{"InstanceType": "ml.g6.2xlarge"}, {"InitialInstanceCount": 4}])
def test_a_config_of_another_shape_is_another_config(change: dict[str, object]) -> None:
    run, other = Run(), Run()
    other.sagemaker.configs[STACK_CONFIG] = {**CONFIG, "ProductionVariants": [{**VARIANT, **change}]}

    assert run.roll_out(VERSION_3)["config"] != other.roll_out(VERSION_3)["config"]


def test_the_longest_endpoints_name_still_leaves_room() -> None:
    name = "f" * 53
    run = Run(settings=replace(WATCHED, endpoint_name=name))
    run.sagemaker.endpoint["EndpointName"] = name
    version = VERSION_3.replace("/3", "/1234")
    run.sagemaker.versions[version] = {"ModelApprovalStatus": "Approved"}

    answer = run.roll_out(version)

    assert len(answer["config"]) == 63
    assert is_made_by_the_loop(answer["config"], name)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("flyball-flowers-v3-0123abcd", 1),
        ("flyball-flowers-v0-0123abcd", 1),
        ("flyball-flowers-v2-v3-0123abcd", 0),
        ("flyball-flowers-vases-v3-0123abcd", 0),
        ("Config-1a2b3c", 0),
        ("flyball-flowers-v3-0123abcd-by-hand", 0),
    ],
)
def test_what_another_packages_loop_or_a_stack_made_is_told_apart(name: str, ours: int) -> None:
    assert is_made_by_the_loop(name, ENDPOINT) == bool(ours)


def test_a_version_that_was_approved_in_this_run_is_marked_so() -> None:
    run = Run()
    run.sagemaker.versions[VERSION_3] = {"ModelApprovalStatus": "PendingManualApproval"}

    run.roll_out(VERSION_3, approval={"approved": True, "by": "ada"}, decision={"summary": "better"})

    version = run.sagemaker.versions[VERSION_3]
    assert (version["ModelApprovalStatus"], version["ApprovalDescription"]) == ("Approved", "approved by ada: better")
    assert len(run.sagemaker.updates) == 1


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_version_that_nobody_approved_never_serves(status: str) -> None:
    run = Run()
    run.sagemaker.versions[VERSION_3] = {"ModelApprovalStatus": status}

    with pytest.raises(OperatorError, match=f"is {status}; allowed: Approved"):
        run.roll_out(VERSION_3)

    assert run.sagemaker.updates == []


def test_an_endpoint_without_our_variant_is_not_ours_to_change() -> None:
    run = Run()
    run.sagemaker.configs[STACK_CONFIG] = {**CONFIG, "ProductionVariants": [{**VARIANT, "VariantName": "other"}]}

    with pytest.raises(OperatorError, match="variants other; allowed: one called 'main'"):
        run.roll_out(VERSION_3)


# How an update goes.


def test_an_update_is_watched_until_the_requested_config_serves() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)

    baking = run.observe(rolled_out)
    run.sagemaker.settle()
    served = run.observe(rolled_out)

    assert baking == {"status": "under_way", "alarm": None, "reason": None}
    assert served == {"status": "in_service", "alarm": None, "reason": None}


def test_in_service_on_the_old_config_is_a_rollback_and_names_the_alarm_that_went_off_first() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.alarms.went_off = {
        "flowers-Latency": [NOON - 60 * MINUTE, NOON + 4 * MINUTE],
        "flowers-ModelErrors": [NOON - 5 * MINUTE, NOON + 5 * MINUTE],
    }
    run.sagemaker.settle(back=True)

    seen = run.observe(rolled_out)

    assert seen == {"status": "rolled_back", "alarm": "flowers-Latency", "reason": None}


def test_an_alarm_that_went_off_while_another_deployment_was_waited_for_is_not_blamed() -> None:
    run = Run()
    run.sagemaker.now = NOON + 30 * MINUTE
    rolled_out = run.roll_out(VERSION_3)
    run.alarms.went_off = {
        "flowers-Latency": [NOON + 10 * MINUTE],
        "flowers-ModelErrors": [NOON + 32 * MINUTE],
    }
    run.sagemaker.settle(back=True)

    assert run.observe(rolled_out)["alarm"] == "flowers-ModelErrors"


@pytest.mark.parametrize(
    ("reason", "alarm"),
    [
        ("Alarms of AutoRollbackConfiguration are in ALARM: flowers-ModelErrors.", "flowers-ModelErrors"),
        ("Alarms are in ALARM: flowers-ModelErrors, flowers-Latency.", "flowers-Latency"),
        ("The alarm flowers-ModelErrors-of-others was breached.", "flowers-Latency"),
        ("The primary container did not pass the ping health check.", None),
    ],
)
def test_the_alarm_that_sagemaker_names_counts_and_a_reason_of_another_kind_is_no_alarms(
    reason: str, alarm: str | None
) -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.alarms.went_off = {"flowers-Latency": [NOON + MINUTE], "flowers-ModelErrors": [NOON + 2 * MINUTE]}
    run.sagemaker.settle(back=True, reason=reason)

    assert run.observe(rolled_out) == {"status": "rolled_back", "alarm": alarm, "reason": reason}


def test_an_alarm_that_was_off_before_is_found_by_its_state() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.alarms.still_off = {"flowers-ModelErrors"}
    run.sagemaker.settle(back=True)

    assert run.observe(rolled_out)["alarm"] == "flowers-ModelErrors"


def test_a_rollback_that_no_alarm_explains_names_none() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle(back=True)

    assert run.observe(rolled_out) == {"status": "rolled_back", "alarm": None, "reason": None}


@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed", "OutOfService", "Deleting"])
def test_an_endpoint_that_broke_is_a_failure(status: str) -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.endpoint |= {"EndpointStatus": status, "FailureReason": "no capacity"}

    seen = run.observe(rolled_out)

    assert seen == {"status": "failed", "alarm": None, "reason": f"the endpoint is {status}: no capacity"}


def test_a_third_config_in_service_is_somebody_elses() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle()
    run.sagemaker.endpoint["EndpointConfigName"] = "Config-9f9f9f"

    seen = run.observe(rolled_out)

    assert seen["status"] == "failed"
    assert "Config-9f9f9f" in str(seen["reason"])


def test_what_the_steps_answer_is_json() -> None:
    run = Run()

    answers = [rolled_out := run.roll_out(VERSION_3), run.observe(rolled_out)]

    assert json.loads(json.dumps(answers)) == answers


def test_nothing_but_a_promotion_changes_the_pointer() -> None:
    run = Run()

    run.observe(run.roll_out(VERSION_3))

    assert run.cloud.parameters[PARAMETER] == "none"
