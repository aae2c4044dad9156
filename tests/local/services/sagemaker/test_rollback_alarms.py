"""The alarms of a deployment as SageMaker reads them, from a real local CloudWatch."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services.sagemaker.rollback_alarms import reading_with
from tests.local.services.cloudwatch.given import given_cloudwatch


def problem(client: Any, *names: str, role: str | None = "role") -> str | None:
    watch = reading_with(lambda _role: client)
    return asyncio.run(watch(role, names).problem())


def test_alarms_that_are_not_in_alarm_are_no_problem(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm("ok")
        given.alarm("unknown")
        given.client.set_alarm_state(AlarmName="ok", StateValue="OK", StateReason="fine")

        found = problem(given.client, "ok", "unknown")

    assert found is None


def test_an_alarm_in_alarm_is_named_with_its_reason(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm("ok")
        given.alarm("errors")
        given.client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="too many" * 100)

        found = problem(given.client, "ok", "errors")

    assert found is not None
    assert found.startswith("Alarms of AutoRollbackConfiguration are in ALARM: errors. errors says: too many")
    assert len(found) < 500


def test_a_composite_alarm_counts_as_any_other(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm("errors")
        given.client.put_composite_alarm(AlarmName="all", AlarmRule="ALARM(errors)")
        before = problem(given.client, "all")
        given.client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="too many")

        found = problem(given.client, "all")

    assert before is None
    assert found is not None
    assert "are in ALARM: all." in found


def test_alarms_that_do_not_exist_are_a_problem(tmp_path: Path) -> None:
    with given_cloudwatch(tmp_path) as given:
        given.alarm("ok")

        found = problem(given.client, "ok", "gone", "never")

    assert found == "AutoRollbackConfiguration names alarms that do not exist: gone, never."


class Refused:
    """CloudWatch for a role that may not read alarms."""

    def describe_alarms(self, **_arguments: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no policy allows it"}}, "DescribeAlarms")


def test_alarms_that_the_role_may_not_read_are_a_problem() -> None:
    found = problem(Refused(), "errors", role="arn:aws:iam::1:role/model")

    assert found is not None
    assert found.endswith("could not be read with role arn:aws:iam::1:role/model: no policy allows it")


@pytest.mark.parametrize(("names", "role"), [((), "role"), (("errors",), None)])
def test_without_alarms_nobody_is_asked(names: tuple[str, ...], role: str | None) -> None:
    assert problem(Refused(), *names, role=role) is None
