"""A replay against a cloud that only writes down what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.replay.api import Answered
from local.replay.plan import Step, arrivals, steps
from local.replay.replay import Order, Outcome, Replay, document, text, whole_hour
from local.replay.watch import AlarmChange
from model_packages.dataset import Record
from model_packages.errors import OperatorError

START = datetime(2026, 1, 1, tzinfo=UTC)
PREDICT, FEEDBACK = "/models/m/predict", "/models/m/feedback"


@dataclass
class Cloud:
    """Answers with `statuses` in turn, the last of them for ever."""

    statuses: list[int] = field(default_factory=lambda: [200])
    feedback_status: int = 202
    now_is: datetime = START
    posts: list[tuple[datetime, str, Any]] = field(default_factory=list)
    advances: list[datetime] = field(default_factory=list)
    changes: list[AlarmChange] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def post(self, path: str, document: Mapping[str, Any]) -> Answered:
        self.posts.append((self.now_is, path, document))
        if path == FEEDBACK:
            return Answered(self.feedback_status, None, b"")
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return Answered(status, f"id-{document['x']}" if status == 200 else None, b"the reason")

    async def now(self) -> datetime:
        return self.now_is

    async def advance_to(self, moment: datetime) -> datetime:
        self.advances.append(moment)
        self.now_is = max(self.now_is, moment)
        return self.now_is

    async def alarms(self) -> Sequence[AlarmChange]:
        due = [change for change in self.changes if change.at <= self.now_is]
        self.changes = [change for change in self.changes if change not in due]
        return due

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def sent(self, path: str) -> list[Any]:
        return [document for _at, posted, document in self.posts if posted == path]


def replay(cloud: Cloud, rows: int = 40, **order: Any) -> Outcome:
    wanted = Order(package="m", rows=rows, **{"days": 4, **order})
    records: list[Record] = [{"request": {"x": number}, "label": {"y": number % 2 == 0}} for number in range(rows)]
    work = Replay(
        api=cloud,
        order=wanted,
        records=records,
        alarms=cloud.alarms,
        say=cloud.said.append,
        clock_seconds=lambda: 0.0,
        sleep=cloud.sleep,
    )
    plan = list(steps(arrivals(rows, start=START, days=wanted.days, seed=0)))
    asyncio.run(work.go_through(plan, until=START + timedelta(days=wanted.days)))
    return work.outcome


def test_each_row_is_sent_once_at_its_moment() -> None:
    cloud = Cloud()

    outcome = replay(cloud)

    moments = arrivals(40, start=START, days=4, seed=0)
    assert [document["x"] for document in cloud.sent(PREDICT)] == list(range(40))
    late = [moments[document["x"]] - at for at, path, document in cloud.posts if path == PREDICT]
    assert all(timedelta() <= each < timedelta(hours=1) for each in late)
    assert cloud.advances == sorted(cloud.advances)
    assert cloud.now_is == START + timedelta(days=4)
    assert (outcome.requests, outcome.errors) == (40, {})


def test_labels_follow_by_the_hour_once_they_are_known() -> None:
    cloud = Cloud()

    outcome = replay(cloud, label_days=1.0)

    known = [(at, label) for at, path, document in cloud.posts if path == FEEDBACK for label in document["labels"]]
    sent_at = {f"id-{document['x']}": at for at, path, document in cloud.posts if path == PREDICT}
    assert all(at == whole_hour(sent_at[label["inference_id"]] + timedelta(days=1)) for at, label in known)
    assert {label["label"]["y"] for _at, label in known} == {True, False}
    assert outcome.labels + outcome.labels_open == 40
    assert outcome.labels_open > 0


@pytest.mark.parametrize("status", [0, 422])
def test_labels_that_nobody_took_count_as_errors(status: int) -> None:
    cloud = Cloud(feedback_status=status)

    outcome = replay(cloud)

    assert (outcome.labels, outcome.label_errors + outcome.labels_open) == (0, 40)
    assert outcome.label_errors > 0
    assert not any("labels" in line for line in cloud.said)


def test_labels_can_be_left_out() -> None:
    cloud = Cloud()

    replay(cloud, labels=False)

    assert cloud.sent(FEEDBACK) == []


def test_a_line_is_said_for_each_day() -> None:
    cloud = Cloud(statuses=[500, 200])

    replay(cloud, labels=False)

    assert [line.split("  ")[0] for line in cloud.said] == [f"2026-01-0{day}" for day in (1, 2, 3, 4, 5)]
    assert "1 errors" in cloud.said[0]


def test_alarms_are_said_as_they_come_and_told_at_the_end() -> None:
    went_off = AlarmChange(START + timedelta(days=2), "m-drift", "OK", "ALARM", "over the limit")
    cleared = AlarmChange(START + timedelta(days=3), "m-drift", "ALARM", "OK", "")
    cloud = Cloud(changes=[went_off, cleared])

    outcome = replay(cloud)

    alarms = [line for line in cloud.said if "m-drift" in line]
    assert alarms == [
        "2026-01-03 00:00  m-drift: OK -> ALARM: over the limit",
        "2026-01-04 00:00  m-drift: ALARM -> OK",
    ]
    assert outcome.raised == ["m-drift"]


def test_errors_are_counted_by_status() -> None:
    cloud = Cloud(statuses=[422, 429, 0, 422, 200])

    outcome = replay(cloud)

    assert outcome.errors == {422: 2, 429: 1, 0: 1}
    assert "errors: 1 with no answer, 2 with 422, 1 with 429" in text(outcome)


def test_an_api_that_refuses_everything_ends_the_replay() -> None:
    cloud = Cloud(statuses=[403])

    with pytest.raises(OperatorError, match="100 requests in a row failed; the last, with 403: the reason"):
        replay(cloud, rows=1000)


def test_a_speed_holds_the_replay_back() -> None:
    cloud = Cloud()

    replay(cloud, speed=3600.0)

    assert max(cloud.slept) == pytest.approx(4 * 24, rel=0.1)


def test_the_end_is_told_to_a_person_and_to_a_script() -> None:
    change = AlarmChange(START, "m-drift", "OK", "ALARM", "")
    run = {"started": "2026-01-02T03:00:00+00:00", "outcome": "promoted", "why": "version 1 serves"}
    outcome = Outcome(
        requests=3, labels=2, labels_open=1, alarms=[change], report="s3://b/report.html", runs=[run], waiting="labels"
    )

    assert text(outcome).splitlines() == [
        "requests  3, errors: none",
        "labels    2 sent (1 were not known yet)",
        "alarms    m-drift",
        "retrained 2026-01-02 03:00 promoted: version 1 serves",
        "waits     labels",
        "report    s3://b/report.html",
    ]
    assert document(outcome)["raised"] == ["m-drift"]
    assert document(outcome)["alarms"][0]["at"] == "2026-01-01T00:00:00+00:00"


def test_steps_without_rows_only_pass_the_time() -> None:
    cloud = Cloud()
    work = Replay(api=cloud, order=Order(package="m", rows=0), records=[], alarms=cloud.alarms, say=cloud.said.append)
    plan: list[Step] = []

    asyncio.run(work.go_through(plan, until=START + timedelta(days=1)))

    assert cloud.now_is == START + timedelta(days=1)
