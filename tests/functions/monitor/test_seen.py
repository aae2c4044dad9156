"""Nothing counts twice as long as late copies may come, and what is remembered is bounded."""

from __future__ import annotations

import json

import numpy as np

from functions.monitor.seen import KnownDigests, Seen, first_comers, first_sightings, record_digests

NONE = record_digests([])
HOUR, NEXT = "2026/02/14/12", "2026/02/14/13"


def comers(*kinds: list[str], known: list[str] | None = None) -> list[bool]:
    digests = [record_digests(kind) for kind in kinds]
    is_new = first_sightings(digests, known=KnownDigests([np.sort(record_digests(known or []))]))
    found: list[bool] = first_comers(np.stack(digests), is_new=is_new).tolist()
    return found


def test_the_first_of_several_copies_counts() -> None:
    assert comers(["a", "b", "a", "c", "b", "a"]) == [True, True, False, True, False, False]


def test_a_record_is_a_copy_by_either_of_its_ids() -> None:
    events, inferences = ["e1", "e2", "e1", "e4"], ["i1", "i2", "i3", "i2"]

    assert comers(events, inferences) == [True, True, False, False]


def test_no_id_is_nobody_s() -> None:
    assert comers(["", "", ""], ["i1", "i2", "i1"]) == [True, True, False]


def test_a_record_whose_ids_are_the_same_is_no_copy_of_itself() -> None:
    assert comers(["x", "y"], ["x", "y"]) == [True, True]


def test_what_was_known_before_is_a_copy() -> None:
    assert comers(["a", "b"], ["i", "j"], known=["b", "i2"]) == [True, False]


def test_no_records_are_no_copies() -> None:
    assert comers([], []) == []


def test_it_survives_being_written_down() -> None:
    seen = (
        Seen(files_since=HOUR)
        .with_files({HOUR: ["k1", "k2"], NEXT: ["k3"]})
        .with_records({HOUR: record_digests(["a", "b"])})
    )

    again = Seen.from_json(json.loads(json.dumps(seen.to_json())))

    assert again.files == seen.files
    assert again.files_since == HOUR
    assert again.all_records().tolist() == sorted(record_digests(["a", "b"]).tolist())
    assert again.has_file("k1", hour=HOUR)
    assert not again.has_file("k1", hour=NEXT)


def test_each_kind_is_forgotten_at_its_own_horizon() -> None:
    seen = Seen().with_files({HOUR: ["k1"], NEXT: ["k2"]})
    seen = seen.with_records({HOUR: record_digests(["a"]), NEXT: record_digests(["b"])})

    later = seen.since(files_hour=HOUR, records_hour=NEXT)

    assert set(later.files) == {HOUR, NEXT}
    assert set(later.records) == {NEXT}
    assert later.files_since == HOUR


def test_files_beyond_the_maximum_are_forgotten_only_where_nothing_new_is_read() -> None:
    hours = [f"2026/02/14/{hour:02}" for hour in range(10, 14)]
    seen = Seen().with_files({hour: [f"{hour}/{number}" for number in range(2)] for hour in hours})

    later = seen.since(files_hour=hours[0], records_hour=hours[2], maximum_files=3)

    assert set(later.files) == {hours[2], hours[3]}  # still compared, so never forgotten
    assert later.files_since == hours[2]


def test_records_beyond_the_maximum_are_forgotten_oldest_hour_first() -> None:
    seen = Seen().with_records({HOUR: record_digests(["a", "b"]), NEXT: record_digests(["c", "d", "e", "f"])})

    assert set(seen.since(files_hour=HOUR, records_hour=HOUR, maximum_records=3).records) == {NEXT}
