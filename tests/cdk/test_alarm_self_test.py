"""Every alarm of every template fires and clears, in the local CloudWatch, on the series that its publishers would
send; and people hear of an incident once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cdk.alarms import ALARMS, SHOWN_ONLY
from cdk.watch import Severity, Source
from functions.gateway.metrics import Metric
from functions.monitor.metrics import EndpointMetric, FieldMetric, WindowMetric
from functions.retraining.metrics import RetrainingMetric
from local.services.cloudwatch.samples import Samples
from model_packages.discovery import discover
from tests.cdk.alarm_proofs import PROOFS, Deployed, deployed, replay
from tests.cdk.synth import VARIATIONS, Assembly, Json, Workshop
from tests.local.services.cloudwatch.given import Given, given_cloudwatch

BUDGET = {"monthly_usd": 5000.0}
CAPTURED_BY_THE_GATEWAY = {"by": "gateway"}
EVERYTHING: Json = {"monitor": {"quality": {"minimum": 0.8}}, "budget": BUDGET, "capture": CAPTURED_BY_THE_GATEWAY}
"""What a package has to say to have every alarm there is."""
COMPOSITES = {"Page", "Ticket", "Deploying"}
MINUTE, HOUR = 60, 3600


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """A package with every alarm of the table."""
    workshop = Workshop(tmp_path_factory.mktemp("complete"))
    return workshop.synthesize([workshop.package("flowers", **EVERYTHING)])


@pytest.fixture
def flowers(complete: Assembly) -> Deployed:
    (found,) = (stack for stack in deployed(complete) if stack.stack == "flowers")
    return found


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    with given_cloudwatch(tmp_path / "cloudwatch") as cloudwatch:
        yield cloudwatch


def unproved(stacks: Sequence[Deployed], *, given: Given, seen: set[str] | None = None) -> dict[str, object]:
    """The alarms that nobody has a series for, or that do not do with it what they should. What is in `seen` is left
    out, and what is looked at put into it.
    """
    seen = set() if seen is None else seen
    failed: dict[str, object] = {}
    for stack in stacks:
        for alarm in stack.alarms:
            text = json.dumps(alarm, sort_keys=True)
            if text not in seen:
                seen.add(text)
                proof = PROOFS.get(stack.name_of(alarm))
                replayed = replay(alarm, proof, stack, given=given) if proof else "nobody has proved it"
                if isinstance(replayed, str) or not replayed.proves:
                    failed[alarm["AlarmName"]] = replayed
    return failed


def test_every_alarm_fires_and_clears(complete: Assembly, given: Given) -> None:
    assert {stack.name_of(alarm) for stack in deployed(complete) for alarm in stack.alarms} == PROOFS.keys()
    assert unproved(deployed(complete), given=given) == {}


@pytest.mark.slow
def test_every_alarm_of_the_sample_in_every_environment_does(
    assembly: Assembly, variations: dict[str, Assembly], given: Given
) -> None:
    seen: set[str] = set()

    failed = [unproved(deployed(each), given=given, seen=seen) for each in (assembly, *variations.values())]

    assert failed == [{}] * (1 + len(VARIATIONS))


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_alarm_of_this_checkouts_packages_does(workshop: Workshop, given: Given, environment: str) -> None:
    packages = discover()
    for package in packages:
        workshop.train(package)
    told = {"alarm_email": "watch@example.com"}

    assembly = workshop.synthesize(packages, environment=environment, **told)

    assert unproved(deployed(assembly), given=given) == {}


def test_an_alarm_without_a_series_is_named(complete: Assembly, given: Given) -> None:
    (platform,) = (stack for stack in deployed(complete) if stack.stack == "platform")
    (alarm,) = platform.alarms
    platform.template["Resources"]["Another"] = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {**alarm, "AlarmName": "flyball-api-Forgotten"},
    }

    assert unproved([platform], given=given) == {"flyball-api-Forgotten": "nobody has proved it"}


def test_an_alarm_that_looks_elsewhere_is_found(flowers: Deployed, given: Given) -> None:
    (drift,) = (alarm for alarm in flowers.alarms if flowers.name_of(alarm) == "Drift")
    elsewhere = {**drift, "Dimensions": [{"Name": "service", "Value": "roses"}]}

    replayed = replay(elsewhere, PROOFS["Drift"], flowers, given=given)

    assert replayed.fired_after is None
    assert not replayed.proves


def test_every_metric_of_ours_has_an_alarm_or_a_reason_to_have_none() -> None:
    read = {
        reading.metric for watch in ALARMS for reading in watch.readings.values() if reading.source is Source.PACKAGE
    }

    assert read.isdisjoint(SHOWN_ONLY)
    assert read | SHOWN_ONLY.keys() == {*Metric, *WindowMetric, *FieldMetric, *EndpointMetric, *RetrainingMetric}


class Pager:
    """All alarms of one stack in a CloudWatch, and what people get to hear of them."""

    def __init__(self, stack: Deployed, given: Given) -> None:
        self._stack, self._given = stack, given
        for alarm in stack.alarms:
            given.client.put_metric_alarm(**alarm)
        for composite in stack.composites:
            given.client.put_composite_alarm(**composite)
        given.pass_time(2 * MINUTE)  # a new alarm that is in order says so once
        given.sent.messages.clear()

    @property
    def heard(self) -> list[str]:
        """Each message since the last look: the alarm and its new state."""
        messages = [json.loads(message["Message"]) for _, message in self._given.sent.messages]
        self._given.sent.messages.clear()
        return [f"{self._short(each['AlarmName'])} {each['NewStateValue']}" for each in messages]

    def state(self, name: str) -> str:
        return self._given.state(f"flyball-flowers-{name}")

    @property
    def alarming(self) -> list[str]:
        """The alarms that are on."""
        found = self._given.client.describe_alarms(StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return [self._short(each["AlarmName"]) for each in (*found["MetricAlarms"], *found["CompositeAlarms"])]

    def set(self, name: str, state: str) -> None:
        """Puts an alarm into a state, as its evaluation would."""
        self._given.client.set_alarm_state(
            AlarmName=f"flyball-flowers-{name}", StateValue=state, StateReason="the test says so"
        )
        self._given.settle()

    def updating(self, value: float) -> None:
        """What the monitor publishes of SageMaker's event."""
        self.publish("EndpointUpdating", value)
        self.wait(MINUTE)

    def publish(self, metric: str, *values: float) -> None:
        self._given.cloudwatch.put(self._stack.metric(metric), Samples.of(values))

    def wait(self, seconds: float) -> None:
        self._given.pass_time(seconds)

    def fail(self, *, minutes: int) -> None:
        """Half of all requests end with 5xx."""
        for _ in range(minutes):
            self.publish("Invocation5XXErrors", *[0.0, 1.0] * 50)
            self.wait(MINUTE)

    def serve(self, *, minutes: int) -> None:
        for _ in range(minutes):
            self.publish("Invocation5XXErrors", *[0.0] * 100)
            self.wait(MINUTE)

    def _short(self, name: str) -> str:
        return name.removeprefix("flyball-flowers-")


@pytest.fixture
def pager(flowers: Deployed, given: Given) -> Pager:
    return Pager(flowers, given)


def test_a_new_deployment_that_nobody_uses_yet_alarms_nobody(pager: Pager) -> None:
    for _ in range(3 * 24):
        pager.wait(HOUR)

    assert pager.heard == []
    assert pager.alarming == []


def test_every_composite_alarm_is_one_that_is_proved_below(flowers: Deployed) -> None:
    assert {flowers.name_of(composite) for composite in flowers.composites} == COMPOSITES


@pytest.mark.parametrize("severity", [Severity.PAGE, Severity.TICKET])
def test_each_alarm_of_a_severity_fires_and_clears_its_composite(pager: Pager, severity: Severity) -> None:
    for watch in (watch for watch in ALARMS if watch.severity is severity):
        pager.set(watch.name, "ALARM")
        fired = pager.state(severity.capitalize())
        pager.set(watch.name, "OK")

        assert (watch.name, fired, pager.state(severity.capitalize())) == (watch.name, "ALARM", "OK")


def test_an_incident_is_one_message_and_one_more_when_it_is_over(pager: Pager) -> None:
    pager.fail(minutes=2)
    pager.set("FailedRequests", "ALARM")
    pager.set("MostlySlow", "ALARM")
    pager.wait(2 * MINUTE)
    during = pager.heard

    for name in ("FailedRequests", "MostlySlow"):
        pager.set(name, "OK")
    pager.serve(minutes=5)

    assert during == ["Page ALARM"]
    assert pager.heard == ["Page OK"]


@pytest.mark.parametrize(
    "watch", [watch for watch in ALARMS if watch.severity is Severity.NOTICE], ids=lambda it: it.name
)
def test_a_notice_is_its_own_message_and_neither_a_page_nor_a_ticket(pager: Pager, watch: object) -> None:
    name = getattr(watch, "name")  # noqa: B009
    pager.set(name, "ALARM")
    pager.wait(10 * MINUTE)

    assert pager.heard == [f"{name} ALARM"]
    assert (pager.state("Page"), pager.state("Ticket")) == ("OK", "OK")


def test_a_rollback_alarm_fires_for_sagemaker_and_not_for_people_while_a_deployment_lasts(pager: Pager) -> None:
    pager.updating(1)
    pager.fail(minutes=5)
    during = (pager.state("ServerErrors"), pager.state("Deploying"), pager.heard)

    pager.updating(0)  # SageMaker has taken the version back
    pager.serve(minutes=20)

    assert during == ("ALARM", "ALARM", [])
    assert pager.state("ServerErrors") == "OK"
    assert "Page ALARM" not in pager.heard


def test_what_a_deployment_leaves_broken_is_told_after_it(pager: Pager) -> None:
    pager.updating(1)
    pager.fail(minutes=5)
    pager.updating(0)
    pager.fail(minutes=3)
    still_quiet = pager.heard

    pager.fail(minutes=5)

    assert still_quiet == []
    assert pager.heard == ["Page ALARM"]


def test_a_lost_event_silences_nobody_for_longer_than_a_rollout_may_take(pager: Pager) -> None:
    pager.updating(1)  # and never 0
    pager.fail(minutes=30)
    during = pager.heard

    pager.fail(minutes=75)

    assert during == []
    assert pager.heard == ["Page ALARM"]


def test_a_deployment_that_begins_just_after_an_alarm_still_silences_it(pager: Pager) -> None:
    pager.set("NoCapacity", "ALARM")
    pager.publish("EndpointUpdating", 1)
    pager.wait(MINUTE)
    pager.wait(10 * MINUTE)

    assert pager.heard == []
