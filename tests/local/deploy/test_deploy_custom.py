"""Custom resources: a function is invoked, and answers over HTTP."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.clock import ManualClock
from local.deploy.assembly import AssemblyStack
from local.deploy.documents import Json
from local.deploy.engine import Engine
from local.deploy.errors import StackFailed
from local.deploy.receiver import HttpReceiver, ResponseReceiver
from local.deploy.state import InMemoryStore, StackEvent, Status
from tests.local.deploy.doubles import DeafReceiver

Reply = Callable[[dict[str, Json]], dict[str, Json]]


@dataclass
class LambdaDouble:
    """Stands for the Lambda service: each invocation puts `reply(event)` at the event's address."""

    reply: Reply
    events: list[dict[str, Json]] = field(default_factory=list)
    error: str = ""

    def clients(self, service: str) -> Any:
        assert service == "lambda"
        return self

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        event = json.loads(arguments["Payload"])
        self.events.append(event)
        if self.error:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(self.error.encode())}
        body = json.dumps(self.reply(event)).encode()
        request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT")  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - loopback
        return {"StatusCode": 200}


def succeed(event: dict[str, Json]) -> dict[str, Json]:
    name = event["ResourceProperties"]["Name"]
    return {"Status": "SUCCESS", "PhysicalResourceId": f"pointer {name}", "Data": {"Version": f"of {name}"}}


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver().listening() as listening:
        yield listening


def engine_for(function: LambdaDouble, receiver: ResponseReceiver, events: list[StackEvent] | None = None) -> Engine:
    return Engine(
        clients=function.clients,
        store=InMemoryStore(),
        clock=ManualClock(),
        on_event=(events if events is not None else []).append,
        receiver=receiver,
    )


def stack(**properties: Json) -> AssemblyStack:
    entry = {"Type": "Custom::Pointer", "Properties": {"ServiceToken": "arn:function", **properties}}
    body = {"Resources": {"Put": entry}, "Outputs": {"V": {"Value": {"Fn::GetAtt": ["Put", "Version"]}}}}
    return AssemblyStack("stack", body, {})


def deploy(engine: Engine, **properties: Json) -> Json:
    return dict(engine.execute(engine.plan(stack(**properties))).outputs)


def test_a_function_makes_changes_and_removes_its_resource(receiver: HttpReceiver) -> None:
    function = LambdaDouble(succeed)
    engine = engine_for(function, receiver)

    assert deploy(engine, Name="a", Deep={"n": [1, True]}) == {"V": "of a"}
    assert deploy(engine, Name="b") == {"V": "of b"}
    engine.destroy("stack")

    kinds = [(event["RequestType"], event.get("PhysicalResourceId")) for event in function.events]
    assert kinds == [
        ("Create", None),
        ("Update", "pointer a"),
        ("Delete", "pointer a"),
        ("Delete", "pointer b"),
    ]
    assert function.events[0]["ResourceProperties"] == {
        "ServiceToken": "arn:function",
        "Name": "a",
        "Deep": {"n": ["1", "true"]},
    }
    assert function.events[1]["OldResourceProperties"]["Name"] == "a"
    assert function.events[0]["LogicalResourceId"] == "Put"
    assert function.events[0]["StackId"].startswith("arn:aws:cloudformation:us-east-1:123456789012:stack/stack/")


def test_a_function_that_says_failed_fails_the_stack_with_its_reason(receiver: HttpReceiver) -> None:
    def refuse(event: dict[str, Json]) -> dict[str, Json]:
        status = "SUCCESS" if event["RequestType"] == "Delete" else "FAILED"
        return {"Status": status, "Reason": "no such model", "PhysicalResourceId": "half"}

    function = LambdaDouble(refuse)
    events: list[StackEvent] = []

    with pytest.raises(StackFailed, match="no such model"):
        deploy(engine_for(function, receiver, events), Name="a")

    assert [event["RequestType"] for event in function.events] == ["Create", "Delete"]
    assert function.events[1]["PhysicalResourceId"] == "half"
    request_id = function.events[0]["RequestId"]
    assert [event.reason for event in events if event.status is Status.CREATE_FAILED] == [
        "Received response status [FAILED] from custom resource. Message returned: no such model "
        f"(RequestId: {request_id})"
    ]


def test_a_function_that_raises_fails_the_stack_at_once(receiver: HttpReceiver) -> None:
    function = LambdaDouble(succeed, error='{"errorMessage": "division by zero"}')

    with pytest.raises(StackFailed, match="division by zero"):
        deploy(engine_for(function, receiver), Name="a")


class Silent(LambdaDouble):
    """A function that answers nothing."""

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        self.events.append(json.loads(arguments["Payload"]))
        return {"StatusCode": 200}


@pytest.mark.parametrize(("given", "waited"), [({}, 3600), ({"ServiceTimeout": "5"}, 5)])
def test_a_function_that_never_answers_fails_the_stack_after_its_timeout(given: dict[str, str], waited: float) -> None:
    receiver, function = DeafReceiver(), Silent(succeed)

    with pytest.raises(StackFailed, match="did not receive a response from your Custom Resource"):
        deploy(engine_for(function, receiver), Name="a", **given)

    assert [event["RequestType"] for event in function.events] == ["Create", "Delete"]
    assert receiver.waits == [waited, waited]


def test_a_timeout_beyond_an_hour_is_refused() -> None:
    with pytest.raises(StackFailed, match="ServiceTimeout is 3601; it must be between 1 and 3600 seconds"):
        deploy(engine_for(LambdaDouble(succeed), DeafReceiver()), Name="a", ServiceTimeout="3601")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            {"Status": "SUCCESS", "PhysicalResourceId": "p", "Data": {"Version": "x" * 4096}},
            "Response object is too long.",
        ),
        ({"Status": "SUCCESS"}, "Invalid PhysicalResourceId"),
        ({"Status": "SUCCESS", "PhysicalResourceId": "p"}, "Vendor response doesn't contain Version key"),
    ],
)
def test_a_creations_wrong_answer_is_followed_by_a_delete(receiver: HttpReceiver, answer: Json, problem: str) -> None:
    gone = {"Status": "SUCCESS"}
    function = LambdaDouble(lambda event: gone if event["RequestType"] == "Delete" else answer)

    with pytest.raises(StackFailed, match=problem):
        deploy(engine_for(function, receiver), Name="a")

    assert [event["RequestType"] for event in function.events] == ["Create", "Delete"]
    assert function.events[1]["PhysicalResourceId"].startswith(("p", "stack-Put-"))


def test_the_function_behind_a_resource_cannot_change(receiver: HttpReceiver) -> None:
    function = LambdaDouble(succeed)
    engine = engine_for(function, receiver)
    deploy(engine, Name="a")

    with pytest.raises(StackFailed, match="Modifying service token is not allowed"):
        deploy(engine, Name="a", ServiceToken="arn:other")


def test_an_update_that_fails_is_followed_by_one_that_goes_back(receiver: HttpReceiver) -> None:
    def refuse(event: dict[str, Json]) -> dict[str, Json]:
        refuses = event["ResourceProperties"]["Name"] == "b"
        return {"Status": "FAILED", "Reason": "no b"} if refuses else succeed(event)

    function = LambdaDouble(refuse)
    engine = engine_for(function, receiver)
    deploy(engine, Name="a")

    with pytest.raises(StackFailed, match="no b"):
        deploy(engine, Name="b")

    assert [(event["RequestType"], event["ResourceProperties"]["Name"]) for event in function.events] == [
        ("Create", "a"),
        ("Update", "b"),
        ("Update", "a"),
    ]
    assert function.events[2]["PhysicalResourceId"] == "pointer a"


def test_an_answer_that_is_not_json_is_refused(receiver: HttpReceiver) -> None:
    request = urllib.request.Request(receiver.url_for("x"), data=b"<html>", method="PUT")  # noqa: S310 - loopback

    with pytest.raises(urllib.error.HTTPError, match="400") as refusal:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310 - loopback

    refusal.value.close()
    assert receiver.wait("x", 0) is None
