"""The endpoint operations of the SageMaker API, in place of moto's: `sagemaker_operations` of `moto_hooks.CloudHooks`.

They run in moto's threads. They check what AWS checks at once, show the first status, and leave the rest to the event
loop that `Endpoints` belongs to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from moto.sagemaker.exceptions import AWSValidationException
from moto.sagemaker.models import FakeEndpoint

from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.guardrails import Guardrails, InvalidDeployment, guardrails
from local.services.sagemaker.moto_state import Endpoint, EndpointConfig, MotoState, refuse_config
from local.services.sagemaker.pending import launching
from local.services.sagemaker.plan import FleetPlan
from local.services.sagemaker.service_model import check, invalid
from model_packages.errors import UnsupportedResource

Document = Mapping[str, Any]
Operation = Callable[[Document], Document | None]
Later = Callable[..., object]
"""`later(function, *arguments)` calls it in the event loop, as `loop.call_soon_threadsafe` does."""

IN_PROGRESS: Final = frozenset(
    {
        EndpointStatus.CREATING,
        EndpointStatus.UPDATING,
        EndpointStatus.SYSTEM_UPDATING,
        EndpointStatus.ROLLING_BACK,
        EndpointStatus.DELETING,
    }
)


class EndpointCommands(Protocol):
    """What `Endpoints` is told to do."""

    def create(self, endpoint: str, plan: FleetPlan) -> None: ...
    def update(self, endpoint: str, plan: FleetPlan, rails: Guardrails) -> None: ...
    def delete(self, endpoint: str) -> None: ...
    def reweigh(self, endpoint: str, weights: Mapping[str, float]) -> None: ...


class EndpointOperations:
    """CreateEndpointConfig, CreateEndpoint, UpdateEndpoint, DeleteEndpoint and the change of weights."""

    def __init__(self, *, state: MotoState, endpoints: EndpointCommands, later: Later) -> None:
        self._state, self._endpoints, self._later = state, endpoints, later
        self._lock = threading.Lock()

    def by_name(self) -> dict[str, Operation]:
        """Each operation under its name in the API."""
        return {
            "CreateEndpointConfig": self.create_endpoint_config,
            "CreateEndpoint": self.create_endpoint,
            "UpdateEndpoint": self.update_endpoint,
            "DeleteEndpoint": self.delete_endpoint,
            "UpdateEndpointWeightsAndCapacities": self.update_weights,
            "DeleteEndpointConfig": self.delete_endpoint_config,
        }

    def create_endpoint_config(self, parameters: Document) -> Document:
        """Store a config whose models exist and which can be run here."""
        check("CreateEndpointConfig", parameters)
        name, backend = parameters["EndpointConfigName"], self._state.backend
        arn = self._arn("endpoint-config", name)
        with self._lock:
            if name in backend.endpoint_configs:
                raise invalid(f'Cannot create already existing endpoint configuration "{arn}".')
            try:
                refuse_config(parameters)
                config = EndpointConfig(parameters, account_id=self._state.account_id, region=self._state.region)
            except UnsupportedResource as error:
                raise invalid(str(error)) from error
            backend.endpoint_configs[name] = config
            try:
                self._plan(name)
            except AWSValidationException:
                del backend.endpoint_configs[name]
                raise
        return {"EndpointConfigArn": arn}

    def delete_endpoint_config(self, parameters: Document) -> None:
        """Forget a config; endpoints that serve it go on."""
        check("DeleteEndpointConfig", parameters)
        name = parameters["EndpointConfigName"]
        with self._lock:
            if self._state.backend.endpoint_configs.pop(name, None) is None:
                raise invalid(f'Could not find endpoint configuration "{self._arn("endpoint-config", name)}".')

    def create_endpoint(self, parameters: Document) -> Document:
        """Show a new endpoint as Creating, and begin to bring it into service."""
        check("CreateEndpoint", parameters)
        name, config_name, backend = parameters["EndpointName"], parameters["EndpointConfigName"], self._state.backend
        arn = self._arn("endpoint", name)
        with self._lock:
            if name in backend.endpoints:
                raise invalid(f'Cannot create already existing endpoint "{arn}".')
            plan = self._plan(config_name)
            _guardrails(parameters.get("DeploymentConfig"), plan)
            backend.endpoints[name] = Endpoint(
                parameters,
                config=backend.endpoint_configs[config_name],
                state=self._state,
            )
            self._state.show(name, EndpointState(EndpointStatus.CREATING, config_name))
            self._state.stage(name, launching(plan, now=self._state.now()))
        self._later(self._endpoints.create, name, plan)
        return {"EndpointArn": arn}

    def update_endpoint(self, parameters: Document) -> Document:
        """Show the endpoint as Updating, still on its old config, and begin to replace its fleet."""
        check("UpdateEndpoint", parameters)
        name = parameters["EndpointName"]
        with self._lock:
            endpoint = self._settled(name)
            if endpoint.endpoint_status == EndpointStatus.FAILED:
                raise invalid(f'Cannot update failed endpoint "{endpoint.arn}"; delete it and create it again.')
            plan = self._plan_of_update(endpoint, parameters)
            rails = _guardrails(_deployment_config(endpoint, parameters), plan)
            self._note_update(endpoint, parameters)
            self._state.show(name, EndpointState(EndpointStatus.UPDATING, endpoint.endpoint_config_name))
            self._state.stage(name, launching(plan, now=self._state.now()))
        self._later(self._endpoints.update, name, plan, rails)
        return {"EndpointArn": endpoint.arn}

    def delete_endpoint(self, parameters: Document) -> None:
        """Show the endpoint as Deleting, and begin to end it."""
        check("DeleteEndpoint", parameters)
        name = parameters["EndpointName"]
        with self._lock:
            endpoint = self._settled(name)
            self._state.show(name, EndpointState(EndpointStatus.DELETING, endpoint.endpoint_config_name))
        self._later(self._endpoints.delete, name)

    def update_weights(self, parameters: Document) -> Document:
        """Change weights at once; instance counts are stored and nothing else."""
        check("UpdateEndpointWeightsAndCapacities", parameters)
        name, wanted = parameters["EndpointName"], parameters["DesiredWeightsAndCapacities"]
        with self._lock:
            endpoint = self._settled(name)
            try:
                self._state.reweigh(name, wanted)
            except LookupError as error:
                raise invalid(str(error)) from error
        weights = {each["VariantName"]: float(each["DesiredWeight"]) for each in wanted if "DesiredWeight" in each}
        self._later(self._endpoints.reweigh, name, weights)
        return {"EndpointArn": endpoint.arn}

    def _plan_of_update(self, endpoint: FakeEndpoint, parameters: Document) -> FleetPlan:
        """The new config's plan, with what is retained of the endpoint."""
        plan = self._plan(parameters["EndpointConfigName"])
        if not parameters.get("RetainAllVariantProperties"):
            return plan
        return self._state.retained(plan, endpoint, excluded=_excluded(parameters))

    @staticmethod
    def _note_update(endpoint: FakeEndpoint, parameters: Document) -> None:
        """Keep what the update says beside the config."""
        if not isinstance(endpoint, Endpoint):
            return
        endpoint.last_deployment_config = _deployment_config(endpoint, parameters)
        if parameters.get("RetainAllVariantProperties") and "DataCaptureConfig" not in _excluded(parameters):
            endpoint.pending_capture_config = dict(endpoint.data_capture_config or {})

    def _settled(self, name: str) -> FakeEndpoint:
        """The endpoint, if nothing is going on with it."""
        endpoint = self._state.backend.endpoints.get(name)
        if endpoint is None:
            raise invalid(f'Could not find endpoint "{self._arn("endpoint", name)}".')
        if endpoint.endpoint_status in IN_PROGRESS:
            raise invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
        return endpoint

    def _plan(self, config_name: str) -> FleetPlan:
        try:
            plan = self._state.plan(config_name)
        except (LookupError, UnsupportedResource) as error:
            raise invalid(str(error)) from error
        if plan is None:
            raise invalid(f'Could not find endpoint configuration "{self._arn("endpoint-config", config_name)}".')
        return plan

    def _arn(self, kind: str, name: str) -> str:
        return self._state.arn(kind, name)


def _guardrails(config: Document | None, plan: FleetPlan) -> Guardrails:
    try:
        return guardrails(config, plan)
    except InvalidDeployment as error:
        raise invalid(str(error)) from error


def _deployment_config(endpoint: FakeEndpoint, parameters: Document) -> Document | None:
    """The update's own DeploymentConfig, or the last one where that is to be retained."""
    last: Document | None = getattr(endpoint, "last_deployment_config", None)
    given: Document | None = parameters.get("DeploymentConfig")
    return last or given if parameters.get("RetainDeploymentConfig") else given


def _excluded(parameters: Document) -> list[str]:
    given = parameters.get("ExcludeRetainedVariantProperties") or ()
    return [each["VariantPropertyType"] for each in given]
