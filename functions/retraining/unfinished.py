"""What a run that ended before its end has done all the same: its version may be champion already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.retraining.champion import Champions
from functions.retraining.deployable import main_variant
from functions.retraining.loop_state import UNFINISHED, ChampionRecord, LoopState
from functions.retraining.recording import End
from functions.retraining.settings import RetrainingSettings

ABSENT = ("ValidationException", "ParameterNotFound")
"""How SageMaker and SSM say that the endpoint, or the pointer, is not there: its stack is being deleted."""


class Endpoints(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_endpoint(self, **arguments: Any) -> Any: ...

    def describe_endpoint_config(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """Of one package."""

    sagemaker: Endpoints
    champions: Champions
    settings: RetrainingSettings

    def promoted(self, state: LoopState, end: End) -> ChampionRecord | None:
        """The champion that the run made, where it did not come to say so; None where it made none.

        The pointer is written before the record: a process may die between the two.
        """
        if end.outcome not in UNFINISHED or state.lock is None or state.lock.run != end.run:
            return None
        recorded = next((record for record in state.champions if record.run == end.run), None)
        if recorded is not None:
            return recorded
        try:
            arn = self.champions.arn()
            return None if arn == state.lock.champion else self._record(arn, end)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                return None
            raise

    def _record(self, arn: str, end: End) -> ChampionRecord:
        """Of what serves now."""
        config = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)["EndpointConfigName"]
        variants: Mapping[str, Any] = self.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        return ChampionRecord(
            arn=arn, config=config, model=main_variant(variants)["ModelName"], since=end.now, run=end.run
        )
