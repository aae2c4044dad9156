"""A firewall on moto: made, changed, associated and destroyed; that it judges nothing, the truth table says."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.state import InMemoryStore
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

pytestmark = pytest.mark.slow

METRICS = {"CloudWatchMetricsEnabled": True, "SampledRequestsEnabled": False, "MetricName": "all"}
STAGE = "arn:aws:apigateway:us-east-1::/restapis/api/stages/api"


def rate_limit(limit: int) -> Json:
    return {
        "Name": "RatePerAddress",
        "Priority": 0,
        "Statement": {"RateBasedStatement": {"Limit": limit, "AggregateKeyType": "IP"}},
        "Action": {"Block": {}},
        "VisibilityConfig": METRICS,
    }


RESOURCES: dict[str, Json] = {
    "Acl": {
        "Type": "AWS::WAFv2::WebACL",
        "Properties": {
            "Scope": "REGIONAL",
            "DefaultAction": {"Allow": {}},
            "Rules": [rate_limit(1_000)],
            "VisibilityConfig": METRICS,
        },
    },
    "Association": {
        "Type": "AWS::WAFv2::WebACLAssociation",
        "Properties": {"ResourceArn": STAGE, "WebACLArn": {"Fn::GetAtt": ["Acl", "Arn"]}},
    },
}


@pytest.fixture
def cloud() -> Iterator[MotoCloud]:
    with moto_cloud() as cloud:
        yield cloud


@pytest.fixture
def engine(cloud: MotoCloud) -> Engine:
    return Engine(
        clients=cloud.clients,
        store=InMemoryStore(),
        clock=ManualClock(),
        on_event=lambda _event: None,
        receiver=DeafReceiver(),
    )


def deploy(engine: Engine, resources: dict[str, Json]) -> str:
    stack = AssemblyStack(name="firewall", template={"Resources": resources}, parameters={})
    return engine.execute(engine.plan(stack)).result


def acl_of(cloud: MotoCloud) -> dict[str, Any]:
    found: dict[str, Any] = cloud.clients("wafv2").get_web_acl_for_resource(ResourceArn=STAGE)["WebACL"]
    return found


def limit_of(acl: dict[str, Any]) -> int:
    limit: int = acl["Rules"][0]["Statement"]["RateBasedStatement"]["Limit"]
    return limit


def test_a_firewall_stands_before_its_stage(cloud: MotoCloud, engine: Engine) -> None:
    deploy(engine, RESOURCES)

    assert limit_of(acl_of(cloud)) == 1_000
    assert deploy(engine, RESOURCES) == "unchanged"


def test_a_rule_changes_in_place(cloud: MotoCloud, engine: Engine) -> None:
    deploy(engine, RESOURCES)
    before = acl_of(cloud)
    edited = copy.deepcopy(RESOURCES)
    edited["Acl"]["Properties"] |= {"Rules": [rate_limit(2_000)], "Tags": [{"Key": "team", "Value": "flyball"}]}

    deploy(engine, edited)

    after = acl_of(cloud)
    assert (after["Id"], limit_of(after)) == (before["Id"], 2_000)


def test_destroying_a_firewall_leaves_nothing(cloud: MotoCloud, engine: Engine) -> None:
    deploy(engine, RESOURCES)

    engine.destroy("firewall")

    assert cloud.clients("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"] == []
