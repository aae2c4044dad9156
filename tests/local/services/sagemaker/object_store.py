"""S3 as the SageMaker tests need it: objects in memory behind the calls of boto3's client."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError


@dataclass
class InMemoryObjects:
    """Objects by (bucket, key); `encryption` keeps what an upload asked for."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    encryption: dict[str, Any] = field(default_factory=dict)
    full_buckets: set[str] = field(default_factory=set)

    def put(self, uri: str, content: bytes | str | object) -> None:
        """Stores bytes, a text, or a JSON document."""
        text = content if isinstance(content, str) else None
        data = content if isinstance(content, bytes) else (text or json.dumps(content)).encode()
        self.objects[_parts(uri)] = data

    def get(self, uri: str) -> bytes:
        return self.objects[_parts(uri)]

    def uris(self) -> set[str]:
        return {f"s3://{bucket}/{key}" for bucket, key in self.objects}

    def download_fileobj(self, bucket: str, key: str, file: Any, /) -> None:
        file.write(self._found(bucket, key))

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
        return {"Body": io.BytesIO(self._found(Bucket, Key))}

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self.objects.pop((Bucket, Key), None)

    def upload_file(self, file: str, bucket: str, key: str, /, *, ExtraArgs: Any) -> None:  # noqa: N803
        if bucket in self.full_buckets:
            raise S3UploadFailedError(f"Failed to upload {file} to {bucket}/{key}: NoSuchBucket")
        self.objects[bucket, key] = Path(file).read_bytes()
        self.encryption[f"s3://{bucket}/{key}"] = ExtraArgs

    def get_paginator(self, operation: str, /) -> Any:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """One key a page, as if there were many."""
        for bucket, key in sorted(self.objects):
            if bucket == Bucket and key.startswith(Prefix):
                yield {"Contents": [{"Key": key}]}
        yield {}

    def _found(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            error = {"Error": {"Code": "404", "Message": "Not Found"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(error, "HeadObject")
        return self.objects[bucket, key]


def _parts(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
