"""Brings a model's artifact from S3 to the read-only folder that the container sees as /opt/ml/model."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from local.services.sagemaker.permission import Role
from local.services.sagemaker.plan import StartFailure

READ_ONLY_FILE, READ_ONLY_FOLDER, WRITABLE_FOLDER = 0o444, 0o555, 0o755


class ArtifactStore(Protocol):
    """The call of boto3's S3 client that an artifact needs."""

    def download_fileobj(self, bucket: str, key: str, file: Any, /) -> Any: ...


class ObjectStore(ArtifactStore, Protocol):
    """The calls of boto3's S3 client that a training job needs."""

    def upload_file(self, file: str, bucket: str, key: str, /, *, ExtraArgs: Any) -> Any: ...  # noqa: N803  # boto3's
    def get_object(self, *, Bucket: str, Key: str) -> Any: ...  # noqa: N803  # boto3's
    def delete_object(self, *, Bucket: str, Key: str) -> Any: ...  # noqa: N803  # boto3's
    def get_paginator(self, operation: str, /) -> Any: ...


def unpack_artifact(url: str | None, *, into: Path, store: ArtifactStore, role: Role) -> StartFailure | None:
    """Download and unpack model.tar.gz into the new folder `into`; without a URL the folder stays empty. Blocks."""
    into.mkdir(parents=True)
    if url is not None:
        bucket, key = bucket_and_key(url)
        if (refusal := role.read(bucket, key)) is not None:
            return _not_downloaded(url, refusal)
        with tempfile.TemporaryFile(dir=into.parent) as archive:
            try:
                store.download_fileobj(bucket, key, archive)
            except (ClientError, BotoCoreError) as error:
                return _not_downloaded(url, error)
            archive.seek(0)
            try:
                with tarfile.open(fileobj=archive) as tar:
                    tar.extractall(into, filter="data")
            except (tarfile.TarError, EOFError, OSError) as error:
                return StartFailure(
                    f'Failed to extract model data archive from URL "{url}". Please ensure that the object located at '
                    f"the URL is a valid tar.gz archive: {error}"
                )
    make_read_only(into)
    return None


def _not_downloaded(url: str, reason: object) -> StartFailure:
    return StartFailure(
        f'Failed to download model data from URL: "{url}". Please ensure that there is an object located '
        f"at the URL and that the role passed to CreateModel has permissions to download it: {reason}"
    )


def bucket_and_key(url: str) -> tuple[str, str]:
    """From `s3://bucket/key` or `https://s3.<region>.amazonaws.com/bucket/key`."""
    parts = urlsplit(url)
    path = parts.path.lstrip("/")
    if parts.scheme == "s3":
        return parts.netloc, path
    bucket, _, key = path.partition("/")
    return bucket, key


def make_read_only(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(READ_ONLY_FOLDER if path.is_dir() else READ_ONLY_FILE)
    folder.chmod(READ_ONLY_FOLDER)


def remove_folder(folder: Path) -> None:
    """Remove a folder, whose subfolders may be read-only. Blocks."""
    if not folder.exists():
        return
    folder.chmod(WRITABLE_FOLDER)
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(WRITABLE_FOLDER)
    shutil.rmtree(folder)
