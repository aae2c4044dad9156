"""Records on disk and the split that keeps a holdout away from training."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model_packages.dataset import Record, read_records, split_holdout, write_records
from model_packages.errors import OperatorError

Scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
Objects = st.dictionaries(st.text(), Scalars | st.lists(Scalars, max_size=3), max_size=4)
Records = st.lists(st.builds(lambda request, label: {"request": request, "label": label}, Objects, Objects), min_size=1)
Fractions = st.floats(min_value=0.05, max_value=0.95)


def numbered(count: int, **extra: Any) -> list[Record]:
    return [
        cast(Record, {"request": {"number": number}, "label": {"value": number}, **extra}) for number in range(count)
    ]


@pytest.mark.parametrize("name", ["records.jsonl", "records.jsonl.gz"])
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    @given(records=Records)
    def round_trip(records: list[Record]) -> None:
        folder = tmp_path_factory.mktemp("data")
        write_records(records, folder / "deep" / name)

        assert read_records(folder) == records

    round_trip()


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    write_records(numbered(3), tmp_path / "one.jsonl.gz")
    write_records(numbered(3), tmp_path / "two.jsonl.gz")

    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_files_are_read_in_the_order_of_their_names_and_others_are_left_alone(tmp_path: Path) -> None:
    write_records(numbered(1, time="2026-01-02"), tmp_path / "b.jsonl")
    write_records(numbered(1, time="2026-01-01"), tmp_path / "a.jsonl.gz")
    write_records(numbered(1, time="2026-01-03"), tmp_path / "more" / "c.jsonl")
    (tmp_path / "notes.txt").write_text("not a record")

    assert [record["time"] for record in read_records(tmp_path)] == ["2026-01-01", "2026-01-02", "2026-01-03"]


def test_empty_lines_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\n{"request": {}, "label": {}}\n\n')

    assert read_records(tmp_path) == [{"request": {}, "label": {}}]


def test_a_folder_without_records_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"holds no record; allowed: \*\.jsonl or \*\.jsonl\.gz"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1, 2]",
        "7",
        '{"request": {}}',
        '{"label": {}}',
        '{"request": 1, "label": {}}',
        '{"request": {}, "label": null}',
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"request": {{}}, "label": {{}}}}\n{line}\n')

    with pytest.raises(OperatorError, match=r"a\.jsonl:2: found .*; allowed: "):
        read_records(tmp_path)


def test_bytes_that_are_no_utf8_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"request": {"name": "\xff"}, "label": {}}\n')

    with pytest.raises(OperatorError, match=r"a\.jsonl:1: found "):
        read_records(tmp_path)


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b"x" * 1000, mtime=0)[:-10]])
def test_a_broken_gzip_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(content)

    with pytest.raises(OperatorError, match=r"a\.jsonl\.gz: found .*; allowed: a whole gzip file"):
        read_records(tmp_path)


@given(count=st.integers(min_value=2, max_value=60), fraction=Fractions, seed=st.integers())
def test_a_split_is_a_partition_of_the_asked_size(count: int, fraction: float, seed: int) -> None:
    records = numbered(count)
    assume(0 < round(count * fraction) < count)

    training, holdout = split_holdout(records, fraction=fraction, how="random", seed=seed)

    assert len(holdout) == round(count * fraction)
    assert sorted(record["request"]["number"] for record in training + holdout) == list(range(count))


@given(seed=st.integers())
def test_a_split_depends_on_nothing_but_its_seed(seed: int) -> None:
    records = numbered(20)

    assert split_holdout(records, fraction=0.3, how="random", seed=seed) == split_holdout(
        records, fraction=0.3, how="random", seed=seed
    )


def test_two_seeds_hold_out_different_records() -> None:
    records = numbered(100)

    _, one = split_holdout(records, fraction=0.2, how="random", seed=0)
    _, other = split_holdout(records, fraction=0.2, how="random", seed=1)

    assert one != other


@given(st.lists(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))])), min_size=2), Fractions)
def test_the_latest_are_held_out_whatever_their_offset(times: list[datetime], fraction: float) -> None:
    records: list[Record] = [{"request": {}, "label": {}, "time": time.isoformat()} for time in times]
    assume(0 < round(len(times) * fraction) < len(times))

    training, holdout = split_holdout(records, fraction=fraction, how="latest", seed=0)

    assert len(training) + len(holdout) == len(records)
    assert max(map(_instant, training)) <= min(map(_instant, holdout))


def test_a_time_without_an_offset_is_utc() -> None:
    records: list[Record] = [
        {"request": {}, "label": {}, "time": time}
        for time in ("2026-01-01T12:00:00", "2026-01-01T12:30:00+01:00", "2026-01-01T11:45:00Z")
    ]

    _, holdout = split_holdout(records, fraction=0.34, how="latest", seed=0)

    assert [record["time"] for record in holdout] == ["2026-01-01T12:00:00"]


@pytest.mark.parametrize("broken", [{}, {"time": "yesterday"}, {"time": 1_767_225_600}])
def test_a_record_without_a_readable_time_is_named(broken: dict[str, Any]) -> None:
    records = [*numbered(2, time="2026-01-01T00:00:00Z"), *numbered(1, **broken)]

    with pytest.raises(OperatorError, match=r'record 2 has the time .*; allowed with holdout = "latest": an ISO 8601'):
        split_holdout(records, fraction=0.5, how="latest", seed=0)


@pytest.mark.parametrize(("count", "fraction"), [(0, 0.5), (1, 0.5), (2, 0.1), (3, 0.95)])
def test_a_split_that_leaves_one_side_empty_is_refused(count: int, fraction: float) -> None:
    with pytest.raises(OperatorError, match=f"{count} records cannot give a holdout"):
        split_holdout(numbered(count), fraction=fraction, how="random", seed=0)


def test_a_split_leaves_its_input_as_it_was() -> None:
    records = numbered(10)
    before = json.dumps(records)

    split_holdout(records, fraction=0.5, how="random", seed=3)

    assert json.dumps(records) == before


def _instant(record: Record) -> datetime:
    return datetime.fromisoformat(record["time"])
