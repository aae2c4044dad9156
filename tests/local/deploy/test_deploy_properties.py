"""What must hold for any deployment, on random small stacks and a cloud that fails when told to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.deploy.documents import Json
from local.deploy.errors import StackFailed
from local.deploy.state import StackState
from tests.local.deploy.doubles import Bench, thing

NAMES = "ABCDE"


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Json]:
    """Things that refer to things named before them, by Ref, by an attribute that changes, or by DependsOn."""
    resources: dict[str, Json] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        entry = thing(Value=draw(st.integers(0, 2)), Fixed=draw(st.integers(0, 1)))
        for other in draw(st.lists(st.sampled_from(sorted(resources)), unique=True)) if resources else []:
            use = draw(st.sampled_from([{"Ref": other}, {"Fn::GetAtt": [other, "Echo"]}, None]))
            if use is None:
                entry["DependsOn"] = [*entry.get("DependsOn", []), other]
            else:
                entry["Properties"].setdefault("Uses", []).append(use)
        resources[name] = entry
    return {"Resources": resources}


def known(bench: Bench) -> StackState:
    state = bench.store.load("stack")
    assert state is not None
    return state


@given(first=templates(), last=templates())
def test_an_edit_leads_to_what_a_fresh_deployment_makes(first: dict[str, Json], last: dict[str, Json]) -> None:
    edited, fresh = Bench(), Bench()
    fresh.deploy(last)

    edited.deploy(first)
    edited.deploy(last)

    assert edited.contents() == fresh.contents()


@given(template=templates())
def test_deploying_again_calls_nothing(template: dict[str, Json]) -> None:
    bench = Bench()
    bench.deploy(template)
    calls, events = list(bench.cloud.calls), list(bench.events)

    result = bench.deploy(template)

    assert result == "unchanged"
    assert (bench.cloud.calls, bench.events) == (calls, events)


@given(first=templates(), last=templates(), step=st.integers(0, 8), half_way=st.booleans())
def test_a_failure_at_any_step_brings_the_state_before_back(
    first: dict[str, Json], last: dict[str, Json], step: int, *, half_way: bool
) -> None:
    bench = Bench()
    bench.deploy(first)
    contents, resources = bench.contents(), known(bench).resources
    bench.cloud.fail_at, bench.cloud.half_way = len(bench.cloud.calls) + step, half_way

    try:
        bench.deploy(last)
    except StackFailed:
        assert bench.contents() == contents
        assert known(bench).resources == resources
    bench.cloud.fail_at = None
    bench.deploy(last)

    fresh = Bench()
    fresh.deploy(last)
    assert bench.contents() == fresh.contents()


@given(first=templates(), last=templates())
def test_only_a_changed_create_only_property_gives_a_new_physical_resource(
    first: dict[str, Json], last: dict[str, Json]
) -> None:
    bench = Bench()
    bench.deploy(first)
    before = known(bench).resources

    bench.deploy(last)

    after = known(bench).resources
    assert set(after) == set(last["Resources"])
    for name in before.keys() & after.keys():
        is_fixed = before[name].properties["Fixed"] == after[name].properties["Fixed"]
        assert (before[name].physical_id == after[name].physical_id) == is_fixed


@given(first=templates(), last=templates())
def test_destroying_leaves_nothing(first: dict[str, Json], last: dict[str, Json]) -> None:
    bench = Bench()
    bench.deploy(first)
    bench.deploy(last)

    bench.engine.destroy("stack")

    assert bench.cloud.things == {}
    assert known(bench).is_gone


@given(template=templates(), rest=st.sets(st.sampled_from(NAMES)))
def test_a_stack_that_could_not_be_deleted_whole_can_be_deleted_later(
    template: dict[str, Json], rest: set[str]
) -> None:
    bench = Bench()
    bench.deploy(template)
    stuck = {known(bench).resources[name].physical_id for name in rest & template["Resources"].keys()}
    bench.cloud.undeletable = set(stuck)

    if stuck:
        with pytest.raises(StackFailed):
            bench.engine.destroy("stack")
        assert stuck <= bench.cloud.things.keys()
    bench.cloud.undeletable = set()
    bench.engine.destroy("stack")

    assert bench.cloud.things == {}


@given(state_of=templates())
def test_a_state_survives_json(state_of: dict[str, Json]) -> None:
    bench = Bench()
    bench.deploy(state_of)
    state = known(bench)

    again = StackState.from_json(state.to_json())

    assert again == state
