"""The deployment guard: a CloudFormation custom resource that refuses a deployment while the loop changes the endpoint.

CloudFormation asks before it comes to the endpoint. Otherwise it and the loop would each take the other's endpoint
config for the one to replace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from functions.retraining.admission import moment
from functions.retraining.executions import ExecutionReader, describe
from functions.retraining.loop_state import Lock, LoopStore
from functions.shared.custom_resource import Outcome, Put, ResourceEvent, answer, attempt


class EndpointConfigs(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_endpoint_config(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentGuard:
    """Of one package."""

    store: LoopStore
    sagemaker: EndpointConfigs
    states: ExecutionReader
    put: Put
    package: str

    def handle(self, event: ResourceEvent) -> Outcome:
        """SUCCESS lets the deployment go on."""
        known = str(event.get("PhysicalResourceId") or f"{self.package}-deployment-guard")
        outcome = attempt(physical_id=known, act=lambda: self._judge(event, known))
        answer(self.put, event, outcome)
        return outcome

    def _judge(self, event: ResourceEvent, known: str) -> Outcome:
        lock = self._rollout() if event["RequestType"] != "Delete" else None
        if lock is None or self._is_on_the_way_back(event):
            return Outcome(status="SUCCESS", physical_id=known)
        reason = (
            f"the retraining run {lock.run} has been rolling out a version of {self.package} since "
            f"{moment(lock.since)}; deploy again when it has ended (flyball history {self.package}), or stop its "
            f"execution {lock.execution} first"
        )
        return Outcome(status="FAILED", physical_id=known, reason=reason)

    def _is_on_the_way_back(self, event: ResourceEvent) -> bool:
        """Whether a refused deployment is being rolled back: CloudFormation then asks for the older config again, whose
        endpoint it has not left. Refused once more, the stack would be stuck.
        """
        new, old = (
            event.get(properties, {}).get("EndpointConfigName")
            for properties in ("ResourceProperties", "OldResourceProperties")
        )
        return bool(new and old) and self._made(new) < self._made(old)

    def _made(self, config: str) -> Any:
        return self.sagemaker.describe_endpoint_config(EndpointConfigName=config)["CreationTime"]

    def _rollout(self) -> Lock | None:
        """The lock of a run whose rollout is under way now."""
        lock = self.store.read().lock
        if lock is None or lock.phase != "rollout" or not describe(self.states, lock.execution).is_running:
            return None
        return lock
