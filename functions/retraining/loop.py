"""Hands each event to the part of the loop that it is for: a step of the state machine, CloudFormation, EventBridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from functions.retraining.guard import DeploymentGuard
from functions.retraining.settling import DETAIL_TYPE, Settling
from model_packages.errors import OperatorError

Event: TypeAlias = Mapping[str, Any]
Step: TypeAlias = Callable[[Event], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingLoop:
    """Of one package. `steps` by the name that the state machine calls them by."""

    steps: Mapping[str, Step]
    settling: Settling
    guard: DeploymentGuard

    def handle(self, event: Event) -> dict[str, Any]:
        """The answer is JSON. Raises: OperatorError for an event that is for nobody; whatever a step raises."""
        if "RequestType" in event:
            outcome = self.guard.handle(event)
            return {"status": outcome.status, "reason": outcome.reason}
        if event.get("detail-type") == DETAIL_TYPE:
            return self.settling.settle(event)
        step = self.steps.get(event.get("step", ""))
        if step is None:
            raise OperatorError(f"step: found {event.get('step')!r}; allowed: {', '.join(sorted(self.steps))}")
        return step(event)
