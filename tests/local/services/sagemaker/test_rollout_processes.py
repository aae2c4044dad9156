"""Updates in steps with real processes behind both fleets; alarms and time are the test's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.services.sagemaker.fleet import Fleet
from local.services.sagemaker.instance import Instance
from tests.local.services.sagemaker.test_endpoint_processes import Cloud, running_cloud, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 300,
        }
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path) as cloud:
        yield cloud


async def baking(cloud: Cloud, config: str) -> None:
    """An update whose canary has its share of the traffic."""
    await cloud.create("ok", InitialInstanceCount=2)
    cloud.config(config, InitialInstanceCount=2)
    cloud.operations.update_endpoint(
        {"EndpointName": "digits", "EndpointConfigName": config, "DeploymentConfig": CANARY}
    )
    await until(lambda: len(fleets(cloud)) == 2)
    await cloud.timers.quiet()


def fleets(cloud: Cloud) -> dict[str, Fleet]:
    traffic = cloud.endpoints.traffic("digits")
    assert traffic is not None
    return {fleet.config_name: fleet for fleet, _share in traffic.shares}


def instance_of(fleet: Fleet) -> Instance:
    server = fleet.servers["v0"]
    assert isinstance(server, Instance)
    return server


async def advance(cloud: Cloud, seconds: float) -> None:
    await cloud.timers.advance_to(cloud.now() + timedelta(seconds=seconds))


async def answers(cloud: Cloud, times: int, body: Any = None) -> Counter[str]:
    given = [await cloud.invoke(body) for _ in range(times)]
    return Counter(json.loads(each.body)["mode"] if each.status == 200 else str(each.status) for each in given)


async def test_both_fleets_answer_while_the_canary_bakes_and_the_new_one_afterwards(cloud: Cloud) -> None:
    await baking(cloud, "fine")

    during = await answers(cloud, 60)
    await advance(cloud, 300)
    await cloud.settle()
    after = await answers(cloud, 20)

    assert during.total() == during["ok"] + during["fine"] == 60
    assert min(during.values()) > 5
    assert after == {"fine": 20}
    assert {record.invocation.target.config_name for record in cloud.records} == {"ok", "fine"}


async def test_a_rolled_back_version_leaves_no_process_and_loses_no_request(cloud: Cloud) -> None:
    await baking(cloud, "fine")
    new = fleets(cloud)["fine"]
    slow = [asyncio.ensure_future(cloud.invoke({"sleep": 0.5})) for _ in range(20)]
    await until(lambda: instance_of(new).in_flight.count > 0)

    cloud.alarms.tripped = "errors is in ALARM"
    await advance(cloud, 10)
    await cloud.settle()

    assert [(await each).status for each in slow] == [200] * 20
    assert instance_of(new).pid is None or instance_of(new).url is None
    assert await answers(cloud, 20) == {"ok": 20}
    assert (cloud.described["EndpointStatus"], cloud.described["EndpointConfigName"]) == ("InService", "ok")
    assert "errors is in ALARM" in cloud.described["FailureReason"]
    assert len(list((cloud.folder / "models" / "digits").iterdir())) == 1


async def test_a_new_server_that_dies_in_the_bake_is_started_again_and_the_other_answers_meanwhile(
    cloud: Cloud,
) -> None:
    await baking(cloud, "fine")
    new = instance_of(fleets(cloud)["fine"])
    assert new.pid is not None

    os.kill(new.pid, signal.SIGKILL)
    await until(lambda: new.url is None)
    meanwhile = await answers(cloud, 5)
    await until(lambda: new.url is not None)
    await advance(cloud, 300)
    await cloud.settle()

    assert meanwhile.total() == meanwhile["ok"] + meanwhile["fine"] == 5  # it may be back already
    assert cloud.described["EndpointConfigName"] == "fine"
    assert await answers(cloud, 5) == {"fine": 5}


async def test_a_new_version_that_never_starts_says_why_in_its_own_words(cloud: Cloud) -> None:
    await cloud.create("ok", InitialInstanceCount=2)
    cloud.config("broken", InitialInstanceCount=2)

    cloud.operations.update_endpoint(
        {"EndpointName": "digits", "EndpointConfigName": "broken", "DeploymentConfig": CANARY}
    )
    await cloud.settle()

    assert (cloud.described["EndpointStatus"], cloud.described["EndpointConfigName"]) == ("InService", "ok")
    assert "the weights do not fit" in cloud.described["FailureReason"]
