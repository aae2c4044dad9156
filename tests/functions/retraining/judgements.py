"""An evaluation that has written what it found of a challenger, and the event of the steps after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_packages.evidence import Evidence
from tests.functions.retraining.cloud import ARTIFACTS, Cloud
from tests.functions.retraining.loops import GROUP, step_of

RUN_PREFIX = "flowers/runs/one/"
EVALUATION = f"{RUN_PREFIX}evaluation/"
MANIFEST = b'{"files": []}'
DATA: Mapping[str, Any] = {
    "training_uri": "s3://captures/retraining/flyball-flowers/one/training/",
    "holdout_uri": "s3://captures/retraining/flyball-flowers/one/holdout/",
    "checkpoints_uri": "s3://captures/retraining/flyball-flowers/one/checkpoints/",
    "manifest_uri": f"s3://{ARTIFACTS}/{RUN_PREFIX}manifest.json",
    "output_uri": f"s3://{ARTIFACTS}/{RUN_PREFIX}",
    "evaluation_uri": f"s3://{ARTIFACTS}/{EVALUATION}",
    "rows": {"base": 900, "captured": 600, "training": 1200, "holdout": 300},
}
MODEL_URI = f"s3://{ARTIFACTS}/{RUN_PREFIX}job/output/model.tar.gz"


def evaluated(evidence: Evidence) -> Cloud:
    """A cloud in which the evaluation job has ended."""
    cloud = Cloud()
    cloud.objects[ARTIFACTS, f"{EVALUATION}evidence.json"] = evidence.to_json().encode()
    cloud.objects[ARTIFACTS, f"{RUN_PREFIX}manifest.json"] = MANIFEST
    for name in ("baseline", "statistics", "constraints"):
        cloud.objects[ARTIFACTS, f"{EVALUATION}baseline/{name}.json"] = b"{}"
    return cloud


def event_of(step: str, **more: Any) -> dict[str, Any]:
    """What the state machine has gathered by then."""
    known = {
        "step": step,
        "trigger": {"kind": "drift", "alarm": "flowers-Drift"},
        "champion": {"arn": f"{GROUP}/2", "model_uri": "s3://artifacts/2/model.tar.gz", "label": "2"},
        "data": dict(DATA),
        "model_uri": MODEL_URI,
    }
    return step_of("one", **{**known, **more})
