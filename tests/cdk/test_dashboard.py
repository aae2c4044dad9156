"""A model's dashboard: its order, its limits, what it asks the logs, and that CloudWatch takes it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cdk.dashboard import WHAT_TO_DO
from tests.cdk.synth import Assembly
from tests.cdk.template_snapshots import spelled

MOST_WIDGETS, MOST_METRICS, MOST_ALARMS = 500, 500, 100
"""CloudWatch's: of a dashboard, of a graph, of a widget of alarms."""
WIDTH = 24


def widgets(assembly: Assembly, stack: str = "flowers") -> list[dict[str, Any]]:
    body = spelled(assembly.only("AWS::CloudWatch::Dashboard", stack)["DashboardBody"])
    found: list[dict[str, Any]] = json.loads(body)["widgets"]
    return found


def titled(assembly: Assembly, title: str, stack: str = "flowers") -> dict[str, Any]:
    (found,) = (each["properties"] for each in widgets(assembly, stack) if each["properties"].get("title") == title)
    properties: dict[str, Any] = found
    return properties


def test_it_reads_from_the_top_like_an_incident(assembly: Assembly) -> None:
    texts = [each["properties"]["markdown"] for each in widgets(assembly) if each["type"] == "text"]

    headings = [text.splitlines()[0].lstrip("# ") for text in texts]

    assert headings == ["flowers", *WHAT_TO_DO]
    assert list(WHAT_TO_DO) == [
        "Is it up?",
        "Is it fast?",
        "Is what goes in right?",
        "Has it changed?",
        "Which version is serving?",
        "What did the loop do?",
    ]


def test_no_placeholder_is_left_in_what_it_says(assembly: Assembly) -> None:
    texts = [each["properties"]["markdown"] for each in widgets(assembly) if each["type"] == "text"]

    assert not [text for text in texts if re.search(r"(?<!\$)\{\w+\}", text)]


@pytest.mark.parametrize("stack", ["flowers", "house-prices"])
def test_widgets_fill_rows_and_do_not_overlap(assembly: Assembly, stack: str) -> None:
    taken: set[tuple[int, int]] = set()

    for each in widgets(assembly, stack):
        cells = {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        assert not cells & taken
        assert each["x"] + each["width"] <= WIDTH
        taken |= cells


@pytest.mark.parametrize("stack", ["flowers", "house-prices"])
def test_it_is_within_cloudwatchs_limits(assembly: Assembly, stack: str) -> None:
    found = widgets(assembly, stack)

    assert len(found) <= MOST_WIDGETS
    assert max(len(each["properties"].get("metrics", [])) for each in found) <= MOST_METRICS
    assert max(len(each["properties"].get("alarms", [])) for each in found) <= MOST_ALARMS


def test_no_graph_is_empty(assembly: Assembly) -> None:
    graphs = [
        each for stack in ("flowers", "house-prices") for each in widgets(assembly, stack) if each["type"] == "metric"
    ]

    assert all(each["properties"]["metrics"] for each in graphs)


def test_it_shows_every_alarm(assembly: Assembly) -> None:
    shown = titled(assembly, "Every alarm")["alarms"]
    who = titled(assembly, "Who has to look")["alarms"]

    states = ("Updating", "UpdatedRecently")
    assert len(shown) == len([name for name in assembly.alarms("flowers") if name not in states])
    assert [re.sub(r"\W|Alarms|[0-9A-F]{8}.Arn", "", arn) for arn in who[:3]] == ["Page", "Ticket", "Deploying"]


def test_graphs_carry_the_limits_of_their_alarms(assembly: Assembly) -> None:
    latency = titled(assembly, "Model latency, µs")["annotations"]["horizontal"]
    wrong = titled(assembly, "Wrong values, of a window's rows")["annotations"]["horizontal"]

    assert {line["value"] for line in latency} == {500_000, 250_000}
    assert [line["value"] for line in wrong] == [0.01]


def test_fields_are_searched_because_a_synth_knows_none(assembly: Assembly) -> None:
    ((search,),) = titled(assembly, "Change of each field")["metrics"]

    assert search["expression"] == (
        "SEARCH('{Flyball,service,field} MetricName=\"FieldChange\" service=\"flowers\"', 'Maximum', 3600)"
    )


def test_logs_are_those_of_its_own_functions(assembly: Assembly) -> None:
    refused = titled(assembly, "Last requests refused")["query"]
    runs = titled(assembly, "Last runs of the monitor")["query"]

    assert refused.startswith("SOURCE '${GatewayLogs")
    assert 'filter message = "refused"' in refused
    assert runs.startswith("SOURCE '${MonitorFunctionLogs")


def test_the_newest_reports_are_one_click_away(assembly: Assembly) -> None:
    (text,) = (
        each["properties"]["markdown"]
        for each in widgets(assembly)
        if each["properties"].get("markdown", "").startswith("## Has it changed?")
    )

    (url,) = re.findall(r"\]\((https://[^)]+)\)", text)

    assert "s3/buckets/" in url
    assert "prefix=monitor/flyball-flowers/windows/" in url
