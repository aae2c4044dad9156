"""A run that has come to its rollout: the steps around it, the state, and a SageMaker in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from functions.retraining.leftovers import Leftovers
from functions.retraining.loop_state import Lock, LoopState, LoopStore
from functions.retraining.promotion import Promotion
from functions.retraining.rollout import Rollout
from functions.retraining.settings import RetrainingSettings
from functions.retraining.triggers import Trigger, TriggerKind
from model_packages.contract import Endpoint, PackageConfig
from model_packages.contract import Rollout as RolloutConfig
from tests.functions.retraining.cloud import ARTIFACTS, Cloud
from tests.functions.retraining.deployments import Alarms, SageMaker
from tests.functions.retraining.loops import KEY, NOON, SETTINGS, config_with, execution_of, step_of

CONFIG = config_with(retained_versions=1).model_copy(
    update={"rollout": RolloutConfig(strategy="canary", step_percent=25, bake_minutes=5)}
)
ALARMS = ("flowers-ModelErrors", "flowers-Latency")
WATCHED = replace(SETTINGS, rollback_alarms=ALARMS)


@dataclass
class Pointer:
    """Writes parameters that are there."""

    parameters: dict[str, str]

    def put_parameter(self, **arguments: Any) -> Any:
        assert arguments["Overwrite"]
        assert arguments["Name"] in self.parameters
        self.parameters[arguments["Name"]] = arguments["Value"]


@dataclass
class Run:
    """`one` has the lock."""

    sagemaker: SageMaker = field(default_factory=SageMaker)
    alarms: Alarms = field(default_factory=Alarms)
    cloud: Cloud = field(default_factory=Cloud)
    settings: RetrainingSettings = WATCHED
    config: PackageConfig = CONFIG
    entered: datetime = NOON
    """When the state machine came to the step; the same for each attempt."""

    def __post_init__(self) -> None:
        lock = Lock(
            run="one",
            execution=execution_of("one"),
            since=NOON,
            trigger=Trigger(kind=TriggerKind.DRIFT),
            champion="none",
        )
        self.store.change(lambda state: replace(state, lock=lock))

    @property
    def store(self) -> LoopStore:
        return LoopStore(self.cloud.client(), ARTIFACTS, KEY)

    @property
    def state(self) -> LoopState:
        return self.store.read()

    @property
    def steps(self) -> Rollout:
        return Rollout(
            sagemaker=self.sagemaker,
            cloudwatch=self.alarms,
            store=self.store,
            settings=self.settings,
            config=self.config,
        )

    def roll_out(self, version: str, *, run: str = "one", **more: Any) -> dict[str, Any]:
        return self.steps.roll_out(step_of(run, now=self.entered, version=version, **more))

    def observe(self, rolled_out: dict[str, Any]) -> dict[str, Any]:
        return self.steps.observe(step_of("one", now=self.sagemaker.now, **rolled_out))

    def promote(self, version: str, rolled_out: dict[str, Any], *, run: str = "one") -> dict[str, str]:
        promotion = Promotion(
            ssm=Pointer(self.cloud.parameters), sagemaker=self.sagemaker, store=self.store, settings=self.settings
        )
        return promotion.promote(step_of(run, now=self.sagemaker.now, version=version, **rolled_out))

    def serve(self, version: str) -> dict[str, Any]:
        """Rolls a version out and promotes it."""
        rolled_out = self.roll_out(version)
        if "PendingDeploymentSummary" in self.sagemaker.endpoint:
            self.sagemaker.settle()
        self.promote(version, rolled_out, run=f"one-{version}")
        self.entered = self.sagemaker.now
        return rolled_out

    def remove_leftovers(self, *, run: str = "one") -> list[str]:
        leftovers = Leftovers(sagemaker=self.sagemaker, settings=self.settings, config=self.config)
        return leftovers.remove(self.state, run=run)


def fixed(run: Run) -> Run:
    """With as many instances as ever."""
    config = run.config.model_copy(update={"endpoint": Endpoint(minimum_instances=2, maximum_instances=2)})
    return replace(run, config=config)
