"""What SageMaker lays out below /opt/ml before a training container starts. Blocks: to be called in a thread."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from local.services.sagemaker.artifact import ObjectStore, bucket_and_key
from local.services.sagemaker.permission import Role
from local.services.sagemaker.training.request import Channel, JobPlan

HOST: Final = "algo-1"
"""The first instance of a job, and of most jobs the only one."""

GROUP: Final = "homogeneousCluster"


class InputRefused(Exception):
    """The inputs cannot be had; the text is FailureReason's."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which of the objects one host gets, where a channel divides them among the hosts: every `of`-th, from `index`."""

    index: int = 0
    of: int = 1


WHOLE: Final = Share()


def lay_out(plan: JobPlan, root: Path, *, host: str, store: ObjectStore, role: Role) -> None:
    """Writes the configuration and downloads every channel, and former checkpoints, below the `root` of a host.

    Raises: InputRefused.
    """
    for folder in ("model", "output/data", "input/data", "input/config"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, document in configuration(plan, host).items():
        (root / "input/config" / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    for channel in plan.channels:
        divided = channel.distribution == "ShardedByS3Key"
        share = Share(plan.hosts.index(host), len(plan.hosts)) if divided else WHOLE
        _download(channel, root / "input/data" / channel.name, share=share, store=store, role=role)
    if plan.checkpoints is not None:
        path, uri = plan.checkpoints
        (root / path).mkdir(parents=True, exist_ok=True)
        bucket, prefix = bucket_and_key(uri)
        download_prefix(bucket, f"{prefix}/", root / path, store=store, role=role)


def configuration(plan: JobPlan, host: str) -> dict[str, Any]:
    """The documents of /opt/ml/input/config on a host, by name; every hyperparameter is a string."""
    hosts = list(plan.hosts)
    group = {"instance_group_name": GROUP, "instance_type": plan.instance_type, "hosts": hosts}
    return {
        "hyperparameters": dict(plan.hyperparameters),
        "inputdataconfig": {channel.name: _channel_document(channel) for channel in plan.channels},
        "resourceconfig": {
            "current_host": host,
            "current_instance_type": plan.instance_type,
            "current_group_name": GROUP,
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        },
    }


def _channel_document(channel: Channel) -> dict[str, str]:
    document = {
        "TrainingInputMode": channel.mode,
        "S3DistributionType": channel.distribution,
        "RecordWrapperType": "None",
    }
    return document if channel.content_type is None else {**document, "ContentType": channel.content_type}


def _download(channel: Channel, folder: Path, *, share: Share, store: ObjectStore, role: Role) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bucket, key = bucket_and_key(channel.uri)
    if channel.is_manifest:
        for uri, base in _manifest(bucket, key, store=store, role=role)[share.index :: share.of]:
            item_bucket, item_key = bucket_and_key(uri)
            _fetch(item_bucket, item_key, _target(folder, item_key, base), store=store, role=role)
        return
    if download_prefix(bucket, key, folder, share=share, store=store, role=role) == 0:
        raise InputRefused(
            f'ClientError: No S3 objects found under S3 URL "{channel.uri}" given in input data source. Please ensure '
            f"that the bucket exists in the selected region ({role.region}), that objects exist under that S3 prefix, "
            f'and that the role "{role.arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )


def download_prefix(
    bucket: str, prefix: str, folder: Path, *, share: Share = WHOLE, store: ObjectStore, role: Role
) -> int:
    """Downloads the objects whose keys start with `prefix`, or a share of them; how many there are in all."""
    if (refusal := role.list_bucket(bucket, prefix)) is not None:
        raise InputRefused(f"ClientError: Data download failed:AccessDenied (403): {refusal}")
    keys = list(_keys(bucket, prefix, store))
    for key in keys[share.index :: share.of]:
        _fetch(bucket, key, _target(folder, key, base_of(prefix, key)), store=store, role=role)
    return len(keys)


def _keys(bucket: str, prefix: str, store: ObjectStore) -> Iterator[str]:
    """The objects' keys, without the empty ones that stand for folders."""
    try:
        for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (item["Key"] for item in page.get("Contents", ()) if not item["Key"].endswith("/"))
    except (ClientError, BotoCoreError) as error:
        raise InputRefused(f"ClientError: Data download failed:{_reason(error)}") from error


def base_of(prefix: str, key: str) -> str:
    """The part of a key that names no file below the channel: the prefix if it is a folder, else what leads to it."""
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    return folder if key.startswith(folder) else prefix[: prefix.rfind("/") + 1]


def _manifest(bucket: str, key: str, *, store: ObjectStore, role: Role) -> list[tuple[str, str]]:
    """Each object's URI and the key of the folder that its file's name starts below."""
    try:
        document = json.loads(_read(bucket, key, store=store, role=role))
        prefix, names = document[0]["prefix"], document[1:]
    except (ValueError, LookupError, TypeError) as error:
        raise InputRefused(
            f"ClientError: Data download failed:the manifest s3://{bucket}/{key} is not a JSON list of a prefix and "
            f"object names: {error}"
        ) from error
    return [(f"{prefix}{name}", bucket_and_key(prefix)[1]) for name in names]


def _read(bucket: str, key: str, *, store: ObjectStore, role: Role) -> bytes:
    if (refusal := role.read(bucket, key)) is not None:
        raise InputRefused(f"ClientError: Data download failed:AccessDenied (403): {refusal}")
    try:
        content: bytes = store.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as error:
        raise InputRefused(f"ClientError: Data download failed:{_reason(error)}") from error
    return content


def _fetch(bucket: str, key: str, target: Path, *, store: ObjectStore, role: Role) -> None:
    if (refusal := role.read(bucket, key)) is not None:
        raise InputRefused(f"ClientError: Data download failed:AccessDenied (403): {refusal}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            store.download_fileobj(bucket, key, file)
    except OSError as error:
        raise InputRefused(
            "ClientError: Failed to download data. Please check your s3 objects and ensure that there is no object "
            f"that is both a folder as well as a file: {error}"
        ) from error
    except (ClientError, BotoCoreError) as error:
        raise InputRefused(f"ClientError: Data download failed:{_reason(error)}") from error


def _target(folder: Path, key: str, base: str) -> Path:
    name = PurePosixPath(key.removeprefix(base))
    if not name.parts or name.is_absolute() or ".." in name.parts:
        raise InputRefused(f"ClientError: Failed to download data. The key {key} names no file below the channel.")
    return folder / name


def _reason(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    response: Mapping[str, Any] = error.response
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    return f"{response['Error']['Code']} ({status}): {response['Error']['Message']}"
