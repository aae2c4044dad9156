"""A listing that is written quickly says what moto's own says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws
from moto.s3.responses import S3Response

from local.moto_listing import listing_quickly

KEYS = ["a/1 & 2.json", "a/<x>.json", "a/ü+%.json", "b/3.json", "b/4.json"]


@contextmanager
def quickly() -> Iterator[None]:
    original = S3Response.serialized
    S3Response.serialized = listing_quickly(original)  # type: ignore[method-assign]
    try:
        yield
    finally:
        S3Response.serialized = original  # type: ignore[method-assign]


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        credentials = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        client = boto3.client("s3", region_name="us-east-1", config=Config(retries={"mode": "standard"}), **credentials)
        client.create_bucket(Bucket="bucket")
        for key in KEYS:
            client.put_object(Bucket="bucket", Key=key, Body=b"content", ChecksumAlgorithm="SHA256")
        yield client


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"Prefix": "a/"},
        {"Prefix": "none"},
        {"Delimiter": "/"},
        {"StartAfter": "a/<x>.json", "FetchOwner": True},
        {"MaxKeys": 2},
        {"EncodingType": "url"},
    ],
)
def test_every_member_is_moto_s_own(s3: Any, asked: dict[str, Any]) -> None:
    expected = s3.list_objects_v2(Bucket="bucket", **asked)

    with quickly():
        found = s3.list_objects_v2(Bucket="bucket", **asked)

    for answer in (expected, found):
        del answer["ResponseMetadata"]
        answer.pop("NextContinuationToken", None)
    assert found == expected


def test_pages_follow_each_other(s3: Any) -> None:
    with quickly():
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", PaginationConfig={"PageSize": 2})
        found = [each["Key"] for page in pages for each in page["Contents"]]

    assert found == sorted(KEYS, key=str.encode)
