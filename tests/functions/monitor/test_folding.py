"""Files become counts; what cannot be read is kept where one finds it; the result can be made elsewhere."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import numpy as np

from functions.monitor import folding
from functions.monitor.captures import Capture
from functions.monitor.folding import Block, Files, Folded, Order, Reading, block_keys, fold_here
from functions.monitor.listing import CapturedFile
from functions.monitor.orders import read_order, write_order
from functions.monitor.seen import record_digests
from functions.shared import layout
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from tests.functions.monitor.flowers import ENDPOINT, NOON, captured, key_of, lines_of, record_of

MINUTE = timedelta(minutes=1)


def file_of(key: str, content: bytes) -> CapturedFile:
    return CapturedFile(key=key, hour=layout.hour_path(NOON), size_bytes=len(content))


def folded(
    baseline: Baseline,
    contents: dict[str, bytes],
    *,
    block: Block = "row",
    known: list[str] | None = None,
    chunk_rows: int = 1000,
    kept: dict[str, bytes] | None = None,
) -> Folded:
    store = {} if kept is None else kept
    order = Order(
        files=tuple(file_of(key, content) for key, content in contents.items()),
        late=(),
        known=np.sort(record_digests(known or [])),
        block=block,
        block_minutes=5,
    )
    files = Files(get=contents.__getitem__, put=store.__setitem__, endpoint=ENDPOINT)
    return fold_here(order, baseline=baseline, files=files, chunk_rows=chunk_rows)


def test_rows_are_counted_as_the_profile_counts_them(baseline: Baseline) -> None:
    records = captured(300)
    rows = [
        {
            "request": json.loads(record["captureData"]["endpointInput"]["data"]),
            "response": json.loads(record["captureData"]["endpointOutput"]["data"])["predictions"][0],
        }
        for record in records
    ]

    found = folded(baseline, {"a": lines_of(records[:100]), "b": gzip.compress(lines_of(records[100:]))})

    assert found.tally.cells.tolist() == fold(baseline, rows).cells.tolist()
    assert found.tally.missing.tolist() == fold(baseline, rows).missing.tolist()
    assert (found.reading.files, found.reading.records, found.reading.rows) == (2, 300, 300)
    assert (found.reading.first, found.reading.last) == (NOON, NOON + timedelta(seconds=299))
    assert found.reading.by_hour == {"2026/02/14/12": 300}


def test_how_many_rows_are_decoded_at_once_changes_nothing(baseline: Baseline) -> None:
    records = captured(250)
    contents = {f"{part}": lines_of(records[40 * part : 40 * part + 50]) for part in range(6)}
    at_once = folded(baseline, contents, block="time")
    in_chunks = folded(baseline, contents, block="time", chunk_rows=60)

    assert at_once.reading.duplicates > 0
    assert in_chunks.reading == at_once.reading
    assert in_chunks.examples == at_once.examples
    assert in_chunks.tally.cells.tolist() == at_once.tally.cells.tolist()
    assert in_chunks.tally.blocks.cells.tolist() == at_once.tally.blocks.cells.tolist()
    assert {hour: sorted(found.tolist()) for hour, found in in_chunks.digests.items()} == {
        hour: sorted(found.tolist()) for hour, found in at_once.digests.items()
    }


def test_what_cannot_be_read_is_kept_raw_with_its_origin(baseline: Baseline) -> None:
    kept: dict[str, bytes] = {}
    good = lines_of([record_of({}, {})])

    found = folded(baseline, {"captures/x": good + b"{broken\n" + b"\xff\xfe\n", "captures/y": good}, kept=kept)

    [(key, content)] = kept.items()
    assert key.startswith("monitor/flyball-flowers/unreadable/2026/02/14/12/")
    assert [json.loads(line) for line in content.splitlines()] == [
        {"reason": "not-json", "source": "captures/x", "line": 2, "raw": "{broken"},
        {"reason": "not-json", "source": "captures/x", "line": 3, "raw_base64": "//4="},
    ]
    assert found.reading.unreadable == {"not-json": 2}
    assert found.reading.by_hour["2026/02/14/12"] == 3


def test_fields_that_no_request_has_are_counted_by_a_name_of_bounded_length(baseline: Baseline) -> None:
    records = [record_of({"petals": 3, "x" * 500: 1, "petalls": 3}, {}), record_of({"petalls": 4}, {}, number=1)]

    found = folded(baseline, {"a": lines_of(records)})

    assert found.reading.extra_fields == {"petalls": 2, "x" * 100: 1}


def capture_at(minutes: float, *, caller: str = "", rows: int = 1) -> Capture:
    return Capture(event_id="e", inference_id="i", time=NOON + minutes * MINUTE, caller=caller, rows=[{}] * rows)


def test_a_row_may_be_a_block_of_its_own() -> None:
    assert block_keys([capture_at(0)], block="row", minutes=5) is None


def test_rows_of_the_same_minutes_are_one_block() -> None:
    keys = block_keys([capture_at(0, rows=2), capture_at(4.9), capture_at(5), capture_at(65)], block="time", minutes=5)

    assert keys is not None
    assert np.diff(keys).tolist() == [0, 0, 1, 12]


def test_rows_of_one_caller_are_one_block_and_those_of_nobody_too() -> None:
    captures = [
        capture_at(0, caller="a", rows=2),
        capture_at(9, caller="b"),
        capture_at(9, caller="a"),
        capture_at(1),
        capture_at(2),
    ]

    keys = block_keys(captures, block="caller", minutes=5)

    assert keys is not None
    first, again, other, third, nobody, somebody = keys.tolist()
    assert first == again == third
    assert nobody == somebody
    assert len({first, other, nobody}) == 3
    assert min(keys) >= 0


def test_examples_are_the_same_however_the_rows_came(baseline: Baseline) -> None:
    records = captured(500)

    whole = folded(baseline, {"a": lines_of(records)})
    parts = folded(baseline, {"b": lines_of(records[250:]), "a": lines_of(records[:250])})

    assert whole.examples == parts.examples
    assert len(whole.examples) == folding.MAXIMUM_EXAMPLES
    assert json.loads(whole.examples[0].request).keys() >= {"petals", "colour"}


def test_a_row_too_large_to_show_is_no_example(baseline: Baseline) -> None:
    records = [record_of({"note": "x" * 10_000}, {}), record_of({"note": "y"}, {}, number=1)]

    assert [row.request for row in folded(baseline, {"a": lines_of(records)}).examples] == ['{"note":"y"}']


def test_what_was_folded_elsewhere_is_what_would_be_folded_here(baseline: Baseline) -> None:
    here = folded(baseline, {"a": lines_of(captured(50)) + b"x\n"}, block="time")

    again = Folded.from_bytes(here.to_bytes())

    assert again.tally.to_bytes() == here.tally.to_bytes()
    assert (again.reading, again.examples) == (here.reading, here.examples)
    assert {hour: found.tolist() for hour, found in again.digests.items()} == {
        hour: found.tolist() for hour, found in here.digests.items()
    }


def test_an_order_survives_being_written_down() -> None:
    order = Order(
        files=(file_of(key_of(NOON), b"x"),),
        late=(file_of("late", b"y"),),
        known=record_digests(["a", "b"]),
        block="caller",
        block_minutes=7,
    )

    endpoint, again = read_order(write_order(order, endpoint=ENDPOINT))

    assert (again.files, again.late, again.block, again.block_minutes) == (order.files, order.late, "caller", 7)
    assert again.known.tolist() == order.known.tolist()
    assert endpoint == ENDPOINT


def test_readings_add_up() -> None:
    one = Reading(files=1, rows=2, unreadable={"a": 1}, by_hour={"h": 1}, first=NOON, last=NOON)
    other = Reading(files=2, duplicates=3, late=4, unreadable={"a": 1, "b": 2}, first=NOON - MINUTE, last=NOON - MINUTE)

    total = one + other + Reading()

    assert (total.files, total.rows, total.duplicates, total.late) == (3, 2, 3, 4)
    assert total.unreadable == {"a": 2, "b": 2}
    assert (total.first, total.last) == (NOON - MINUTE, NOON)
    assert Reading.from_json(json.loads(json.dumps(total.to_json()))) == total


def test_nothing_is_nothing(baseline: Baseline) -> None:
    found: Any = folded(baseline, {"a": b"\n"})

    assert (found.tally.rows, found.reading.records, found.digests, found.examples) == (0, 0, {}, ())
