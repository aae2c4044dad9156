"""Whatever dies, comes twice or runs at once: no captured record is lost, and none counts twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.monitor.monitor import Run
from functions.shared import layout
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.cloud import Cloud, Died, When
from tests.functions.monitor.flowers import ENDPOINT, NOON, key_of, lines_of, record_of
from tests.functions.monitor.runs import capture, cloud_with, event_at, monitor_on, state_of

HOUR = timedelta(hours=1)
FIRST, SECOND, THIRD = NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR


def a_cloud(baseline: Baseline) -> Cloud:
    """Two hours of captures: enough for a window in each, some of it twice, some unreadable, some late."""
    cloud = cloud_with(baseline)
    cloud.sums = {"Requests": {NOON: 130.0, FIRST: 120.0}}
    first = capture(cloud, 120, time=NOON, name="a.jsonl", seed=1)
    cloud.put(key_of(NOON, "b.jsonl"), lines_of(first[:20]) + b"no record\n" + lines_of([record_of({}, {})]))
    labels = [label_of(record) for record in first[:30]]
    cloud.put(f"{layout.labels_prefix(ENDPOINT)}{layout.hour_path(NOON)}/labels.jsonl", lines_of(labels))
    return cloud


def label_of(record: dict[str, Any]) -> dict[str, Any]:
    """What the gateway stores when a caller says what the flower was."""
    inference_id = record["eventMetadata"]["inferenceId"]
    return {"inference_id": inference_id, "row": 0, "label": {"species": "daisy"}, "received": "2026-02-14T12:30:00Z"}


def add_second_hour(cloud: Cloud) -> None:
    capture(cloud, 110, time=FIRST, name="c.jsonl", seed=2)
    capture(cloud, 15, time=NOON - 10 * HOUR, name="late.jsonl", seed=3)


@dataclass
class Dying:
    """Ends the process at one call, before or after it has had its effect."""

    at: int
    when: When
    count: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, _name: str, when: When) -> None:
        with self.lock:
            if when == "before":
                self.count += 1
            if self.count >= self.at and when == self.when:
                raise Died


def calls_of(run: Callable[[Any], Any]) -> int:
    """How many calls a run makes that nothing disturbs."""
    dying = Dying(at=10**9, when="before")
    run(dying)
    return dying.count + 1


def essence(cloud: Cloud) -> dict[str, Any]:
    """All that is left of the runs: every object of the monitor's, and each metric with its time."""
    state = state_of(cloud)
    told = {(item["MetricName"], str(item["Dimensions"]), item["Timestamp"], item["Value"]) for item in cloud.published}
    objects = {key: content for key, content in cloud.objects.items() if key.startswith("monitor/")}
    del objects[layout.state_key(ENDPOINT)]
    return {"state": state, "told": told, "objects": objects}


def rows_counted(cloud: Cloud) -> int:
    """Rows of all windows there are, and of the one that is open."""
    windows = [key for key in cloud.keys_below("monitor/") if key.endswith("/window.json")]
    state = state_of(cloud)
    assert [point["window"] for point in state["history"]] == [key.split("/")[-2] for key in windows]
    return sum(int(cloud.json_at(key)["traffic"]["rows"]) for key in windows) + int(state["reading"]["rows"])


def begun(cloud: Cloud) -> Cloud:
    """With a run that came before there was anything."""
    empty = replace(cloud, objects={key: content for key, content in cloud.objects.items() if "captures" not in key})
    monitor_on(empty).handle(event_at(NOON))
    return replace(cloud, objects={**cloud.objects, **empty.objects})


UNTOUCHED_ROWS = 120 + 1 + 110


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_anywhere_and_is_repeated_leaves_what_one_undisturbed_run_leaves(
    baseline: Baseline, when: When
) -> None:
    undisturbed = a_cloud(baseline)
    calls = calls_of(lambda watch: monitor_on(undisturbed.client(watch)).handle(event_at(FIRST)))
    assert calls > 12

    for at in range(calls):
        cloud = a_cloud(baseline)
        with pytest.raises(Died):
            monitor_on(cloud.client(Dying(at=at, when=when))).handle(event_at(FIRST))
        monitor_on(cloud).handle(event_at(FIRST))  # Lambda repeats an event whose function died

        assert essence(cloud) == essence(undisturbed) or _came_after(cloud, undisturbed), f"died {when} call {at}"


def _came_after(cloud: Cloud, undisturbed: Cloud) -> bool:
    """Whether all that the repetition added is that it found nothing new: the first had committed before it died."""
    found, expected = essence(cloud), essence(undisturbed)
    added = {item for item in found["told"] - expected["told"] if (item[0], item[3]) in NOTHING_NEW}
    return bool(found == {**expected, "told": expected["told"] | added})


NOTHING_NEW = {
    (name, 0.0) for name in ("WindowRows", "UnreadableRecords", "LateRecords", "LabelledRows", "UnmatchedLabels")
}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_anywhere_and_is_not_repeated_is_made_good_by_the_next(baseline: Baseline, when: When) -> None:
    calls = calls_of(lambda watch: monitor_on(begun(a_cloud(baseline)).client(watch)).handle(event_at(FIRST)))

    for at in range(calls):
        cloud = begun(a_cloud(baseline))
        with pytest.raises(Died):
            monitor_on(cloud.client(Dying(at=at, when=when))).handle(event_at(FIRST))
        add_second_hour(cloud)
        monitor_on(cloud).handle(event_at(SECOND))

        assert rows_counted(cloud) == UNTOUCHED_ROWS, f"died {when} call {at}"
        assert state_of(cloud)["outbox"] is None
        assert sum(cloud.values_of("LabelledRows")) >= 30
        assert len(cloud.keys_below(f"monitor/{ENDPOINT}/quality/")) == 1
        latest = cloud.json_at(layout.latest_key(ENDPOINT))
        assert latest["window"] == state_of(cloud)["history"][-1]["window"]
        assert len(cloud.keys_below(layout.unreadable_prefix(ENDPOINT))) == 2  # a line, a late file
        assert {*cloud.values_of("UnreadableRecords")} >= {1.0}


def test_every_run_of_many_dies_somewhere_and_still_nothing_is_lost(baseline: Baseline) -> None:
    source = random.Random(5)  # noqa: S311 - the same at each run
    cloud = cloud_with(baseline)
    for hour in range(12):
        capture(cloud, 50, time=NOON + hour * HOUR, name=f"{hour}.jsonl", seed=hour + 1)
        dying = Dying(at=source.randrange(25), when=source.choice(["before", "after"]))
        with suppress(Died):
            monitor_on(cloud.client(dying)).handle(event_at(NOON + (hour + 1) * HOUR))

    monitor_on(cloud).handle(event_at(NOON + 14 * HOUR))

    assert rows_counted(cloud) == 12 * 50


def run_between(cloud: Cloud, *, at: int, event: Any) -> Callable[[str, When], None]:
    """Lets another process handle `event`, whole, before one call of this one."""
    count, lock = [-1], threading.Lock()

    def on_call(_name: str, when: When) -> None:
        with lock:
            count[0] += when == "before"
            is_now = count[0] == at and when == "before"
        if is_now:
            monitor_on(cloud.client()).handle(event)

    return on_call


@pytest.mark.parametrize("later", [timedelta(0), timedelta(minutes=1)])
def test_another_run_between_any_two_calls_changes_nothing(baseline: Baseline, later: timedelta) -> None:
    alone = a_cloud(baseline)
    calls = calls_of(lambda watch: monitor_on(alone.client(watch)).handle(event_at(FIRST)))

    for at in range(calls):
        cloud = a_cloud(baseline)
        event = event_at(FIRST + later)
        run = monitor_on(cloud.client(run_between(cloud, at=at, event=event))).handle(event_at(FIRST))

        assert run.outcome in ("closed", "superseded", "open"), f"at call {at}"
        assert rows_counted(cloud) == 121, f"at call {at}"
        assert len(state_of(cloud)["history"]) == 1
        assert state_of(cloud)["outbox"] is None
        assert sorted({value for value in cloud.values_of("WindowRows") if value}) == [121]


@dataclass
class Turns:
    """Lets several processes take turns, call by call, in a given order; who is done leaves the rest to the others."""

    order: list[int]
    done: set[int] = field(default_factory=set)
    condition: threading.Condition = field(default_factory=threading.Condition)

    def of(self, process: int) -> Callable[[str, When], None]:
        def on_call(_name: str, when: When) -> None:
            if when == "before":
                with self.condition:
                    assert self.condition.wait_for(lambda: self._is_next(process), timeout=30)
                    if self.order:
                        self.order.pop(0)
                    self.condition.notify_all()

        return on_call

    def leave(self, process: int) -> None:
        with self.condition:
            self.done.add(process)
            self.condition.notify_all()

    def _is_next(self, process: int) -> bool:
        while self.order and self.order[0] in self.done:
            self.order.pop(0)
        return not self.order or self.order[0] == process


@pytest.mark.parametrize("seed", range(12))
def test_runs_that_take_turns_in_any_order_count_each_record_once(baseline: Baseline, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311 - the same at each run
    cloud, turns = a_cloud(baseline), Turns([source.randrange(3) for _ in range(80)])
    runs: list[Run] = []

    def process(number: int, moment: datetime) -> None:
        try:
            runs.append(monitor_on(cloud.client(turns.of(number))).handle(event_at(moment)))
        finally:
            turns.leave(number)

    threads = [
        threading.Thread(target=process, args=(number, FIRST + timedelta(minutes=number))) for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert rows_counted(cloud) == 121
    assert Counter(run.outcome for run in runs)["closed"] <= 1
    monitor_on(cloud).handle(event_at(SECOND))
    assert state_of(cloud)["outbox"] is None
    assert sorted({value for value in cloud.values_of("WindowRows") if value}) == [121]


def test_an_event_that_comes_twice_counts_once(baseline: Baseline) -> None:
    cloud = a_cloud(baseline)

    outcomes = [monitor_on(cloud).handle(event_at(FIRST)).outcome for _ in range(3)]

    assert outcomes == ["closed", "open", "open"]
    assert rows_counted(cloud) == 121


def test_an_event_that_comes_after_a_later_one_does_not_set_the_clock_back(baseline: Baseline) -> None:
    cloud = a_cloud(baseline)
    monitor_on(cloud).handle(event_at(SECOND))
    capture(cloud, 150, time=SECOND, name="d.jsonl", seed=4)

    run = monitor_on(cloud).handle(event_at(FIRST))

    assert run.window == "000002-20260214T140000Z"
    assert state_of(cloud)["watermark"].startswith("2026-02-14T14:00")


def test_files_that_come_out_of_order_within_the_allowed_time_are_all_counted(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 30, time=NOON, name="b.jsonl", seed=1)
    monitor_on(cloud).handle(event_at(FIRST))
    capture(cloud, 30, time=NOON, name="a.jsonl", seed=2)
    capture(cloud, 30, time=NOON - 2 * HOUR, name="c.jsonl", seed=3)

    monitor_on(cloud).handle(event_at(SECOND))

    assert rows_counted(cloud) == 90
    assert cloud.values_of("LateRecords") == [0, 0]


def test_a_file_beyond_the_allowed_time_is_counted_and_noted_and_not_compared(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 30, time=NOON, seed=1)
    monitor_on(cloud).handle(event_at(FIRST))
    capture(cloud, 25, time=NOON - 5 * HOUR, name="late.jsonl", seed=2)

    runs = [monitor_on(cloud).handle(event_at(SECOND + number * HOUR)) for number in range(2)]

    assert rows_counted(cloud) == 30
    assert [run.late for run in runs] == [25, 0]
    assert cloud.values_of("LateRecords") == [0, 25, 0]
    [note] = [cloud.json_at(key) for key in cloud.keys_below(layout.unreadable_prefix(ENDPOINT))]
    assert note == {"reason": "late", "source": key_of(NOON - 5 * HOUR, "late.jsonl"), "records": 25}


def test_records_that_come_again_in_another_file_are_counted_once_and_told(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    records = capture(cloud, 80, time=NOON, name="a.jsonl", seed=1)
    monitor_on(cloud).handle(event_at(FIRST))
    cloud.put(key_of(FIRST, "again.jsonl"), lines_of(records[:40]))
    same_call = [
        {**record, "eventMetadata": {**record["eventMetadata"], "eventId": f"x{index}"}}
        for index, record in enumerate(records[40:60])
    ]
    cloud.put(key_of(FIRST, "by-inference-id.jsonl"), lines_of(same_call))
    capture(cloud, 60, time=FIRST, name="new.jsonl", seed=2)

    run = monitor_on(cloud).handle(event_at(SECOND))

    assert (run.outcome, run.rows) == ("closed", 140)
    window = cloud.json_at(f"{layout.window_prefix(ENDPOINT, str(run.window))}window.json")
    assert window["traffic"]["duplicates"] == 60
    assert cloud.values_of("DuplicateShare") == [60 / 200]


def test_after_an_outage_of_days_everything_since_is_read(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 10, time=NOON, seed=1)
    monitor_on(cloud).handle(event_at(FIRST))
    for day in range(1, 4):
        capture(cloud, 10, time=NOON + timedelta(days=day), seed=day + 1)

    monitor_on(cloud).handle(event_at(NOON + timedelta(days=4)))

    assert rows_counted(cloud) == 40


def test_a_first_run_that_fails_for_days_has_lost_nothing(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    archive = cloud.objects.pop("assets/baseline.zip")
    capture(cloud, 10, time=NOON, seed=1)
    with pytest.raises(Exception, match="NoSuchKey"):
        monitor_on(cloud).handle(event_at(FIRST))
    cloud.put("assets/baseline.zip", archive)

    monitor_on(cloud).handle(event_at(NOON + timedelta(days=3)))

    assert rows_counted(cloud) == 10
