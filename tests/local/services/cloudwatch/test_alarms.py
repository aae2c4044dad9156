"""Alarms through the API: their settings, states, history, and what is told of a transition."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.services.cloudwatch.given import START, Given, given_cloudwatch

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
ALARM_ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
STAT = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Stat": "Sum", "Period": 60}


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    with given_cloudwatch(tmp_path) as opened:
        yield opened


def test_actions_are_taken_on_transitions_only(given: Given) -> None:
    given.alarm(AlarmActions=[TOPIC], OKActions=[FUNCTION])

    for value in (2.0, 3.0, 0.0, 0.5, 2.0):
        given.put(value)
        given.pass_time(60)

    assert [to for to, _ in given.sent.messages] == [TOPIC, FUNCTION, TOPIC]
    assert [event["detail"]["state"]["value"] for event in given.sent.events] == ["ALARM", "OK", "ALARM"]


def test_a_topic_gets_the_message_that_cloudwatch_sends(given: Given) -> None:
    given.alarm(AlarmActions=[TOPIC], AlarmDescription="too many", Dimensions=[{"Name": "d", "Value": "v"}])
    given.put(2.0, d="v")

    given.pass_time(60)

    (_, sent), message = given.sent.messages[0], json.loads(given.sent.messages[0][1]["Message"])
    assert sent["Subject"] == 'ALARM: "a" in US East (N. Virginia)'
    assert message == {
        "AlarmName": "a",
        "AlarmDescription": "too many",
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-03-01T12:00:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 1 datapoint [2.0 (01/03/26 12:00:00)] was greater than the threshold "
        "(1.0).",
        "StateChangeTime": "2026-03-01T12:01:00.000+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": ALARM_ARN + "a",
        "OldStateValue": "INSUFFICIENT_DATA",
        "OKActions": [],
        "AlarmActions": [TOPIC],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "m",
            "Namespace": "n",
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": "v", "name": "d"}],
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 1.0,
            "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def test_a_function_and_the_bus_get_the_documented_event(given: Given) -> None:
    given.alarm(AlarmActions=[FUNCTION])
    given.put(2.0)

    given.pass_time(60)

    invocation = json.loads(given.sent.messages[0][1]["Payload"])
    (event,) = given.sent.events
    assert {name: invocation[name] for name in ("source", "alarmArn", "accountId", "time", "region")} == {
        "source": "aws.cloudwatch",
        "alarmArn": ALARM_ARN + "a",
        "accountId": "123456789012",
        "time": "2026-03-01T12:01:00.000+0000",
        "region": "us-east-1",
    }
    assert (event["source"], event["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert event["resources"] == [ALARM_ARN + "a"]
    assert event["detail"] == invocation["alarmData"]
    state = event["detail"]["state"]
    assert json.loads(state["reasonData"]) == {
        "version": "1.0",
        "queryDate": "2026-03-01T12:01:00.000+0000",
        "startDate": "2026-03-01T12:00:00.000+0000",
        "statistic": "Sum",
        "period": 60,
        "recentDatapoints": [2.0],
        "threshold": 1.0,
        "evaluatedDatapoints": [{"timestamp": "2026-03-01T12:00:00.000+0000", "sampleCount": 1.0, "value": 2.0}],
    }
    (metric,) = event["detail"]["configuration"]["metrics"]
    assert metric["metricStat"] == {
        "metric": {"namespace": "n", "name": "m", "dimensions": {}},
        "period": 60,
        "stat": "Sum",
    }


def test_the_topics_or_functions_own_policy_has_to_allow_an_action(given: Given) -> None:
    given.sent.forbidden |= {TOPIC, FUNCTION}
    given.alarm(AlarmActions=[TOPIC, FUNCTION])
    given.put(2.0)

    given.pass_time(60)

    assert given.sent.messages == []
    assert given.sent.asked == [
        ("cloudwatch.amazonaws.com", "sns:Publish", TOPIC, ALARM_ARN + "a"),
        ("lambda.alarms.cloudwatch.amazonaws.com", "lambda:InvokeFunction", FUNCTION, ALARM_ARN + "a"),
    ]
    history = given.client.describe_alarm_history(AlarmName="a", HistoryItemType="Action")["AlarmHistoryItems"]
    assert [item["HistorySummary"].partition(" Received error: ")[0] for item in history] == [
        f"Failed to execute action {FUNCTION}.",
        f"Failed to execute action {TOPIC}.",
    ]


def test_actions_can_be_switched_off_and_on(given: Given) -> None:
    given.alarm(AlarmActions=[TOPIC], TreatMissingData="ignore")

    given.client.disable_alarm_actions(AlarmNames=["a", "none"])
    given.client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="x")
    given.settle()
    silent = list(given.sent.messages)
    given.client.enable_alarm_actions(AlarmNames=["a"])
    given.client.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="x")
    given.client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="x")
    given.settle()

    assert silent == []
    assert [to for to, _ in given.sent.messages] == [TOPIC]
    assert given.described()["ActionsEnabled"] is True


def test_a_state_that_was_set_lasts_until_the_next_evaluation(given: Given) -> None:
    given.alarm()
    given.put(0.0)
    given.pass_time(60)

    given.client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="a test", StateReasonData='{"a":1}')
    then = given.described()
    given.pass_time(60)

    assert (then["StateValue"], then["StateReason"], then["StateReasonData"]) == ("ALARM", "a test", '{"a":1}')
    assert given.states() == [("12:01:00", "OK"), ("12:01:00", "ALARM"), ("12:02:00", "OK")]


def test_a_changed_alarm_keeps_its_state_and_tags(given: Given) -> None:
    given.alarm(Tags=[{"Key": "k", "Value": "v"}])
    given.put(2.0)
    given.pass_time(60)

    given.alarm(Threshold=5.0, Tags=[{"Key": "other", "Value": "x"}])

    assert given.described()["StateValue"] == "ALARM"
    assert given.client.list_tags_for_resource(ResourceARN=ALARM_ARN + "a")["Tags"] == [{"Key": "k", "Value": "v"}]
    given.pass_time(60)
    assert given.state() == "OK"


def test_an_alarm_of_an_expression_watches_what_it_returns(given: Given) -> None:
    queries = [
        {"Id": "m", "MetricStat": STAT, "ReturnData": False},
        {"Id": "rate", "Expression": "100 * m / (m + 1)", "Label": "Rate"},
    ]
    given.alarm(Metrics=queries, Threshold=70.0, AlarmActions=[TOPIC])

    given.put(3.0)
    given.pass_time(60)

    assert given.state() == "ALARM"
    assert "[75.0 (01/03/26 12:00:00)]" in given.described()["StateReason"]
    message = json.loads(given.sent.messages[0][1]["Message"])
    assert [each["Id"] for each in message["Trigger"]["Metrics"]] == ["m", "rate"]


def test_an_expression_may_need_no_data(given: Given) -> None:
    given.alarm(
        Metrics=[
            {"Id": "m", "MetricStat": STAT, "ReturnData": False},
            {"Id": "e", "Expression": "FILL(m, 5)"},
        ]
    )

    given.pass_time(60)

    assert given.state() == "ALARM"


def test_an_alarm_of_the_time_of_day_is_evaluated_without_data(given: Given) -> None:
    expression = {"Id": "e", "Expression": "IF(HOUR(FILL(m, 0)) == 13, 2, 0)"}
    given.alarm(Metrics=[{"Id": "m", "MetricStat": STAT, "ReturnData": False}, expression])

    given.pass_time(3 * 3600)

    assert given.states() == [("12:01:00", "OK"), ("13:01:00", "ALARM"), ("14:01:00", "OK")]


def test_alarms_are_described_by_name_prefix_state_and_page(given: Given) -> None:
    for name in ("b1", "a1", "a2"):
        given.alarm(name, AlarmActions=[TOPIC] if name == "a2" else [])
    given.client.set_alarm_state(AlarmName="a2", StateValue="ALARM", StateReason="x")

    def names(**asked: Any) -> list[str]:
        return [alarm["AlarmName"] for alarm in given.client.describe_alarms(**asked)["MetricAlarms"]]

    assert names() == ["a1", "a2", "b1"]
    assert names(AlarmNamePrefix="a") == ["a1", "a2"]
    assert names(AlarmNames=["b1", "none"]) == ["b1"]
    assert names(StateValue="ALARM") == ["a2"]
    assert names(ActionPrefix=TOPIC) == ["a2"]
    pages = given.client.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["MetricAlarms"]) for page in pages] == [2, 1]


def test_the_alarms_of_a_metric_are_found(given: Given) -> None:
    given.alarm("plain")
    given.alarm("other", Dimensions=[{"Name": "d", "Value": "v"}])

    found = given.client.describe_alarms_for_metric(MetricName="m", Namespace="n")["MetricAlarms"]

    assert [alarm["AlarmName"] for alarm in found] == ["plain"]


def test_history_tells_configurations_states_and_actions(given: Given) -> None:
    given.alarm(AlarmActions=[TOPIC])
    given.put(2.0)
    given.pass_time(60)
    given.alarm(Threshold=3.0, AlarmActions=[TOPIC])

    items = given.client.describe_alarm_history(AlarmName="a", ScanBy="TimestampAscending")["AlarmHistoryItems"]

    assert [(item["HistoryItemType"], item["HistorySummary"]) for item in items] == [
        ("ConfigurationUpdate", 'Alarm "a" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("Action", f"Successfully executed action {TOPIC}"),
        ("ConfigurationUpdate", 'Alarm "a" updated'),
    ]
    state = json.loads(items[1]["HistoryData"])
    assert state["oldState"] == {"stateValue": "INSUFFICIENT_DATA", "stateReason": "Unchecked: Initial alarm creation"}
    assert state["newState"]["stateReasonData"]["recentDatapoints"] == [2.0]
    between = given.client.describe_alarm_history(StartDate=START + timedelta(seconds=1), HistoryItemType="StateUpdate")
    assert len(between["AlarmHistoryItems"]) == 1


def test_a_deleted_alarm_is_gone_and_all_or_none_are_deleted(given: Given) -> None:
    given.alarm("a")
    given.alarm("b")

    with pytest.raises(given.client.exceptions.ResourceNotFound):
        given.client.delete_alarms(AlarmNames=["a", "none"])
    given.client.delete_alarms(AlarmNames=["a", "b"])

    assert given.client.describe_alarms()["MetricAlarms"] == []
    with pytest.raises(given.client.exceptions.ResourceNotFound):
        given.client.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="x")


# fmt: off
REFUSED = [
    # settings                                                    what it says
    ({"ComparisonOperator": "GreaterThanUpperThreshold"},         "anomaly detection"),
    ({"ThresholdMetricId": "x"},                                  "anomaly detection"),
    ({"DatapointsToAlarm": 2},                                    "from 1 to EvaluationPeriods"),
    ({"Period": 45},                                              "10, 20, 30 or a multiple of 60"),
    ({"EvaluationPeriods": 1441},                                 "more than 1 day"),
    ({"Period": 86_400, "EvaluationPeriods": 8},                  "more than 7 day"),
    ({"TreatMissingData": "sometimes"},                           "missing, ignore, breaching, notBreaching"),
    ({"ExtendedStatistic": "p99"},                                "either Statistic or ExtendedStatistic"),
    ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]},   "alarm action arn:aws:automate"),
    ({"AlarmActions": ["topic"]},                                 "Invalid arn syntax: topic"),
    ({"Unit": "Furlongs"},                                        "Unit"),
    ({"Metrics": [{"Id": "m", "MetricStat": STAT}, {"Id": "e", "Expression": "m"}]}, "Exactly one"),
    ({"Metrics": [{"Id": "e", "Expression": "SEARCH('{n} m', 'Sum', 60)"}]},         "SEARCH is not supported"),
]
# fmt: on


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_what_is_no_alarm_is_refused(given: Given, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        given.alarm(**settings)

    assert given.client.describe_alarms()["MetricAlarms"] == []


def test_alarms_survive_a_kill(tmp_path: Path) -> None:
    before = Given(tmp_path)
    before.alarm(AlarmActions=[TOPIC])
    before.put(2.0)
    before.pass_time(60)
    before.cloudwatch.flush()
    expected = before.described()
    before.killed()

    with given_cloudwatch(tmp_path, start=START + timedelta(seconds=61)) as after:
        assert after.described() == expected
        assert after.states() == [("12:01:00", "ALARM")]
