"""What SageMaker takes from a processing job that has completed: the files of each output's folder."""

from __future__ import annotations

from pathlib import Path

from local.services.sagemaker.artifact import ObjectStore, bucket_and_key
from local.services.sagemaker.permission import Role
from local.services.sagemaker.processing.request import ProcessingPlan
from local.services.sagemaker.training.outputs import put


def upload_results(plan: ProcessingPlan, root: Path, *, store: ObjectStore, role: Role) -> None:
    """Stores every file below an output's folder under its name below the output's prefix. Blocks.

    Raises: OutputRefused.
    """
    for output in plan.outputs:
        folder = root / output.folder
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            bucket, key = bucket_and_key(f"{output.uri.rstrip('/')}/{file.relative_to(folder).as_posix()}")
            put(file, bucket, key, kms_key=plan.kms_key, store=store, role=role)
