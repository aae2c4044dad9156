"""The step `promote`: the champion pointer says what serves. From here on a deployment keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from functions.retraining.loop_state import ChampionRecord, LoopState, LoopStore
from functions.retraining.settings import RetrainingSettings
from functions.shared.champion import NO_CHAMPION
from model_packages.errors import OperatorError


class ParameterWriter(Protocol):
    """As much of botocore's SSM client as is needed."""

    def put_parameter(self, **arguments: Any) -> Any: ...


class EndpointReader(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_endpoint(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Of one package."""

    ssm: ParameterWriter
    sagemaker: EndpointReader
    store: LoopStore
    settings: RetrainingSettings

    def promote(self, event: Mapping[str, Any]) -> dict[str, str]:
        """The step: `{"champion": the version's ARN}`. Twice is once.

        Raises: OperatorError if the endpoint serves something else by now.
        """
        version, config = event["version"], event["config"]
        serving = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)["EndpointConfigName"]
        if serving != config:
            raise OperatorError(
                f"{self.settings.endpoint_name} serves from {serving} by now; allowed: {config}, which was rolled "
                "out; the champion stays what it was"
            )
        self.ssm.put_parameter(Name=self.settings.champion_parameter, Value=version, Overwrite=True)
        record = ChampionRecord(
            arn=version,
            config=config,
            model=event["model"],
            since=datetime.fromisoformat(event["now"]),
            run=event["run"],
        )
        self.store.change(lambda state: state.with_champion(record))
        return {"champion": version}


def previous_champion(state: LoopState) -> str | None:
    """The ARN of the version before the champion, `none` for the initial one, None where nothing was before.

    Going back takes a version off, so that going back twice leads to the one before both, and not back again.
    """
    line = [NO_CHAMPION]
    for record in state.champions:
        if record.arn in line:
            del line[line.index(record.arn) + 1 :]
        else:
            line.append(record.arn)
    return line[-2] if len(line) > 1 else None
