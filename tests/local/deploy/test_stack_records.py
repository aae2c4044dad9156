"""How stack states are kept: what is read back, what a step writes, and what is left when a write fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.deploy.stack_records import DocumentStackStore
from local.deploy.state import ResourceState, StackDetails, StackState, Status, Step
from local.documents import InMemoryDocuments, Record
from local.state.errors import StateNotWritten
from local.state.store import StateStore

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/flowers/1"
LONG = "x" * 10_000


@dataclass
class Counted(InMemoryDocuments):
    """Notes what is written."""

    written: list[str] = field(default_factory=list)

    def put(self, key: str, record: Record) -> None:
        self.written.append(json.dumps(record))
        super().put(key, json.loads(self.written[-1]))

    def taken(self) -> list[str]:
        taken, self.written = self.written, []
        return taken


def stack(**members: Any) -> StackState:
    return StackState(
        name="flowers", stack_id=STACK_ID, incarnation=1, **{"status": Status.CREATE_IN_PROGRESS, **members}
    )


def resource(name: str, **properties: Any) -> ResourceState:
    return ResourceState(name, "AWS::S3::Bucket", f"id-{name}", properties, {"Arn": name}, ("Other",))


def lives(length: int) -> Iterator[StackState]:
    """A stack at each step of its creation."""
    state = stack(template={"Resources": LONG}, details=StackDetails(template_text=LONG, capabilities=("IAM",)))
    yield state
    for number in range(length):
        made = resource(f"R{number}", Name=LONG)
        step = Step("create", replace(made, physical_id=""))
        state = replace(state, steps=(*state.steps, step))
        yield state
        done = Step("create", made, is_done=True)
        state = replace(state, steps=(*state.steps[:-1], done), resources={**state.resources, made.logical_id: made})
        yield state
    yield replace(state, status=Status.CREATE_COMPLETE, steps=())


def test_each_state_of_a_stack_is_read_back_as_it_was() -> None:
    stacks, parts = Counted(), Counted()
    store = DocumentStackStore(stacks, parts)

    for state in lives(5):
        store.save(state)

        again = DocumentStackStore(stacks, parts)
        assert list(again.all()) == [state]
        assert again.find(STACK_ID) == again.load("flowers") == state


def test_a_step_writes_what_it_made_and_the_names_of_the_rest() -> None:
    stacks, parts = Counted(), Counted()
    store = DocumentStackStore(stacks, parts)

    for state in lives(50):
        store.save(state)
        written = parts.taken()
        assert len(written) <= (2 if not state.steps and not state.resources else 1)
        assert sum(map(len, stacks.taken())) < 50_000

    assert len(parts.records) == 52, "each resource, the template and the details"


def test_after_a_restart_the_parts_that_were_replaced_go_too() -> None:
    stacks, parts = Counted(), Counted()
    *_, last = lives(3)
    DocumentStackStore(stacks, parts).save(last)

    store = DocumentStackStore(stacks, parts)
    found = store.find(STACK_ID)
    assert found is not None
    store.save(replace(found, resources={"R0": replace(found.resources["R0"], physical_id="another")}))

    (kept,) = DocumentStackStore(stacks, parts).all()
    assert kept.resources["R0"].physical_id == "another"
    assert len(parts.records) == 3


def test_a_stack_that_an_earlier_version_kept_in_one_record_is_read_and_kept_in_parts() -> None:
    stacks, parts = Counted(), Counted()
    *_, state, _last = lives(2)
    before = replace(state, steps=(*state.steps, Step("update", resource("R1"), resource("R1", Old=True))))
    stacks.put(STACK_ID, before.to_json())

    store = DocumentStackStore(stacks, parts)
    assert list(store.all()) == [before]
    store.save(with_status(before))

    assert list(DocumentStackStore(stacks, parts).all()) == [with_status(before)]
    assert LONG not in stacks.written[-1]


def with_status(state: StackState) -> StackState:
    return replace(state, status=Status.ROLLBACK_IN_PROGRESS)


@given(order=st.permutations(range(8)))
def test_stacks_do_not_take_one_anothers_parts(order: list[int]) -> None:
    stacks, parts = Counted(), Counted()
    store = DocumentStackStore(stacks, parts)
    expected = {}
    for number in order:
        stack_id = f"arn/{number % 2}"
        state = replace(stack(resources={"R": resource("R", Number=number)}), stack_id=stack_id)
        store.save(state)
        expected[stack_id] = state

    again = DocumentStackStore(stacks, parts)
    assert {state.stack_id: state for state in again.all()} == expected


def test_what_a_full_disk_did_not_take_is_written_with_the_next_step(tmp_path: Path) -> None:
    kept = StateStore(tmp_path)
    collections = kept.documents("stacks"), kept.documents("parts")
    store = DocumentStackStore(*collections, together=kept.transaction)
    first, second, third, *_ = lives(3)
    store.save(first)
    kept.limit_pages(1)

    with pytest.raises(StateNotWritten):
        store.save(replace(second, leftovers=(resource("L", Name=LONG * 100),)))
    on_disk = list(DocumentStackStore(*collections).all())
    kept.limit_pages(1_000_000)
    store.save(third)

    assert on_disk == [first]
    assert list(DocumentStackStore(*collections).all()) == [third]
    kept.close()
