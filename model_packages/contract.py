"""`package.toml`, typed: everything a package declares about how it is served, trained and rolled out.

Values, and rules between them that AWS would only apply in the middle of a deployment. Unknown keys are refused.
`package.schema.json` beside this file is the same contract for editors, made with
`python -m model_packages.contract > model_packages/package.schema.json` and kept true by a test.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

PACKAGE_NAME_PATTERN = r"^[a-z]([a-z0-9_]{0,38}[a-z0-9])?$"
INSTANCE_TYPE_PATTERN = r"^ml\.[a-z0-9-]+\.[a-z0-9]+$"
SAGEMAKER_PAYLOAD_LIMIT_BYTES = 6_291_456
SAGEMAKER_TIMEOUT_LIMIT_SECONDS = 60
SAGEMAKER_ROLLOUT_LIMIT_MINUTES = 480
SAGEMAKER_SMALLEST_LINEAR_PERCENT = 10
PROVISIONING_MINUTES = 60
"""Kept free, of the time that a rollout may take, for the new instances to start."""

InstanceType = Annotated[str, Field(pattern=INSTANCE_TYPE_PATTERN)]
Scalar = str | int | float | bool
Strategy = Literal["canary", "linear", "all_at_once"]


class Section(BaseModel):
    """A table of package.toml: frozen, strictly typed, and a key that the contract does not know is an error."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Endpoint(Section):
    """The SageMaker endpoint that serves the model."""

    instance_type: InstanceType = "ml.g6.xlarge"
    """What serves it; ml.g4dn, ml.g5, ml.g6 and up have a GPU."""
    minimum_instances: Annotated[int, Field(ge=1)] = 2
    """At least this many; a canary needs two."""
    maximum_instances: Annotated[int, Field(ge=1)] = 4
    """Scaling out stops here."""
    concurrency_per_instance: Annotated[int, Field(ge=1)] = 8
    """Scaling keeps the requests in flight on one instance near this number."""
    timeout_seconds: Annotated[int, Field(ge=1, le=SAGEMAKER_TIMEOUT_LIMIT_SECONDS)] = 20
    """The gateway gives up on the model after this long; API Gateway itself after 29 s."""
    maximum_body_bytes: Annotated[int, Field(ge=1, le=SAGEMAKER_PAYLOAD_LIMIT_BYTES)] = 1_048_576
    """A larger request is refused with 413."""
    maximum_rows: Annotated[int, Field(ge=1)] = 256
    """The most rows that one request's `instances` may hold."""

    @model_validator(mode="after")
    def _range_of_instances(self) -> Self:
        if self.maximum_instances < self.minimum_instances:
            raise ValueError(
                f"maximum_instances is {self.maximum_instances}; "
                f"allowed: minimum_instances ({self.minimum_instances}) or more"
            )
        return self


class Batching(Section):
    """How the model server groups requests. It never waits for a batch to fill."""

    maximum_rows: Annotated[int, Field(ge=1)] = 64
    """Rows in one forward pass."""
    maximum_bytes: Annotated[int, Field(ge=1)] = 67_108_864
    """Input bytes in one forward pass."""
    queue_rows: Annotated[int, Field(ge=1)] = 1024
    """Rows that may wait; more are refused with 429."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the device computes in, where it can."""


class Capture(Section):
    """What SageMaker keeps of requests and answers."""

    percent: Annotated[int, Field(ge=0, le=100)] = 100
    """Share of requests that are stored; 0 turns capture off."""
    retention_days: Annotated[int, Field(ge=1)] = 90
    """Captured records are deleted after this long."""
    by: Literal["endpoint", "gateway"] = "endpoint"
    """Who writes them: SageMaker's endpoint, or the gateway function, in the same form and at the same place."""


class Training(Section):
    """How a version is made from data."""

    data: Annotated[str, Field(pattern=r"^(s3://.+|[^/].*)$")] = "data"
    """A folder of the package with *.jsonl or *.jsonl.gz records, or an s3:// prefix."""
    instance_type: InstanceType = "ml.m5.xlarge"
    """What trains it on SageMaker."""
    maximum_runtime_minutes: Annotated[int, Field(ge=1)] = 60
    """A training job is stopped after this long."""
    holdout_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the records that training never sees."""
    holdout: Literal["random", "latest"] = "random"
    """Which records are held out: a seeded sample, or the latest by their `time`."""
    seed: int = 0
    """Seed of the split, and of the training where the package uses it."""
    hyperparameters: dict[str, Scalar] = {}
    """Handed to train() as they are."""
    instances: Annotated[int, Field(ge=1, le=16)] = 1
    """On more than one, torchrun starts the training on each."""
    spot: bool = False
    """Trains on spare capacity, which costs less and may be taken away: train() goes on from its checkpoints."""
    maximum_wait_minutes: Annotated[int, Field(ge=1)] | None = None
    """With spot: how long the job may take with all that it waits; by default twice the runtime."""

    @model_validator(mode="after")
    def _waits_only_where_spot(self) -> Self:
        if self.maximum_wait_minutes is None:
            return self
        if not self.spot:
            raise ValueError("maximum_wait_minutes is set; allowed: with spot = true")
        if self.maximum_wait_minutes < self.maximum_runtime_minutes:
            raise ValueError(
                f"maximum_wait_minutes is {self.maximum_wait_minutes}; "
                f"allowed: maximum_runtime_minutes ({self.maximum_runtime_minutes}) or more"
            )
        return self

    @property
    def longest_wait_minutes(self) -> int:
        """How long a spot job may take, waiting included."""
        return self.maximum_wait_minutes or 2 * self.maximum_runtime_minutes


class Gate(Section):
    """What a version has to reach before it may serve."""

    metric: Annotated[str, Field(min_length=1)]
    """A key of what evaluate() returns; higher is better."""
    minimum: float
    """The least value of that metric on the holdout."""
    compare: Annotated[str, Field(min_length=1)] | None = None
    """The metric that challenger and champion are compared by; by default `metric`. Higher is better."""
    confidence: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.95
    """How sure it has to be that the challenger is better."""
    minimum_gain: Annotated[float, Field(ge=0.0)] = 0.0
    """A challenger has to be better by more than this."""
    maximum_slice_loss: Annotated[float, Field(ge=0.0)] = 0.05
    """No slice may be surely worse, and by more than this."""
    maximum_calibration_error: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """The most that predicted probabilities may be off on average, where the model predicts some."""
    maximum_model_mb: Annotated[float, Field(gt=0.0)] | None = None
    """The largest archive that may be rolled out."""


class Retraining(Section):
    """When a new version is trained from what was captured and labelled, and what keeps it from happening too often."""

    triggers: Annotated[tuple[Literal["drift", "quality", "schedule", "labels"], ...], Field(strict=False)] = (
        "drift",
        "quality",
    )
    """What starts a run by itself; one can always be started by hand."""
    schedule_days: Annotated[int, Field(ge=1, le=365)] = 30
    """With the trigger "schedule": a run this long after the last one."""
    new_labels: Annotated[int, Field(ge=1)] = 5_000
    """With the trigger "labels": a run once so many predictions got labels since the last one."""
    minimum_labels: Annotated[int, Field(ge=1)] = 500
    """A run that nobody started by hand waits for so many labelled predictions since the last one, and since the alarm
    where one asked."""
    cooldown_hours: Annotated[float, Field(ge=0.0)] = 24.0
    """No run that nobody started by hand begins within this time after another."""
    runs_per_month: Annotated[int, Field(ge=1)] = 8
    """More runs than this in 30 days are not begun, unless by hand."""
    holdout_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Share of the labelled predictions, the latest, that champion and challenger are compared on; where an alarm
    asked, of those since then."""
    captured_weight: Annotated[int, Field(ge=1, le=100)] = 1
    """How often a captured record counts in training, beside each of the base data."""
    maximum_captured_rows: Annotated[int, Field(ge=1)] = 100_000
    """At most so many labelled predictions, the latest, go into a run."""
    maximum_wrong_percent: Annotated[float, Field(gt=0.0, le=100.0)] = 5.0
    """A larger share of training records that break the constraints stops a run."""
    approval: bool = False
    """Whether a person has to approve a version before it is rolled out."""
    approval_hours: Annotated[int, Field(ge=1, le=720)] = 72
    """A version that nobody approved by then is not rolled out."""
    retained_versions: Annotated[int, Field(ge=1, le=50)] = 3
    """Of so many former champions SageMaker keeps model and endpoint config, for going back at once."""
    run_usd: Annotated[float, Field(gt=0.0)] | None = None
    """What a run costs. With `error_usd`, drift and quality wait until what the errors cost reaches it."""
    error_usd: Annotated[float, Field(gt=0.0)] | None = None
    """What one wrong prediction costs."""

    @model_validator(mode="after")
    def _both_costs_or_none(self) -> Self:
        if (self.run_usd is None) != (self.error_usd is None):
            raise ValueError("one of run_usd and error_usd is set; allowed: both or neither")
        return self


class Rollout(Section):
    """How traffic moves to a new version, and what moves it back."""

    strategy: Strategy = "canary"
    """Canary and linear shift `step_percent` of the capacity first."""
    step_percent: Annotated[int, Field(ge=5, le=50)] = 50
    """Share of the capacity that one step shifts; SageMaker allows 50 at most, and 10 at least where linear."""
    bake_minutes: Annotated[int, Field(ge=0, le=60)] = 5
    """How long the rollback alarms are watched after each step."""
    maximum_p99_latency_ms: Annotated[float, Field(gt=0)] = 500.0
    """Model latency above this, in the 99th percentile, rolls back."""
    maximum_error_percent: Annotated[float, Field(gt=0, le=100)] = 5.0
    """More 5xx answers than this roll back."""

    @property
    def waiting_minutes(self) -> int:
        """All bakes of the rollout, the one before the old instances go included."""
        return _bakes(self.strategy, self.step_percent) * self.bake_minutes

    @property
    def longest_minutes(self) -> int:
        """When SageMaker has to give the rollout up."""
        return PROVISIONING_MINUTES + self.waiting_minutes

    @field_validator("step_percent")
    @classmethod
    def _linear_steps_are_not_too_small(cls, step_percent: int, others: ValidationInfo) -> int:
        if others.data.get("strategy") == "linear" and step_percent < SAGEMAKER_SMALLEST_LINEAR_PERCENT:
            raise ValueError(
                f"{step_percent}; allowed with strategy 'linear': {SAGEMAKER_SMALLEST_LINEAR_PERCENT} to 50"
            )
        return step_percent

    @field_validator("bake_minutes")
    @classmethod
    def _bakes_fit_the_rollout(cls, bake_minutes: int, others: ValidationInfo) -> int:
        if not {"strategy", "step_percent"} <= others.data.keys():
            return bake_minutes  # one of them is refused itself
        strategy, step_percent = others.data["strategy"], others.data["step_percent"]
        least = 0 if strategy == "all_at_once" else 1
        most = min(60, (SAGEMAKER_ROLLOUT_LIMIT_MINUTES - PROVISIONING_MINUTES) // _bakes(strategy, step_percent))
        if not least <= bake_minutes <= most:
            raise ValueError(
                f"{bake_minutes}; allowed with strategy {strategy!r} in steps of {step_percent} %: {least} to {most} "
                f"(SageMaker ends a rollout after {SAGEMAKER_ROLLOUT_LIMIT_MINUTES} minutes)"
            )
        return bake_minutes


class MonitoredField(Section):
    """What is expected of one field of Request or Response, in place of what the training data showed."""

    watch: bool = True
    """Whether a change of the field is drift; what is wrong with its values is counted either way."""
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """A change of the field that does not matter, in place of monitor.tolerance."""
    completeness: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """The least share of the rows that have a value."""
    minimum: float | None = None
    """A smaller number is out of range."""
    maximum: float | None = None
    """A larger number is out of range."""
    categories: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """Any other category is unknown."""


class Quality(Section):
    """How a prediction is compared with its label; by default the fields that the task and the names suggest."""

    prediction: Annotated[str, Field(min_length=1)] | None = None
    """The field of Response that is judged."""
    label: Annotated[str, Field(min_length=1)] | None = None
    """The field of Label that is the truth."""
    positive: str | bool | None = None
    """The label that a binary classification's probability is of."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """A probability from here on counts as positive."""
    metric: str | None = None
    """The metric that is watched; higher is better. By default the task's accuracy, or R squared of a regression."""
    minimum: float | None = None
    """Live quality surely below this raises an alarm; by default what the holdout showed, less `tolerance`."""
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """A loss of quality against the holdout that does not matter."""


class Monitor(Section):
    """How what goes in and out of the model is watched."""

    window_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """The monitor looks at what is new this often."""
    minimum_rows: Annotated[int, Field(ge=1)] = 200
    """With fewer new rows a window stays open: they are no evidence yet."""
    windows_per_false_alarm: Annotated[int, Field(ge=20)] = 1000
    """Without a change, drift is called at most once in this many windows on average."""
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.02
    """A change that does not matter, in probability: the share of rows that would have to move."""
    block: Literal["row", "time", "caller"] = "time"
    """What counts as one independent observation: each row, the rows of a time, or the rows of a caller."""
    block_minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    """How long a block lasts with block = "time"."""
    season_hours: Annotated[int, Field(ge=0, le=744)] = 0
    """Traffic repeats after this long: 24 for a day, 168 for a week; 0: it is alike at any time."""
    season_tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """With a season: how far a single window may be from the whole season's mix, in probability."""
    maximum_violation_percent: Annotated[float, Field(gt=0, le=100)] = 1.0
    """A larger share of a window's rows with a wrong value raises an alarm."""
    maximum_rejected_percent: Annotated[float, Field(gt=0, le=100)] = 20.0
    """A larger share of requests that do not match the schema raises an alarm."""
    minimum_coverage_percent: Annotated[float, Field(ge=0, le=100)] = 90.0
    """Fewer captured records, of those that should be, raise an alarm."""
    late_minutes: Annotated[int, Field(ge=1, le=1440)] = 180
    """How long a captured file may take to appear; one that comes later is counted and kept, and not compared."""
    quiet_hours: Annotated[int, Field(ge=1, le=168)] = 24
    """An endpoint without any request for this long raises an alarm."""
    label_days: Annotated[int, Field(ge=1, le=365)] = 30
    """A prediction takes a label for this long."""
    field_metrics: bool = True
    """Whether each field has a metric of its own, at 0.30 dollars a month."""
    processing_rows: Annotated[int, Field(ge=1)] = 200_000
    """A window that looks larger is folded by Spark on SageMaker Processing instead of the function."""
    processing_instance_type: InstanceType = "ml.m5.xlarge"
    """What Spark runs on."""
    processing_instances: Annotated[int, Field(ge=1)] = 2
    """How many of them."""
    quality: Quality = Quality()
    """How predictions are compared with labels."""
    fields: dict[str, MonitoredField] = {}
    """What is expected of single fields, by name."""


class Budget(Section):
    """What the package may cost a month, and how often it is expected to be called."""

    monthly_usd: Annotated[float, Field(gt=0)] | None = None
    """More than this, at the fewest instances, stops the synth; nothing: no limit."""
    requests_per_month: Annotated[int, Field(ge=0)] = 0
    """What costs by the request is counted this often; with 0 it is shown per million requests and not counted."""


class Preflight(Section):
    """Findings of the synth that are known and wanted."""

    accept: dict[str, Annotated[str, Field(min_length=1)]] = {}
    """Ids of docs/preflight.md, each with the reason; warnings, and errors that rest on an estimate."""


class PackageConfig(Section):
    """One package.toml."""

    description: Annotated[str, Field(min_length=1, max_length=256)]
    """One sentence: what the model predicts from what."""
    task: Literal["binary_classification", "multiclass_classification", "regression"]
    """Decides which quality metrics apply."""
    endpoint: Endpoint = Endpoint()
    batching: Batching = Batching()
    capture: Capture = Capture()
    training: Training = Training()
    gate: Gate
    retraining: Retraining = Retraining()
    rollout: Rollout = Rollout()
    monitor: Monitor = Monitor()
    budget: Budget = Budget()
    preflight: Preflight = Preflight()

    @model_validator(mode="after")
    def _shift_needs_two_instances(self) -> Self:
        if self.rollout.strategy != "all_at_once" and self.endpoint.minimum_instances < 2:
            raise ValueError(
                f"endpoint.minimum_instances is {self.endpoint.minimum_instances}; allowed with rollout.strategy "
                f"{self.rollout.strategy!r}: 2 or more, because SageMaker shifts at most half of the capacity a step "
                "(or set rollout.strategy to 'all_at_once')"
            )
        return self


def _bakes(strategy: Strategy, step_percent: int) -> int:
    """How often a rollout bakes: after each step, and once more before the old instances go."""
    steps = {"all_at_once": 1, "canary": 2, "linear": math.ceil(100 / step_percent)}
    return steps[strategy] + 1


def json_schema() -> dict[str, Any]:
    """The JSON Schema of package.toml, for editors (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PackageConfig.model_json_schema()}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
