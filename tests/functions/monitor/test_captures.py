"""Captured records are read whoever wrote them, and what cannot be read comes back with the reason."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.gateway.captures import Captures
from functions.gateway.endpoint import Invocation
from functions.monitor.captures import Capture, Reason, count_records, read_captures
from functions.shared.uuid7 import compose, time_of
from tests.functions.monitor.flowers import NOON, lines_of, record_of, side

REQUEST = {"petal_length": 1.5, "petals": 34, "colour": "white", "wild": True}
RESPONSE = {"species": "daisy", "confidence": 0.93}
RECORD = record_of(REQUEST, RESPONSE)

AS_DOCUMENTED = rb"""
{"captureData":{"endpointInput":{"observedContentType":"application/json","mode":"INPUT","data":"{\"petals\": 3}",
"encoding":"JSON"},"endpointOutput":{"observedContentType":"application/json","mode":"OUTPUT",
"data":"{\"predictions\": [{\"species\": \"daisy\"}]}","encoding":"JSON"}},"eventMetadata":{"eventId":"e7b2",
"inferenceId":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","inferenceTime":"2026-02-14T17:25:06Z"},"eventVersion":"0"}
""".replace(b"\n", b"")


def only(content: bytes) -> Capture:
    contents = read_captures(content)
    assert contents.unreadable == []
    [capture] = contents.captures
    return capture


def changed(**paths: Any) -> dict[str, Any]:
    """RECORD with something else at captureData__endpointInput__data and the like; None removes it."""
    record = deepcopy(RECORD)
    for path, value in paths.items():
        *parents, last = path.split("__")
        place: Any = record
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return record


def test_a_record_as_the_documentation_shows_it_is_read() -> None:
    capture = only(AS_DOCUMENTED)

    assert capture == Capture(
        event_id="e7b2",
        inference_id="017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        time=datetime(2026, 2, 14, 17, 25, 6, tzinfo=UTC),
        caller="",
        rows=[{"request": {"petals": 3}, "response": {"species": "daisy"}}],
    )


def test_several_rows_in_one_record_are_paired_with_their_predictions() -> None:
    record = changed(
        captureData__endpointInput=side("INPUT", {"instances": [{"petals": 1}, {"petals": 2}]}),
        captureData__endpointOutput=side("OUTPUT", {"predictions": [{"species": "daisy"}, {"species": "crocus"}]}),
    )

    capture = only(lines_of([record]))

    assert capture.rows == [
        {"request": {"petals": 1}, "response": {"species": "daisy"}},
        {"request": {"petals": 2}, "response": {"species": "crocus"}},
    ]


@pytest.mark.parametrize(
    "answered",
    [
        {"predictions": [RESPONSE]},
        {"prediction": RESPONSE, "model": {"name": "flowers", "version": "3"}},
        RESPONSE,
        {"prediction": 4.5},
        {"predictions": 4.5},
    ],
)
def test_one_answer_is_read_in_whichever_form_it_came(answered: dict[str, Any]) -> None:
    capture = only(lines_of([changed(captureData__endpointOutput=side("OUTPUT", answered))]))

    expected = RESPONSE if RESPONSE in (answered, answered.get("prediction")) or "predictions" in answered else answered
    expected = answered if answered in ({"prediction": 4.5}, {"predictions": 4.5}) else expected
    assert [row["response"] for row in capture.rows] == [expected]


def test_bodies_in_base64_are_read() -> None:
    record = changed(
        captureData__endpointInput=side("INPUT", REQUEST, encoding="BASE64"),
        captureData__endpointOutput=side("OUTPUT", {"predictions": [RESPONSE]}, encoding="BASE64"),
    )

    assert only(lines_of([record])) == only(lines_of([RECORD]))


def test_unknown_keys_change_nothing() -> None:
    record = {
        **changed(eventMetadata__invocationSource="somewhere", captureData__endpointInput__new=1, eventVersion="1"),
        "anything": {"else": True},
    }

    assert only(lines_of([record])) == only(lines_of([RECORD]))


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n\n"])
def test_every_line_is_a_record_and_empty_lines_are_none(ending: bytes) -> None:
    lines = [json.dumps(record_of(REQUEST, RESPONSE, number=number)).encode() for number in range(3)]

    contents = read_captures(ending.join(lines))

    assert (len(contents.captures), contents.unreadable) == (3, [])


def test_gzip_is_read_by_its_first_bytes_in_any_number_of_members() -> None:
    one, other = (lines_of([record_of(REQUEST, RESPONSE, number=number)]) for number in range(2))

    contents = read_captures(gzip.compress(one) + gzip.compress(other))

    assert contents == read_captures(one + other)
    assert count_records(gzip.compress(one + other)) == 2


def test_of_a_broken_gzip_file_the_whole_lines_are_read_and_the_rest_is_kept() -> None:
    lines = lines_of(
        [record_of({**REQUEST, "note": f"{number * 7919 % 1000003}"}, RESPONSE, number=number) for number in range(200)]
    )

    contents = read_captures(gzip.compress(lines)[:-1500])

    assert 0 < len(contents.captures) < 200
    assert [item.reason for item in contents.unreadable] == [Reason.BROKEN_GZIP]
    assert lines.count(b"\n", 0, lines.index(contents.unreadable[0].raw)) == len(contents.captures)


def test_nothing_at_all_is_no_record() -> None:
    assert read_captures(b"").captures == read_captures(b"\n").captures == []


@pytest.mark.parametrize(
    ("attributes", "caller"),
    [
        (["caller=0123456789abcdef"], "0123456789abcdef"),
        (["trace=1", "caller=abc"], "abc"),
        (["trace=1;caller=abc, more=2"], "abc"),
        ("caller=abc", "abc"),
        (["nocaller=abc"], ""),
        ([7, None], ""),
        ([], ""),
        (None, ""),
        (7, ""),
    ],
)
def test_the_caller_is_what_the_gateway_attached(attributes: Any, caller: str) -> None:
    record = deepcopy(RECORD)
    record["eventMetadata"]["customAttributes"] = attributes

    assert only(lines_of([record])).caller == caller


def test_a_record_without_an_inference_id_is_known_by_its_event_id() -> None:
    capture = only(lines_of([changed(eventMetadata__inferenceId=None)]))

    assert (capture.event_id, capture.inference_id) == (RECORD["eventMetadata"]["eventId"], "")


@pytest.mark.parametrize("time", [None, "yesterday", 5])
def test_a_record_without_a_time_takes_it_from_its_id(time: Any) -> None:
    identifier = str(compose(unix_ms=int(NOON.timestamp() * 1000) + 250, random_bits=7))
    record = changed(eventMetadata__inferenceTime=time, eventMetadata__inferenceId=identifier)

    assert only(lines_of([record])).time == NOON + timedelta(milliseconds=250)


def test_a_time_without_an_offset_is_in_utc() -> None:
    record = changed(eventMetadata__inferenceTime="2026-02-14T12:00:00")

    assert only(lines_of([record])).time == NOON


UNREADABLE: list[tuple[Reason, Any]] = [
    (Reason.NOT_JSON, b"{"),
    (Reason.NOT_JSON, b'{"captureData": NaN}'),
    (Reason.NOT_JSON, b"\xff\xfe"),
    (Reason.NOT_A_RECORD, 7),
    (Reason.NOT_A_RECORD, []),
    (Reason.NOT_A_RECORD, {}),
    (Reason.NOT_A_RECORD, {"captureData": {}}),
    (Reason.NOT_A_RECORD, {"captureData": [], "eventMetadata": {}}),
    (Reason.NOT_A_RECORD, {"captureData": {}, "eventMetadata": []}),
    (Reason.NO_ID, changed(eventMetadata__inferenceId=None, eventMetadata__eventId=None)),
    (Reason.NO_ID, changed(eventMetadata__inferenceId="", eventMetadata__eventId="")),
    (Reason.NO_TIME, changed(eventMetadata__inferenceTime=None, eventMetadata__inferenceId="mine")),
    (Reason.NO_TIME, changed(eventMetadata__inferenceTime="noon", eventMetadata__inferenceId=None)),
    (Reason.NO_TIME, changed(eventMetadata__inferenceTime="noon", eventMetadata__inferenceId=7)),
    (Reason.NO_TIME, changed(eventMetadata__inferenceTime="0001-01-01T00:00:00+14:00")),
    (
        Reason.NO_TIME,
        changed(eventMetadata__inferenceTime=None, eventMetadata__inferenceId=str(UUID(int=7 << 76 | 2 << 62))),
    ),
    (Reason.NO_INPUT, changed(captureData__endpointInput=None)),
    (Reason.NO_INPUT, changed(captureData__endpointInput__data=None)),
    (Reason.NO_INPUT, changed(captureData__endpointInput__data=7)),
    (Reason.NO_OUTPUT, changed(captureData__endpointOutput=None)),
    (Reason.NO_OUTPUT, changed(captureData__endpointOutput="text")),
    (Reason.ENCODING, changed(captureData__endpointInput__encoding="CSV")),
    (Reason.ENCODING, changed(captureData__endpointOutput__encoding=7)),
    (Reason.BODY_NOT_JSON, changed(captureData__endpointInput__data="1,2,3")),
    (Reason.BODY_NOT_JSON, changed(captureData__endpointInput__data="")),
    (Reason.BODY_NOT_JSON, changed(captureData__endpointOutput__encoding="BASE64")),
    (Reason.BODY_NOT_JSON, changed(captureData__endpointInput={"data": "/w==", "encoding": "BASE64"})),
    (Reason.BODY_NOT_JSON, changed(captureData__endpointInput={"data": "ä", "encoding": "BASE64"})),
    (Reason.BODY_FORM, changed(captureData__endpointInput__data="[]")),
    (Reason.BODY_FORM, changed(captureData__endpointInput__data='{"instances": 3}')),
    (Reason.BODY_FORM, changed(captureData__endpointInput__data='{"instances": [3]}')),
    (Reason.BODY_FORM, changed(captureData__endpointOutput__data="0.4")),
    (Reason.BODY_FORM, changed(captureData__endpointOutput__data='{"predictions": [0.4]}')),
    (Reason.ROWS_DIFFER, changed(captureData__endpointOutput__data='{"predictions": []}')),
    (Reason.ROWS_DIFFER, changed(captureData__endpointInput__data='{"instances": [{}, {}]}')),
]


@pytest.mark.parametrize(("reason", "record"), UNREADABLE)
def test_what_cannot_be_read_is_told_by_reason_with_its_line_as_it_was(reason: Reason, record: Any) -> None:
    line = record if isinstance(record, bytes) else json.dumps(record).encode()

    contents = read_captures(lines_of([RECORD]) + line + b"\n" + lines_of([RECORD]))

    assert len(contents.captures) == 2
    [item] = contents.unreadable
    assert (item.reason, item.line, item.raw) == (reason, 2, line)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["JSON", "BASE64", "{}", "ä"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["data", "encoding", "eventId", "inferenceTime", "instances"]), inner)
    ),
    max_leaves=5,
)
PLACES = [
    *("captureData", "eventMetadata", "captureData__endpointInput", "captureData__endpointOutput"),
    *("captureData__endpointInput__data", "captureData__endpointInput__encoding", "captureData__endpointOutput__data"),
    *("eventMetadata__eventId", "eventMetadata__inferenceId", "eventMetadata__inferenceTime"),
]


@given(place=st.sampled_from(PLACES), value=VALUES)
def test_whatever_stands_in_a_record_it_is_read_or_kept(place: str, value: Any) -> None:
    contents = read_captures(lines_of([changed(**{place: value})]))

    assert len(contents.captures) + len(contents.unreadable) == 1


def test_every_reason_of_a_line_is_tested() -> None:
    assert {reason for reason, _ in UNREADABLE} == set(Reason) - {Reason.BROKEN_GZIP, Reason.LATE}


class Written:
    """Keeps what the gateway would put into the bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self.objects[key] = content


def test_what_the_gateway_writes_reads_as_what_the_endpoint_writes() -> None:
    store, inference_id = Written(), RECORD["eventMetadata"]["inferenceId"]
    body, content = json.dumps(REQUEST).encode(), json.dumps({"predictions": [RESPONSE]}).encode()
    gateway = Captures(
        store=store, endpoint_name="e", percent=100, make_event_id=lambda: RECORD["eventMetadata"]["eventId"]
    )

    gateway.keep(
        body, Invocation(content=content, version="1", variant="main"), inference_id=inference_id, caller="abc"
    )

    [(key, written)] = store.objects.items()
    assert key.startswith("captures/e/main/2026/02/14/12/")
    assert only(written) == only(lines_of([RECORD]))._replace(caller="abc")
    assert time_of(inference_id) == NOON
