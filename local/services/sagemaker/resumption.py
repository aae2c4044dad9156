"""At the start of a cloud: every endpoint that its state knows comes to a true end of what was under way.

What was in service serves its config again, and so does what was being updated, wherever its traffic was: the update
counts as rolled back. What was being created or deleted goes on.
"""

from __future__ import annotations

from typing import Final, Protocol

from moto.sagemaker.models import FakeEndpoint

from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.plan import FleetPlan
from model_packages.errors import UnsupportedResource

CUT_OFF: Final = (
    "The deployment was rolled back. The local cloud ended while the endpoint was being updated; it serves its former "
    "config."
)


class EndpointStarts(Protocol):
    """What `Endpoints` is told to do."""

    def create(self, endpoint: str, plan: FleetPlan) -> None: ...
    def resume(self, endpoint: str, plan: FleetPlan, *, failure_reason: str | None = None) -> None: ...
    def delete(self, endpoint: str) -> None: ...


def resume_endpoints(state: MotoState, endpoints: EndpointStarts) -> None:
    """Begins it; `Endpoints.settle` waits for the end. To be called where `endpoints` belongs, once S3 answers."""
    for name, endpoint in list(state.backend.endpoints.items()):
        if endpoint.endpoint_status == EndpointStatus.DELETING:
            endpoints.delete(name)
        elif endpoint.endpoint_status != EndpointStatus.FAILED:
            _start(name, endpoint, state, endpoints)


def _start(name: str, endpoint: FakeEndpoint, state: MotoState, endpoints: EndpointStarts) -> None:
    plan = _plan(endpoint.endpoint_config_name, state)
    if isinstance(plan, str):
        reason = f"The endpoint could not be started again with the local cloud: {plan}"
        state.show(name, EndpointState(EndpointStatus.FAILED, endpoint.endpoint_config_name, reason))
        return
    if endpoint.endpoint_status == EndpointStatus.CREATING:
        endpoints.create(name, plan)
        return
    endpoints.resume(name, state.retained(plan, endpoint), failure_reason=_reason(endpoint))


def _reason(endpoint: FakeEndpoint) -> str | None:
    """Why the endpoint is not what somebody wanted it to be."""
    match endpoint.endpoint_status:
        case EndpointStatus.UPDATING:
            return CUT_OFF
        case EndpointStatus.ROLLING_BACK | EndpointStatus.UPDATE_ROLLBACK_FAILED:
            return endpoint.failure_reason or CUT_OFF
        case _:
            return None


def _plan(config_name: str, state: MotoState) -> FleetPlan | str:
    """The plan, or why there is none."""
    try:
        plan = state.plan(config_name)
    except (LookupError, UnsupportedResource) as error:
        return str(error)
    return f"endpoint configuration {config_name} has been deleted" if plan is None else plan
