"""As much of AWS as the retraining loop's heart calls, in memory: S3 with conditional writes, SSM, SageMaker,
CloudWatch, Logs, SNS, Step Functions.

Every call goes through `on_call`, where a test lets a process die before or after it, or another run come between.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from tests.functions.monitor.cloud import When, error_of

Arguments = Mapping[str, Any]
OnCall = Callable[[str, When], None]

ARTIFACTS, CAPTURES = "artifacts", "captures"
PARAMETER = "/flyball/flowers/champion"


@dataclass
class Cloud:
    """What outlives a process. A process is handed the `client` of it."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=lambda: {PARAMETER: "none"})
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=lambda: {"EndpointConfigName": "stack-made"})
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    config_times: dict[str, Any] = field(default_factory=dict)
    """When endpoint configs were made, by name."""
    started: dict[str, str] = field(default_factory=dict)
    """Executions that the loop itself began: their inputs by their names."""
    running_jobs: set[str] = field(default_factory=set)
    streams: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    """Log groups and streams, with time and line."""
    alarms: dict[str, str] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    """Of the gateway's metrics, over any time, on each page of an answer."""
    metric_pages: int = 1
    mails: list[dict[str, str]] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """To CloudFormation."""
    broken: set[str] = field(default_factory=set)
    """Operations that AWS refuses."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put_json(self, bucket: str, key: str, document: Any) -> None:
        self.objects[bucket, key] = json.dumps(document).encode()

    def json_at(self, bucket: str, key: str) -> Any:
        return json.loads(self.objects[bucket, key])

    def metrics(self) -> dict[str, float]:
        return {item["MetricName"]: item["Value"] for item in self.published}

    def client(self, on_call: OnCall | None = None) -> Client:
        return Client(self, on_call)


@dataclass
class Client:
    """All of botocore's clients at once."""

    cloud: Cloud
    on_call: OnCall | None = None

    def answer_cloudformation(self, url: str, content: bytes) -> None:
        self.cloud.answers.append((url, json.loads(content)))

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        perform = getattr(_Operations, operation)

        def call(**arguments: Any) -> Any:
            if self.on_call is not None:
                self.on_call(operation, "before")
            with self.cloud.lock:
                self.cloud.calls.append(operation)
                if operation in self.cloud.broken:
                    raise error_of("AccessDenied", operation)
                answer = perform(self.cloud, arguments)
            if self.on_call is not None:
                self.on_call(operation, "after")
            return answer

        return call


class _Operations:
    """Each as AWS answers it, as far as the loop can tell. Arguments have AWS's own names."""

    @staticmethod
    def get_object(cloud: Cloud, arguments: Arguments) -> Any:
        content = cloud.objects.get((arguments["Bucket"], arguments["Key"]))
        if content is None:
            raise error_of("NoSuchKey", "GetObject")
        return {"Body": BytesIO(content), "ETag": _etag(content)}

    @staticmethod
    def put_object(cloud: Cloud, arguments: Arguments) -> Any:
        place = arguments["Bucket"], arguments["Key"]
        there, expected = cloud.objects.get(place), arguments.get("IfMatch")
        if expected is not None and there is None:
            raise error_of("NoSuchKey", "PutObject")
        is_unwanted = arguments.get("IfNoneMatch") == "*" and there is not None
        if is_unwanted or (expected is not None and _etag(there or b"") != expected):
            raise error_of("PreconditionFailed", "PutObject")
        cloud.objects[place] = arguments["Body"]
        return {"ETag": _etag(arguments["Body"])}

    @staticmethod
    def list_objects_v2(cloud: Cloud, arguments: Arguments) -> Any:
        after, prefix = arguments.get("StartAfter", ""), arguments["Prefix"]
        keys = sorted(key for bucket, key in cloud.objects if bucket == arguments["Bucket"] and key.startswith(prefix))
        return {"Contents": [{"Key": key} for key in keys if key > after]}

    @staticmethod
    def get_parameter(cloud: Cloud, arguments: Arguments) -> Any:
        return {"Parameter": {"Value": cloud.parameters[arguments["Name"]]}}

    @staticmethod
    def describe_model_package(cloud: Cloud, arguments: Arguments) -> Any:
        return cloud.versions[arguments["ModelPackageName"]]

    @staticmethod
    def describe_endpoint(cloud: Cloud, arguments: Arguments) -> Any:
        if not cloud.endpoint or not arguments["EndpointName"]:
            raise error_of("ValidationException", "DescribeEndpoint")
        return cloud.endpoint

    @staticmethod
    def describe_endpoint_config(cloud: Cloud, arguments: Arguments) -> Any:
        if arguments["EndpointConfigName"] in cloud.config_times:
            return {"CreationTime": cloud.config_times[arguments["EndpointConfigName"]]}
        assert arguments["EndpointConfigName"] == cloud.endpoint["EndpointConfigName"]
        return {"ProductionVariants": [{"VariantName": "main", "ModelName": "the model"}]}

    @staticmethod
    def stop_training_job(cloud: Cloud, arguments: Arguments) -> Any:
        return _stop(cloud, "training", arguments["TrainingJobName"])

    @staticmethod
    def stop_processing_job(cloud: Cloud, arguments: Arguments) -> Any:
        return _stop(cloud, "processing", arguments["ProcessingJobName"])

    @staticmethod
    def describe_alarms(cloud: Cloud, arguments: Arguments) -> Any:
        found = [name for name in arguments["AlarmNames"] if name in cloud.alarms]
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": cloud.alarms[name]} for name in found]}

    @staticmethod
    def get_metric_data(cloud: Cloud, arguments: Arguments) -> Any:
        def value(query: Arguments) -> float:
            return cloud.sums.get(query["MetricStat"]["Metric"]["MetricName"], 0.0)

        queries, page = arguments["MetricDataQueries"], int(arguments.get("NextToken", "1"))
        more = {"NextToken": str(page + 1)} if page < cloud.metric_pages else {}
        return {"MetricDataResults": [{"Id": query["Id"], "Values": [value(query)]} for query in queries], **more}

    @staticmethod
    def put_metric_data(cloud: Cloud, arguments: Arguments) -> Any:
        cloud.published += arguments["MetricData"]
        return {}

    @staticmethod
    def describe_log_streams(cloud: Cloud, arguments: Arguments) -> Any:
        group, prefix = arguments["logGroupName"], arguments["logStreamNamePrefix"]
        if not any(each == group for each, _ in cloud.streams):
            raise error_of("ResourceNotFoundException", "DescribeLogStreams")
        found = [stream for each, stream in cloud.streams if each == group and stream.startswith(prefix)]
        return {"logStreams": [{"logStreamName": stream} for stream in found]}

    @staticmethod
    def get_log_events(cloud: Cloud, arguments: Arguments) -> Any:
        lines = cloud.streams[arguments["logGroupName"], arguments["logStreamName"]]
        latest = lines[-arguments["limit"] :]
        return {"events": [{"timestamp": time, "message": line} for time, line in latest]}

    @staticmethod
    def publish(cloud: Cloud, arguments: Arguments) -> Any:
        cloud.mails.append(dict(arguments))
        return {"MessageId": "1"}

    @staticmethod
    def describe_execution(cloud: Cloud, arguments: Arguments) -> Any:
        found = cloud.executions.get(arguments["executionArn"])
        if found is None:
            raise error_of("ExecutionDoesNotExist", "DescribeExecution")
        return found

    @staticmethod
    def start_execution(cloud: Cloud, arguments: Arguments) -> Any:
        if cloud.started.setdefault(arguments["name"], arguments["input"]) != arguments["input"]:
            raise error_of("ExecutionAlreadyExists", "StartExecution")
        return {}


def _stop(cloud: Cloud, kind: str, name: str) -> Any:
    if f"{kind} {name}" not in cloud.running_jobs:
        raise error_of("ValidationException", "StopJob")
    cloud.running_jobs.remove(f"{kind} {name}")
    return {}


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
