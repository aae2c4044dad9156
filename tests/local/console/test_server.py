"""What the console page's server answers, and to whom."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.console.doubles import REPORT, Client, serving


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def url(client: Client) -> Iterator[str]:
    with serving(client) as address:
        yield address


def get(address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - our own server's address
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def get_json(address: str) -> Any:
    return json.loads(get(address)[2])


def test_the_overview_has_raised_alarms_first(url: str) -> None:
    overview = get_json(f"{url}/api/overview")

    assert [alarm["name"] for alarm in overview["alarms"]] == [
        "flyball-payments-drift",
        "flyball-payments-page",
        "flyball-payments-latency",
    ]
    assert overview["dashboards"] == ["flyball-payments"]
    assert overview["endpoints"][0]["version"] == "initial-cd17db0b1280"


def test_a_dashboard_comes_with_the_data_of_its_widgets(url: str, client: Client) -> None:
    dashboard = get_json(f"{url}/api/dashboards/flyball-payments?seconds=3600")

    text, alarm, graph, number, explorer, log = dashboard["widgets"]
    assert text["markdown"].startswith("# Is it up?")
    assert alarm["alarms"] == ["flyball-payments-drift"]
    assert [value for _, value in graph["series"][0]["points"]] == [0.0, 0.4, 2.0, 4.5]
    assert graph["limits"] == [{"value": 3, "label": "called", "color": None, "axis": "left"}]
    assert number["view"] == "singleValue"
    assert "'explorer'" in explorer["problem"]
    assert log["groups"] == ["gateway"]
    assert client.queries[0]["MetricStat"]["Stat"] == "Maximum"


def test_refusals_are_the_gateways_lines_and_nothing_else(url: str) -> None:
    refusals = get_json(f"{url}/api/refusals/payments")

    assert [(line["reason"], line["fields"]) for line in refusals] == [
        ("invalid-request", ["/amount: less_than_equal"])
    ]


def test_an_alarms_history_says_why(url: str) -> None:
    history = get_json(f"{url}/api/history?alarm=flyball-payments-drift")

    assert [item["reason"] for item in history] == ["4.5 was greater than 3", ""]


def test_the_report_is_served_where_it_can_run_nothing(url: str) -> None:
    status, headers, body = get(f"{url}/report/payments")

    assert (status, body) == (200, REPORT)
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_without_a_closed_window_there_is_no_report(url: str, client: Client) -> None:
    client.has_report = False

    assert b"There is no report yet" in get(f"{url}/report/payments")[2]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/dashboards/other", 502, "ResourceNotFound"),
        ("/api/dashboards/flyball-payments?seconds=1", 400, "allowed: 60 to"),
        ("/api/dashboards/flyball-payments?seconds=long", 400, "could not convert"),
        ("/api/history", 400, "alarm"),
        ("/api/refusals/nonesuch", 400, "nonesuch"),
        ("/library/left-pad.js", 404, "Not Found"),
        ("/page/../server.py", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_says_why(url: str, path: str, status: int, says: str) -> None:
    found, _, body = get(url + path)

    assert (found, says in body.decode()) == (status, True), body


def test_a_foreign_name_of_this_machine_is_refused(url: str) -> None:
    status, _, body = get(f"{url}/api/overview", Host="evil.example:80")

    assert status == 403
    assert b"localhost" in body
