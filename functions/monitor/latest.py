"""latest.json: which window is the newest, for whoever has only the endpoint's name. It never goes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from functions.monitor.objects import S3Objects, is_absent, is_lost
from functions.shared import layout

ATTEMPTS = 3


def advance_latest(s3: S3Objects, *, bucket: str, endpoint: str, content: Mapping[str, Any]) -> None:
    """Points to the window of `content`, unless a later `sequence` is there already: a slow run may come after it."""
    for _ in range(ATTEMPTS):
        if _is_done(s3, bucket=bucket, key=layout.latest_key(endpoint), content=content):
            return


def _is_done(s3: S3Objects, *, bucket: str, key: str, content: Mapping[str, Any]) -> bool:
    condition = {"IfNoneMatch": "*"}
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
        if json.loads(found["Body"].read())["sequence"] >= content["sequence"]:
            return True
        condition = {"IfMatch": found["ETag"]}
    except ClientError as error:
        if not is_absent(error):
            raise
    body = json.dumps(content, indent=1).encode()
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition)
    except ClientError as error:
        if not is_lost(error):
            raise
        return False
    return True
