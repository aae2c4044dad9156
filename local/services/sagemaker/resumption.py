"""At the start of a cloud: every endpoint that its state knows comes to a true end of what was under way.

What was in service, or was being updated, serves its config again; what was being created or deleted goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from moto.sagemaker.models import FakeEndpoint

from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.plan import FleetPlan
from model_packages.errors import UnsupportedResource

CUT_OFF: Final = "The local cloud ended while the endpoint was being updated; it serves its former config."


class EndpointStarts(Protocol):
    """What `Endpoints` is told to do."""

    def create(self, endpoint: str, plan: FleetPlan) -> None: ...
    def resume(
        self, endpoint: str, plan: FleetPlan, *, weights: Mapping[str, float], failure_reason: str | None = None
    ) -> None: ...
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
    was_cut_off = endpoint.endpoint_status == EndpointStatus.UPDATING
    endpoints.resume(name, plan, weights=_weights(endpoint), failure_reason=CUT_OFF if was_cut_off else None)


def _plan(config_name: str, state: MotoState) -> FleetPlan | str:
    """The plan, or why there is none."""
    try:
        plan = state.plan(config_name)
    except (LookupError, UnsupportedResource) as error:
        return str(error)
    return f"endpoint configuration {config_name} has been deleted" if plan is None else plan


def _weights(endpoint: FakeEndpoint) -> dict[str, float]:
    """What UpdateEndpointWeightsAndCapacities has made of them."""
    shown = endpoint.production_variants or ()
    return {variant["VariantName"]: float(variant["CurrentWeight"]) for variant in shown if "CurrentWeight" in variant}
