"""A state machine in a template: made with what is substituted, changed in place or replaced, and destroyed."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.errors import ResourceFailed, StackFailed
from local.deploy.resources.stepfunctions import definition_of
from local.deploy.state import InMemoryStore
from tests.local.deploy.doubles import DeafReceiver
from tests.local.services.states.given import ROLE, World, client_of, machine

DEFINITION = machine({"A": {"Type": "Pass", "Output": {"where": "${Bucket}"}, "End": True}})
RESOURCES: dict[str, Json] = {
    "Loop": {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "DefinitionString": json.dumps(DEFINITION),
            "DefinitionSubstitutions": {"Bucket": "captures"},
            "RoleArn": ROLE,
            "StateMachineType": "STANDARD",
            "Tags": [{"Key": "team", "Value": "flyball"}],
        },
    },
}
OUTPUTS = {
    "Arn": {"Value": {"Ref": "Loop"}},
    "Name": {"Value": {"Fn::GetAtt": ["Loop", "Name"]}},
    "Revision": {"Value": {"Fn::GetAtt": ["Loop", "StateMachineRevisionId"]}},
}


@dataclass
class Bench:
    """An engine over Step Functions alone."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.client = client_of(self.world)
        self.engine = Engine(
            clients=lambda _service: self.client,
            store=InMemoryStore(),
            clock=ManualClock(),
            on_event=lambda _event: None,
            receiver=DeafReceiver(),
        )

    def deploy(self, resources: dict[str, Json] = RESOURCES) -> tuple[str, dict[str, str]]:
        template = {"Resources": resources, "Outputs": OUTPUTS}
        outcome = self.engine.execute(self.engine.plan(AssemblyStack(name="s", template=template, parameters={})))
        return outcome.result, dict(outcome.outputs)

    def described(self, arn: str) -> Any:
        return self.client.describe_state_machine(stateMachineArn=arn)

    def names(self) -> list[str]:
        return [each["name"] for each in self.client.list_state_machines()["stateMachines"]]


def edited(**properties: Json) -> dict[str, Json]:
    resources = copy.deepcopy(RESOURCES)
    resources["Loop"]["Properties"] |= properties
    return resources


def test_a_machine_is_made_of_its_template_with_what_is_substituted() -> None:
    bench = Bench()

    _result, outputs = bench.deploy()

    found = bench.described(outputs["Arn"])
    assert json.loads(found["definition"])["States"]["A"]["Output"] == {"where": "captures"}
    assert (outputs["Name"], outputs["Revision"]) == (found["name"], "INITIAL")
    assert bench.client.list_tags_for_resource(resourceArn=outputs["Arn"])["tags"] == [
        {"key": "team", "value": "flyball"}
    ]
    assert bench.deploy()[0] == "unchanged"


def test_a_definition_changes_in_place_and_is_a_new_revision() -> None:
    bench = Bench()
    _result, before = bench.deploy()

    _result, after = bench.deploy(edited(DefinitionSubstitutions={"Bucket": "other"}, Tags=[]))

    found = bench.described(after["Arn"])
    assert after["Arn"] == before["Arn"]
    assert json.loads(found["definition"])["States"]["A"]["Output"] == {"where": "other"}
    assert after["Revision"] == found["revisionId"] != "INITIAL"
    assert bench.client.list_tags_for_resource(resourceArn=after["Arn"])["tags"] == []


def test_another_name_replaces_the_machine() -> None:
    bench = Bench()
    _result, before = bench.deploy()

    _result, after = bench.deploy(edited(StateMachineName="flyball-loop"))

    assert after["Name"] == "flyball-loop"
    assert after["Arn"] != before["Arn"]
    assert bench.names() == ["flyball-loop"]


def test_a_name_that_is_taken_is_not_taken_over() -> None:
    bench = Bench()
    bench.client.create_state_machine(name="mine", definition=json.dumps(DEFINITION), roleArn=ROLE)

    with pytest.raises(StackFailed, match="already exists"):
        bench.deploy(edited(StateMachineName="mine"))

    assert bench.names() == ["mine"]


def test_a_definition_that_is_refused_rolls_the_stack_back() -> None:
    bench = Bench()
    _result, before = bench.deploy()
    wrong = json.dumps({**DEFINITION, "StartAt": "B"})

    with pytest.raises(StackFailed, match="Missing 'Next' target: B at /StartAt"):
        bench.deploy(edited(DefinitionString=wrong))

    assert json.loads(bench.described(before["Arn"])["definition"])["StartAt"] == "A"


def test_destroying_leaves_nothing() -> None:
    bench = Bench()
    bench.deploy()

    bench.engine.destroy("s")

    assert bench.names() == []


def test_an_object_is_as_good_as_a_text() -> None:
    properties = {"Definition": DEFINITION, "DefinitionSubstitutions": {"Bucket": 'a"b'}, "RoleArn": ROLE}

    found = json.loads(definition_of(properties))

    assert found["States"]["A"]["Output"] == {"where": 'a"b'}


@pytest.mark.parametrize("properties", [{}, {"Definition": {}, "DefinitionString": "{}"}])
def test_exactly_one_definition_is_required(properties: dict[str, Json]) -> None:
    with pytest.raises(ResourceFailed, match="exactly one of Definition and DefinitionString"):
        definition_of(properties)
