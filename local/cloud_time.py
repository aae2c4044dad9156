"""Asks the running cloud what time it is there, for commands that show it or count back from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import urllib3

from local.clock_api import PATH
from local.running import RunningCloud
from model_packages.errors import OperatorError

TIMEOUT_SECONDS = 60.0
NOTICEABLE_SECONDS = 60.0
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class CloudTime:
    """A cloud's time in ISO 8601, and by how much it is ahead of the machine's."""

    now: str
    ahead_seconds: float

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.now)

    @property
    def is_ahead(self) -> bool:
        return self.ahead_seconds >= NOTICEABLE_SECONDS

    def text(self) -> str:
        """For a person."""
        days = self.ahead_seconds / DAY_SECONDS
        return (
            f"its time is {self.moment:%Y-%m-%d %H:%M} UTC, {days:.1f} days ahead of this machine's (a replay's doing)"
        )


def cloud_time(running: RunningCloud) -> CloudTime:
    """Raises: OperatorError if the cloud does not answer."""
    try:
        answer = urllib3.request("GET", running.aws_endpoint_url + PATH, timeout=TIMEOUT_SECONDS, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise OperatorError(f"{running.aws_endpoint_url} does not answer: {error}") from error
    found = json.loads(answer.data)
    return CloudTime(found["now"], found["ahead_seconds"])
