"""CloudWatch as its documentation describes it, case by case. Each table has the page that it was taken from.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ is left out of the pages' addresses.
"""

# ruff: noqa: E501, PLR0917 - tables are read as tables

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.services.cloudwatch.evaluation import Datapoint, Missing, Rule, State, judge
from tests.local.services.cloudwatch.given import Given, given_cloudwatch

OK, ALARM, NO_DATA, KEEP = State.OK, State.ALARM, State.INSUFFICIENT_DATA, None
VALUES = {"0": 0.0, "X": 2.0}


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    with given_cloudwatch(tmp_path) as opened:
        yield opened


# alarms-and-missing-data.html: 0 is within the threshold, X breaches it, - is missing; the newest is on the right.
# fmt: off
MISSING_DATA = [
    # M  N  datapoints  filled  missing   ignore  breaching  notBreaching
    (3, 3, "0 - X - X",   0,    OK,       OK,     OK,        OK),
    (3, 3, "0 - - - -",   2,    OK,       OK,     OK,        OK),
    (3, 3, "- - - - -",   3,    NO_DATA,  KEEP,   ALARM,     OK),
    (3, 3, "0 X X - X",   0,    ALARM,    ALARM,  ALARM,     ALARM),
    (3, 3, "- - X - -",   2,    ALARM,    KEEP,   ALARM,     OK),
    (2, 3, "0 - X - X",   0,    ALARM,    ALARM,  ALARM,     ALARM),
    (2, 3, "0 0 X 0 X",   0,    ALARM,    ALARM,  ALARM,     ALARM),
    (2, 3, "0 - X - -",   1,    OK,       OK,     ALARM,     OK),
    (2, 3, "- - - - 0",   2,    OK,       OK,     ALARM,     OK),
    (2, 3, "- - - X -",   2,    ALARM,    KEEP,   ALARM,     OK),
]
"""Both tables of the page, row by row."""

PREMATURE = [
    # M  N  datapoints   missing   why
    (3, 3, "- - - - X",  NO_DATA,  "the next one may be within the threshold"),
    (3, 3, "- - - X -",  NO_DATA,  "the same"),
    (3, 3, "- - - X 0",  OK,       "and so it was"),
    (3, 3, "- - X - 0",  OK,       "the same"),
    (3, 3, "- - X - -",  ALARM,    "the oldest breaching one is 3 old, and all newer ones breach or are missing"),
    (3, 3, "X - - - -",  ALARM,    "older still, within the evaluation range"),
    (3, 3, "- 0 - X -",  OK,       "one that is within the threshold counts"),
]
"""The page's section on premature transitions to the alarm state, and a row of an older edition of its table."""

M_OUT_OF_N = [
    # M  N  datapoints           state
    (3, 3, "0 0 X X X",          ALARM),
    (3, 3, "X X X X 0",          OK),
    (4, 5, "0 0 X X 0 X X",      ALARM),
    (4, 5, "X X 0 X 0 X X",      OK),
    (1, 3, "0 0 X 0 0",          ALARM),
]
"""alarm-evaluation.html: Datapoints to Alarm of the last Evaluation Periods."""
# fmt: on


def points(text: str) -> list[Datapoint]:
    return [Datapoint(60.0 * index, VALUES.get(each)) for index, each in enumerate(text.split())]


def rule(needed: int, periods: int, missing: Missing = Missing.MISSING) -> Rule:
    return Rule(
        breaches=lambda value: value > 1, evaluation_periods=periods, datapoints_to_alarm=needed, missing=missing
    )


@pytest.mark.parametrize(("needed", "periods", "data", "filled", "missing", "ignored", "bad", "good"), MISSING_DATA)
def test_missing_data_are_treated_as_the_tables_say(
    needed: int,
    periods: int,
    data: str,
    filled: int,
    missing: State | None,
    ignored: State | None,
    bad: State,
    good: State,
) -> None:
    treatments = [Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING]

    judgements = [judge(points(data), rule(needed, periods, treatment)) for treatment in treatments]

    assert [judgement.state for judgement in judgements] == [missing, ignored, bad, good]
    assert {judgement.filled for judgement in judgements} == {filled}


@pytest.mark.parametrize(("needed", "periods", "data", "state", "why"), PREMATURE)
def test_an_alarm_does_not_come_too_early(needed: int, periods: int, data: str, state: State, why: str) -> None:
    assert judge(points(data), rule(needed, periods)).state is state, why


@pytest.mark.parametrize(("needed", "periods", "data", "state"), M_OUT_OF_N)
def test_some_of_the_last_datapoints_are_enough(needed: int, periods: int, data: str, state: State) -> None:
    assert judge(points(data), rule(needed, periods)).state is state


def test_the_range_of_an_alarm_over_three_periods_has_five() -> None:
    assert rule(3, 3).range_periods == 5


# fmt: off
WHOLE_TABLE = [
    # treatment       first  then nothing      the states that follow, minute by minute
    ("missing",       "X",   "- - - -",        "ALARM ALARM ALARM INSUFFICIENT_DATA INSUFFICIENT_DATA"),
    ("ignore",        "X",   "- - - -",        "ALARM ALARM ALARM ALARM ALARM"),
    ("breaching",     "0",   "- - - -",        "OK OK OK ALARM ALARM"),
    ("notBreaching",  "X",   "- - - -",        "ALARM ALARM ALARM OK OK"),
]
"""The same rules through the API: the last datapoint counts as long as it is within the evaluation range."""
# fmt: on


@pytest.mark.parametrize(("treatment", "first", "rest", "expected"), WHOLE_TABLE)
def test_an_alarm_re_evaluates_the_last_datapoint_for_a_while(
    given: Given, treatment: str, first: str, rest: str, expected: str
) -> None:
    given.alarm(TreatMissingData=treatment)
    given.put(VALUES[first])

    states = []
    for _ in [first, *rest.split()]:
        given.pass_time(60)
        states.append(given.state())

    assert states == expected.split()


def test_an_alarm_is_evaluated_each_minute_over_a_window_that_moves(given: Given) -> None:
    """alarm-evaluation.html: a period of 5 minutes is evaluated at minute 5 over 1 to 5, at minute 6 over 2 to 6."""
    given.alarm(Period=300)
    given.pass_time(180)

    given.put(2.0)
    given.pass_time(3600)

    # From the end of its minute on; for five minutes each as the newest, the second and the third datapoint.
    assert given.states() == [("12:04:00", "ALARM"), ("12:19:00", "INSUFFICIENT_DATA")]


def test_an_alarm_of_more_than_a_day_is_evaluated_each_hour(given: Given) -> None:
    given.alarm(Period=86_400, EvaluationPeriods=2, DatapointsToAlarm=1)
    given.pass_time(120)

    given.put(2.0)
    given.pass_time(7200)

    assert given.states()[0] == ("13:00:00", "ALARM")


def test_an_alarm_of_ten_seconds_is_evaluated_each_ten_seconds(given: Given) -> None:
    given.alarm(Period=10)

    given.client.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 2.0, "StorageResolution": 1}])
    given.pass_time(30)

    assert given.states() == [("12:00:10", "ALARM")]


# fmt: off
LOW_SAMPLES = [
    # percentile  samples  evaluate   ignore
    ("p99",       999,     "ALARM",   "INSUFFICIENT_DATA"),
    ("p99",       1000,    "ALARM",   "ALARM"),
    ("p90",       99,      "ALARM",   "INSUFFICIENT_DATA"),
    ("p90",       100,     "ALARM",   "ALARM"),
    ("p5",        199,     "ALARM",   "INSUFFICIENT_DATA"),
    ("p5",        200,     "ALARM",   "ALARM"),
]
"""percentiles-with-low-samples.html: significant from 10/(1-percentile) samples on, or 10/percentile below one half."""
# fmt: on


@pytest.mark.parametrize(("percentile", "samples", "evaluated", "ignored"), LOW_SAMPLES)
def test_few_samples_of_a_percentile_are_evaluated_or_ignored(
    given: Given, percentile: str, samples: int, evaluated: str, ignored: str
) -> None:
    for name in ("evaluate", "ignore"):
        given.client.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            ExtendedStatistic=percentile,
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
            EvaluateLowSampleCountPercentile=name,
        )

    given.client.put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Values": [2.0], "Counts": [float(samples)]}]
    )
    given.pass_time(60)

    assert [given.state("evaluate"), given.state("ignore")] == [evaluated, ignored]


# fmt: off
REASONS = [
    # settings                                              data     reason, after "Threshold Crossed: "
    ({},                                                    "X",     "1 datapoint [2.0 (01/03/26 12:00:00)] was greater than the threshold (1.0)."),
    ({},                                                    "0",     "1 datapoint [0.0 (01/03/26 12:00:00)] was not greater than the threshold (1.0)."),
    ({"DatapointsToAlarm": 1},                              "X",     "1 out of the last 1 datapoints [2.0 (01/03/26 12:00:00)] was greater than the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."),
    ({"DatapointsToAlarm": 1},                              "0",     "1 out of the last 1 datapoints [0.0 (01/03/26 12:00:00)] was not greater than the threshold (1.0) (minimum 1 datapoint for ALARM -> OK transition)."),
    ({"EvaluationPeriods": 2},                              "X X",   "2 datapoints [2.0 (01/03/26 12:01:00), 2.0 (01/03/26 12:00:00)] were greater than the threshold (1.0)."),
    ({"EvaluationPeriods": 2, "DatapointsToAlarm": 2},      "X 0",   "1 out of the last 2 datapoints [0.0 (01/03/26 12:01:00)] was not greater than the threshold (1.0) (minimum 1 datapoint for ALARM -> OK transition)."),
    ({"TreatMissingData": "breaching"},                     "-",     "no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."),
    ({"EvaluationPeriods": 3, "TreatMissingData": "notBreaching"}, "-", "no datapoints were received for 3 periods and 3 missing datapoints were treated as [NonBreaching]."),
    ({"EvaluationPeriods": 20, "DatapointsToAlarm": 1, "TreatMissingData": "notBreaching"}, "X", "1 out of the last 20 datapoints [2.0 (01/03/26 12:00:00)] was greater than the threshold (1.0) and 19 missing datapoints were treated as [NonBreaching] (minimum 1 datapoint for OK -> ALARM transition)."),
    ({"EvaluationPeriods": 2, "TreatMissingData": "breaching", "ComparisonOperator": "LessThanThreshold"}, "X", "1 datapoint [2.0 (01/03/26 12:00:00)] was not less than the threshold (1.0) and 1 missing datapoint was treated as [Breaching]."),
]
"""Reasons as they are seen of alarms on AWS."""
# fmt: on


@pytest.mark.parametrize(("settings", "data", "reason"), REASONS)
def test_a_reason_is_worded_as_cloudwatch_words_it(
    given: Given, settings: dict[str, Any], data: str, reason: str
) -> None:
    given.alarm(**settings)

    for each in data.split():
        if each in VALUES:
            given.put(VALUES[each])
        given.pass_time(60)

    assert given.described()["StateReason"] == f"Threshold Crossed: {reason}"


def test_an_alarm_begins_without_data(given: Given) -> None:
    given.alarm()

    assert given.state() == "INSUFFICIENT_DATA"
    assert given.described()["StateReason"] == "Unchecked: Initial alarm creation"


def test_an_alarm_without_data_says_that_they_are_unknown(given: Given) -> None:
    given.alarm(EvaluationPeriods=2)
    given.put(2.0)
    given.pass_time(60)
    given.put(2.0)
    given.pass_time(60)

    given.pass_time(600)

    assert given.described()["StateReason"] == "Insufficient Data: 2 datapoints were unknown."


# Composite_Alarm_Suppression.html: WaitPeriod is 2 minutes, ExtensionPeriod 3. The minute at which something becomes
# ALARM (c the composite alarm, s its suppressor) or OK (C, S), and the minutes at which the composite alarm acts.
# fmt: off
SUPPRESSION = [
    # what happens when                     acts at       which example
    ({2: "c"},                              {4: "ALARM"}, "1: after the WaitPeriod"),
    ({2: "c", 3: "s"},                      {},           "2: suppressed before the WaitPeriod is over"),
    ({2: "c", 3: "C"},                      {5: "OK"},    "3: a change discards the WaitPeriod and begins a new one"),
    ({1: "s", 2: "c"},                      {},           "4: the suppressor is in ALARM already"),
    ({2: "c", 3: "s", 6: "S"},              {9: "ALARM"}, "5: after the ExtensionPeriod"),
    ({2: "c", 3: "s", 6: "S", 7: "C"},      {9: "OK"},    "6: a change discards the ExtensionPeriod, a WaitPeriod begins"),
]
# fmt: on

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


@pytest.mark.parametrize(("happens", "expected", "example"), SUPPRESSION)
def test_a_suppressor_holds_a_composite_alarms_actions_back(
    given: Given, happens: dict[int, str], expected: dict[int, str], example: str
) -> None:
    given.alarm("child", TreatMissingData="ignore")
    given.alarm("suppressor", TreatMissingData="ignore")
    given.client.put_composite_alarm(
        AlarmName="composite",
        AlarmRule="ALARM(child)",
        ActionsSuppressor="suppressor",
        ActionsSuppressorWaitPeriod=120,
        ActionsSuppressorExtensionPeriod=180,
        AlarmActions=[TOPIC],
        OKActions=[TOPIC],
    )
    given.settle()
    given.pass_time(150)  # what followed from its creation is over
    given.sent.messages.clear()

    acted = {}
    for minute in range(12):
        if minute in happens:
            name = "child" if happens[minute].lower() == "c" else "suppressor"
            state = "ALARM" if happens[minute].islower() else "OK"
            given.client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="because")
        given.settle()
        if given.sent.messages:
            ((_, message),) = given.sent.messages
            acted[minute] = message["Subject"].partition(":")[0]
        given.sent.messages.clear()
        given.pass_time(60)

    assert acted == expected, example
