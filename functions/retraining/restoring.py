"""Puts the champion back where a run ended in the middle of its rollout.

SageMaker goes on with an update when nobody watches it any more. Then the endpoint would serve a version that is not
champion, until some later deployment took it away. Another run, which only goes back, puts that right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.retraining.deployable import is_made_by_the_loop
from functions.retraining.loop_state import LoopState, RunRecord
from functions.retraining.settings import RetrainingSettings
from functions.retraining.triggers import Trigger, TriggerKind

MAXIMUM_NAME_CHARACTERS = 80
SUFFIX = "-restore"


class EndpointReader(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_endpoint(self, **arguments: Any) -> Any: ...


class Starter(Protocol):
    """As much of botocore's Step Functions client as is needed."""

    def start_execution(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """Of one endpoint."""

    sagemaker: EndpointReader
    states: Starter
    settings: RetrainingSettings

    def is_needed(self, state: LoopState, run: str) -> bool:
        """Whether the endpoint serves, or is about to serve, a version of the loop's that is not champion.

        A run that was to put the champion back is not followed by another: people have to look.
        """
        lock = state.lock
        if lock is None or lock.run != run or lock.phase != "rollout" or run.endswith(SUFFIX):
            return False
        config = self._config()
        champion = state.champions[-1].config if state.champions else ""
        return is_made_by_the_loop(config, self.settings.endpoint_name) and config != champion

    def start(self, record: RunRecord) -> None:
        """Starts the run that goes back to the champion; once, however often it is asked to."""
        name = f"{record.run[: MAXIMUM_NAME_CHARACTERS - len(SUFFIX)]}{SUFFIX}"
        trigger = Trigger(
            kind=TriggerKind.MANUAL,
            by="flyball",
            reason=f"the run {record.run} ended in the middle of its rollout",
            rollback_to=record.champion,
        )
        try:
            self.states.start_execution(
                stateMachineArn=self.settings.state_machine_arn,
                name=name,
                input=json.dumps({"trigger": trigger.to_json()}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def _config(self) -> str:
        """The endpoint config that the endpoint has, or is changing to."""
        try:
            found = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationException":  # it is not there: its stack is being deleted
                return ""
            raise
        pending: str = found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", "")
        return pending or str(found.get("EndpointConfigName", ""))
