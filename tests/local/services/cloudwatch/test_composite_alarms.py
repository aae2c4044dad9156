"""Alarms on alarms: the grammar of their rules, what they may refer to, and what follows from a child's state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services.cloudwatch.alarm_rule import holds, parse
from local.services.cloudwatch.evaluation import State
from tests.local.services.cloudwatch.given import Given, given_cloudwatch

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
STATES = {"a": State.ALARM, "o": State.OK, "i": State.INSUFFICIENT_DATA, "two words": State.ALARM}


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    with given_cloudwatch(tmp_path) as opened:
        for name in ("one", "two"):
            opened.alarm(name, TreatMissingData="ignore")
        yield opened


def composite(given: Given, rule: str, name: str = "c", **settings: Any) -> None:
    given.client.put_composite_alarm(AlarmName=name, AlarmRule=rule, **settings)


def become(given: Given, name: str, state: str) -> None:
    given.client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="because")
    given.settle()


# fmt: off
RULES = [
    # rule                                              whether it holds
    ("ALARM(a)",                                        True),
    ('ALARM("two words")',                              True),
    ("OK(a)",                                           False),
    ("INSUFFICIENT_DATA(i)",                            True),
    ("NOT ALARM(a)",                                    False),
    ("NOT (ALARM(a) AND OK(o))",                        False),
    ("ALARM(a) AND OK(o) AND NOT ALARM(i)",             True),
    ("ALARM(o) OR ALARM(a) AND OK(o)",                  True),
    ("(ALARM(o) OR ALARM(a)) AND ALARM(o)",             False),
    ("TRUE",                                            True),
    ("FALSE OR NOT FALSE",                              True),
    (f'ALARM("{ARN}a")',                                True),
    ("ALARM(a)\n  AND\n  OK(o)",                        True),
]
# fmt: on


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_a_rule_holds_of_states(rule: str, expected: bool) -> None:  # noqa: FBT001
    assert holds(parse(rule), lambda name: STATES[name.rpartition(":")[2]]) is expected


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("ALARM(one", "found its end"),
        ("ALARM one", "where '\\(' is expected"),
        ("ALARM(one) ALARM(two)", "after the end of it"),
        ("MAYBE(one)", "found 'MAYBE'"),
        ("AND ALARM(one)", "found 'AND'"),
        ("AT_LEAST(1, ALARM, (one, two))", "has no AT_LEAST"),
        ("ALARM(none)", "\\[none\\] do not exist"),
        ("ALARM(c)", "a cycle"),
    ],
)
def test_what_is_no_rule_is_refused(given: Given, rule: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        composite(given, rule)

    assert given.client.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"] == []


def test_a_cycle_through_others_is_refused(given: Given) -> None:
    composite(given, "ALARM(one)", "c")
    composite(given, "ALARM(c)", "d")

    with pytest.raises(ClientError, match="a cycle"):
        composite(given, "ALARM(d)", "c")


def test_a_composite_alarm_is_judged_when_it_is_made_and_when_a_child_changes(given: Given) -> None:
    composite(given, "ALARM(one) OR ALARM(two)", AlarmActions=[TOPIC], OKActions=[TOPIC])
    made = given.described("c")
    given.clock.advance(30)

    become(given, "one", "ALARM")
    alarming = given.described("c")
    become(given, "one", "OK")

    assert (made["StateValue"], made["StateReason"]) == (
        "OK",
        f"{ARN}c was created and its alarm rule evaluates to OK",
    )
    assert alarming["StateReason"] == f"{ARN}one transitioned to ALARM at Sunday 01 March, 2026 12:00:30 UTC"
    assert json.loads(alarming["StateReasonData"])["triggeringAlarms"] == [
        {"arn": f"{ARN}one", "state": {"value": "ALARM", "timestamp": "2026-03-01T12:00:30.000+0000"}}
    ]
    assert [json.loads(sent["Message"])["NewStateValue"] for _, sent in given.sent.messages] == ["OK", "ALARM", "OK"]
    message = json.loads(given.sent.messages[1][1]["Message"])
    assert message["AlarmRule"] == "ALARM(one) OR ALARM(two)"
    assert message["TriggeringChildren"][0]["Arn"] == f"{ARN}one"


def test_a_child_that_changes_without_consequence_changes_nothing(given: Given) -> None:
    composite(given, "ALARM(one) AND ALARM(two)")

    become(given, "one", "ALARM")

    assert given.state("c") == "OK"
    assert len(given.states("c")) == 1


def test_composite_alarms_may_stand_on_each_other(given: Given) -> None:
    composite(given, "ALARM(one)", "c")
    composite(given, "ALARM(c) AND NOT ALARM(two)", "top")

    become(given, "one", "ALARM")

    assert [given.state(name) for name in ("c", "top")] == ["ALARM", "ALARM"]


def test_an_alarm_that_others_need_is_not_deleted(given: Given) -> None:
    composite(given, "ALARM(one)")

    with pytest.raises(ClientError, match="composite alarm\\(s\\) depending on it: c"):
        given.client.delete_alarms(AlarmNames=["one"])
    given.client.delete_alarms(AlarmNames=["c"])
    given.client.delete_alarms(AlarmNames=["one"])

    assert [alarm["AlarmName"] for alarm in given.client.describe_alarms()["MetricAlarms"]] == ["two"]


def test_parents_and_children_are_found(given: Given) -> None:
    composite(given, "ALARM(one)")

    parents = given.client.describe_alarms(ParentsOfAlarmName="one")["CompositeAlarms"]
    children = given.client.describe_alarms(ChildrenOfAlarmName="c")["MetricAlarms"]

    assert [alarm["AlarmName"] for alarm in parents] == ["c"]
    assert [alarm["AlarmName"] for alarm in children] == ["one"]


def test_a_suppressor_needs_both_periods(given: Given) -> None:
    with pytest.raises(ClientError, match="ActionsSuppressorExtensionPeriod must be given"):
        composite(given, "ALARM(one)", ActionsSuppressor="two", ActionsSuppressorWaitPeriod=60)


def test_why_actions_wait_is_shown(given: Given) -> None:
    composite(
        given,
        "ALARM(one)",
        ActionsSuppressor="two",
        ActionsSuppressorWaitPeriod=60,
        ActionsSuppressorExtensionPeriod=60,
    )
    given.pass_time(90)

    become(given, "one", "ALARM")
    waiting = given.described("c")
    become(given, "two", "ALARM")
    held = given.described("c")
    become(given, "two", "OK")
    extended = given.described("c")
    given.pass_time(60)

    assert [alarm["ActionsSuppressedBy"] for alarm in (waiting, held, extended)] == [
        "WaitPeriod",
        "Alarm",
        "ExtensionPeriod",
    ]
    assert "ActionsSuppressedBy" not in given.described("c")
