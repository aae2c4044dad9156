"""Data capture: what went in and out of a container, as JSON lines in S3, in the execution role's name.

A record is written in SageMaker's form, into `<prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/` of its inference's hour.
Records are gathered in memory, one file a variant and hour: it is closed a minute after its first record (by the
machine's time), at the end of its hour (by the cloud's) and at a megabyte. `close` stores what is left; a cloud that is
killed loses it, as an instance does. What the role may not store is lost too, and the endpoint's log says so.

Captured is what the container answered with success. Not done: CaptureMode of inference components.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.services.sagemaker.artifact import bucket_and_key
from local.services.sagemaker.permission import Role
from local.services.sagemaker.plan import CapturePlan
from local.services.sagemaker.runtime import Invocation, InvocationRecord
from local.timers import Phase, Timers

log = logging.getLogger(__name__)

GATHER_SECONDS: Final = 60.0
FILE_BYTES: Final = 1024 * 1024
HOUR: Final = timedelta(hours=1)
LOG_STREAM: Final = "data-capture"


class ObjectStore(Protocol):
    """boto3's S3 client, as far as it is needed here; its calls block."""

    def put_object(self, **arguments: Any) -> Any: ...


LogSink = Callable[[str, str, Sequence[str]], None]
RoleOf = Callable[[str | None], Role]


@dataclass(frozen=True, slots=True)
class FileName:
    """Which file a record belongs to: `hour` is the beginning of the inference's."""

    endpoint: str
    variant: str
    hour: datetime
    plan: CapturePlan
    role_arn: str | None

    def key_below(self, prefix: str, first: datetime) -> str:
        """The object's key; `first` is the time of the file's first record."""
        name = f"{first:%M-%S}-{first.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        parts = (prefix.strip("/"), self.endpoint, self.variant, f"{self.hour:%Y/%m/%d/%H}", name)
        return "/".join(part for part in parts if part)


@dataclass(slots=True)
class OpenFile:
    """Lines that are not stored yet."""

    first: datetime
    lines: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    closing: asyncio.TimerHandle | None = None

    def add(self, line: bytes) -> None:
        self.lines.append(line)
        self.size_bytes += len(line) + 1


class DataCapture:
    """Captures for every endpoint. `observe` is an observer of the runtime; all belongs to the loop of `timers`."""

    def __init__(self, *, timers: Timers, store: ObjectStore, role: RoleOf, log: LogSink) -> None:
        self._timers, self._objects, self._role, self._log = timers, store, role, log
        self._open: dict[FileName, OpenFile] = {}
        self._storing: set[asyncio.Task[None]] = set()

    def observe(self, record: InvocationRecord) -> None:
        """Take in one invocation."""
        invocation = record.invocation
        plan = invocation.target.capture
        if plan is None or record.response.status != 200:
            return
        event_id = str(uuid.uuid4())
        if not is_sampled(invocation.headers.get("x-amzn-sagemaker-inference-id") or event_id, plan.percent):
            return
        self._add(invocation, json.dumps(capture_record(record, plan, event_id), separators=(",", ":")).encode())

    async def flush(self) -> None:
        """Store everything that was taken in so far."""
        for name in list(self._open):
            self._close(name)
        while self._storing:
            await asyncio.gather(*self._storing)

    async def close(self) -> None:
        """The same, at the end; S3 has to answer still."""
        await self.flush()

    def _add(self, invocation: Invocation, line: bytes) -> None:
        moment, target = invocation.started_at.astimezone(UTC), invocation.target
        hour = moment.replace(minute=0, second=0, microsecond=0)
        assert target.capture is not None  # noqa: S101 - the caller has looked
        name = FileName(invocation.endpoint, target.variant, hour, target.capture, target.role_arn)
        if (file := self._open.get(name)) is None:
            file = self._open[name] = OpenFile(moment)
            file.closing = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._close, name, file)
            self._timers.at(hour + HOUR, lambda _due: self._closed(name, file), phase=Phase.DELIVERY)
        file.add(line)
        if file.size_bytes >= FILE_BYTES:
            self._close(name)

    async def _closed(self, name: FileName, file: OpenFile) -> None:
        """The hour is over: by the time that this returns the file is stored."""
        self._close(name, file)
        while self._storing:
            await asyncio.gather(*self._storing)

    def _close(self, name: FileName, file: OpenFile | None = None) -> None:
        """Begin to store a file, unless it is another one that is open by now."""
        found = self._open.get(name)
        if found is None or (file is not None and found is not file):
            return
        del self._open[name]
        if found.closing is not None:
            found.closing.cancel()
        task = asyncio.ensure_future(self._store(name, found))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)

    async def _store(self, name: FileName, file: OpenFile) -> None:
        refusal = await asyncio.to_thread(self._put, name, file)
        if refusal is not None:
            log.warning("%d captured records of %s are lost: %s", len(file.lines), name.endpoint, refusal)
            sentence = f"local cloud: {len(file.lines)} captured records could not be stored: {refusal}"
            self._log(f"/aws/sagemaker/Endpoints/{name.endpoint}", LOG_STREAM, [sentence])

    def _put(self, name: FileName, file: OpenFile) -> str | None:
        """Blocks; why the file could not be stored, or None."""
        bucket, prefix = bucket_and_key(name.plan.destination)
        key, kms_key = name.key_below(prefix, file.first), name.plan.kms_key
        refusal = self._role(name.role_arn).write(bucket, key, kms_key=kms_key)
        return refusal or self._put_object(bucket, key, kms_key, b"\n".join(file.lines) + b"\n")

    def _put_object(self, bucket: str, key: str, kms_key: str | None, body: bytes) -> str | None:
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        try:
            self._objects.put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="application/x-ndjson", **encryption
            )
        except (ClientError, BotoCoreError) as error:
            return str(error)
        return None


def is_sampled(identifier: str, percent: int) -> bool:
    """Whether a request is captured: always the same answer for the same identifier."""
    number = int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "big")
    return number % 100 < percent


def capture_record(record: InvocationRecord, plan: CapturePlan, event_id: str) -> dict[str, Any]:
    """One line of a captured file."""
    invocation, response = record.invocation, record.response
    sides: dict[str, Any] = {}
    if plan.takes_input:
        content_type = invocation.headers.get("content-type", "application/json")
        sides["endpointInput"] = captured(invocation.body, content_type, mode="INPUT", plan=plan)
    if plan.takes_output:
        sides["endpointOutput"] = captured(response.body, response.headers["Content-Type"], mode="OUTPUT", plan=plan)
    return {
        "captureData": sides,
        "eventMetadata": {
            "eventId": event_id,
            **optional(invocation.headers),
            "inferenceTime": f"{invocation.started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        },
        "eventVersion": "0",
    }


def optional(headers: Mapping[str, str]) -> dict[str, Any]:
    """What is there only if the caller has sent it."""
    found: dict[str, Any] = {}
    if attributes := headers.get("x-amzn-sagemaker-custom-attributes"):
        found["customAttributes"] = [attributes]
    if identifier := headers.get("x-amzn-sagemaker-inference-id"):
        found["inferenceId"] = identifier
    return found


def captured(body: bytes, content_type: str, *, mode: str, plan: CapturePlan) -> dict[str, str]:
    """One side: as text where its content type is listed and it is text, in base64 otherwise."""
    media_type = content_type.partition(";")[0].strip().lower()
    encoding = "JSON" if media_type in plan.json_types else "CSV" if media_type in plan.csv_types else "BASE64"
    try:
        data = base64.b64encode(body).decode() if encoding == "BASE64" else body.decode()
    except UnicodeDecodeError:
        encoding, data = "BASE64", base64.b64encode(body).decode()
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
