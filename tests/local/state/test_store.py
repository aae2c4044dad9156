"""The file of the state: transactions, records, versions, and a disk that is full."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.documents import InMemoryDocuments
from local.state.blobs import Blob, blob_of
from local.state.errors import StateNotWritten, StateUnreadable
from local.state.store import FILE, Row, StateStore
from local.state.summary import summarise, text

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.dictionaries(st.text(), JSON, max_size=3)))


def full_disk(path: Path, content: bytes) -> None:
    raise OSError(28, "No space left on device")


def fail() -> None:
    raise StateNotWritten(Path(), reason="the disk is full")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = StateStore(tmp_path)
    yield opened
    opened.close()


@settings(max_examples=40)
@given(steps=STEPS)
def test_records_are_what_a_dictionary_would_have_also_after_a_restart(
    steps: list[tuple[str, dict[str, Any] | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("records")
    store, expected = StateStore(folder), InMemoryDocuments()
    for key, record in steps:
        for documents in (store.documents("things"), expected):
            documents.delete(key) if record is None else documents.put(key, record)

    store.close()
    again = StateStore(folder)

    assert list(again.documents("things").items()) == list(expected.items())
    assert all(again.documents("things").get(key) == expected.get(key) for key in "abc")
    again.close()


def test_collections_do_not_see_one_another(store: StateStore) -> None:
    store.documents("a").put("key", {"in": "a"})

    assert store.documents("b").get("key") is None
    assert list(store.documents("b").items()) == []


def test_records_of_several_collections_are_kept_together_or_not_at_all(store: StateStore) -> None:
    a, b = store.documents("a"), store.documents("b")
    a.put("key", {"is": "old"})

    def put_both(then: Callable[[], None]) -> None:
        with store.transaction():
            a.put("key", {"is": "new"})
            b.put("key", {})
            then()

    with pytest.raises(StateNotWritten):
        put_both(fail)
    undone = a.get("key"), b.get("key")
    put_both(lambda: None)

    assert undone == ({"is": "old"}, None)
    assert (a.get("key"), b.get("key")) == ({"is": "new"}, {})


def test_rows_are_written_and_removed_together(store: StateStore) -> None:
    store.write([Row("a", b"1"), Row("b", b"2", (Blob("00", 1),))])

    store.write([Row("a", b"3")], removed=["b"])

    assert store.rows() == [Row("a", b"3")]


def test_a_full_disk_refuses_a_change_and_keeps_what_was_there(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.write([Row("a", b"before")])
    store.documents("d").put("k", {"was": "before"})
    store.limit_pages(1)

    with pytest.raises(StateNotWritten, match=r"full.*make room on the disk"):
        store.write([Row("a", b"after"), Row("b", bytes(1_000_000))])
    with pytest.raises(StateNotWritten, match="full"):
        store.documents("d").put("k", {"is": "x" * 1_000_000})
    kept = store.rows(), store.documents("d").get("k")
    store.limit_pages(1_000_000)
    store.write([Row("a", b"after")])

    assert kept == ([Row("a", b"before")], {"was": "before"})
    store.close()
    assert StateStore(tmp_path).rows() == [Row("a", b"after")]


def test_a_blob_that_the_disk_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    store = StateStore(tmp_path, write_blob=full_disk)
    content = b"large"

    with pytest.raises(StateNotWritten, match="No space left"):
        store.blobs.put(blob_of(content), content)

    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
    store.close()


def test_a_missing_or_short_blob_is_an_error_that_says_what_to_do(store: StateStore) -> None:
    blob = blob_of(b"content")
    with pytest.raises(StateUnreadable, match=r"is missing.*flyball reset"):
        store.blobs.read(blob)
    store.blobs.put(blob, b"content")
    store.blobs.path(blob).write_bytes(b"cont")

    with pytest.raises(StateUnreadable, match="has 4 bytes in place of 7"):
        store.blobs.check(blob)


def test_contents_that_no_row_refers_to_are_discarded(store: StateStore) -> None:
    used, unused = blob_of(b"used"), blob_of(b"unused")
    store.blobs.put(used, b"used")
    store.blobs.put(unused, b"unused")
    store.blobs.path(used).with_suffix(".123.partial").write_bytes(b"half")
    store.write([Row("a", b"", (used,))])

    assert store.discard_unused_blobs() == 2
    assert store.blobs.read(used) == b"used"
    assert not store.blobs.path(unused).exists()


def test_a_state_of_another_release_is_refused_and_named(tmp_path: Path) -> None:
    StateStore(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE written_by SET version = '4.0.0' WHERE what = 'moto'")
    connection.close()

    with pytest.raises(StateUnreadable, match=r"written by .*moto 4\.0\.0.*flyball reset"):
        StateStore(tmp_path)


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(StateUnreadable, match="flyball reset"):
        StateStore(tmp_path)

    assert (tmp_path / FILE).read_bytes() == content


def test_the_summary_is_read_beside_a_cloud_that_writes(store: StateStore, tmp_path: Path) -> None:
    store.write([Row("s3/1/aws", b""), Row("s3/1/aws#bucket/key", b""), Row("iam/1/aws", b"")])
    store.documents("cloudformation/stacks").put("arn", {})

    found = summarise(tmp_path)

    assert found is not None
    assert (found.rows, found.documents) == ({"s3": 2, "iam": 1}, {"cloudformation/stacks": 1})
    assert "1 stacks (deleted ones too), 1 S3 objects, 2 services" in text(found)
    assert summarise(tmp_path / "nowhere") is None


def test_a_state_that_is_being_made_has_no_summary_yet(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()

    assert summarise(tmp_path) is None
