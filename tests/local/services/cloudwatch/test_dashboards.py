"""Dashboards: kept as they are, and refused where they are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.services.cloudwatch.given import Given, given_cloudwatch

WIDGET = {"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "# it"}}


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    with given_cloudwatch(tmp_path) as opened:
        yield opened


def test_a_dashboard_is_kept_listed_and_deleted(given: Given) -> None:
    body = json.dumps({"widgets": [WIDGET]})
    for name in ("b", "a", "other"):
        answer = given.client.put_dashboard(DashboardName=name, DashboardBody=body)

    found = given.client.get_dashboard(DashboardName="a")
    listed = given.client.list_dashboards()["DashboardEntries"]
    given.client.delete_dashboards(DashboardNames=["a", "b"])

    assert answer["DashboardValidationMessages"] == []
    assert (found["DashboardBody"], found["DashboardArn"]) == (body, "arn:aws:cloudwatch::123456789012:dashboard/a")
    assert [(entry["DashboardName"], entry["Size"]) for entry in listed] == [
        (name, len(body)) for name in ("a", "b", "other")
    ]
    assert [entry["DashboardName"] for entry in given.client.list_dashboards()["DashboardEntries"]] == ["other"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "must be a valid JSON object"),
        ("[]", "must be a valid JSON object"),
        ({"widgets": {}}, "/widgets: Should be array"),
        ({"widgets": [{"type": "chart", "properties": {}}]}, "there are 1 validation errors: /widgets/0/type"),
        ({"widgets": [{**WIDGET, "width": 25}, {"type": "metric"}]}, "there are 2 validation errors"),
    ],
)
def test_what_is_no_dashboard_is_refused(given: Given, body: Any, words: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)

    with pytest.raises(ClientError, match=words) as caught:
        given.client.put_dashboard(DashboardName="a", DashboardBody=text)

    assert caught.value.response["Error"]["Code"] == "InvalidParameterInput"
    assert given.client.list_dashboards()["DashboardEntries"] == []


def test_what_would_be_ignored_is_warned_of(given: Given) -> None:
    answer = given.client.put_dashboard(DashboardName="a", DashboardBody='{"widgets": [], "colour": "red"}')

    assert answer["DashboardValidationMessages"] == [
        {"DataPath": "/colour", "Message": "Unknown property colour is ignored"}
    ]


def test_one_that_is_missing_keeps_all_from_being_deleted(given: Given) -> None:
    given.client.put_dashboard(DashboardName="a", DashboardBody="{}")

    with pytest.raises(ClientError, match="Dashboard none does not exist"):
        given.client.delete_dashboards(DashboardNames=["a", "none"])

    assert len(given.client.list_dashboards()["DashboardEntries"]) == 1


def test_dashboards_and_alarms_have_tags(given: Given) -> None:
    given.client.put_dashboard(DashboardName="a", DashboardBody="{}", Tags=[{"Key": "k", "Value": "v"}])
    given.alarm()

    for arn in ("arn:aws:cloudwatch::123456789012:dashboard/a", given.described()["AlarmArn"]):
        given.client.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "b"}, {"Key": "k", "Value": "w"}])
        given.client.untag_resource(ResourceARN=arn, TagKeys=["a"])

        assert given.client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "w"}]
    with pytest.raises(ClientError, match="Resource not found"):
        given.client.list_tags_for_resource(ResourceARN="arn:aws:cloudwatch:us-east-1:123456789012:alarm:none")
