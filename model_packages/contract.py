"""`package.toml`, typed: everything a package declares about how it is served, trained and rolled out.

Values only; nothing is computed here. Unknown keys are refused. `package.schema.json` beside this file is the same
contract for editors, made with `python -m model_packages.contract > model_packages/package.schema.json` and kept true
by a test.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PACKAGE_NAME_PATTERN = r"^[a-z]([a-z0-9_]{0,38}[a-z0-9])?$"
INSTANCE_TYPE_PATTERN = r"^ml\.[a-z0-9-]+\.[a-z0-9]+$"
SAGEMAKER_PAYLOAD_LIMIT_BYTES = 6_291_456
SAGEMAKER_TIMEOUT_LIMIT_SECONDS = 60

InstanceType = Annotated[str, Field(pattern=INSTANCE_TYPE_PATTERN)]
Scalar = str | int | float | bool


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


class Gate(Section):
    """What a version has to reach before it may serve."""

    metric: Annotated[str, Field(min_length=1)]
    """A key of what evaluate() returns; higher is better."""
    minimum: float
    """The least value of that metric on the holdout."""


class Rollout(Section):
    """How traffic moves to a new version, and what moves it back."""

    strategy: Literal["canary", "linear", "all_at_once"] = "canary"
    """Canary and linear shift `step_percent` of the capacity first."""
    step_percent: Annotated[int, Field(ge=5, le=50)] = 50
    """Share of the capacity that one step shifts; SageMaker allows 50 at most."""
    bake_minutes: Annotated[int, Field(ge=0, le=60)] = 5
    """How long the rollback alarms are watched after each step."""
    maximum_p99_latency_ms: Annotated[float, Field(gt=0)] = 500.0
    """Model latency above this, in the 99th percentile, rolls back."""
    maximum_error_percent: Annotated[float, Field(gt=0, le=100)] = 5.0
    """More 5xx answers than this roll back."""

    @model_validator(mode="after")
    def _canary_has_a_bake(self) -> Self:
        if self.strategy != "all_at_once" and self.bake_minutes == 0:
            raise ValueError(f"bake_minutes is 0; allowed with strategy {self.strategy!r}: 1 to 60")
        return self


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
    rollout: Rollout = Rollout()

    @model_validator(mode="after")
    def _shift_needs_two_instances(self) -> Self:
        if self.rollout.strategy != "all_at_once" and self.endpoint.minimum_instances < 2:
            raise ValueError(
                f"endpoint.minimum_instances is {self.endpoint.minimum_instances}; allowed with rollout.strategy "
                f"{self.rollout.strategy!r}: 2 or more, because SageMaker shifts at most half of the capacity a step "
                "(or set rollout.strategy to 'all_at_once')"
            )
        return self


def json_schema() -> dict[str, Any]:
    """The JSON Schema of package.toml, for editors (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **PackageConfig.model_json_schema()}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
