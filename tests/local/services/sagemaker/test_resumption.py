"""Endpoints at the start of a cloud: each status that a former cloud can have left comes to a true end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.plan import FleetPlan
from local.services.sagemaker.resumption import CUT_OFF, resume_endpoints

PLAN = FleetPlan("config", ())
RETAINED = FleetPlan("config as it was shown", ())


class State:
    """What `MotoState` knows of one endpoint."""

    def __init__(self, status: str, *, plan: FleetPlan | Exception | None = PLAN) -> None:
        endpoint = SimpleNamespace(endpoint_status=status, endpoint_config_name="config", failure_reason="an alarm")
        self.backend = SimpleNamespace(endpoints={"endpoint": endpoint})
        self.shown: dict[str, EndpointState] = {}
        self._plan = plan

    def plan(self, config_name: str) -> FleetPlan | None:
        if isinstance(self._plan, Exception):
            raise self._plan
        return self._plan

    def retained(self, plan: FleetPlan, _endpoint: object) -> FleetPlan:
        return RETAINED if plan == PLAN else plan

    def show(self, endpoint: str, state: EndpointState) -> None:
        self.shown[endpoint] = state


class Starts:
    """Notes what was begun."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, ...]] = []

    def create(self, endpoint: str, plan: FleetPlan) -> None:
        self.begun.append(("create", endpoint, plan))

    def resume(self, endpoint: str, plan: FleetPlan, *, failure_reason: str | None = None) -> None:
        self.begun.append(("resume", endpoint, plan, failure_reason))

    def delete(self, endpoint: str) -> None:
        self.begun.append(("delete", endpoint))


@pytest.mark.parametrize(
    ("status", "begun"),
    [
        (EndpointStatus.IN_SERVICE, [("resume", "endpoint", RETAINED, None)]),
        (EndpointStatus.SYSTEM_UPDATING, [("resume", "endpoint", RETAINED, None)]),
        (EndpointStatus.UPDATING, [("resume", "endpoint", RETAINED, CUT_OFF)]),
        (EndpointStatus.ROLLING_BACK, [("resume", "endpoint", RETAINED, "an alarm")]),
        (EndpointStatus.UPDATE_ROLLBACK_FAILED, [("resume", "endpoint", RETAINED, "an alarm")]),
        (EndpointStatus.CREATING, [("create", "endpoint", PLAN)]),
        (EndpointStatus.DELETING, [("delete", "endpoint")]),
        (EndpointStatus.FAILED, []),
    ],
)
def test_what_was_under_way_goes_on_or_back(status: EndpointStatus, begun: list[tuple[Any, ...]]) -> None:
    state, starts = State(status.value), Starts()

    resume_endpoints(state, starts)  # type: ignore[arg-type]

    assert starts.begun == begun
    assert state.shown == {}


@pytest.mark.parametrize("plan", [None, LookupError("Could not find model m.")])
def test_an_endpoint_whose_model_is_gone_has_failed_and_says_why(plan: Exception | None) -> None:
    state, starts = State(EndpointStatus.IN_SERVICE.value, plan=plan), Starts()

    resume_endpoints(state, starts)  # type: ignore[arg-type]

    assert starts.begun == []
    shown = state.shown["endpoint"]
    assert shown.status is EndpointStatus.FAILED
    assert "could not be started again" in (shown.failure_reason or "")
