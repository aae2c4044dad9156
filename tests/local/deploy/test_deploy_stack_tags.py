"""A stack's tags on its resources, against moto: a queue takes a list, a parameter a map, a policy none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.changes import Action
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.state import InMemoryStore
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import MotoCloud, moto_cloud

BODY = {
    "Resources": {
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": "mine", "Tags": [{"Key": "team", "Value": "models"}]},
        },
        "Pointer": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/mine", "Type": "String", "Value": "none"}},
        "Policy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
    }
}


@dataclass
class Installation:
    """An engine on moto."""

    cloud: MotoCloud

    def __post_init__(self) -> None:
        self.engine = Engine(
            clients=self.cloud.clients,
            store=InMemoryStore(),
            clock=ManualClock(),
            on_event=lambda _: None,
            receiver=DeafReceiver(),
        )

    def deploy(self, **tags: str) -> dict[str, tuple[Action, tuple[str, ...]]]:
        plan = self.engine.plan(AssemblyStack("stack", BODY, {}, tags=tags))
        self.engine.execute(plan)
        return {change.logical_id: (change.action, change.scope) for change in plan.changes}

    def tags(self) -> list[Json]:
        sqs, ssm = self.cloud.clients("sqs"), self.cloud.clients("ssm")
        found = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/mine")["TagList"]
        url = sqs.get_queue_url(QueueName="mine")["QueueUrl"]
        return [sqs.list_queue_tags(QueueUrl=url)["Tags"], {tag["Key"]: tag["Value"] for tag in found}]


@pytest.fixture
def installation() -> Iterator[Installation]:
    with moto_cloud() as cloud:
        yield Installation(cloud)


def test_a_stacks_tags_reach_the_resources_that_take_tags_beside_their_own(installation: Installation) -> None:
    installation.deploy(owner="us", team="everybody")

    assert installation.tags() == [{"owner": "us", "team": "models"}, {"owner": "us", "team": "everybody"}]


def test_a_change_of_the_stacks_tags_alone_is_an_update_of_tags(installation: Installation) -> None:
    installation.deploy(owner="us")

    changes = installation.deploy(owner="them")

    assert changes == {
        "Queue": (Action.UPDATE, ("Tags",)),
        "Pointer": (Action.UPDATE, ("Tags",)),
        "Policy": (Action.KEEP, ()),
    }
    assert installation.tags() == [{"owner": "them", "team": "models"}, {"owner": "them"}]


def test_tags_that_the_stack_loses_go_from_its_resources(installation: Installation) -> None:
    installation.deploy(owner="us")

    installation.deploy()

    assert installation.tags() == [{"team": "models"}, {}]
