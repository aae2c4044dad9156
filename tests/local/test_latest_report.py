"""Where the newest report is looked for: where the monitor's layout has it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.shared import layout
from local.latest_report import latest_report

ENDPOINT = "flyball-payments"


class Bucket:
    """S3 with one bucket, or a refusal for everything."""

    def __init__(self, objects: dict[str, bytes], *, refusal: str = "NoSuchKey") -> None:
        self.objects, self.refusal = objects, refusal

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        if Bucket != "captures" or Key not in self.objects:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


def test_the_newest_report_lies_where_the_layout_has_its_window() -> None:
    s3 = Bucket({layout.latest_key(ENDPOINT): json.dumps({"window": "000007", "sequence": 7}).encode()})

    found = latest_report(s3, bucket="captures", endpoint=ENDPOINT)

    assert found == f"{layout.window_prefix(ENDPOINT, '000007')}report.html"


def test_before_the_first_window_there_is_none() -> None:
    assert latest_report(Bucket({}), bucket="captures", endpoint=ENDPOINT) is None


def test_a_refusal_is_not_taken_for_absence() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        latest_report(Bucket({}, refusal="AccessDenied"), bucket="captures", endpoint=ENDPOINT)
