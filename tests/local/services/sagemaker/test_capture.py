"""Data capture with a clock that the test moves, and a bucket in memory."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.api_errors import ApiResponse
from local.clock import CloudClock, ManualClock
from local.services.sagemaker.capture import FILE_BYTES, DataCapture, is_sampled
from local.services.sagemaker.instance import InFlight
from local.services.sagemaker.permission import Role
from local.services.sagemaker.plan import CapturePlan, StartFailure
from local.services.sagemaker.runtime import Invocation, InvocationRecord, Target
from local.timers import Timers

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/model"
PLAN = CapturePlan(
    percent=100,
    destination="s3://bucket/captures",
    kms_key="arn:key",
    takes_input=True,
    takes_output=True,
    json_types=frozenset({"application/json"}),
    csv_types=frozenset({"text/csv"}),
)


class NoServer:
    """Nothing of a server is needed here."""

    in_flight = InFlight()
    url = None

    async def start(self) -> StartFailure | None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError


@dataclass
class World:
    """Captures what the test says was answered."""

    plan: CapturePlan | None = PLAN
    refused: frozenset[str] = frozenset()
    fails: bool = False
    objects: dict[str, str] = field(default_factory=dict)
    puts: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = CloudClock(machine=ManualClock(START))
        self.timers = Timers(self.clock)
        self.capture = DataCapture(timers=self.timers, store=self, role=self.role, log=self.log)

    def role(self, arn: str | None) -> Role:
        return Role(arn, self.may, "123456789012", "us-east-1")

    def may(self, role: str, action: str, resource: str, _context: object = None) -> str | None:
        assert role == ROLE
        self.asked.append((action, resource))
        return f"not authorized to perform: {action}" if action in self.refused else None

    def log(self, group: str, stream: str, lines: Sequence[str]) -> None:
        assert (group, stream) == ("/aws/sagemaker/Endpoints/digits", "data-capture")
        self.lines.extend(lines)

    def put_object(self, **arguments: Any) -> None:
        if self.fails:
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "gone"}}, "PutObject")
        self.puts.append(arguments)
        self.objects[arguments["Key"]] = arguments["Body"].decode()

    def answer(
        self,
        body: bytes = b'{"x": 1}',
        *,
        status: int = 200,
        content_type: str = "application/json",
        answer: bytes = b'{"y": 2}',
        **headers: str,
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        invocation = Invocation(
            "digits",
            Target("config", "main", NoServer(), self.plan, ROLE),
            {"content-type": content_type, **named},
            body,
            self.clock.now(),
        )
        self.capture.observe(
            InvocationRecord(
                invocation=invocation,
                response=ApiResponse(status, {"Content-Type": "application/json"}, answer),
                model_status=status,
                model_latency_us=1,
                overhead_latency_us=1,
            )
        )

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for text in self.objects.values() for line in text.splitlines()]


async def test_a_record_has_sagemakers_form() -> None:
    world = World()
    world.answer(x_amzn_sagemaker_inference_id="id-1", x_amzn_sagemaker_custom_attributes="caller=web")

    await world.capture.flush()

    (record,) = world.records
    assert re.fullmatch(r"[0-9a-f-]{36}", record["eventMetadata"].pop("eventId"))
    assert record == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "application/json",
                "mode": "INPUT",
                "data": '{"x": 1}',
                "encoding": "JSON",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"y": 2}',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {
            "customAttributes": ["caller=web"],
            "inferenceId": "id-1",
            "inferenceTime": "2026-03-04T05:06:07Z",
        },
        "eventVersion": "0",
    }


async def test_a_file_lies_below_the_hour_of_its_inferences_under_the_configs_key() -> None:
    world = World()
    world.answer()
    world.answer()

    await world.capture.flush()

    (put,) = world.puts
    assert re.fullmatch(r"captures/digits/main/2026/03/04/05/06-07-089-[0-9a-f-]{36}\.jsonl", put["Key"])
    assert (put["Bucket"], put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("bucket", "aws:kms", "arn:key")
    assert put["Body"].count(b"\n") == 2
    assert world.asked == [
        ("s3:PutObject", f"arn:aws:s3:::bucket/{put['Key']}"),
        ("kms:GenerateDataKey", "arn:key"),
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "data", "encoding"),
    [
        ("application/json; charset=utf-8", b"[1]", "[1]", "JSON"),
        ("text/csv", b"1,2", "1,2", "CSV"),
        ("image/png", b"\x89PNG", base64.b64encode(b"\x89PNG").decode(), "BASE64"),
        ("application/json", b"\xff", base64.b64encode(b"\xff").decode(), "BASE64"),
    ],
)
async def test_the_content_type_says_how_a_body_is_kept(
    content_type: str, body: bytes, data: str, encoding: str
) -> None:
    world = World()
    world.answer(body, content_type=content_type)

    await world.capture.flush()

    side = world.records[0]["captureData"]["endpointInput"]
    assert side == {"observedContentType": content_type, "mode": "INPUT", "data": data, "encoding": encoding}


async def test_only_the_sides_that_are_asked_for_are_kept() -> None:
    world = World(replace(PLAN, takes_output=False))
    world.answer()

    await world.capture.flush()

    assert list(world.records[0]["captureData"]) == ["endpointInput"]


@pytest.mark.parametrize(("plan", "status"), [(None, 200), (PLAN, 424), (replace(PLAN, percent=0), 200)])
async def test_nothing_is_kept_of_failures_nor_where_capture_is_off(plan: CapturePlan | None, status: int) -> None:
    world = World(plan)
    world.answer(status=status)

    await world.capture.flush()

    assert world.puts == []


async def test_the_same_requests_are_sampled_each_time() -> None:
    identifiers = [f"id-{number}" for number in range(2000)]

    sampled = [name for name in identifiers if is_sampled(name, 25)]

    assert 430 < len(sampled) < 570
    assert sampled == [name for name in identifiers if is_sampled(name, 25)]
    assert set(sampled) < {name for name in identifiers if is_sampled(name, 60)}


async def test_a_file_is_stored_when_its_hour_is_over_before_any_schedule_of_that_moment() -> None:
    world, seen = World(), list[int]()

    async def look(_due: datetime) -> None:
        seen.append(len(world.records))

    world.timers.every(3600, look)
    world.answer()
    await world.timers.advance_to(START + timedelta(minutes=30))
    before = len(world.puts)
    world.answer()
    await world.timers.advance_to(START + timedelta(hours=1))
    world.answer()
    await world.timers.advance_to(START + timedelta(hours=2))

    assert before == 0
    assert seen == [2, 3]
    assert [key.split("/")[-2] for key in world.objects] == ["05", "06"]


async def test_a_large_file_is_stored_at_once() -> None:
    world = World()
    world.answer(b"x" * FILE_BYTES, content_type="text/csv")
    world.answer()

    await world.capture.flush()

    assert len(world.puts) == 2


async def test_what_the_role_may_not_store_is_lost_and_said() -> None:
    world = World(refused=frozenset({"kms:GenerateDataKey"}))
    world.answer()

    await world.capture.flush()

    assert world.puts == []
    assert "1 captured records could not be stored: not authorized to perform: kms:GenerateDataKey" in world.lines[0]


async def test_a_bucket_that_is_gone_is_said() -> None:
    world = World(fails=True)
    world.answer()

    await world.capture.flush()

    assert "NoSuchBucket" in world.lines[0]


async def test_nothing_that_was_answered_is_lost_when_the_cloud_is_closed() -> None:
    world = World()
    world.answer()

    await world.capture.close()

    assert len(world.records) == 1
