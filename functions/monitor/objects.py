"""A bucket's objects as bytes, what S3 says of them, and s3:// addresses taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

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


class S3Lister(Protocol):
    """As much of botocore's S3 client as listing needs."""

    def list_objects_v2(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """Gets and puts whole objects."""

    s3: S3Objects
    name: str

    def get(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def find(self, key: str) -> bytes | None:
        """None where there is no such object."""
        try:
            return self.get(key)
        except ClientError as error:
            if is_absent(error):
                return None
            raise

    def put(self, key: str, content: bytes) -> None:
        kind = CONTENT_TYPES.get(key[key.rfind(".") :], "application/octet-stream")
        self.s3.put_object(Bucket=self.name, Key=key, Body=content, ContentType=kind)


def list_objects(s3: S3Lister, *, bucket: str, prefix: str, start_after: str = "") -> Iterator[Mapping[str, Any]]:
    """What S3 says of each object below a prefix, in the order of their keys, however many pages that is."""
    arguments = {"Bucket": bucket, "Prefix": prefix, **({"StartAfter": start_after} if start_after else {})}
    while True:
        page = s3.list_objects_v2(**arguments)
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        arguments["ContinuationToken"] = page["NextContinuationToken"]


def is_absent(error: ClientError) -> bool:
    """Whether there is no such object."""
    return error.response["Error"]["Code"] in ("NoSuchKey", "404")


def is_lost(error: ClientError) -> bool:
    """Whether somebody else was quicker than a conditional write."""
    return error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of s3://bucket/key. Raises: OperatorError for anything else."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not bucket or not key:
        raise OperatorError(f"found the address {uri!r}; allowed: s3://bucket/key")
    return bucket, key
