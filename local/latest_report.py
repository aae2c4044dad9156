"""Where the report of a package's newest window lies: the monitor says it in latest.json, for whoever has only the
endpoint's name. The names below the bucket are those of functions/shared/layout.py, which nothing here may import.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

ABSENT = ("NoSuchKey", "404")


def latest_report(s3: Any, *, bucket: str, endpoint: str) -> str | None:
    """The report's key in the captures' bucket; None before the first window is closed. `s3` is a client."""
    prefix = f"monitor/{endpoint}/"
    latest = stored(s3, bucket=bucket, key=f"{prefix}latest.json")
    return None if latest is None else f"{prefix}windows/{json.loads(latest)['window']}/report.html"


def stored(s3: Any, *, bucket: str, key: str) -> bytes | None:
    """An object's content; None where there is no such object."""
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ABSENT:
            raise
        return None
    return content
