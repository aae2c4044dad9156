"""What SageMaker takes from below /opt/ml: model.tar.gz, output.tar.gz, checkpoints, the reason of a failure.

Blocks: to be called in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
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
    file = failure_file(root)
    if not file.is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="replace")[:FAILURE_CHARACTERS]


def failure_file(root: Path) -> Path:
    return root / "output" / "failure"


@dataclass
class CheckpointSync:
    """Copies what changed in the folder of checkpoints to S3, as SageMaker does while a job runs.

    What the container deletes there is deleted in S3 too, where the role may.
    """

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
        found = self._files()
        for name in self.stored.keys() - found.keys():
            self._delete(name, store=store, role=role)
        for name, state in found.items():
            if self.stored.get(name) == state:
                continue
            bucket, key = bucket_and_key(f"{self.uri}/{name}")
            with suppress(FileNotFoundError), _held(self.folder / name, beside=self.folder) as file:
                put(file, bucket, key, kms_key=self.kms_key, store=store, role=role)
                self.stored[name] = state

    def _delete(self, name: str, *, store: ObjectStore, role: Role) -> None:
        del self.stored[name]
        bucket, key = bucket_and_key(f"{self.uri}/{name}")
        if role.delete(bucket, key) is None:
            with suppress(ClientError, BotoCoreError):
                store.delete_object(Bucket=bucket, Key=key)

    def _files(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in sorted(self.folder.rglob("*")):
            with suppress(FileNotFoundError):
                stat = path.stat()
                if S_ISREG(stat.st_mode):
                    found[path.relative_to(self.folder).as_posix()] = (stat.st_size, stat.st_mtime_ns)
        return found


@contextmanager
def _held(file: Path, *, beside: Path) -> Iterator[Path]:
    """Another name of a file, which keeps its content when the container renames, replaces or deletes it.

    Raises: FileNotFoundError where the container was quicker.
    """
    with TemporaryDirectory(dir=beside.parent, prefix=".held-") as folder:
        held = Path(folder) / file.name
        os.link(file, held)
        yield held


def _upload(plan: JobPlan, archive: Path, *, store: ObjectStore, role: Role) -> str:
    bucket, key = output_location(plan, archive.name)
    put(archive, bucket, key, kms_key=plan.kms_key, store=store, role=role)
    return f"s3://{bucket}/{key}"


def put(file: Path, bucket: str, key: str, *, kms_key: str | None, store: ObjectStore, role: Role) -> None:
    """Stores one file. Raises: OutputRefused."""
    if (refusal := role.write(bucket, key, kms_key=kms_key)) is not None:
        raise OutputRefused(f"ClientError: Artifact upload failed:AccessDenied (403): {refusal}")
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else None
    try:
        store.upload_file(str(file), bucket, key, ExtraArgs=encryption)
    except (ClientError, BotoCoreError, S3UploadFailedError) as error:
        raise OutputRefused(f"ClientError: Artifact upload failed:{error}") from error
