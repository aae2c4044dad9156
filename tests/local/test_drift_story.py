"""The whole story in one cloud: ordinary payments are captured and raise nothing; then amounts shift, the drift alarm
goes off and no other, the report and the console page name the field, and labels have moved the live quality. The
cloud that starts next knows what time it was.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from local.client import aws_client
from tests.local.checkout import Checkout, give_version, make_checkout

pytestmark = pytest.mark.slow

ROWS, DAYS = 480, 2
ORDINARY = ["--rows", str(ROWS), "--days", str(DAYS), "--label-days", "0.5", "--seed", "11"]
SHIFTED = ["--rows", "480", "--days", "2", "--label-days", "0.5", "--seed", "12", "--shift", "amount", "--at", "0%"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root = tmp_path_factory.mktemp("story") / "flyball"
    root.mkdir()
    checkout = make_checkout(root, packages=["payments"])
    give_version(checkout, "payments")
    serving = checkout.up()
    yield checkout
    serving.stop()


def replay(checkout: Checkout, options: list[str]) -> dict[str, Any]:
    done = checkout.flyball("replay", "payments", *options, "--json", timeout_seconds=900)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def ordinary(checkout: Checkout) -> dict[str, Any]:
    return replay(checkout, ORDINARY)


@pytest.fixture(scope="module")
def shifted(checkout: Checkout, ordinary: dict[str, Any]) -> dict[str, Any]:
    assert ordinary["errors"] == {}
    return replay(checkout, SHIFTED)


def page(checkout: Checkout, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{checkout.console_port}{path}", timeout=30) as answer:
        content: bytes = answer.read()
    return content


def values(checkout: Checkout, metric: str, *, until: datetime) -> list[float]:
    """What was published of one of the package's metrics, oldest first."""
    query = {
        "Id": "q",
        "MetricStat": {
            "Metric": {
                "Namespace": "Flyball",
                "MetricName": metric,
                "Dimensions": [{"Name": "service", "Value": "payments"}],
            },
            "Period": 300,
            "Stat": "Maximum",
        },
    }
    found = client(checkout, "cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=until - timedelta(days=6), EndTime=until, ScanBy="TimestampAscending"
    )
    return list(found["MetricDataResults"][0]["Values"])


def client(checkout: Checkout, service: str) -> Any:
    return aws_client(service, endpoint_url=f"http://127.0.0.1:{checkout.cloud_port}")


def captures(checkout: Checkout) -> list[tuple[str, dict[str, Any]]]:
    """Each captured record with the key of its file."""
    s3 = client(checkout, "s3")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if "captures" in each["Name"])
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="captures/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    read = partial(_lines, s3, bucket)
    return [(key, json.loads(line)) for key in keys for line in read(key)]


def _lines(s3: Any, bucket: str, key: str) -> list[bytes]:
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content.splitlines()


def status(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(checkout.flyball("status", "--json").stdout)
    return found


def cloud_time(checkout: Checkout) -> datetime:
    return datetime.fromisoformat(status(checkout)["time"]["now"])


def test_ordinary_traffic_raises_nothing(ordinary: dict[str, Any]) -> None:
    assert (ordinary["raised"], ordinary["errors"]) == ([], {})


def test_every_request_is_answered_and_labels_follow(ordinary: dict[str, Any]) -> None:
    labels = ordinary["labels"]

    assert ordinary["requests"] == ROWS
    assert labels["refused"] == 0
    assert labels["sent"] + labels["not_known_yet"] == ROWS
    assert labels["sent"] > ROWS / 2


def test_each_request_is_captured_once_in_the_hour_in_which_the_cloud_answered_it(
    checkout: Checkout, ordinary: dict[str, Any]
) -> None:
    records = captures(checkout)

    known = [(key, record) for key, record in records if "inferenceId" in record["eventMetadata"]]
    assert (
        ordinary["requests"] == len({record["eventMetadata"]["inferenceId"] for _key, record in known}) == len(records)
    )
    for key, record in known:
        moment = datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])
        assert f"/main/{moment:%Y/%m/%d/%H}/" in key
    hours = {key.rsplit("/", 1)[0] for key, _record in records}
    assert len(hours) > 12


def test_an_inference_id_tells_the_clouds_time(checkout: Checkout, ordinary: dict[str, Any]) -> None:
    _key, record = captures(checkout)[0]

    milliseconds = int(record["eventMetadata"]["inferenceId"].replace("-", "")[:12], 16)

    made = datetime.fromtimestamp(milliseconds / 1000, UTC)
    assert abs(made - datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])) < timedelta(seconds=10)


def test_the_clouds_time_is_shown_and_its_logs_are_found(checkout: Checkout, ordinary: dict[str, Any]) -> None:
    shown = checkout.flyball("status").stdout
    logs = checkout.flyball("logs", "payments", "--since-minutes", "2880", "--json").stdout

    assert "days ahead of this machine's" in shown
    assert status(checkout)["time"]["ahead_seconds"] > DAYS * 86_400
    assert len(logs.splitlines()) > ROWS


def test_what_cannot_be_replayed_is_one_sentence(checkout: Checkout, ordinary: dict[str, Any]) -> None:
    wrong = [
        (["nonesuch"], "no model package is called 'nonesuch'"),
        (["payments", "--shift", "nothing"], "no field is called 'nothing'; allowed: amount"),
        (["payments", "--shift", "amount", "--at", "soon"], "found the time 'soon'"),
        (["payments", "--shift", "amount", "--missing"], "amount may not be missing"),
    ]

    for arguments, sentence in wrong:
        done = checkout.flyball("replay", *arguments)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_shifted_amounts_raise_the_drift_alarm_and_no_other(shifted: dict[str, Any]) -> None:
    assert (shifted["raised"], shifted["errors"]) == (["flyball-payments-Drift"], {})


def test_the_console_page_shows_the_alarm_and_the_report_names_the_field(
    checkout: Checkout, shifted: dict[str, Any]
) -> None:
    overview = json.loads(page(checkout, "/api/overview"))
    report = page(checkout, "/report/payments").decode()

    on = [alarm["name"] for alarm in overview["alarms"] if alarm["state"] == "ALARM"]
    assert on == ["flyball-payments-Drift"]
    headline = report.partition("</h1>")[0].rpartition(">")[2] + report.partition("</h1>")[2][:600]
    assert "amount" in headline


def test_the_deployed_dashboard_is_drawn_with_the_evidence(checkout: Checkout, shifted: dict[str, Any]) -> None:
    dashboard = json.loads(page(checkout, "/api/dashboards/flyball-payments?seconds=604800"))

    (graph,) = (widget for widget in dashboard["widgets"] if widget["title"].startswith("Evidence of a change"))
    assert [widget.get("problem") for widget in dashboard["widgets"] if "problem" in widget] == []
    assert max(value for series in graph["series"] for _, value in series["points"]) >= 3


def test_labels_have_moved_the_live_quality(checkout: Checkout, shifted: dict[str, Any]) -> None:
    until = cloud_time(checkout)

    quality = values(checkout, "LiveQuality", until=until)
    low, high = (values(checkout, f"LiveQuality{end}", until=until) for end in ("Low", "High"))

    assert shifted["labels"]["sent"] > 200
    assert len(set(quality)) > 1
    assert all(below <= value <= above for below, value, above in zip(low, quality, high, strict=True))
    assert max(values(checkout, "LabelledRows", until=until)) > 0


def test_a_cloud_that_starts_again_is_not_before_that(checkout: Checkout, shifted: dict[str, Any]) -> None:
    before = cloud_time(checkout)
    stopped = checkout.flyball("down")
    refused = checkout.flyball("replay", "payments")

    serving = checkout.up()
    after = cloud_time(checkout)
    serving.stop()

    assert stopped.returncode == 0
    assert (refused.returncode, "no local cloud serves from this folder" in refused.stderr) == (2, True)
    assert after >= before
