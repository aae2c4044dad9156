"""A DeploymentConfig as steps of traffic: https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails.html."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.sagemaker.guardrails import InvalidDeployment, guardrails
from tests.local.services.sagemaker.acted_servers import plan

Size = dict[str, Any]


def percent(value: int) -> Size:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def count(value: int) -> Size:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def blue_green(kind: str, *, wait: int = 60, termination: int = 120, **sizes: Size) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": termination}
    return {"BlueGreenUpdatePolicy": policy}


def rolling(size: Size, *, wait: int = 60) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait}}


# fmt: off
STEPS: list[tuple[Any, int, list[tuple[float, float]]]] = [
    # config                                            instances  (share, bake) of each step
    (None,                                                      1, [(1.0, 0)]),
    ({"AutoRollbackConfiguration": {}},                         1, [(1.0, 0)]),
    (blue_green("ALL_AT_ONCE"),                                 1, [(1.0, 120)]),
    (blue_green("CANARY", CanarySize=percent(50)),              2, [(0.5, 60), (1.0, 120)]),
    (blue_green("CANARY", CanarySize=percent(50)),              3, [(1 / 3, 60), (1.0, 120)]),
    (blue_green("CANARY", CanarySize=percent(5)),               4, [(0.25, 60), (1.0, 120)]),
    (blue_green("CANARY", CanarySize=count(1)),                 4, [(0.25, 60), (1.0, 120)]),
    (blue_green("LINEAR", LinearStepSize=percent(33)),          3, [(1 / 3, 60), (2 / 3, 60), (1.0, 120)]),
    (blue_green("LINEAR", LinearStepSize=percent(50)),          2, [(0.5, 60), (1.0, 120)]),
    (blue_green("LINEAR", LinearStepSize=count(2)),             5, [(0.4, 60), (0.8, 60), (1.0, 120)]),
    (rolling(percent(33)),                                      3, [(1 / 3, 60), (2 / 3, 60), (1.0, 60)]),
    (rolling(count(1), wait=0),                                 2, [(0.5, 0), (1.0, 0)]),
]
REFUSED = [
    (blue_green("CANARY", CanarySize=percent(51)),              4, "CanarySize is 51 percent. It must be at most 50"),
    (blue_green("CANARY", CanarySize=percent(50)),              1, "CanarySize is 1 of the 1 instance"),
    (blue_green("CANARY", CanarySize=count(2)),                 3, "CanarySize is 2 of the 3 instance"),
    (blue_green("LINEAR", LinearStepSize=percent(9)),          20, "LinearStepSize is 9 percent. It must be between"),
    (blue_green("LINEAR", LinearStepSize=count(1)),            11, "LinearStepSize is 1 of the 11 instance"),
    (rolling(percent(4)),                                      20, "MaximumBatchSize is 4 percent"),
    (blue_green("CANARY"),                                      4, "CanarySize is required"),
    (blue_green("LINEAR", CanarySize=count(1)),                 4, "CanarySize is required"),
    (blue_green("ALL_AT_ONCE", LinearStepSize=count(1)),        4, "LinearStepSize is required"),
    ({**blue_green("ALL_AT_ONCE"), **rolling(count(1))},        4, "Only one of"),
]
# fmt: on


@pytest.mark.parametrize(("config", "instances", "steps"), STEPS)
def test_a_deployment_config_is_a_row_of_steps(
    config: dict[str, Any] | None, instances: int, steps: list[tuple[float, float]]
) -> None:
    found = guardrails(config, plan("v2", instances=instances))

    assert [step.share for step in found.steps] == pytest.approx([share for share, _bake in steps])
    assert [step.bake_seconds for step in found.steps] == [bake for _share, bake in steps]


@pytest.mark.parametrize(("config", "instances", "reason"), REFUSED)
def test_what_sagemaker_would_not_do_is_refused(config: dict[str, Any], instances: int, reason: str) -> None:
    with pytest.raises(InvalidDeployment, match=reason):
        guardrails(config, plan("v2", instances=instances))


def test_alarms_and_the_longest_time_come_with_the_steps() -> None:
    config = blue_green("ALL_AT_ONCE")
    config["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}

    found = guardrails(config, plan("v2"))

    assert (found.alarms, found.timeout_seconds) == (("a", "b"), 600)


@given(
    instances=st.integers(min_value=2, max_value=50),
    value=st.integers(min_value=10, max_value=50),
    kind=st.sampled_from(["canary", "linear", "rolling"]),
)
def test_traffic_only_grows_until_it_is_all_of_it(instances: int, value: int, kind: str) -> None:
    configs = {
        "canary": blue_green("CANARY", CanarySize=percent(value)),
        "linear": blue_green("LINEAR", LinearStepSize=percent(value)),
        "rolling": rolling(percent(value)),
    }

    steps = guardrails(configs[kind], plan("v2", "a", "b", instances=instances)).steps

    shares = [step.share for step in steps]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    assert shares[0] <= 0.5
    assert {step.active[name] for step in steps[-1:] for name in ("a", "b")} == {instances}
