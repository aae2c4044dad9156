"""One run of the monitor: what is new is read, compared when there is enough of it, and told once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.gateway.captures import Captures
from functions.gateway.endpoint import Invocation
from functions.monitor.baselines import Champion, read_baseline_text
from functions.monitor.folding import Files, Folded, fold_here
from functions.monitor.orders import read_order
from functions.monitor.processing import ProcessingFailed
from functions.shared import layout
from model_packages.errors import OperatorError
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.cloud import BUCKET, PARAMETER, Cloud, error_of
from tests.functions.monitor.flowers import ENDPOINT, NOON, key_of, lines_of, record_of, side
from tests.functions.monitor.runs import SETTINGS, capture, cloud_with, event_at, monitor_on, state_of

HOUR = timedelta(hours=1)
VERSION = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flyball-flowers/3"


def window_of(cloud: Cloud, window: str | None) -> dict[str, Any]:
    found: dict[str, Any] = cloud.json_at(f"{layout.window_prefix(ENDPOINT, str(window))}window.json")
    return found


def promote(cloud: Cloud, baseline: Baseline, *, version: str = VERSION) -> None:
    """Makes a registered version champion, with its baseline beside the statistics that it names."""
    cloud.put("flowers/3/baseline.json", baseline.to_json().encode())
    statistics = {"S3Uri": f"s3://{BUCKET}/flowers/3/statistics.json"}
    cloud.versions[version] = {"DriftCheckBaselines": {"ModelDataQuality": {"Statistics": statistics}}}
    cloud.parameters[PARAMETER] = version


def test_enough_rows_close_a_window_that_is_written_and_published(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 300)

    run = monitor_on(cloud).handle(event_at(NOON + HOUR))

    assert (run.outcome, run.rows, run.window) == ("closed", 300, "000001-20260214T130000Z")
    prefix = layout.window_prefix(ENDPOINT, "000001-20260214T130000Z")
    assert {key.removeprefix(prefix) for key in cloud.keys_below(prefix)} == {
        "statistics.json",
        "constraint_violations.json",
        "window.json",
        "report.html",
    }
    assert cloud.values_of("WindowRows") == [300]
    assert cloud.json_at(layout.latest_key(ENDPOINT))["window"] == run.window
    assert state_of(cloud)["outbox"] is None


def test_every_metric_of_a_window_has_the_package_and_the_window_s_end(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    cloud.sums = {"Requests": {NOON - HOUR: 10.0, NOON: 300.0}}
    monitor_on(cloud).handle(event_at(NOON))
    cloud.published.clear()
    capture(cloud, 300)

    monitor_on(cloud).handle(event_at(NOON + HOUR + timedelta(minutes=45)))

    assert {item["MetricName"] for item in cloud.published} == {
        *("WindowRows", "UnreadableRecords", "LateRecords", "CaptureCoverage", "DuplicateShare", "MissingShare"),
        *("WrongTypeShare", "OutOfRangeShare", "UnknownCategoryShare", "ConstraintViolations", "DriftScore"),
        *("DriftEvidence", "PredictionDriftScore", "PredictionDriftEvidence", "FieldChange"),
        *("LabelledRows", "UnmatchedLabels"),
    }
    assert {item["Namespace"] for item in cloud.published} == {"Flyball"}
    assert {item["Timestamp"] for item in cloud.published} == {NOON + HOUR + timedelta(minutes=45)}
    assert {item["Dimensions"][0]["Value"] for item in cloud.published} == {"flowers"}
    fields = {item["Dimensions"][1]["Value"] for item in cloud.published if item["MetricName"] == "FieldChange"}
    assert fields >= {"petal_length", "petals", "colour", "wild", "species", "confidence"}


def test_fields_have_no_metric_of_their_own_where_the_package_wants_none(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 300)

    monitor_on(cloud, field_metrics=False).handle(event_at(NOON + HOUR))

    assert cloud.values_of("FieldChange") == []


def test_too_few_rows_stay_open_and_are_no_evidence(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 60)

    run = monitor_on(cloud).handle(event_at(NOON + HOUR))

    assert (run.outcome, run.rows) == ("open", 60)
    assert cloud.values_of("WindowRows") == [0]
    assert cloud.values_of("DriftEvidence") == []
    assert layout.latest_key(ENDPOINT) not in cloud.objects


def test_an_open_window_goes_on_with_the_next_rows(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 60, seed=1)
    monitor_on(cloud).handle(event_at(NOON + HOUR))
    capture(cloud, 60, time=NOON + HOUR, seed=2)

    run = monitor_on(cloud).handle(event_at(NOON + 2 * HOUR))

    assert (run.outcome, run.rows) == ("closed", 120)
    span = window_of(cloud, run.window)["span"]
    assert (span["begin"], span["closed"]) == ("2026-02-14T12:00:00Z", "2026-02-14T14:00:00Z")


def test_a_shifted_field_is_called_by_name_and_ordinary_traffic_is_not(baseline: Baseline) -> None:
    quiet, shifted = cloud_with(baseline), cloud_with(baseline)

    for hour in range(1, 7):
        capture(quiet, 300, time=NOON + hour * HOUR, seed=hour)
        capture(shifted, 300, time=NOON + hour * HOUR, seed=hour, longer_by=4.0)
        same, other = (monitor_on(cloud).handle(event_at(NOON + (hour + 1) * HOUR)) for cloud in (quiet, shifted))

    called, calm = window_of(shifted, other.window), window_of(quiet, same.window)
    assert called["status"] == "change"
    assert called["inputs"]["fields"] == ["petal_length"]
    assert calm["status"] == "no_change"
    assert max(quiet.values_of("DriftEvidence")) < 3 <= max(shifted.values_of("DriftEvidence"))
    assert {example["column"] for example in called["examples"]} >= {"petal_length"}
    assert all(json.loads(row["request"])["petal_length"] > 10 for row in called["examples"][:3])


def test_the_window_tells_what_was_refused_unreadable_and_not_captured(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    line = {
        "RejectedRequests": [1.0],
        "message": "refused",
        "reason": "invalid-request",
        "fields": ["/petals: missing"],
    }
    cloud.log_lines = [(NOON, json.dumps(line))] * 3
    capture(cloud, 150)
    cloud.put(key_of(NOON, "bad.jsonl"), b"{}\n{}\n")

    run = monitor_on(cloud).handle(event_at(NOON + HOUR))

    traffic = window_of(cloud, run.window)["traffic"]
    assert traffic["refusals"] == [{"field": "/petals", "reason": "missing", "count": 3}]
    assert (traffic["refused"], traffic["refusals_are_all"]) == (3, True)
    assert (traffic["unreadable"], traffic["unreadable_by_reason"]) == (2, {"not-a-record": 2})
    assert (run.unreadable, cloud.values_of("UnreadableRecords")) == (2, [2])


def test_wrong_values_are_told_as_the_share_of_the_worst_field(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    records = capture(cloud, 180)
    requests = [{"petal_length": 99.0, "petals": "many", "colour": "green", "wild": None}] * 20
    wrong = [record_of(request, {"species": "daisy"}, number=900 + index) for index, request in enumerate(requests)]
    cloud.put(key_of(NOON), lines_of([*records, *wrong]))

    monitor_on(cloud).handle(event_at(NOON + HOUR))

    for name in ("WrongTypeShare", "OutOfRangeShare", "UnknownCategoryShare", "MissingShare"):
        assert cloud.values_of(name) == [pytest.approx(0.1)], name
    assert cloud.values_of("ConstraintViolations")[0] >= 4


def test_many_rows_in_one_record_are_many_rows(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    instances = [{"petal_length": 10.0, "petals": 20, "colour": "white", "wild": False}] * 130
    record = record_of({}, {})
    record["captureData"]["endpointInput"] = side("INPUT", {"instances": instances})
    record["captureData"]["endpointOutput"] = side(
        "OUTPUT", {"predictions": [{"species": "daisy", "confidence": 0.6}] * 130}
    )
    cloud.put(key_of(NOON), lines_of([record]))

    run = monitor_on(cloud).handle(event_at(NOON + HOUR))

    assert (run.outcome, run.rows) == ("closed", 130)
    traffic = window_of(cloud, run.window)["traffic"]
    assert (traffic["records"], traffic["rows"]) == (1, 130)


def test_a_new_champion_begins_without_evidence_on_its_own_baseline(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 300, seed=1, longer_by=3.0)
    monitor_on(cloud).handle(event_at(NOON + HOUR))
    evidence = cloud.values_of("DriftEvidence")[-1]
    capture(cloud, 40, time=NOON + HOUR, seed=2, longer_by=3.0)
    monitor_on(cloud).handle(event_at(NOON + 2 * HOUR))
    promote(cloud, baseline)
    capture(cloud, 200, time=NOON + 2 * HOUR, seed=3)

    run = monitor_on(cloud).handle(event_at(NOON + 3 * HOUR))

    window = window_of(cloud, run.window)
    assert (evidence > 1, cloud.values_of("DriftEvidence")[-1] < 1) == (True, True)
    assert window["served"]["version"] == "3"
    assert state_of(cloud)["version"] == VERSION
    assert run.window == "000002-20260214T150000Z"  # windows go on being counted
    assert window["traffic"]["rows"] == 240


def test_rows_on_the_cells_of_another_baseline_are_set_aside_and_told(
    baseline: Baseline, other_baseline: Baseline
) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 40, seed=1)
    monitor_on(cloud).handle(event_at(NOON + HOUR))
    promote(cloud, other_baseline)
    capture(cloud, 110, time=NOON + HOUR, seed=2)

    run = monitor_on(cloud).handle(event_at(NOON + 2 * HOUR))

    traffic = window_of(cloud, run.window)["traffic"]
    assert (traffic["rows"], traffic["set_aside"]) == (110, 40)
    assert state_of(cloud)["set_aside"] == 0


def test_a_version_that_names_no_baseline_is_the_operator_s_to_mend(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    cloud.parameters[PARAMETER] = VERSION
    cloud.versions[VERSION] = {}

    with pytest.raises(OperatorError, match=r"flyball-flowers/3: found no DriftCheckBaselines.ModelDataQuality"):
        monitor_on(cloud).handle(event_at(NOON))


def test_a_baseline_is_read_once_a_process(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    monitor = monitor_on(cloud)

    for hours in range(3):
        monitor.handle(event_at(NOON + hours * HOUR))

    assert cloud.calls.count("get_object assets/baseline.zip") == 2  # the baseline, and the holdout's quality in it


def test_a_zip_without_a_baseline_says_so(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    cloud.put("assets/other.zip", b"PK\x05\x06" + b"\0" * 18)

    with pytest.raises(OperatorError, match=r"assets/other.zip: found 0 files called baseline.json; allowed: one"):
        read_baseline_text(f"s3://{BUCKET}/assets/other.zip", s3=cloud.client())


@pytest.mark.parametrize(("arn", "label"), [("none", "initial"), (VERSION, "3")])
def test_a_champion_is_called_by_its_number(arn: str, label: str) -> None:
    assert Champion(arn=arn, baseline_uri="s3://b/k").label == label


@pytest.mark.parametrize(
    ("status", "value"),
    [
        *(("CREATING", 1), ("UPDATING", 1), ("SYSTEM_UPDATING", 1), ("ROLLING_BACK", 1)),
        *(("IN_SERVICE", 0), ("FAILED", 0), ("DELETING", 0), ("OUT_OF_SERVICE", 0), ("UPDATE_ROLLBACK_FAILED", 0)),
    ],
)
def test_an_endpoint_that_changes_is_told_and_nothing_else_is_done(baseline: Baseline, status: str, value: int) -> None:
    cloud = cloud_with(baseline)
    event = {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Endpoint State Change",
        "time": "2026-02-14T12:00:05Z",
        "detail": {"EndpointName": ENDPOINT, "EndpointStatus": status},
    }

    run = monitor_on(cloud).handle(event)

    assert run.outcome == "endpoint"
    assert cloud.calls == ["put_metric_data"]
    [item] = cloud.published
    assert (item["MetricName"], item["Value"], item["Timestamp"]) == (
        "EndpointUpdating",
        value,
        NOON + timedelta(seconds=5),
    )


@pytest.mark.parametrize("event", [{}, {"time": None}, {"time": "noon"}])
def test_an_event_without_a_time_is_refused(baseline: Baseline, event: dict[str, Any]) -> None:
    with pytest.raises(OperatorError, match=r"the event's time: found .*; allowed: one like 2026-02-14T17:25:06Z"):
        monitor_on(cloud_with(baseline)).handle(event)


def test_metrics_that_are_too_old_for_cloudwatch_are_left_out_and_do_not_stop_the_next_run(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 300)

    def refuse(name: str, when: str) -> None:
        if name == "put_metric_data" and when == "before":
            raise error_of("InternalServiceFault", "PutMetricData")

    with pytest.raises(Exception, match="InternalServiceFault"):
        monitor_on(cloud.client(refuse)).handle(event_at(NOON + HOUR))
    run = monitor_on(cloud).handle(event_at(NOON + timedelta(days=20)))

    assert run.outcome == "open"
    assert cloud.values_of("WindowRows") == [0]
    assert state_of(cloud)["history"][0]["rows"] == 300


def job_of(cloud: Cloud) -> tuple[str, dict[str, Any]]:
    [(name, job)] = cloud.jobs.items()
    return name, job


def do_job(cloud: Cloud, baseline: Baseline, name: str) -> None:
    """What the processing job does: it folds its order, and leaves the result."""
    prefix = layout.job_prefix(ENDPOINT, name)
    _, order = read_order(cloud.objects[f"{prefix}order.json"])
    result: Folded = fold_here(
        order, baseline=baseline, files=Files(get=cloud.objects.__getitem__, put=cloud.put, endpoint=ENDPOINT)
    )
    cloud.put(f"{prefix}folded.bin", result.to_bytes())
    cloud.jobs[name]["ProcessingJobStatus"] = "Completed"


def test_a_window_that_looks_too_large_is_handed_to_a_processing_job(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 500)

    runs = [monitor_on(cloud, processing_rows=200).handle(event_at(NOON + hours * HOUR)) for hours in (1, 2)]

    assert [run.outcome for run in runs] == ["folding", "folding"]
    assert cloud.values_of("WindowRows") == [0, 0]
    name, job = job_of(cloud)
    assert name == "flyball-flowers-000001-20260214T130000Z"
    assert job["AppSpecification"]["ImageUri"] == SETTINGS.processing_image_uri
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2
    assert job["RoleArn"] == SETTINGS.processing_role_arn
    assert state_of(cloud)["pending"]["job"] == name


def test_what_a_job_folded_closes_the_window_as_if_it_had_been_folded_here(baseline: Baseline) -> None:
    here, elsewhere = cloud_with(baseline), cloud_with(baseline)
    for cloud in (here, elsewhere):
        capture(cloud, 500, seed=1)
        cloud.put(key_of(NOON, "bad.jsonl"), b"{}\n")
    monitor_on(here).handle(event_at(NOON + HOUR))
    monitor_on(elsewhere, processing_rows=200).handle(event_at(NOON + HOUR))
    do_job(elsewhere, baseline, job_of(elsewhere)[0])
    capture(elsewhere, 50, time=NOON + HOUR, seed=2)

    run = monitor_on(elsewhere, processing_rows=200).handle(event_at(NOON + 2 * HOUR))

    by_job, by_function = window_of(elsewhere, run.window), window_of(here, "000001-20260214T130000Z")
    assert (run.outcome, run.rows) == ("closed", 500)
    assert by_job["traffic"]["folded_by"] == "processing"
    assert by_job["columns"] == by_function["columns"]
    assert by_job["violations"] == by_function["violations"]
    after = monitor_on(elsewhere, processing_rows=200).handle(event_at(NOON + 3 * HOUR))
    assert (after.outcome, after.rows) == ("open", 50)


def test_a_job_that_was_committed_and_never_started_is_started_by_the_next_run(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 500)

    def refuse(name: str, when: str) -> None:
        if name == "create_processing_job" and when == "before":
            raise error_of("ThrottlingException", "CreateProcessingJob")

    with pytest.raises(Exception, match="ThrottlingException"):
        monitor_on(cloud.client(refuse), processing_rows=200).handle(event_at(NOON + HOUR))
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON + 2 * HOUR))

    assert job_of(cloud)[0] == "flyball-flowers-000001-20260214T130000Z"


def test_a_job_that_failed_is_said_once_and_tried_again_under_another_name(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 500)
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON + HOUR))
    name = job_of(cloud)[0]
    cloud.jobs[name] |= {"ProcessingJobStatus": "Failed", "FailureReason": "CapacityError"}

    with pytest.raises(ProcessingFailed, match="ended as Failed: CapacityError"):
        monitor_on(cloud, processing_rows=200).handle(event_at(NOON + 2 * HOUR))
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON + 3 * HOUR))
    again = (set(cloud.jobs) - {name}).pop()
    do_job(cloud, baseline, again)
    run = monitor_on(cloud, processing_rows=200).handle(event_at(NOON + 4 * HOUR))

    assert again == "flyball-flowers-000001-20260214T140000Z"
    assert (run.outcome, run.rows) == ("closed", 500)


def test_a_completed_job_without_a_result_has_failed(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 500)
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON + HOUR))
    name = job_of(cloud)[0]
    cloud.jobs[name]["ProcessingJobStatus"] = "Completed"

    with pytest.raises(ProcessingFailed, match=r"left no folded\.bin"):
        monitor_on(cloud, processing_rows=200).handle(event_at(NOON + 2 * HOUR))

    assert state_of(cloud)["pending"]["job"] != name


def test_what_a_job_folded_for_a_version_that_serves_no_more_is_set_aside(
    baseline: Baseline, other_baseline: Baseline
) -> None:
    cloud = cloud_with(baseline)
    capture(cloud, 500, seed=1)
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON + HOUR))
    do_job(cloud, baseline, job_of(cloud)[0])
    promote(cloud, other_baseline)

    run = monitor_on(cloud, processing_rows=200).handle(event_at(NOON + 2 * HOUR))

    assert (run.outcome, run.rows) == ("open", 0)
    assert (state_of(cloud)["set_aside"], state_of(cloud)["pending"]) == (500, None)


def test_hours_that_a_job_was_not_asked_about_are_not_missed_in_the_captures(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON))
    cloud.sums = {"Requests": {NOON: 500.0, NOON + HOUR: 100.0}}
    capture(cloud, 500, seed=1)
    monitor_on(cloud, processing_rows=200).handle(event_at(NOON + HOUR + timedelta(minutes=35)))
    capture(cloud, 100, time=NOON + HOUR, seed=2)
    do_job(cloud, baseline, job_of(cloud)[0])

    for hours in (3, 4):
        monitor_on(cloud, processing_rows=200).handle(event_at(NOON + hours * HOUR))

    assert cloud.values_of("CaptureCoverage") == [1.0, 1.0]


@pytest.mark.parametrize("by", ["endpoint", "gateway"])
def test_it_does_not_matter_who_wrote_the_captures(baseline: Baseline, by: str) -> None:
    cloud = cloud_with(baseline)
    records = capture(cloud, 150)
    if by == "gateway":
        del cloud.objects[key_of(NOON)]
        for record in records:
            write_by_gateway(cloud, record)

    run = monitor_on(cloud).handle(event_at(NOON + HOUR))

    window = window_of(cloud, run.window)
    assert (run.outcome, run.rows) == ("closed", 150)
    assert window["traffic"]["files"] == (1 if by == "endpoint" else 150)
    assert sum(window["columns"][0]["window"]) == 150


def write_by_gateway(cloud: Cloud, record: dict[str, Any]) -> None:
    """What the gateway writes of the same call."""
    sent, answered = (record["captureData"][name]["data"].encode() for name in ("endpointInput", "endpointOutput"))
    captures = Captures(store=cloud, endpoint_name=ENDPOINT, percent=100)
    invocation = Invocation(content=answered, version="1", variant=layout.VARIANT)
    captures.keep(sent, invocation, inference_id=record["eventMetadata"]["inferenceId"])


def test_a_job_s_name_fits_whatever_the_endpoint_is_called(baseline: Baseline) -> None:
    monitor = monitor_on(cloud_with(baseline))

    name = monitor.processing.name(sequence=1_234_567, now=datetime.fromisoformat("2026-02-14T13:00:00Z"))

    assert len(name) <= 63
    assert name.startswith("flyball-flowers-")
