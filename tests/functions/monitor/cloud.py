"""As much of AWS as the monitor calls, in memory: S3 with conditional writes, CloudWatch, Logs, SSM, SageMaker.

Every call goes through `on_call`, where a test lets a process die before or after it, or another run come between.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any, Literal

from botocore.exceptions import ClientError

BUCKET = "captures"
PARAMETER = "/flyball/flowers/champion"

When = Literal["before", "after"]


class Died(BaseException):
    """The process is gone: no `except Exception` of it runs any more."""


def error_of(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


@dataclass
class Cloud:
    """What outlives a run. A run is handed the `client`s of it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=lambda: {PARAMETER: "none"})
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    log_lines: list[tuple[datetime, str]] = field(default_factory=list)
    sums: dict[str, dict[datetime, float]] = field(default_factory=dict)
    """Of the gateway's metrics: name, hour, value."""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    on_call: Callable[[str, When], None] | None = None
    page_size: int = 1000
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, content: bytes) -> None:
        self.objects[key] = content

    def json_at(self, key: str) -> Any:
        return json.loads(self.objects[key])

    def keys_below(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def values_of(self, name: str) -> list[float]:
        return [item["Value"] for item in self.published if item["MetricName"] == name]

    def client(self, on_call: Callable[[str, When], None] | None = None) -> Client:
        return Client(self, on_call or self.on_call)


@dataclass
class Client:
    """All five of botocore's clients at once."""

    cloud: Cloud
    on_call: Callable[[str, When], None] | None = None

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        perform = getattr(_Operations, operation)

        def call(**arguments: Any) -> Any:
            name = f"{operation} {arguments.get('Key', '')}".strip()
            if self.on_call is not None:
                self.on_call(name, "before")
            with self.cloud.lock:
                self.cloud.calls.append(name)
                answer = perform(self.cloud, arguments)
            if self.on_call is not None:
                self.on_call(name, "after")
            return answer

        return call


Arguments = Mapping[str, Any]


class _Operations:
    """Each as AWS answers it, as far as the monitor can tell. Arguments have AWS's own names."""

    @staticmethod
    def get_object(cloud: Cloud, arguments: Arguments) -> Any:
        content = cloud.objects.get(arguments["Key"])
        if content is None:
            raise error_of("NoSuchKey", "GetObject")
        return {"Body": BytesIO(content), "ETag": _etag(content)}

    @staticmethod
    def put_object(cloud: Cloud, arguments: Arguments) -> Any:
        there = cloud.objects.get(arguments["Key"])
        expected = arguments.get("IfMatch")
        if expected is not None and there is None:
            raise error_of("NoSuchKey", "PutObject")
        is_unwanted = arguments.get("IfNoneMatch") == "*" and there is not None
        if is_unwanted or (expected is not None and _etag(there or b"") != expected):
            raise error_of("PreconditionFailed", "PutObject")
        cloud.objects[arguments["Key"]] = arguments["Body"]
        return {"ETag": _etag(arguments["Body"])}

    @staticmethod
    def list_objects_v2(cloud: Cloud, arguments: Arguments) -> Any:
        after = arguments.get("ContinuationToken") or arguments.get("StartAfter", "")
        keys = [key for key in cloud.keys_below(arguments["Prefix"]) if key > after]
        page = keys[: cloud.page_size]
        more = {"IsTruncated": True, "NextContinuationToken": page[-1]} if len(keys) > len(page) else {}
        return {"Contents": [{"Key": key, "Size": len(cloud.objects[key])} for key in page], **more}

    @staticmethod
    def put_metric_data(cloud: Cloud, arguments: Arguments) -> Any:
        cloud.published += [{"Namespace": arguments["Namespace"], **item} for item in arguments["MetricData"]]
        return {}

    @staticmethod
    def get_metric_data(cloud: Cloud, arguments: Arguments) -> Any:
        def values(query: Arguments) -> list[float]:
            hours = cloud.sums.get(query["MetricStat"]["Metric"]["MetricName"], {})
            return [value for hour, value in hours.items() if arguments["StartTime"] <= hour < arguments["EndTime"]]

        queries = arguments["MetricDataQueries"]
        return {"MetricDataResults": [{"Id": query["Id"], "Values": values(query)} for query in queries]}

    @staticmethod
    def filter_log_events(cloud: Cloud, arguments: Arguments) -> Any:
        first, last = arguments["startTime"], arguments["endTime"]
        lines = [text for time, text in cloud.log_lines if first <= time.timestamp() * 1000 <= last]
        found = [text for text in lines if arguments["filterPattern"] in text]
        start = int(arguments.get("nextToken", "0"))
        end = start + min(arguments["limit"], cloud.page_size)
        more = {"nextToken": str(end)} if end < len(found) else {}
        return {"events": [{"message": text} for text in found[start:end]], **more}

    @staticmethod
    def get_parameter(cloud: Cloud, arguments: Arguments) -> Any:
        return {"Parameter": {"Value": cloud.parameters[arguments["Name"]]}}

    @staticmethod
    def describe_model_package(cloud: Cloud, arguments: Arguments) -> Any:
        return cloud.versions[arguments["ModelPackageName"]]

    @staticmethod
    def create_processing_job(cloud: Cloud, arguments: Arguments) -> Any:
        name = arguments["ProcessingJobName"]
        if name in cloud.jobs:
            raise error_of("ResourceInUse", "CreateProcessingJob")
        cloud.jobs[name] = {"ProcessingJobStatus": "InProgress", **arguments}
        return {}

    @staticmethod
    def describe_processing_job(cloud: Cloud, arguments: Arguments) -> Any:
        if arguments["ProcessingJobName"] not in cloud.jobs:
            raise error_of("ResourceNotFound", "DescribeProcessingJob")
        return cloud.jobs[arguments["ProcessingJobName"]]


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
