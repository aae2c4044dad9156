"""Starts and follows the SageMaker Processing job that folds a window which outgrows this function.

The job reads an order (orders.py), and answers with folding.Folded's bytes in folded.bin beside it. Its code is
spark.py; how that gets there is in docs/decisions/spark.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from botocore.exceptions import ClientError

from functions.monitor.folding import Folded, Order
from functions.monitor.objects import Bucket, parse_uri
from functions.monitor.orders import BASELINE_FILE, FOLDED_FILE, ORDER_FILE, write_order
from functions.monitor.settings import MonitorSettings
from functions.monitor.state import Pending
from functions.shared import layout
from model_packages.contract import Monitor
from model_packages.errors import OperatorError
from model_packages.profile.baseline import Baseline

MAXIMUM_RUN_SECONDS = 6 * 3600
VOLUME_GB = 30
APP_FOLDER, PY_FILES_FOLDER = "/opt/ml/processing/input/app", "/opt/ml/processing/input/py-files"
"""An object comes into its folder under its key's last part; a zip stays a zip, which is what Spark takes."""
MAXIMUM_NAME_CHARACTERS = 63

Outcome = Literal["absent", "running", "completed"]


class Jobs(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def create_processing_job(self, **arguments: Any) -> Any: ...

    def describe_processing_job(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Processing:
    """Processing jobs of one endpoint's monitor."""

    jobs: Jobs
    bucket: Bucket
    settings: MonitorSettings
    monitor: Monitor

    def name(self, *, sequence: int, now: datetime) -> str:
        """A job's name. It is written into the state before the job starts, so that no second one starts for it."""
        tail = f"-{sequence:06d}-{now:%Y%m%dT%H%M%SZ}"
        return self.settings.endpoint_name[: MAXIMUM_NAME_CHARACTERS - len(tail)] + tail

    def outcome(self, job: str) -> Outcome:
        """How far a job is. Raises: ProcessingFailed with SageMaker's reason."""
        try:
            found = self.jobs.describe_processing_job(ProcessingJobName=job)
        except ClientError as error:
            if _is_absent(error):
                return "absent"
            raise
        status: str = found["ProcessingJobStatus"]
        if status == "Completed":
            return "completed"
        if status in ("InProgress", "Stopping"):
            return "running"
        reason = found.get("FailureReason") or found.get("ExitMessage") or "no reason given"
        raise ProcessingFailed(f"the processing job {job} ended as {status}: {reason}")

    def start(self, pending: Pending, *, order: Order, baseline: Baseline) -> None:
        """Writes the order and starts the job. A job of that name that is there is the same one.

        `baseline` has package.toml's statements applied: the job does not know them.
        """
        prefix = layout.job_prefix(self.settings.endpoint_name, pending.job)
        self.bucket.put(f"{prefix}{BASELINE_FILE}", baseline.to_json().encode())
        self.bucket.put(f"{prefix}{ORDER_FILE}", write_order(order, endpoint=self.settings.endpoint_name))
        try:
            self.jobs.create_processing_job(**self.request(pending.job, f"s3://{self.bucket.name}/{prefix}"))
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceInUse", "ValidationException") or not _is_there(error):
                raise

    def result(self, job: str) -> Folded:
        """What a completed job folded. Raises: ProcessingFailed if it left nothing."""
        key = f"{layout.job_prefix(self.settings.endpoint_name, job)}{FOLDED_FILE}"
        content = self.bucket.find(key)
        if content is None:
            raise ProcessingFailed(f"the processing job {job} completed and left no {FOLDED_FILE}")
        return Folded.from_bytes(content)

    def request(self, job: str, prefix: str) -> dict[str, Any]:
        """What SageMaker is asked, for an order that lies below `prefix`."""
        settings, monitor = self.settings, self.monitor
        app = parse_uri(settings.processing_app_uri)[1].rpartition("/")[2]
        cluster = {
            "InstanceType": monitor.processing_instance_type,
            "InstanceCount": monitor.processing_instances,
            "VolumeSizeInGB": VOLUME_GB,
            **({"VolumeKmsKeyId": settings.key_arn} if settings.key_arn else {}),
        }
        return {
            "ProcessingJobName": job,
            "RoleArn": settings.processing_role_arn,
            "ProcessingInputs": [
                _input("app", settings.processing_app_uri, folder=APP_FOLDER),
                _input("py-files", settings.processing_code_uri, folder=PY_FILES_FOLDER),
            ],
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {
                "ImageUri": settings.processing_image_uri,
                "ContainerEntrypoint": ["smspark-submit"],
                "ContainerArguments": ["--py-files", PY_FILES_FOLDER, f"{APP_FOLDER}/{app}", "--job", prefix],
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": MAXIMUM_RUN_SECONDS},
        }


class ProcessingFailed(OperatorError):
    """A processing job ended without a result."""


def _input(name: str, uri: str, *, folder: str) -> dict[str, Any]:
    """One object, copied to every instance."""
    source = {"S3Uri": uri, "LocalPath": folder, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**source, "S3DataDistributionType": "FullyReplicated"}}


def _is_absent(error: ClientError) -> bool:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "").lower()
    return code in ("ResourceNotFound", "ResourceNotFoundException") or (
        code == "ValidationException" and ("not find" in message or "not exist" in message)
    )


def _is_there(error: ClientError) -> bool:
    message = error.response["Error"].get("Message", "").lower()
    return (
        error.response["Error"]["Code"] == "ResourceInUse" or "already exist" in message or "must be unique" in message
    )
