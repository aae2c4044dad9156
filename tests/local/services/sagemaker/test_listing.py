"""What a List operation does to its summaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.exceptions import ServiceException

from local.services.sagemaker.listing import Listing

JOBS = Listing("ListTrainingJobs", key="TrainingJobSummaries", name="TrainingJobName", status="TrainingJobStatus")
START = datetime(2026, 1, 1, tzinfo=UTC)


def job(name: str, *, minutes: int = 0, status: str = "Completed") -> dict[str, Any]:
    """A summary with a record's ISO times."""
    moment = (START + timedelta(minutes=minutes)).isoformat()
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": status,
        "CreationTime": moment,
        "LastModifiedTime": moment,
    }


def names(page: dict[str, Any]) -> list[str]:
    return [summary["TrainingJobName"] for summary in page["TrainingJobSummaries"]]


SUMMARIES = [job("b", minutes=1), job("a", minutes=2, status="Failed"), job("churn-c", minutes=3)]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["churn-c", "a", "b"]),
        ({"SortOrder": "Ascending"}, ["b", "a", "churn-c"]),
        ({"SortBy": "Name", "SortOrder": "Ascending"}, ["a", "b", "churn-c"]),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, ["b", "churn-c", "a"]),
        ({"NameContains": "CHURN"}, ["churn-c"]),
        ({"StatusEquals": "Failed"}, ["a"]),
        ({"CreationTimeAfter": START + timedelta(minutes=1)}, ["churn-c", "a"]),
        ({"CreationTimeBefore": datetime(2026, 1, 1, 0, 2)}, ["b"]),  # as moto reads a request
        ({"LastModifiedTimeAfter": (START + timedelta(minutes=2)).timestamp()}, ["churn-c"]),
        ({"MaxResults": 1}, ["churn-c"]),
    ],
)
def test_a_list_is_filtered_sorted_and_cut(parameters: dict[str, Any], expected: list[str]) -> None:
    assert names(JOBS.page(parameters, SUMMARIES)) == expected


@given(
    minutes=st.lists(st.integers(0, 3), max_size=30),
    size=st.integers(1, 7),
    by=st.sampled_from(["Name", "CreationTime", "Status"]),
    order=st.sampled_from(["Ascending", "Descending"]),
)
def test_the_pages_together_are_the_whole_list(minutes: list[int], size: int, by: str, order: str) -> None:
    statuses = ("Completed", "Failed")
    jobs = [job(f"job-{i}", minutes=when, status=statuses[when % 2]) for i, when in enumerate(minutes)]
    asked = {"SortBy": by, "SortOrder": order}

    pages = [JOBS.page({**asked, "MaxResults": size}, jobs)]
    while token := pages[-1].get("NextToken"):
        pages.append(JOBS.page({**asked, "MaxResults": size, "NextToken": token}, jobs))

    whole = names(JOBS.page({**asked, "MaxResults": 100}, jobs))
    assert [name for page in pages for name in names(page)] == whole
    assert sorted(whole) == sorted(job["TrainingJobName"] for job in jobs)


def test_what_is_deleted_between_two_pages_makes_no_entry_disappear() -> None:
    first = JOBS.page({"MaxResults": 1}, SUMMARIES)

    second = JOBS.page({"MaxResults": 1, "NextToken": first["NextToken"]}, SUMMARIES[:2])

    assert (names(first), names(second)) == (["churn-c"], ["a"])


@pytest.mark.parametrize("token", ["none", "MQ==", "WzEsMl0="])
def test_a_token_that_nobody_gave_is_refused(token: str) -> None:
    with pytest.raises(ServiceException, match="The pagination token is invalid"):
        JOBS.page({"NextToken": token}, SUMMARIES)


def test_parameters_are_checked_against_the_service_model() -> None:
    with pytest.raises(ServiceException, match="Value '101' at 'maxResults' failed to satisfy constraint"):
        JOBS.page({"MaxResults": 101}, SUMMARIES)
