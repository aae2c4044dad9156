"""The whole loop without a hand on it but one: what is asked shifts, the drift alarm starts a run, the run waits for
labels of what came since, trains and compares; a person approves; no deployment comes between; the new version serves.

Each test goes on where the one before ended. The replay calls the API all the while, and afterwards another client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.retraining_cloud import ENDPOINT, GOOD_STEPS, PACKAGE, Cloud, calling, initial

pytestmark = pytest.mark.slow

DRIFT = "flyball-deliveries-Drift"
SETTINGS = """
[monitor]
minimum_rows = 60

[retraining]
triggers = ["drift"]
minimum_labels = 200
captured_weight = 5
approval = true
"""
SHIFT = ("--shift", "distance", "--size", "2", "--at", "15%")
TRAFFIC = ("--rows", "1000", "--days", "0.6", "--label-days", "0.05", *SHIFT)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud whose package has a good first version."""
    cloud = Cloud.make(
        tmp_path_factory.mktemp("story") / "flyball", first_steps=GOOD_STEPS, declared=SETTINGS, copies=10
    )
    serving = cloud.checkout.up()
    yield cloud
    serving.stop()


@pytest.fixture(scope="module")
def replayed(cloud: Cloud) -> dict[str, Any]:
    done = cloud.checkout.flyball("replay", PACKAGE, *TRAFFIC, "--json", timeout_seconds=900)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_longer_ways_raise_the_drift_alarm_and_no_request_fails(replayed: dict[str, Any]) -> None:
    assert DRIFT in replayed["raised"]
    assert replayed["errors"] == {}


def test_the_alarm_has_started_a_run_that_waits_for_a_person(cloud: Cloud, replayed: dict[str, Any]) -> None:
    history = cloud.history()

    assert history["approval"]["version"] == "1"
    assert history["running"]["trigger"] == "drift"
    assert initial(cloud.served_version())


def test_approved_it_is_promoted_without_an_error_and_no_deployment_comes_between(
    cloud: Cloud, replayed: dict[str, Any]
) -> None:
    cloud.edit("inference.py", "    return model.eval()\n", "    return model.eval().requires_grad_(False)\n")

    with calling(cloud) as caller:
        approved = cloud.checkout.flyball("approve", PACKAGE)
        cloud.wait_for_step("Bake")
        deployed = cloud.checkout.cdk("deploy", ENDPOINT, "--require-approval", "never", "--progress", "events")
        cloud.pass_time_while(cloud.executions)

    assert approved.returncode == 0, approved.stderr
    assert deployed.returncode == 1, deployed.stdout
    assert "has been rolling out a version of deliveries" in deployed.stdout
    assert cloud.newest()["outcome"] == "promoted"
    assert cloud.pointer().endswith("/1")
    assert cloud.served_version() == "1"
    assert caller.statuses.keys() == {200}
    assert cloud.own_configs() == {cloud.config_in_service()}
