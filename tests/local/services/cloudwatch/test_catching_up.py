"""A jump in time comes to the same states at the same times as looking every minute, and costs little."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.local.services.cloudwatch.given import START, Given, given_cloudwatch

METRICS = ("m", "o")


def random_alarms(chance: random.Random) -> dict[str, dict[str, Any]]:
    """A few alarms of every kind."""
    alarms: dict[str, dict[str, Any]] = {}
    for index in range(6):
        periods = chance.randint(1, 5)
        alarms[f"a{index}"] = {
            "MetricName": chance.choice(METRICS),
            "Period": chance.choice([60, 60, 120, 300, 900]),
            "EvaluationPeriods": periods,
            "DatapointsToAlarm": chance.randint(1, periods),
            "Threshold": chance.choice([1.0, 2.0]),
            "ComparisonOperator": chance.choice(["GreaterThanThreshold", "LessThanThreshold"]),
            "TreatMissingData": chance.choice(["missing", "ignore", "breaching", "notBreaching"]),
        }
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Stat": "Sum", "Period": 60}
    alarms["expression"] = {
        "Metrics": [
            {"Id": "m", "MetricStat": stat, "ReturnData": False},
            {"Id": "e", "Expression": chance.choice(["FILL(m, 0) + 1", "IF(m > 1, m, 0)", "RATE(m) * 60"])},
        ],
        "EvaluationPeriods": 2,
    }
    return alarms


def history(folder: Path, *, seed: int, by_minute: bool) -> list[tuple[str, list[tuple[str, str]]]]:
    """What becomes of the alarms while data come at random moments."""
    chance = random.Random(seed)  # noqa: S311
    with given_cloudwatch(folder) as given:
        for name, settings in random_alarms(chance).items():
            given.alarm(name, **settings)
        given.client.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(a0) OR ALARM(a1) AND NOT OK(a2)")
        for _ in range(30):
            advance(given, seconds=chance.choice([7, 60, 61, 240, 1800, 9000]), by_minute=by_minute)
            for _ in range(chance.randint(0, 3)):
                late = chance.choice([0, 0, 30, 200, 1200])
                given.put(chance.choice([0.0, 1.5, 3.0]), name=chance.choice(METRICS), ago_seconds=late)
        advance(given, seconds=9000, by_minute=by_minute)
        return [(name, given.states(name)) for name in [*random_alarms(random.Random(seed)), "any"]]  # noqa: S311


def advance(given: Given, *, seconds: float, by_minute: bool) -> None:
    end = given.clock.now() + timedelta(seconds=seconds)
    while by_minute and (step := 60 - given.clock.now().timestamp() % 60) < (end - given.clock.now()).total_seconds():
        given.pass_time(step)
    given.pass_time((end - given.clock.now()).total_seconds())


@pytest.mark.parametrize("seed", range(8))
def test_a_jump_comes_to_the_same_states_at_the_same_times(tmp_path: Path, seed: int) -> None:
    by_minute = history(tmp_path / "minutes", seed=seed, by_minute=True)
    by_jump = history(tmp_path / "jumps", seed=seed, by_minute=False)

    assert by_jump == by_minute
    assert any(states for _, states in by_minute)


def test_a_month_of_hourly_data_is_evaluated_in_seconds(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        for index in range(20):
            given.alarm(f"a{index}", MetricName=f"m{index}", Period=3600, EvaluationPeriods=3, DatapointsToAlarm=2)

        begun, evaluations = time.perf_counter(), 0
        for hour in range(31 * 24):
            for index in range(20):
                given.put(2.0 if hour % 48 < 24 else 0.0, name=f"m{index}")
            given.clock.advance(3600)
            evaluations += given.cloudwatch.evaluate(given.clock.now())
        seconds = time.perf_counter() - begun

        assert given.states("a0")[-1][1] in ("OK", "ALARM")
        assert evaluations <= 31 * 24 * 20 * 2
        assert seconds < 30


def test_time_without_data_costs_no_evaluation(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm()
        given.put(2.0)
        given.pass_time(600)

        given.clock.advance(31 * 86_400)

        assert given.cloudwatch.evaluate(given.clock.now()) == 0
        assert given.state() == "INSUFFICIENT_DATA"


def test_a_restarted_cloud_catches_up_with_what_it_has_missed(tmp_path: Path) -> None:
    before = Given(tmp_path)
    before.alarm()
    before.put(2.0)
    before.pass_time(60)
    before.cloudwatch.flush()
    before.killed()

    with given_cloudwatch(tmp_path, start=START + timedelta(days=2)) as after:
        after.settle()

        assert after.states() == [("12:01:00", "ALARM"), ("12:04:00", "INSUFFICIENT_DATA")]


def test_data_that_come_late_are_seen_at_the_next_evaluation(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm()
        given.pass_time(65)

        given.put(2.0, ago_seconds=30)
        given.pass_time(600)

        assert given.states()[0] == ("12:02:00", "ALARM")


def test_what_comes_just_when_an_alarm_is_due_is_seen(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm()
        given.clock.advance(60)

        given.put(2.0, ago_seconds=1)
        given.settle()

        assert given.states() == [("12:01:00", "ALARM")]
