"""Captured predictions become records once they have a label: each once, the newest ones, and nothing in silence."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.retraining.labelled import LabelledCaptures, LabelledRow, LabelReader, LeftOut, request_digest
from functions.shared import layout
from model_packages.interface import load_interface
from tests.functions.monitor.cloud import BUCKET, Cloud
from tests.functions.monitor.flowers import ENDPOINT, NOON, key_of, lines_of, requests_of
from tests.functions.retraining.garden import (
    HOUR,
    NOW,
    label,
    label_line,
    predict,
    predict_rows,
    put_labels,
    truth_of,
)


def read(cloud: Cloud, *, maximum_rows: int = 1000, now: datetime = NOW, **limits: int) -> LabelledCaptures:
    reader = LabelReader(
        s3=cloud.client(),
        bucket_name=BUCKET,
        endpoint=ENDPOINT,
        interface=load_interface("flowers"),
        maximum_rows=maximum_rows,
        **limits,
    )
    return reader.read(now=now)


def records_of(found: LabelledCaptures) -> list[dict[str, Any]]:
    return [json.loads(row.line) for row in found.rows]


def flowers(count: int, *, seed: int = 3) -> list[dict[str, Any]]:
    return requests_of(random.Random(seed), count)  # noqa: S311 - the same at each run


def id_of(record: dict[str, Any]) -> str:
    return str(record["eventMetadata"]["inferenceId"])


def test_a_labelled_prediction_becomes_a_record() -> None:
    cloud = Cloud()
    [capture] = predict(cloud, 1, wrong=1.0, caller="ab12")
    label(cloud, [capture])

    found = read(cloud)

    request = json.loads(capture["captureData"]["endpointInput"]["data"])
    [record] = records_of(found)
    assert record == {
        "request": request,
        "label": {"species": truth_of(request)},
        "time": "2026-02-14T12:00:00.000Z",
    }
    origin = json.loads(found.rows[0].origin)
    assert (origin["prediction"], origin["row"], origin["caller"]) == (id_of(capture), 0, "ab12")
    assert origin["response"]["species"] != truth_of(request)
    assert found.left_out == {}


def test_predictions_without_a_label_are_no_records() -> None:
    cloud = Cloud()
    captures = predict(cloud, 20)
    label(cloud, captures[:5])

    found = read(cloud)

    assert {row.prediction for row in found.rows} == {id_of(capture) for capture in captures[:5]}


def test_records_are_in_the_order_of_their_predictions() -> None:
    cloud = Cloud()
    for number in (2, 0, 1):
        label(cloud, predict(cloud, 5, at=NOON + number * HOUR, seed=number), at=NOON + number * HOUR)

    found = read(cloud)

    times = [row.time for row in found.rows]
    assert times == sorted(times)
    assert len(times) == 15


def test_the_newest_label_wins_whichever_file_it_is_in() -> None:
    cloud = Cloud()
    captures = predict(cloud, 3)
    label(cloud, captures, species="daisy", received=NOON + 2 * HOUR, name="a")
    label(cloud, captures, species="crocus", received=NOON + HOUR, name="b")

    found = read(cloud)

    assert [record["label"] for record in records_of(found)] == [{"species": "daisy"}] * 3
    assert found.left_out == {LeftOut.REPLACED: 3}


def test_a_label_that_came_later_does_not_count_yet() -> None:
    cloud = Cloud()
    captures = predict(cloud, 2)
    label(cloud, captures, species="crocus", received=NOW - HOUR, name="a")
    label(cloud, captures, species="daisy", received=NOW + HOUR, name="b")

    found = read(cloud)

    assert [record["label"]["species"] for record in records_of(found)] == ["crocus", "crocus"]
    assert found.left_out == {}


def test_a_prediction_that_was_captured_twice_is_one_record() -> None:
    cloud = Cloud()
    captures = predict(cloud, 4)
    cloud.put(key_of(NOON, "again.jsonl"), lines_of(captures[:2]))
    label(cloud, captures)

    found = read(cloud)

    assert len({row.prediction for row in found.rows}) == len(found.rows) == 4


def test_the_same_request_twice_is_two_records() -> None:
    cloud = Cloud()
    label(cloud, predict(cloud, 2, requests=[flowers(1)[0]] * 2))

    found = read(cloud)

    assert len(found.rows) == 2
    assert len({row.digest for row in found.rows}) == 1


def test_each_labelled_row_of_a_request_with_many_is_a_record() -> None:
    cloud = Cloud()
    requests = flowers(3)
    prediction = predict_rows(cloud, requests, at=NOON, number=1)
    put_labels(cloud, b"".join(label_line(prediction, "daisy", row=row) for row in (0, 2)))

    found = read(cloud)

    assert [(row.prediction, row.row) for row in found.rows] == [(prediction, 0), (prediction, 2)]
    assert [record["request"] for record in records_of(found)] == [requests[0], requests[2]]


def test_a_label_that_does_not_say_which_of_many_rows_it_is_for_is_counted() -> None:
    cloud = Cloud()
    prediction = predict_rows(cloud, flowers(2), at=NOON, number=1)
    put_labels(cloud, label_line(prediction, "daisy"))

    found = read(cloud)

    assert found.rows == ()
    assert found.left_out == {LeftOut.NO_PREDICTION: 1}


def test_a_label_without_a_captured_prediction_is_counted() -> None:
    cloud = Cloud()
    captures = predict(cloud, 3)
    label(cloud, captures)
    del cloud.objects[key_of(NOON, "0-.jsonl")]

    assert read(cloud).left_out == {LeftOut.NO_PREDICTION: 3}


def test_a_shadow_variant_s_captures_are_nobody_s_labels() -> None:
    cloud = Cloud()
    captures = predict(cloud, 3)
    label(cloud, captures)
    content = cloud.objects.pop(key_of(NOON, "0-.jsonl"))
    cloud.put(f"{layout.captures_prefix(ENDPOINT, 'shadow')}{layout.hour_path(NOON)}/one.jsonl", content)

    assert read(cloud).rows == ()


def test_predictions_of_an_earlier_schema_are_told_from_faults() -> None:
    cloud = Cloud()
    old = [{"petals": "many"}, *flowers(3)]
    label(cloud, predict(cloud, 4, at=NOON - 5 * HOUR, seed=1, requests=old), at=NOON - 5 * HOUR, species="daisy")
    new = [flowers(1)[0], {"petals": "many"}]
    label(cloud, predict(cloud, 2, requests=new, seed=2), species="daisy")

    found = read(cloud)

    assert len(found.rows) == 4
    assert found.left_out == {LeftOut.EARLIER_SCHEMA: 1, LeftOut.REQUEST: 1}


def test_a_label_that_the_schema_does_not_have_is_counted() -> None:
    cloud = Cloud()
    captures = predict(cloud, 3)
    label(cloud, captures[:2], name="a")
    label(cloud, captures[2:], species="rose", name="b")

    found = read(cloud)

    assert len(found.rows) == 2
    assert found.left_out == {LeftOut.LABEL: 1}


@pytest.mark.parametrize(
    ("at", "received"),
    [(NOW + HOUR, NOW), (NOON, NOON - HOUR)],
    ids=["a prediction of the future", "a label before its prediction"],
)
def test_what_cannot_be_is_counted(at: datetime, received: datetime) -> None:
    cloud = Cloud()
    label(cloud, predict(cloud, 2, at=at), at=at, received=received)

    found = read(cloud)

    assert found.rows == ()
    assert found.left_out == {LeftOut.TIME: 2}


def test_lines_that_are_no_labels_are_counted() -> None:
    cloud = Cloud()
    captures = predict(cloud, 2)
    put_labels(cloud, label_line(id_of(captures[0]), "daisy") + b"{nonsense\n" + b'{"label": 1}\n')
    put_labels(cloud, label_line(id_of(captures[1]), "daisy").replace(b"2026-02", b"some-day"), name="two")

    found = read(cloud)

    assert len(found.rows) == 1
    assert found.left_out == {LeftOut.UNREADABLE_LABEL: 3}


def test_only_the_newest_predictions_are_kept_and_older_hours_are_not_read() -> None:
    cloud = Cloud()
    for number in range(4):
        moment = NOON - number * HOUR
        label(cloud, predict(cloud, 10, at=moment, seed=number), at=moment)

    found = read(cloud, maximum_rows=15)

    assert found.rows[0].time == NOON - HOUR + timedelta(seconds=5)
    assert (len(found.rows), found.limited_by) == (15, "rows")
    assert found.left_out == {LeftOut.BEYOND_LIMIT: 5}
    assert not any("2026/02/14/09" in call for call in cloud.calls if call.startswith("get_object"))


def test_a_prediction_is_kept_with_all_of_its_rows_or_not_at_all() -> None:
    cloud = Cloud()
    old = predict_rows(cloud, flowers(4), at=NOON, number=1)
    new = predict_rows(cloud, flowers(2), at=NOON + timedelta(seconds=1), number=2)
    put_labels(
        cloud,
        b"".join(label_line(each, "daisy", row=row) for each, rows in ((old, 4), (new, 2)) for row in range(rows)),
    )

    found = read(cloud, maximum_rows=5)

    assert {row.prediction for row in found.rows} == {new}


def test_records_that_are_large_are_held_only_as_far_as_memory_allows() -> None:
    cloud = Cloud()
    for number in range(4):
        moment = NOON - number * HOUR
        label(cloud, predict(cloud, 10, at=moment, seed=number), at=moment)

    found = read(cloud, maximum_bytes=1500)

    assert found.limited_by == "bytes"
    assert 3 < len(found.rows) < 10
    assert found.left_out == {LeftOut.BEYOND_LIMIT: 10 - len(found.rows)}
    assert {row.time.hour for row in found.rows} == {12}


def test_sources_are_the_files_that_were_read() -> None:
    cloud = Cloud()
    label(cloud, predict(cloud, 3))

    found = read(cloud)

    keys = cloud.keys_below("")
    assert sorted(source.key for source in (*found.labels, *found.captures)) == keys
    assert [source.size_bytes for source in (*found.captures, *found.labels)] == [len(cloud.objects[k]) for k in keys]


def test_nothing_labelled_is_no_records() -> None:
    cloud = Cloud()
    predict(cloud, 5)

    assert read(cloud).rows == ()


@given(st.permutations(range(6)))
def test_the_same_labels_give_the_same_records_in_whatever_files_they_are(order: list[int]) -> None:
    one, other = Cloud(), Cloud()
    captures = predict(one, 6)
    predict(other, 6)
    label(one, captures)
    for place, number in enumerate(order):
        label(other, [captures[number]], name=f"{place}")

    assert read(other).rows == read(one).rows


def test_a_request_s_digest_depends_on_its_content_alone() -> None:
    assert request_digest({"a": 1, "b": [1.5]}) == request_digest({"b": [1.5], "a": 1})
    assert request_digest({"a": 1}) != request_digest({"a": 2})


def test_rows_are_ordered_by_time_then_prediction_then_row() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [LabelledRow(moment, name, row, 0, b"", b"") for name, row in (("b", 0), ("a", 1), ("a", 0))]

    ordered = sorted(rows, key=lambda row: row.order)

    assert [(row.prediction, row.row) for row in ordered] == [("a", 0), ("a", 1), ("b", 0)]
