"""The steps `roll_out` and `observe`: a version goes into service by an update of the endpoint, which SageMaker carries
out, watches and takes back; and what became of it.

Why not by CloudFormation: docs/decisions/rollout-by-the-loop.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import ClientError

from functions.retraining.deployable import config_request, main_variant, model_request, serves
from functions.retraining.loop_state import LoopStore
from functions.retraining.registering import MAXIMUM_DESCRIPTION_CHARACTERS, one_line
from functions.retraining.rollback_cause import AlarmReader, RollbackCause
from functions.retraining.settings import RetrainingSettings
from functions.shared.champion import NO_CHAMPION
from model_packages.contract import PackageConfig
from model_packages.errors import OperatorError
from model_packages.serving import deployment_config, properties_of_the_new_config

IN_SERVICE = "InService"
UNDER_WAY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})

Event = Mapping[str, Any]
Document = Mapping[str, Any]


class EndpointBusy(OperatorError):
    """Somebody else's deployment is under way. The state machine comes back when it may be over."""


class Endpoints(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_endpoint(self, **arguments: Any) -> Any: ...

    def describe_endpoint_config(self, **arguments: Any) -> Any: ...

    def describe_model(self, **arguments: Any) -> Any: ...

    def describe_model_package(self, **arguments: Any) -> Any: ...

    def update_model_package(self, **arguments: Any) -> Any: ...

    def create_model(self, **arguments: Any) -> Any: ...

    def create_endpoint_config(self, **arguments: Any) -> Any: ...

    def update_endpoint(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Of one package's endpoint."""

    sagemaker: Endpoints
    cloudwatch: AlarmReader
    store: LoopStore
    settings: RetrainingSettings
    config: PackageConfig

    def roll_out(self, event: Event) -> dict[str, Any]:
        """The step: `{"config", "model", "before", "begun"}`. An update that was begun already is not begun again.

        Raises: EndpointBusy; LockLost; OperatorError for a version that may not serve, or an endpoint that is broken.
        """
        version, run = event["version"], event["run"]
        self._require_approved(version, event)
        endpoint = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)
        before, status = endpoint["EndpointConfigName"], endpoint["EndpointStatus"]
        in_service = self.sagemaker.describe_endpoint_config(EndpointConfigName=before)
        current = main_variant(in_service)["ModelName"]
        if status == IN_SERVICE and self._serves(current, version):
            return {"config": before, "model": current, "before": before, "begun": event["now"]}
        model = model_request(version, self.settings)
        config = config_request(in_service, model=model["ModelName"], version=version, settings=self.settings)
        name = config["EndpointConfigName"]
        if not self._is_begun(endpoint, name, event):
            _require_in_service(endpoint)
            self._make("model", model)
            self._make("endpoint_config", config)
            self._update(name, run=run)
        return {"config": name, "model": model["ModelName"], "before": before, "begun": self._begun(event["now"])}

    def observe(self, event: Event) -> dict[str, Any]:
        """The step: how the update is. What serves tells, not the status: one that was taken back is in service too."""
        config, before = event["config"], event["before"]
        endpoint = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)
        status, current = endpoint["EndpointStatus"], endpoint["EndpointConfigName"]
        reason = endpoint.get("FailureReason", "")
        if status in UNDER_WAY:
            return _seen("under_way")
        if status != IN_SERVICE:
            return _seen("failed", reason=f"the endpoint is {status}" + (f": {reason}" if reason else ""))
        if current == config:
            return _seen("in_service")
        if current != before:
            return _seen("failed", reason=f"another deployment has put the endpoint config {current} into service")
        cause = RollbackCause(self.cloudwatch, self.settings.rollback_alarms)
        begun, now = (datetime.fromisoformat(event[name]) for name in ("begun", "now"))
        return _seen("rolled_back", alarm=cause.find(reason, begun=begun, now=now), reason=reason or None)

    def _require_approved(self, version: str, event: Event) -> None:
        """A version that waits for approval, and got it in this run, is marked as approved."""
        if version == NO_CHAMPION:
            return
        approval = event.get("approval") or {}
        status = self.sagemaker.describe_model_package(ModelPackageName=version).get("ModelApprovalStatus")
        if status == "PendingManualApproval" and approval.get("approved"):
            self.sagemaker.update_model_package(
                ModelPackageArn=version, ModelApprovalStatus="Approved", ApprovalDescription=_approved(event)
            )
        elif status != "Approved":
            raise OperatorError(
                f"the version {version} is {status}; allowed: Approved (aws sagemaker update-model-package "
                f"--model-package-arn {version} --model-approval-status Approved)"
            )

    def _serves(self, model: str, version: str) -> bool:
        """False also where the model was deleted, which does not stop its servers."""
        try:
            found = self.sagemaker.describe_model(ModelName=model)
        except ClientError as error:
            if "Could not find" in error.response["Error"].get("Message", ""):
                return False
            raise
        return serves(found, version, self.settings)

    def _is_begun(self, endpoint: Document, config: str, event: Event) -> bool:
        """Whether an earlier call of this step began the update: it is under way, or was taken back since."""
        pending = endpoint.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
        if pending is not None or endpoint["EndpointStatus"] in UNDER_WAY:
            return bool(pending == config)
        lock = self.store.read().lock
        is_ours = lock is not None and lock.run == event["run"] and lock.phase == "rollout"
        return is_ours and endpoint["LastModifiedTime"] > datetime.fromisoformat(event["now"])

    def _begun(self, otherwise: str) -> str:
        """When SageMaker began the update that is under way: alarms that went off before had nothing to do with it."""
        endpoint = self.sagemaker.describe_endpoint(EndpointName=self.settings.endpoint_name)
        begun = endpoint.get("PendingDeploymentSummary", {}).get("StartTime")
        return begun.isoformat() if begun is not None else otherwise

    def _make(self, kind: str, request: Document) -> None:
        """Creates a model or an endpoint config, unless it is there: its name says what is in it."""
        try:
            getattr(self.sagemaker, f"create_{kind}")(**request)
        except ClientError as error:
            if "already existing" not in error.response["Error"].get("Message", ""):
                raise

    def _update(self, config: str, *, run: str) -> None:
        """From here on the endpoint is the run's: a deployment is refused until the run ends."""
        self.store.change(lambda state: state.in_phase(run, "rollout"))
        try:
            self.sagemaker.update_endpoint(
                EndpointName=self.settings.endpoint_name,
                EndpointConfigName=config,
                DeploymentConfig=deployment_config(self.config.rollout, alarms=self.settings.rollback_alarms),
                RetainAllVariantProperties=True,
                ExcludeRetainedVariantProperties=properties_of_the_new_config(self.config.endpoint),
            )
        except ClientError as error:
            self.store.change(lambda state: state.in_phase(run, "preparing"))
            if "in-progress" in error.response["Error"].get("Message", ""):
                raise EndpointBusy(f"{self.settings.endpoint_name} has begun to change") from error
            raise


def _approved(event: Event) -> str:
    """By whom, and what the gate had said."""
    by, summary = event["approval"].get("by"), (event.get("decision") or {}).get("summary", "")
    text = f"approved{f' by {by}' if by else ''}{f': {summary}' if summary else ''}"
    return one_line(text)[:MAXIMUM_DESCRIPTION_CHARACTERS]


def _require_in_service(endpoint: Document) -> None:
    name, status = endpoint["EndpointName"], endpoint["EndpointStatus"]
    if status in UNDER_WAY:
        raise EndpointBusy(f"{name} is {status}; allowed: {IN_SERVICE}")
    if status != IN_SERVICE:
        raise OperatorError(f"{name} is {status}; allowed: {IN_SERVICE}; mend the endpoint (flyball doctor) first")


def _seen(status: str, *, alarm: str | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"status": status, "alarm": alarm, "reason": reason}
