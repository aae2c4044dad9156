"""Labels are joined with the predictions that they are for: once each, the newest of several, whenever they come."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from functions.monitor.label_lines import LabelReason, newest, read_labels
from functions.monitor.labels import HOURS_A_RUN, LabelState
from functions.monitor.quality import Looked, QualityWatch, read_quality_baseline
from functions.shared import layout
from functions.shared.uuid7 import InferenceIds, Issuer
from model_packages.contract import Monitor, PackageConfig
from model_packages.interface import Interface
from model_packages.profile.quality import Labelled
from model_packages.profile.quality_baseline import QualityBaseline, build_quality_baseline
from model_packages.profile.quality_fields import QualityFields, quality_fields
from tests.functions.monitor.cloud import BUCKET, Cloud
from tests.functions.monitor.flowers import ENDPOINT, NOON, captured, key_of, lines_of, side
from tests.functions.monitor.runs import config_with

HOUR = timedelta(hours=1)
OTHER = {"daisy": "crocus", "crocus": "daisy"}
make_request_id = InferenceIds(Issuer("requests"))


def id_of(record: Mapping[str, Any]) -> str:
    return str(record["eventMetadata"]["inferenceId"])


def answer_of(record: Mapping[str, Any]) -> str:
    output = json.loads(record["captureData"]["endpointOutput"]["data"])
    return str(output["predictions"][0]["species"])


def label_line(inference_id: str, species: str, *, row: int | None = None, received: datetime = NOON) -> bytes:
    label = {"inference_id": inference_id, "row": row, "label": {"species": species}}
    return json.dumps({**label, "received": received.isoformat(timespec="milliseconds")}).encode() + b"\n"


def label(
    cloud: Cloud,
    records: Sequence[Mapping[str, Any]],
    *,
    wrong: int = 0,
    at: datetime = NOON,
    received: datetime = NOON + HOUR,
) -> None:
    """Sends the truth about predictions of one hour: the first `wrong` of them were mistaken."""
    lines = [
        label_line(id_of(record), OTHER[answer_of(record)] if index < wrong else answer_of(record), received=received)
        for index, record in enumerate(records)
    ]
    put_labels(cloud, b"".join(lines), at=at)


def put_labels(cloud: Cloud, content: bytes, *, at: datetime = NOON, name: str = "") -> str:
    name = name or make_request_id()
    key = f"{layout.labels_prefix(ENDPOINT)}{layout.hour_path(at)}/{name}.jsonl"
    cloud.put(key, content)
    return key


def put_captures(cloud: Cloud, count: int, *, time: datetime = NOON, seed: int = 0) -> list[dict[str, Any]]:
    records = captured(count, seed=seed, time=time, first_number=seed * 1000)
    cloud.put(key_of(time, f"{seed}.jsonl"), lines_of(records))
    return records


@pytest.fixture
def fields(flowers: Interface) -> QualityFields:
    found = quality_fields(flowers, config_with())
    assert found is not None
    return found


@pytest.fixture
def holdout(fields: QualityFields) -> QualityBaseline:
    """A model that errs once in twenty."""
    rows = [
        Labelled(str(number), {"species": "daisy"}, {"species": "daisy" if number % 20 else "crocus"})
        for number in range(2000)
    ]
    return build_quality_baseline(fields, rows)


@pytest.fixture
def watch(fields: QualityFields, holdout: QualityBaseline) -> QualityWatch:
    return watch_on(Cloud(), fields, holdout)


def watch_on(
    cloud: Cloud, fields: QualityFields, holdout: QualityBaseline | None, config: PackageConfig | None = None
) -> QualityWatch:
    return QualityWatch(
        s3=cloud.client(),
        bucket_name=BUCKET,
        endpoint=ENDPOINT,
        config=config or config_with(minimum_rows=20),
        fields=fields,
        baseline=holdout,
    )


def cloud_of(watch: QualityWatch) -> Cloud:
    cloud: Cloud = watch.s3.cloud
    return cloud


def look(watch: QualityWatch, state: LabelState | None = None, *, now: datetime = NOON + 2 * HOUR) -> Looked:
    """One run: what it has to tell is written, as the monitor does after its commit, and the state is read back."""
    looked = watch.look(state or LabelState(), version="none", now=now)
    for key, text in looked.documents.items():
        cloud_of(watch).put(key, text.encode())
    return replace(looked, state=LabelState.from_json(orjson.loads(orjson.dumps(looked.state.to_json()))))


def value_of(looked: Looked, name: str) -> float | None:
    return next((one.value for one in looked.measurements if one.name == name), None)


def hour_document(looked: Looked) -> dict[str, Any]:
    [text] = looked.documents.values()
    document: dict[str, Any] = json.loads(text)
    return document


def test_labels_give_the_live_quality_with_its_interval(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 100), wrong=10)

    looked = look(watch)

    assert looked.quality is not None
    assert (looked.quality.metric, looked.quality.value, looked.quality.labelled_rows) == ("accuracy", 0.9, 100)
    assert looked.quality.low < 0.9 < looked.quality.high
    assert [looked.quality.expected, looked.quality.minimum] == pytest.approx([0.95, 0.9])
    assert looked.quality.since == NOON
    assert (value_of(looked, "LiveQuality"), value_of(looked, "LabelledRows")) == (0.9, 100)
    assert value_of(looked, "UnmatchedLabels") == 0
    assert list(looked.documents) == [f"monitor/{ENDPOINT}/quality/2026/02/14/12.json"]


def test_probabilities_are_judged_as_such(fields: QualityFields) -> None:
    watch = watch_on(
        Cloud(),
        replace(fields, form="probability", prediction="confidence", positive="daisy", metric="average_precision"),
        None,
        config_with(minimum_rows=40),
    )
    label(cloud_of(watch), put_captures(cloud_of(watch), 100), wrong=10)

    first = look(watch)
    label(cloud_of(watch), put_captures(cloud_of(watch), 100, time=NOON - HOUR, seed=1), at=NOON - HOUR)
    second = look(watch, first.state)

    assert second.quality is not None
    assert second.quality.metric == "average_precision"
    assert second.quality.labelled_rows == 200


def test_no_labels_are_no_quality(watch: QualityWatch) -> None:
    put_captures(cloud_of(watch), 100)

    looked = look(watch)

    assert looked.quality is None
    assert value_of(looked, "LabelledRows") == 0
    assert {one.name for one in looked.measurements} == {"LabelledRows", "UnmatchedLabels"}


def test_labels_of_before_are_not_this_window_s_quality(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 100))
    first = look(watch)

    second = look(watch, replace(first.state, untold=None), now=NOON + 30 * HOUR)

    assert first.quality is not None
    assert second.quality is None
    assert value_of(second, "LabelledRows") == 0
    assert second.documents == {}


def test_a_quality_waits_for_the_window_that_tells_it(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 100), wrong=10)
    first = look(watch)

    second = look(watch, first.state, now=NOON + 30 * HOUR)

    assert second.quality == first.quality
    assert value_of(second, "LiveQuality") is None


def test_a_look_without_news_reads_no_object(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 10))
    first = look(watch)
    cloud_of(watch).calls.clear()

    look(watch, first.state)

    assert [call for call in cloud_of(watch).calls if call.startswith("get_object")] == []


def test_news_of_one_hour_have_no_other_hour_read_again(watch: QualityWatch) -> None:
    records = {}
    for number in range(4):
        moment = NOON - number * HOUR
        records[moment] = put_captures(cloud_of(watch), 10, time=moment, seed=number)
        label(cloud_of(watch), records[moment][:5], wrong=1, at=moment)
    first = look(watch)
    label(cloud_of(watch), records[NOON - HOUR][5:], at=NOON - HOUR)
    cloud_of(watch).calls.clear()

    second = look(watch, first.state)

    read = [call for call in cloud_of(watch).calls if call.startswith("get_object")]
    assert read
    assert all("2026/02/14/11" in call for call in read)
    assert second.quality is not None
    assert (second.quality.labelled_rows, second.quality.value) == (25, 1 - 4 / 25)


def test_an_older_hour_is_read_where_the_newest_have_too_few_predictions_again(
    fields: QualityFields, holdout: QualityBaseline
) -> None:
    watch = watch_on(Cloud(), fields, holdout, config_with(minimum_rows=2))  # so that 10 rows are enough
    for number in range(3):
        moment = NOON - number * HOUR
        records = put_captures(cloud_of(watch), 6, time=moment, seed=number)
        label(cloud_of(watch), records[:5] if number == 1 else records, at=moment)
    first = look(watch)
    withdrawn = [label_line(id_of(one), "", received=NOON + 2 * HOUR).replace(b'""', b"null") for one in captured(6)]
    put_labels(cloud_of(watch), b"".join(withdrawn), at=NOON)
    late = captured(6, seed=1, time=NOON - HOUR, first_number=1000)[5:]
    label(cloud_of(watch), late, at=NOON - HOUR)

    second = look(watch, first.state)

    assert first.quality is not None
    assert second.quality is not None
    assert (first.quality.labelled_rows, second.quality.labelled_rows) == (11, 12)
    assert second.quality.since == NOON - 2 * HOUR


def test_a_label_that_is_sent_twice_counts_once(watch: QualityWatch) -> None:
    records = put_captures(cloud_of(watch), 50)
    label(cloud_of(watch), records, wrong=5)
    first = look(watch)
    label(cloud_of(watch), records, wrong=5, received=NOON + 2 * HOUR)

    second = look(watch, first.state)

    document = hour_document(second)
    assert (document["labels"], document["repeated"], document["rows"]) == (50, 50, 50)
    assert value_of(second, "LabelledRows") == 0


def test_the_newest_of_several_labels_counts_whichever_comes_first(watch: QualityWatch) -> None:
    records = put_captures(cloud_of(watch), 50)
    label(cloud_of(watch), records, wrong=0, received=NOON + 5 * HOUR)
    label(cloud_of(watch), records, wrong=50, received=NOON + HOUR)

    looked = look(watch)

    assert hour_document(looked)["metrics"]["accuracy"]["value"] == 1.0


def test_a_corrected_label_changes_the_quality_and_is_no_new_evidence(watch: QualityWatch) -> None:
    records = put_captures(cloud_of(watch), 100)
    label(cloud_of(watch), records, wrong=0)
    first = look(watch)
    label(cloud_of(watch), records[:40], wrong=40, received=NOON + 2 * HOUR)

    second = look(watch, first.state)

    assert hour_document(second)["metrics"]["accuracy"]["value"] == 0.6
    assert value_of(second, "QualityDropEvidence") is None
    assert value_of(second, "LabelledRows") == 0


def test_labels_of_one_hour_add_up_in_whatever_files_they_come(watch: QualityWatch) -> None:
    records = put_captures(cloud_of(watch), 60)
    label(cloud_of(watch), records[:20], wrong=4)
    first = look(watch)
    label(cloud_of(watch), records[20:], wrong=2)

    second = look(watch, first.state)

    assert (value_of(first, "LabelledRows"), value_of(second, "LabelledRows")) == (20, 40)
    assert hour_document(second)["metrics"]["accuracy"]["value"] == 0.9
    assert second.quality is not None
    assert second.quality.labelled_rows == 60


def test_a_look_that_was_lost_is_made_again_with_the_same_result(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 100), wrong=30)
    lost = watch.look(LabelState(), version="none", now=NOON + 2 * HOUR)

    again = watch.look(LabelState(), version="none", now=NOON + 2 * HOUR)

    assert again == lost


@pytest.mark.parametrize("neighbour", [HOUR, -HOUR])
def test_a_prediction_that_was_captured_in_the_next_hour_s_file_is_found(
    watch: QualityWatch, neighbour: timedelta
) -> None:
    records = captured(10)
    cloud_of(watch).put(key_of(NOON + neighbour), lines_of(records))
    label(cloud_of(watch), records)

    looked = look(watch)

    assert (hour_document(looked)["rows"], value_of(looked, "UnmatchedLabels")) == (10, 0)


def test_a_label_whose_prediction_was_not_captured_is_counted_and_tried_again(watch: QualityWatch) -> None:
    records = captured(10)
    label(cloud_of(watch), records)
    first = look(watch)
    cloud_of(watch).put(key_of(NOON), lines_of(records))

    second = look(watch, first.state)
    third = look(watch, second.state)

    assert (value_of(first, "UnmatchedLabels"), first.quality) == (10, None)
    assert (value_of(second, "UnmatchedLabels"), value_of(second, "LabelledRows")) == (0, 10)
    assert third.documents == {}


def test_a_label_that_stays_unmatched_is_not_tried_for_ever(watch: QualityWatch) -> None:
    label(cloud_of(watch), captured(10))
    first = look(watch)

    later = look(watch, first.state, now=NOON + 12 * HOUR)

    assert later.documents == {}


def batch_of_two(species: Sequence[str] = ("daisy", "crocus")) -> tuple[str, bytes]:
    [record] = captured(1)
    request = json.loads(record["captureData"]["endpointInput"]["data"])
    record["captureData"]["endpointInput"] = side("INPUT", {"instances": [request] * len(species)})
    predictions = [{"species": one, "confidence": 0.9} for one in species]
    record["captureData"]["endpointOutput"] = side("OUTPUT", {"predictions": predictions})
    return id_of(record), lines_of([record])


def test_each_row_of_a_request_has_a_label_of_its_own(watch: QualityWatch) -> None:
    inference_id, content = batch_of_two()
    cloud_of(watch).put(key_of(NOON), content)
    put_labels(cloud_of(watch), label_line(inference_id, "daisy", row=0) + label_line(inference_id, "daisy", row=1))

    document = hour_document(look(watch))

    assert (document["rows"], document["metrics"]["accuracy"]["value"]) == (2, 0.5)


@pytest.mark.parametrize("row", [None, 2])
def test_a_label_for_no_certain_row_is_unmatched(watch: QualityWatch, row: int | None) -> None:
    inference_id, content = batch_of_two()
    cloud_of(watch).put(key_of(NOON), content)
    put_labels(cloud_of(watch), label_line(inference_id, "daisy", row=row))

    document = hour_document(look(watch))

    assert (document["rows"], document["unmatched"]) == (0, 1)


def test_a_label_without_a_row_and_one_for_row_0_are_of_the_same_prediction(watch: QualityWatch) -> None:
    [record] = put_captures(cloud_of(watch), 1)
    right, wrong = answer_of(record), OTHER[answer_of(record)]
    put_labels(cloud_of(watch), label_line(id_of(record), wrong, row=0, received=NOON))
    put_labels(cloud_of(watch), label_line(id_of(record), right, received=NOON + HOUR))

    document = hour_document(look(watch))

    assert (document["rows"], document["metrics"]["accuracy"]["value"]) == (1, 1.0)


def test_lines_that_are_no_labels_are_counted_and_kept(watch: QualityWatch) -> None:
    [record] = put_captures(cloud_of(watch), 1)
    key = put_labels(cloud_of(watch), b'torn {\n[1]\n\n{"inference_id": 3}\n' + label_line(id_of(record), "daisy"))

    looked = look(watch)

    document = hour_document(looked)
    assert (document["unreadable"], document["labels"]) == (3, 1)
    [kept] = cloud_of(watch).keys_below(layout.unreadable_prefix(ENDPOINT))
    lines = [json.loads(line) for line in cloud_of(watch).objects[kept].splitlines()]
    assert [(line["line"], line["reason"]) for line in lines] == [
        (1, "not-json"),
        (2, "not-a-label"),
        (4, "not-a-label"),
    ]
    assert {line["source"] for line in lines} == {key}
    assert lines[0]["raw"] == "torn {"


def test_a_line_that_is_no_text_is_kept_byte_by_byte(watch: QualityWatch) -> None:
    put_labels(cloud_of(watch), b"\xff\xfe\n")

    look(watch)

    [kept] = cloud_of(watch).keys_below(layout.unreadable_prefix(ENDPOINT))
    assert json.loads(cloud_of(watch).objects[kept])["raw_base64"] == "//4="


def test_more_hours_than_one_run_joins_are_joined_by_the_next(watch: QualityWatch) -> None:
    hours = HOURS_A_RUN + 5
    for number in range(hours):
        moment = NOON - number * HOUR
        label(cloud_of(watch), put_captures(cloud_of(watch), 2, time=moment, seed=number), at=moment)

    first = look(watch)
    oldest = NOON - (hours - 1) * HOUR
    label(cloud_of(watch), captured(2, time=oldest), at=oldest, received=NOON)  # it was joined, and has news again
    second = look(watch, first.state)

    assert (len(first.documents), len(second.documents)) == (HOURS_A_RUN, 5 + 1)
    assert set(first.documents) | set(second.documents) == {
        f"monitor/{ENDPOINT}/quality/{layout.hour_path(NOON - number * HOUR)}.json" for number in range(hours)
    }


def test_hours_that_are_too_old_for_labels_are_forgotten(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 5))
    first = look(watch)

    later = look(watch, first.state, now=NOON + timedelta(days=32))

    assert (list(first.state.hours), list(later.state.hours)) == (["2026/02/14/12"], [])


def test_the_live_quality_is_of_the_newest_predictions(fields: QualityFields, holdout: QualityBaseline) -> None:
    watch = watch_on(Cloud(), fields, holdout, config_with(minimum_rows=10))  # so that 50 rows are enough
    for number, wrong in enumerate([0, 30, 60]):
        moment = NOON - number * HOUR
        label(cloud_of(watch), put_captures(cloud_of(watch), 60, time=moment, seed=number), wrong=wrong, at=moment)

    looked = look(watch)

    assert looked.quality is not None
    assert (looked.quality.value, looked.quality.labelled_rows, looked.quality.since) == (1.0, 60, NOON)
    assert value_of(looked, "LabelledRows") == 180


def test_many_errors_are_evidence_and_the_holdout_s_share_of_them_is_none(
    fields: QualityFields, holdout: QualityBaseline
) -> None:
    evidence = []
    for wrong in (5, 40):
        watch = watch_on(Cloud(), fields, holdout)
        label(cloud_of(watch), put_captures(cloud_of(watch), 100), wrong=wrong)
        evidence.append(value_of(look(watch), "QualityDropEvidence"))

    quiet, loud = evidence
    assert quiet is not None
    assert loud is not None
    assert quiet < 1
    assert loud > 3


def test_evidence_is_kept_from_look_to_look(watch: QualityWatch) -> None:
    state = LabelState()
    found = []
    for number in range(2):
        moment = NOON + number * HOUR
        label(cloud_of(watch), put_captures(cloud_of(watch), 40, time=moment, seed=number), wrong=12, at=moment)
        looked = look(watch, state, now=moment + 2 * HOUR)
        state, value = looked.state, value_of(looked, "QualityDropEvidence")
        found.append(value or 0.0)

    assert 1 < found[0] < 2 < found[1]


def test_another_version_begins_without_evidence_and_without_the_other_s_predictions(watch: QualityWatch) -> None:
    records = put_captures(cloud_of(watch), 100)
    label(cloud_of(watch), records[:50], wrong=50)
    first = look(watch)
    label(cloud_of(watch), records[50:], wrong=50)

    second = watch.look(first.state, version="arn:2", now=NOON + 2 * HOUR)
    later = NOON + 3 * HOUR
    label(cloud_of(watch), put_captures(cloud_of(watch), 50, time=later, seed=1), at=later)
    third = watch.look(second.state, version="arn:2", now=later + HOUR)

    assert (value_of(second, "LabelledRows"), value_of(second, "QualityDropEvidence"), second.quality) == (
        50,
        None,
        None,
    )
    assert third.quality is not None
    assert (third.quality.value, third.quality.labelled_rows) == (1.0, 50)


def test_without_a_holdout_there_is_quality_and_nothing_to_compare_it_with(fields: QualityFields) -> None:
    watch = watch_on(Cloud(), fields, None)
    label(cloud_of(watch), put_captures(cloud_of(watch), 100), wrong=50)

    looked = look(watch)

    assert looked.quality is not None
    assert (looked.quality.value, looked.quality.expected, looked.quality.minimum) == (0.5, None, None)
    assert value_of(looked, "QualityDropEvidence") is None


def test_predictions_that_are_judged_otherwise_are_joined_anew(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 30))
    first = look(watch)
    other = replace(watch, fields=replace(watch.fields, positive="daisy"))

    second = look(other, first.state)

    assert hour_document(second)["rows"] == 30


def test_another_watched_metric_joins_nothing_anew(watch: QualityWatch) -> None:
    label(cloud_of(watch), put_captures(cloud_of(watch), 30))
    first = look(watch)

    second = look(replace(watch, fields=replace(watch.fields, metric="macro_f1")), first.state)

    assert second.documents == {}


def test_of_the_gateway_s_captures_only_those_with_labels_are_read(watch: QualityWatch) -> None:
    make_id = InferenceIds(Issuer(f"flowers/{ENDPOINT}"))
    records = captured(10)
    for record in records:
        record["eventMetadata"]["inferenceId"] = make_id(int(NOON.timestamp() * 1000))
        cloud_of(watch).put(key_of(NOON, f"00-00-000-{id_of(record)}.jsonl"), lines_of([record]))
    label(cloud_of(watch), records[:3])

    looked = look(watch)

    read = [call for call in cloud_of(watch).calls if call.startswith("get_object captures/")]
    assert (hour_document(looked)["rows"], len(read)) == (3, 3)


def test_many_listed_pages_are_one_listing(watch: QualityWatch) -> None:
    cloud_of(watch).page_size = 3
    for number in range(10):
        label(cloud_of(watch), put_captures(cloud_of(watch), 2, seed=number))

    assert value_of(look(watch), "LabelledRows") == 20


@pytest.mark.parametrize("where", ["beside", "in a zip"])
def test_the_holdout_s_quality_is_read_where_the_baseline_lies(holdout: QualityBaseline, where: str) -> None:
    cloud = Cloud()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("quality.json", holdout.to_json())
    cloud.put("v/baseline.zip", archive.getvalue())
    cloud.put("v/quality.json", holdout.to_json().encode())
    uri = f"s3://{BUCKET}/v/{'baseline.zip' if where == 'in a zip' else 'baseline.json'}"

    assert read_quality_baseline(uri, s3=cloud.client()) == holdout


def test_a_version_without_a_holdout_has_no_quality_to_read() -> None:
    cloud = Cloud()

    assert read_quality_baseline(f"s3://{BUCKET}/v/baseline.json", s3=cloud.client()) is None


def test_of_two_labels_received_at_once_the_same_one_always_counts() -> None:
    lines = [label_line("i", species) for species in ("daisy", "crocus")]
    labels = [read_labels(line).labels[0] for line in lines]

    assert newest(labels) == newest(reversed(labels))


@pytest.mark.parametrize(
    "line",
    [
        b"3",
        b"{}",
        b'{"inference_id": "i", "row": -1, "label": {}, "received": "t"}',
        b'{"inference_id": "i", "row": true, "label": {}, "received": "t"}',
        b'{"inference_id": "i", "row": 0, "label": [], "received": "t"}',
        b'{"inference_id": "i", "row": 0, "label": {}, "received": null}',
    ],
)
def test_a_line_of_another_form_is_no_label(line: bytes) -> None:
    contents = read_labels(line)

    assert contents.labels == []
    assert [(one.reason, one.raw) for one in contents.unreadable] == [(LabelReason.NOT_A_LABEL, line)]


def test_blocks_of_time_are_single_observations_of_the_error(fields: QualityFields, holdout: QualityBaseline) -> None:
    by_block = {}
    for block in ("row", "time"):
        monitor = Monitor(minimum_rows=20, block=block, block_minutes=60)
        watch = watch_on(Cloud(), fields, holdout, config_with().model_copy(update={"monitor": monitor}))
        records = put_captures(cloud_of(watch), 100)
        label(cloud_of(watch), records, wrong=60)
        by_block[block] = value_of(look(watch), "QualityDropEvidence") or 0.0

    assert by_block["time"] < 1.5 < by_block["row"]
