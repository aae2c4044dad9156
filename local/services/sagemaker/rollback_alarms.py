"""The alarms of a deployment's AutoRollbackConfiguration, as SageMaker reads them: in the endpoint's role's name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

MakeClient = Callable[[str], Any]
"""(role's ARN) -> a CloudWatch client in the role's name."""

SHOWN_CHARACTERS: Final = 300
"""How much of an alarm's own reason a FailureReason repeats; all of it has room for 1024."""


class RollbackAlarms(Protocol):
    """The alarms that watch one deployment."""

    async def problem(self) -> str | None:
        """Why the deployment may not go on, or None: an alarm is in ALARM, is missing, or may not be read."""
        ...


WatchAlarms = Callable[[str | None, Sequence[str]], RollbackAlarms]
"""(execution role, names of the alarms) -> what watches them."""


class NoAlarms:
    """Nothing is watched."""

    async def problem(self) -> str | None:
        return None


def watch_none(_role_arn: str | None, _names: Sequence[str]) -> RollbackAlarms:
    """For those who have no CloudWatch."""
    return NoAlarms()


class AlarmReader:
    """Asks CloudWatch's API, whose guard judges the role, each time that it is asked."""

    def __init__(self, make_client: MakeClient, *, role_arn: str, names: Sequence[str]) -> None:
        self._make_client, self._role_arn, self._names = make_client, role_arn, list(names)
        self._client: Any = None

    async def problem(self) -> str | None:
        try:
            found = await asyncio.to_thread(self._describe)
        except ClientError as error:
            said = error.response["Error"].get("Message", str(error))
            return f"The alarms of AutoRollbackConfiguration could not be read with role {self._role_arn}: {said}"
        return _missing(self._names, found) or _alarming(found)

    def _describe(self) -> list[dict[str, Any]]:
        if self._client is None:
            self._client = self._make_client(self._role_arn)
        answer = self._client.describe_alarms(AlarmNames=self._names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return [*answer["MetricAlarms"], *answer["CompositeAlarms"]]


def reading_with(make_client: MakeClient) -> WatchAlarms:
    """Watches alarms through the API."""

    def watch(role_arn: str | None, names: Sequence[str]) -> RollbackAlarms:
        if not names or role_arn is None:
            return NoAlarms()
        return AlarmReader(make_client, role_arn=role_arn, names=names)

    return watch


def _missing(names: Sequence[str], found: Sequence[dict[str, Any]]) -> str | None:
    known = {alarm["AlarmName"] for alarm in found}
    missing = [name for name in names if name not in known]
    return f"AutoRollbackConfiguration names alarms that do not exist: {', '.join(missing)}." if missing else None


def _alarming(found: Sequence[dict[str, Any]]) -> str | None:
    alarming = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
    if not alarming:
        return None
    names = ", ".join(alarm["AlarmName"] for alarm in alarming)
    reason = alarming[0].get("StateReason", "")[:SHOWN_CHARACTERS]
    return f"Alarms of AutoRollbackConfiguration are in ALARM: {names}. {alarming[0]['AlarmName']} says: {reason}"
