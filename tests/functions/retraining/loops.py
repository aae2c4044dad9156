"""The heart of the retraining loop of the package `flowers`, on a cloud in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.retraining.core import Clients, Core, compose_core
from functions.retraining.loop_state import LoopState, LoopStore
from functions.retraining.settings import RetrainingSettings
from functions.shared import layout
from functions.shared.logs import make_logger
from model_packages.contract import Gate, PackageConfig, Retraining
from tests.functions.retraining.cloud import ARTIFACTS, CAPTURES, PARAMETER, Client, Cloud

NOON = datetime(2026, 2, 14, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONG_AGO = NOON - 100 * DAY
"""When an alarm first asked, if nothing else is said: every label counts."""
ENDPOINT = "flyball-flowers"
GROUP = "arn:aws:sagemaker:us-east-1:123456789012:model-package/flyball-flowers"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:flyball-flowers-retraining"
KEY = layout.loop_key("flowers")

SETTINGS = RetrainingSettings(
    package="flowers",
    endpoint_name=ENDPOINT,
    champion_parameter=PARAMETER,
    model_package_group=ENDPOINT,
    artifacts_bucket=ARTIFACTS,
    captures_bucket=CAPTURES,
    initial_model_uri="s3://assets/model.tar.gz",
    base_data_uri="s3://assets/data.zip",
    image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/flyball:1",
    execution_role_arn="arn:aws:iam::123456789012:role/endpoint",
    topic_arn="arn:aws:sns:us-east-1:123456789012:flyball",
    drift_alarm="flowers-Drift",
    quality_alarm="flowers-LowQuality",
    rollback_alarms=("flowers-ModelErrors",),
    state_machine_arn=MACHINE,
    key_arn="arn:aws:kms:us-east-1:123456789012:key/1",
    initial_baseline_uri="s3://artifacts/initial/baseline.json",
)


def config_with(**retraining: Any) -> PackageConfig:
    return PackageConfig(
        description="Flowers.",
        task="multiclass_classification",
        gate=Gate(metric="accuracy", minimum=0.5),
        retraining=Retraining(**retraining),
    )


@dataclass
class NoLeftovers:
    """Notes for which runs it was asked to clean up."""

    asked: list[str] = field(default_factory=list)

    def remove(self, state: LoopState, *, run: str) -> list[str]:
        self.asked.append(run)
        return []


def core_on(client: Client | Cloud, *, leftovers: Any = None, is_judged: bool = True, **retraining: Any) -> Core:
    """A fresh process."""
    each: Any = client.client() if isinstance(client, Cloud) else client
    services = ("s3", "sagemaker", "ssm", "cloudwatch", "logs", "sns", "states")
    clients = Clients(**dict.fromkeys(services, each), put=each.answer_cloudformation)
    return compose_core(
        clients,
        settings=SETTINGS,
        config=config_with(**retraining),
        leftovers=leftovers or NoLeftovers(),
        is_judged=is_judged,
        logger=make_logger(service="flowers"),
    )


def state_of(cloud: Cloud) -> LoopState:
    return LoopStore(cloud.client(), ARTIFACTS, KEY).read()


def execution_of(run: str) -> str:
    return f"{MACHINE.replace('stateMachine', 'execution')}:{run}"


def running(cloud: Cloud, *runs: str) -> Cloud:
    """With these executions under way."""
    cloud.executions |= {execution_of(run): {"status": "RUNNING"} for run in runs}
    return cloud


def step_of(run: str, *, now: datetime = NOON, **more: Any) -> dict[str, Any]:
    """What the state machine hands to a step."""
    return {"run": run, "execution": execution_of(run), "now": now.isoformat().replace("+00:00", "Z"), **more}


def admit(
    cloud: Client | Cloud, run: str, *, now: datetime = NOON, kind: str = "manual", **more: Any
) -> dict[str, Any]:
    """`more` is of the trigger, but for `settings`."""
    settings = more.pop("settings", {})
    if kind in ("drift", "quality"):
        more = {"since": LONG_AGO.isoformat(), **more}
    event = step_of(run, now=now, step="admit", trigger={"kind": kind, **more})
    return core_on(cloud, **settings).admitting.admit(event)


def conclude(
    cloud: Client | Cloud, run: str, *, outcome: str = "promoted", now: datetime = NOON, **facts: Any
) -> dict[str, Any]:
    event = step_of(run, now=now, step="conclude", outcome=outcome, facts=facts)
    return core_on(cloud).concluding.conclude(event)


def put_labels(cloud: Cloud, hour: datetime, rows: int, *, accuracy: float = 0.9) -> None:
    """What the monitor writes of an hour's labelled predictions."""
    metrics = {"accuracy": {"value": accuracy, "low": accuracy, "high": accuracy}}
    cloud.put_json(CAPTURES, layout.quality_key(ENDPOINT, hour), {"rows": rows, "metrics": metrics})
