"""The whole story in one cloud: ordinary payments raise nothing; then amounts shift, the drift alarm goes off and no
other, the report and the console page name the field, and labels have moved the live quality.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.client import aws_client
from tests.local.checkout import Checkout, give_version, make_checkout

pytestmark = pytest.mark.slow

ORDINARY = ["--rows", "480", "--days", "2", "--label-days", "0.5", "--seed", "11"]
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
    cloudwatch = aws_client("cloudwatch", endpoint_url=f"http://127.0.0.1:{checkout.cloud_port}")
    found = cloudwatch.get_metric_data(
        MetricDataQueries=[query], StartTime=until - timedelta(days=6), EndTime=until, ScanBy="TimestampAscending"
    )
    return list(found["MetricDataResults"][0]["Values"])


def cloud_time(checkout: Checkout) -> datetime:
    return datetime.fromisoformat(json.loads(checkout.flyball("status", "--json").stdout)["time"]["now"])


def test_ordinary_traffic_raises_nothing(ordinary: dict[str, Any]) -> None:
    assert (ordinary["raised"], ordinary["errors"]) == ([], {})


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
