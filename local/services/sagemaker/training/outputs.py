"""What SageMaker takes from below /opt/ml: model.tar.gz, output.tar.gz, checkpoints, the reason of a failure.

Blocks: to be called in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from local.services.sagemaker.artifact import ObjectStore, bucket_and_key
from local.services.sagemaker.permission import Role
from local.services.sagemaker.training.request import JobPlan, output_location
from local.training import pack

FAILURE_CHARACTERS: Final = 1024


class OutputRefused(Exception):
    """The outputs cannot be stored; the text is FailureReason's."""


def upload_outputs(plan: JobPlan, root: Path, *, store: ObjectStore, role: Role) -> str:
    """Stores model.tar.gz, and output.tar.gz where there are such files; returns the artifact's URI.

    Raises: OutputRefused.
    """
    with TemporaryDirectory(dir=root) as scratch:
        archive = Path(scratch) / "model.tar.gz"
        pack(root / "model", archive)
        uri = _upload(plan, archive, store=store, role=role)
        data = root / "output" / "data"
        if data.is_dir() and any(data.iterdir()):
            archive = Path(scratch) / "output.tar.gz"
            pack(data, archive)
            _upload(plan, archive, store=store, role=role)
    return uri


def failure_text(root: Path) -> str:
    """What the container wrote into /opt/ml/output/failure, as far as SageMaker reads it."""
    file = root / "output" / "failure"
    if not file.is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="replace")[:FAILURE_CHARACTERS]


@dataclass
class CheckpointSync:
    """Copies what changed in the folder of checkpoints to S3, as SageMaker does while a job runs."""

    folder: Path
    uri: str
    kms_key: str | None
    stored: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and time of each file that was copied, by name."""

    def known(self) -> None:
        """Take what lies there for copied: it came from S3."""
        self.stored = dict(self._files())

    def copy(self, *, store: ObjectStore, role: Role) -> None:
        """Raises: OutputRefused."""
        for name, state in self._files().items():
            if self.stored.get(name) == state:
                continue
            bucket, key = bucket_and_key(f"{self.uri}/{name}")
            _put(self.folder / name, bucket, key, kms_key=self.kms_key, store=store, role=role)
            self.stored[name] = state

    def _files(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                stat = path.stat()
                found[path.relative_to(self.folder).as_posix()] = (stat.st_size, stat.st_mtime_ns)
        return found


def _upload(plan: JobPlan, archive: Path, *, store: ObjectStore, role: Role) -> str:
    bucket, key = output_location(plan, archive.name)
    _put(archive, bucket, key, kms_key=plan.kms_key, store=store, role=role)
    return f"s3://{bucket}/{key}"


def _put(file: Path, bucket: str, key: str, *, kms_key: str | None, store: ObjectStore, role: Role) -> None:
    if (refusal := role.write(bucket, key, kms_key=kms_key)) is not None:
        raise OutputRefused(f"ClientError: Artifact upload failed:AccessDenied (403): {refusal}")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else None
    try:
        store.upload_file(str(file), bucket, key, ExtraArgs=encryption)
    except (ClientError, BotoCoreError, S3UploadFailedError) as error:
        raise OutputRefused(f"ClientError: Artifact upload failed:{error}") from error
