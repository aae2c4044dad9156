"""A bucket's objects as bytes, and s3:// addresses taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from model_packages.errors import OperatorError

SCHEME = "s3://"
CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".html": "text/html; charset=utf-8",
}


class S3Objects(Protocol):
    """As much of botocore's S3 client as reading and writing objects needs."""

    def get_object(self, **arguments: Any) -> Any: ...

    def put_object(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """Gets and puts whole objects."""

    s3: S3Objects
    name: str

    def get(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        kind = CONTENT_TYPES.get(key[key.rfind(".") :], "application/octet-stream")
        self.s3.put_object(Bucket=self.name, Key=key, Body=content, ContentType=kind)


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key. Raises: OperatorError for anything else."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not bucket or not key:
        raise OperatorError(f"found the address {uri!r}; allowed: s3://bucket/key")
    return bucket, key
