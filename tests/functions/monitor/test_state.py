"""The state is replaced as a whole or not at all; S3's conditional writes decide between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.monitor.captures import Reason
from functions.monitor.folding import KeptRow, Reading
from functions.monitor.latest import advance_latest
from functions.monitor.listing import CapturedFile, Listing, list_new
from functions.monitor.publishing import Measurement
from functions.monitor.seen import Seen, record_digests
from functions.monitor.state import LostRace, Outbox, Pending, State, StateStore, Stored
from functions.shared import layout
from model_packages.errors import OperatorError
from tests.functions.monitor.cloud import BUCKET, Cloud
from tests.functions.monitor.flowers import ENDPOINT, NOON, key_of

HOUR = "2026/02/14/12"
FILE = CapturedFile(key=key_of(NOON), hour=HOUR, size_bytes=10)
FULL = State(
    watermark=NOON,
    opened=NOON - timedelta(hours=1),
    covered=NOON - timedelta(hours=2),
    sequence=7,
    version="arn:aws:sagemaker:us-east-1:123456789012:model-package/flyball-flowers/3",
    set_aside=5,
    reading=Reading(
        files=1,
        size_bytes=10,
        records=2,
        rows=3,
        unreadable={Reason.NO_ID.value: 1},
        by_hour={HOUR: 3},
        first=NOON,
        last=NOON,
    ),
    tally=b"\0\1\2" * 100,
    examples=(KeptRow(digest=2**64 - 1, inference_id="i", request="{}", response="{}"),),
    by_hour={HOUR: 3},
    detectors={"request": {"evidence": 1.5}},
    labels={"hours": {}},
    history=({"window": "000007-x", "rows": 3},),
    bytes_per_row=3.5,
    seen=Seen(files_since=HOUR).with_files({HOUR: ["k"]}).with_records({HOUR: record_digests(["a"])}),
    pending=Pending(job="job", files=(FILE,), late=(FILE,), listed=NOON),
    outbox=Outbox(
        documents={"key": "text"},
        latest={"sequence": 7},
        measurements=(Measurement("WindowRows", 3.0, NOON), Measurement("FieldChange", 0.1, NOON, "petals")),
    ),
)


@pytest.fixture(params=["memory", "moto"])
def s3(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Both doubles of S3 have to decide alike: the one of these tests, and the local cloud's."""
    if request.param == "memory":
        yield Cloud().client()
        return
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def store_on(s3: Any) -> StateStore:
    return StateStore(s3=s3, bucket=BUCKET, endpoint=ENDPOINT)


def test_a_state_survives_being_written_down() -> None:
    again = State.from_bytes(FULL.to_bytes())

    assert again.to_bytes() == FULL.to_bytes()
    assert replace(again, seen=FULL.seen) == FULL
    assert again.seen.has_file("k", hour=HOUR)


def test_what_people_read_comes_first_in_the_file() -> None:
    assert list(json.loads(FULL.to_bytes()))[:4] == ["format", "version", "sequence", "watermark"]
    assert list(json.loads(FULL.to_bytes()))[-2:] == ["tally", "seen"]


def test_a_state_of_another_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(OperatorError, match=r"format 9; allowed: 1; deploy the release that wrote it"):
        State.from_bytes(json.dumps({"format": 9}).encode())


def test_there_is_no_state_before_the_first(s3: Any) -> None:
    assert store_on(s3).read() is None


def test_what_was_committed_is_read_and_can_be_replaced(s3: Any) -> None:
    store = store_on(s3)
    created = store.create(FULL)

    store.commit(created.but(sequence=8))
    read = store.read()

    assert read is not None
    assert read.state.sequence == 8
    assert store.commit(read.but(sequence=9)).state.sequence == 9


def test_only_one_of_two_creates_the_state(s3: Any) -> None:
    store_on(s3).create(FULL)

    with pytest.raises(LostRace):
        store_on(s3).create(replace(FULL, sequence=99))

    assert store_on(s3).read() == store_on(s3).read()
    assert (store_on(s3).read() or Stored(FULL, "")).state.sequence == 7


def test_only_one_of_two_replaces_the_state(s3: Any) -> None:
    store = store_on(s3)
    created = store.create(FULL)
    store.commit(created.but(sequence=8))

    with pytest.raises(LostRace):
        store.commit(created.but(sequence=99))

    assert (store.read() or created).state.sequence == 8


def test_a_state_that_was_removed_meanwhile_is_not_put_back(s3: Any) -> None:
    store = store_on(s3)
    stored = Stored(FULL, '"0123456789abcdef0123456789abcdef"')

    with pytest.raises(LostRace):
        store.commit(stored)

    assert store.read() is None


def test_the_newest_window_never_becomes_an_older_one(s3: Any) -> None:
    for sequence in (1, 3, 2):
        advance_latest(s3, bucket=BUCKET, endpoint=ENDPOINT, content={"sequence": sequence, "window": f"w{sequence}"})

    found = s3.get_object(Bucket=BUCKET, Key=layout.latest_key(ENDPOINT))
    assert json.loads(found["Body"].read())["window"] == "w3"


def listed(s3: Any, *, seen: Seen | None = None, late_minutes: int = 180) -> Listing:
    late = timedelta(minutes=late_minutes)
    return list_new(s3, bucket=BUCKET, endpoint=ENDPOINT, seen=seen or Seen(), watermark=NOON, late=late)


def put(s3: Any, *keys: str, content: bytes = b"x") -> None:
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)


def hours_of(listing: Listing) -> tuple[list[str], list[str]]:
    return [file.hour[-5:] for file in listing.new], [file.hour[-5:] for file in listing.late]


def test_files_are_listed_from_the_allowed_lateness_on_and_earlier_ones_apart(s3: Any) -> None:
    put(s3, *(key_of(NOON - timedelta(hours=hours)) for hours in (-1, 0, 3, 4, 27, 28)))

    assert hours_of(listed(s3)) == (["14/09", "14/12", "14/13"], ["13/09", "14/08"])


def test_files_that_were_seen_are_not_listed_again(s3: Any) -> None:
    put(s3, key_of(NOON, "a.jsonl"), key_of(NOON, "b.jsonl"), key_of(NOON - timedelta(hours=9)))
    seen = Seen().with_files({HOUR: [key_of(NOON, "a.jsonl")], "2026/02/14/03": [key_of(NOON - timedelta(hours=9))]})

    listing = listed(s3, seen=seen)

    assert [file.key for file in listing.new] == [key_of(NOON, "b.jsonl")]
    assert listing.late == ()


def test_hours_whose_files_were_forgotten_are_not_looked_at(s3: Any) -> None:
    put(s3, key_of(NOON), key_of(NOON - timedelta(hours=9)))

    assert listed(s3, seen=Seen(files_since="2026/02/14/05")).late == ()


def test_only_files_of_an_hour_of_the_production_variant_are_captures(s3: Any) -> None:
    main = layout.captures_prefix(ENDPOINT, layout.VARIANT)
    put(s3, key_of(NOON), f"{main}readme.txt", f"{main}zzz/file.jsonl", key_of(NOON).replace("/main/", "/shadow/"))
    put(s3, key_of(NOON, "empty.jsonl"), content=b"")

    assert [file.key for file in listed(s3).new] == [key_of(NOON)]


def test_a_listing_of_several_pages_is_read_to_its_end() -> None:
    cloud = Cloud(page_size=2)
    put(cloud.client(), *(key_of(NOON, f"{number}.jsonl") for number in range(7)))

    assert len(listed(cloud.client()).new) == 7
