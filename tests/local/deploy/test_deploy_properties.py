"""What must hold for any deployment: on random small stacks, a cloud that fails and a process that ends when told to.

Compared is the cloud itself, with names aside: what the stacks' resources are, that nothing else is there save what was
told to be left alone, and that no stack takes something for its own that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from local.deploy.documents import Json
from local.deploy.errors import StackFailed, TemplateError
from local.deploy.recovery import Recovered
from local.deploy.schedule import run_in_order
from local.deploy.state import StackState, Status
from tests.local.deploy.doubles import NUMBERED, THING, Bench, Cut, Saw, thing

pytestmark = pytest.mark.slow

# A machine that is busy with other tests is no failure, so that no example has a deadline.
examples = settings(deadline=None, max_examples=60)
many_examples = settings(deadline=None, max_examples=200)

NAMES = "ABCDE"
EXPORTS = ("e0", "e1")
Template: TypeAlias = dict[str, Json]


@st.composite
def templates(
    draw: st.DrawFn, *, prefix: str = "", imports: Sequence[str] = (), policies: bool = True, at_least: int = 0
) -> Template:
    """Things that refer to things named before them, by Ref, by an attribute that changes, or by DependsOn.

    Some have a name of their own, some an id that only the service knows, some outlive their stack.
    """
    resources: Template = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=at_least)):
        entry = thing(Value=draw(st.integers(0, 2)), Fixed=draw(st.integers(0, 1)))
        # The type goes with the logical id: CloudFormation lets no type change.
        entry["Type"] = NUMBERED if name in "DE" else THING
        if name in "BC" and draw(st.booleans()):
            # The name follows what is create-only: CloudFormation replaces nothing under one name.
            entry["Properties"]["Name"] = f"{prefix}{name} {entry['Properties']['Fixed']}"
        if draw(st.booleans()):
            entry["Properties"]["Mood"] = draw(st.sampled_from(["calm", "gay"]))
        if policies:
            entry["DeletionPolicy"] = draw(st.sampled_from(["Delete", "Delete", "Retain", "RetainExceptOnCreate"]))
            entry["UpdateReplacePolicy"] = draw(st.sampled_from(["Delete", "Delete", "Retain"]))
            if name in "BC":
                # What is retained under its own name stands in the way of the next of that name, as on AWS.
                entry["DeletionPolicy"] = entry["UpdateReplacePolicy"] = "Delete"
        _refer(draw, entry, others=sorted(resources), imports=imports)
        resources[name] = entry
    exported = draw(st.lists(st.sampled_from(EXPORTS), unique=True)) if resources else []
    outputs = {
        export: {"Value": {"Ref": draw(st.sampled_from(sorted(resources)))}, "Export": {"Name": f"{prefix}{export}"}}
        for export in exported
    }
    return {"Resources": resources, "Outputs": outputs}


def _refer(draw: st.DrawFn, entry: Template, *, others: Sequence[str], imports: Sequence[str]) -> None:
    for other in draw(st.lists(st.sampled_from(others), unique=True)) if others else []:
        use = draw(st.sampled_from([{"Ref": other}, {"Fn::GetAtt": [other, "Echo"]}, None]))
        if use is None:
            entry["DependsOn"] = [*entry.get("DependsOn", []), other]
        else:
            entry["Properties"].setdefault("Uses", []).append(use)
    for name in draw(st.lists(st.sampled_from(imports), unique=True)) if imports else []:
        entry["Properties"].setdefault("Uses", []).append({"Fn::ImportValue": name})


PLAIN = templates(policies=False)


@st.composite
def edited(draw: st.DrawFn) -> tuple[Template, Template]:
    """A template and a later one, in which some resources change in place alone."""
    first, last = draw(templates()), draw(templates())
    for name in sorted(first["Resources"].keys() & last["Resources"].keys()):
        if draw(st.booleans()):
            former, latter = first["Resources"][name]["Properties"], last["Resources"][name]["Properties"]
            latter.pop("Name", None)
            latter |= {key: former[key] for key in ("Fixed", "Name") if key in former}
    return first, last


def deployed(*bodies: Template) -> Bench:
    bench = Bench()
    for body in bodies:
        bench.deploy(body)
    return bench


def assert_sound(bench: Bench) -> None:
    """Nothing is there that no stack knows of, save what was told to be left; nothing is known that is not there."""
    assert bench.strays() <= bench.retained()
    assert bench.ghosts() == set()


@examples
@given(bodies=st.lists(templates(), min_size=2, max_size=3))
def test_edits_lead_to_what_a_fresh_deployment_of_the_last_makes(bodies: list[Template]) -> None:
    edited = deployed(*bodies)

    assert edited.contents() == deployed(bodies[-1]).contents()
    assert_sound(edited)
    assert (edited.state().leftovers, edited.state().steps) == ((), ())


@examples
@given(first=PLAIN, last=PLAIN)
def test_without_retention_nothing_is_there_but_the_stacks_resources(first: Template, last: Template) -> None:
    bench = deployed(first, last)

    assert len(bench.cloud.things) == len(last["Resources"])
    assert bench.strays() == set()


@examples
@given(first=templates(), last=templates())
def test_what_is_left_behind_is_what_the_policies_say(first: Template, last: Template) -> None:
    bench = deployed(first)
    before = bench.state().resources

    bench.deploy(last)

    after = bench.state().resources
    expected = set()
    for name, resource in before.items():
        if name not in after:
            keeps = first["Resources"][name]["DeletionPolicy"] != "Delete"
        else:
            is_replaced = after[name].physical_id != resource.physical_id
            keeps = is_replaced and last["Resources"][name]["UpdateReplacePolicy"] == "Retain"
        expected |= {resource.physical_id} if keeps else set()
    assert bench.strays() == expected


@examples
@given(body=templates())
def test_deploying_again_calls_nothing(body: Template) -> None:
    bench = deployed(body)
    calls, events = list(bench.cloud.calls), list(bench.events)

    result = bench.deploy(body)

    assert result == "unchanged"
    assert (bench.cloud.calls, bench.events) == (calls, events)


@examples
@given(first=templates(), last=templates())
def test_only_a_changed_create_only_property_gives_a_new_physical_resource(first: Template, last: Template) -> None:
    bench = deployed(first)
    before = bench.state().resources

    bench.deploy(last)

    after = bench.state().resources
    assert set(after) == set(last["Resources"])
    for name in before.keys() & after.keys():
        pair = before[name].properties, after[name].properties
        is_same = all(pair[0].get(key) == pair[1].get(key) for key in ("Fixed", "Name"))
        assert (before[name].physical_id == after[name].physical_id) == is_same


@examples
@given(body=PLAIN)
def test_each_resource_is_made_after_what_it_needs_and_deleted_before_it(body: Template) -> None:
    bench = deployed(body)

    bench.engine.destroy("stack")

    calls = bench.cloud.calls
    for name, entry in body["Resources"].items():
        for need in _needs(entry):
            assert calls.index(f"create {need}") < calls.index(f"create {name}")
            assert calls.index(f"delete {need}") > calls.index(f"delete {name}")


def _needs(entry: Template) -> set[str]:
    uses = [use.get("Ref") or use["Fn::GetAtt"][0] for use in entry["Properties"].get("Uses", [])]
    return {*uses, *entry.get("DependsOn", [])}


@dataclass(frozen=True)
class Trouble:
    """Which of the coming calls fail, and whether they take some effect first."""

    calls: tuple[int, ...]
    half_way: bool

    def strike(self, bench: Bench) -> None:
        bench.cloud.fail_after(*self.calls)
        bench.cloud.half_way = self.half_way


troubles = st.builds(
    Trouble, st.lists(st.integers(0, 11), min_size=1, max_size=3, unique=True).map(tuple), st.booleans()
)
one_failure = st.builds(Trouble, st.integers(0, 8).map(lambda call: (call,)), st.booleans())


@examples
@given(edit=edited(), trouble=one_failure)
def test_a_failure_at_any_step_brings_the_state_before_back(edit: tuple[Template, Template], trouble: Trouble) -> None:
    first, last = edit
    bench = deployed(first)
    contents, resources, outputs = bench.contents(), bench.state().resources, bench.state().outputs
    trouble.strike(bench)

    try:
        bench.deploy(last)
    except StackFailed:
        event("rolled back")
        assert bench.contents() == contents
        assert bench.state().resources == resources
        assert bench.state().outputs == outputs
        assert bench.state().status is Status.UPDATE_ROLLBACK_COMPLETE
        assert bench.state().leftovers == ()
    assert_sound(bench)
    bench.cloud.fail_at = set()
    bench.deploy(last)

    assert bench.contents() == deployed(last).contents()


@examples
@given(body=templates(), trouble=troubles)
def test_a_creation_that_fails_leaves_nothing_or_names_it(body: Template, trouble: Trouble) -> None:
    bench = Bench()
    trouble.strike(bench)

    try:
        bench.deploy(body)
    except StackFailed as failure:
        kept = set(failure.kept)
        event(bench.state().status)
        assert_sound(bench)
        assert kept == set(bench.state().resources)
        assert bool(kept) == (bench.state().status is Status.ROLLBACK_FAILED)
        bench.cloud.fail_at = set()
        bench.engine.destroy("stack")
        assert bench.state().resources == {}
    assert_sound(bench)


@examples
@given(edit=edited(), trouble=troubles)
def test_a_rollback_that_fails_can_be_continued_to_the_state_before(
    edit: tuple[Template, Template], trouble: Trouble
) -> None:
    first, last = edit
    bench = deployed(first)
    contents, resources = bench.contents(), bench.state().resources
    trouble.strike(bench)

    try:
        bench.deploy(last)
    except StackFailed:
        event(bench.state().status)
        assert_sound(bench)
        bench.cloud.fail_at = set()
        if bench.state().status is Status.UPDATE_ROLLBACK_FAILED:
            assert bench.state().steps
            bench.engine.roll_back("stack")
        assert bench.state().status is Status.UPDATE_ROLLBACK_COMPLETE
        assert bench.contents() == contents
        assert bench.state().resources == resources
    bench.cloud.fail_at = set()
    bench.deploy(last)
    assert bench.contents() == deployed(last).contents()
    assert_sound(bench)


@examples
@given(edit=edited(), trouble=troubles, goes_on=st.booleans())
def test_a_deployment_without_rollback_can_go_on_or_back(
    edit: tuple[Template, Template], trouble: Trouble, *, goes_on: bool
) -> None:
    first, last = edit
    bench = deployed(first)
    contents = bench.contents()
    trouble.strike(bench)
    try:
        bench.deploy_without_rollback(last)
    except StackFailed:
        event(bench.state().status)
        assert_sound(bench)
        bench.cloud.fail_at = set()
        if not goes_on:
            bench.engine.roll_back("stack")
            assert bench.contents() == contents
            assert bench.state().steps == ()
    bench.cloud.fail_at = set()

    bench.deploy(last)

    assert bench.contents() == deployed(last).contents()
    assert_sound(bench)


@examples
@given(bodies=st.lists(templates(), min_size=3, max_size=3), troubles=st.lists(troubles, min_size=2, max_size=2))
def test_two_deployments_without_rollback_can_be_rolled_back_to_before_the_first(
    bodies: list[Template], troubles: list[Trouble]
) -> None:
    bench = deployed(bodies[0])
    contents, resources = bench.contents(), bench.state().resources
    troubles[0].strike(bench)
    with_failure(lambda: bench.deploy_without_rollback(bodies[1]))
    if bench.state().status is not Status.UPDATE_FAILED:
        return
    troubles[1].strike(bench)
    with_failure(lambda: bench.deploy_without_rollback(bodies[2]))
    assert_sound(bench)
    bench.cloud.fail_at = set()
    if bench.state().status is Status.UPDATE_FAILED:
        event("failed twice")

        bench.engine.roll_back("stack")

        assert (bench.contents(), bench.state().resources) == (contents, resources)
        assert_sound(bench)
    else:
        assert bench.contents() == deployed(bodies[2]).contents()


def with_failure(deploy: Callable[[], str]) -> None:
    try:
        deploy()
    except StackFailed:
        event("failed")


saws = st.builds(Saw, st.integers(0, 9) | st.integers(0, 25), st.booleans())


@many_examples
@given(
    edit=edited(),
    is_new=st.booleans(),
    saw=saws,
    again=st.none() | saws,
    trouble=st.none() | one_failure,
    at_save=st.booleans(),
)
def test_a_process_that_is_killed_at_any_moment_is_recovered_from(
    edit: tuple[Template, Template],
    saw: Saw,
    again: Saw | None,
    trouble: Trouble | None,
    *,
    is_new: bool,
    at_save: bool,
) -> None:
    first, last = edit
    bench = Bench() if is_new else deployed(first)
    before, was = bench.contents(), bench.store.load("stack")
    if trouble is not None:
        trouble.strike(bench)

    was_cut = is_cut(bench, saw, lambda: bench.deploy(last), at_save=at_save)
    unaccounted: set[str] = set()
    if was_cut and again is not None:
        bench.start()
        was_cut_again = is_cut(bench, again, lambda: note(bench, unaccounted), at_save=not at_save)
        event(f"cut again: {was_cut_again}")
    bench.cloud.fail_at = set()
    bench.start()
    note(bench, unaccounted)

    event(f"cut: {was_cut}")
    assert all(not state.status.is_under_way for state in bench.store.all())
    told = {entry.logical_id for entry in bench.events if "may be left" in entry.reason}
    assert unaccounted <= told
    strays = {stray for stray in bench.strays() - bench.retained() if stray.partition("#")[0] not in told}
    assert strays == set()
    state = bench.store.load("stack")
    is_done = state is not None and state.status in (Status.CREATE_COMPLETE, Status.UPDATE_COMPLETE)
    is_finished = is_done and state != was
    settle(bench)
    assert bench.ghosts() == set()
    assert bench.contents() == (deployed(last).contents() if is_finished else before)
    bench.deploy(last)
    assert bench.contents() == deployed(last).contents()


def is_cut(bench: Bench, saw: Saw, work: Callable[[], object], *, at_save: bool) -> bool:
    """Does `work` until the saw ends the process; whether it did."""
    place = bench.store if at_save else bench.cloud
    place.saw = Saw(saw.at, is_after=saw.is_after)
    bench.cloud.was_disturbed = True
    try:
        work()
    except Cut:
        return True
    except StackFailed:
        return False
    finally:
        place.saw = Saw()
    return False


def note(bench: Bench, unaccounted: set[str]) -> list[Recovered]:
    recovered = bench.engine.recover_all()
    unaccounted.update(name for outcome in recovered for name in outcome.unaccounted)
    return recovered


def settle(bench: Bench) -> None:
    """What an operator does with a stack that an unlucky rollback left stuck."""
    state = bench.store.load("stack")
    if state is not None and state.status is Status.UPDATE_ROLLBACK_FAILED:
        bench.engine.roll_back("stack")
    elif state is not None and state.status is Status.ROLLBACK_FAILED:
        bench.engine.destroy("stack")


@examples
@given(body=PLAIN, saw=saws, at_save=st.booleans())
def test_a_deletion_that_is_cut_off_is_finished_by_the_next_process(body: Template, saw: Saw, *, at_save: bool) -> None:
    bench = deployed(body)

    was_cut = is_cut(bench, saw, lambda: bench.engine.destroy("stack"), at_save=at_save)
    bench.start()
    bench.engine.recover_all()
    if bench.state().status is not Status.DELETE_COMPLETE:
        # It was cut off before it had begun.
        assert was_cut
        bench.engine.destroy("stack")

    assert bench.cloud.things == {}
    assert bench.state().is_gone


@examples
@given(first=templates(), last=templates())
def test_destroying_leaves_what_is_retained_and_nothing_else(first: Template, last: Template) -> None:
    bench = deployed(first, last)

    bench.engine.destroy("stack")

    assert bench.cloud.things.keys() == bench.retained()
    assert bench.state().is_gone


@examples
@given(body=PLAIN, rest=st.sets(st.sampled_from(NAMES)))
def test_a_stack_that_could_not_be_deleted_whole_can_be_deleted_later(body: Template, rest: set[str]) -> None:
    bench = deployed(body)
    stuck = {bench.state().resources[name].physical_id for name in rest & body["Resources"].keys()}
    bench.cloud.undeletable = set(stuck)

    if stuck:
        with pytest.raises(StackFailed):
            bench.engine.destroy("stack")
        assert stuck <= bench.cloud.things.keys()
    bench.cloud.undeletable = set()
    bench.engine.destroy("stack")

    assert bench.cloud.things == {}


@st.composite
def operations(draw: st.DrawFn) -> list[tuple[str, str, Template | None]]:
    """Deployments and deletions of two stacks, the second of which may import from the first."""
    kinds = st.sampled_from(["deploy", "deploy", "destroy"])
    later = draw(st.lists(st.tuples(kinds, st.sampled_from(["first", "second"])), min_size=1, max_size=4))
    steps = [("deploy", "first"), ("deploy", "second"), *later]
    return [(kind, name, draw(_body_of(name)) if kind == "deploy" else None) for kind, name in steps]


def _body_of(name: str) -> st.SearchStrategy[Template]:
    imports = [f"first {export}" for export in EXPORTS] if name == "second" else []
    return templates(prefix=f"{name} ", imports=imports, policies=False, at_least=1)


@many_examples
@given(steps=operations())
def test_stacks_that_share_exports_never_take_them_from_under_one_another(
    steps: list[tuple[str, str, Template | None]],
) -> None:
    bench = Bench()
    last: dict[str, Template] = {}

    for kind, name, body in steps:
        contents = bench.contents()
        try:
            if body is None:
                bench.engine.destroy(name)
                last.pop(name, None)
            else:
                bench.deploy(body, name=name)
                last[name] = body
        except (StackFailed, TemplateError):
            event(f"{kind} refused")
            assert bench.contents() == contents
        assert_sound(bench)
        assert_imports_hold(bench)

    fresh = Bench()
    for name in sorted(last):
        fresh.deploy(last[name], name=name)
    assert bench.contents() == fresh.contents()


def assert_imports_hold(bench: Bench) -> None:
    states = [state for state in bench.store.all() if not state.is_gone]
    exported = {name: value for state in states for name, value in state.exports.items()}
    for state in states:
        assert set(state.imports) <= exported.keys()
        for resource in state.resources.values():
            entry = state.template["Resources"][resource.logical_id]
            wanted = [use["Fn::ImportValue"] for use in entry["Properties"].get("Uses", []) if "Fn::ImportValue" in use]
            assert {exported[name] for name in wanted} <= set(resource.properties.get("Uses", []))


@examples
@given(bodies=st.lists(st.tuples(PLAIN, PLAIN), min_size=2, max_size=4), failing=st.integers(0, 30))
def test_stacks_at_the_same_time_are_as_stacks_one_after_the_other(
    bodies: list[tuple[Template, Template]], failing: int
) -> None:
    together, apart = Bench(), Bench()
    together.cloud.fail_at = {failing}
    pairs = {f"s{number}": _own_exports(pair, number) for number, pair in enumerate(bodies)}

    def deploy(name: str) -> bool:
        try:
            for body in pairs[name]:
                together.deploy(body, name=name)
        except StackFailed:
            return False
        return True

    succeeded = run_in_order(dict.fromkeys(pairs, ()), deploy, at_a_time=4)

    assert_sound(together)
    assert sum(not success for success in succeeded.values()) <= 1
    for name in (name for name in pairs if succeeded[name]):
        for body in pairs[name]:
            apart.deploy(body, name=name)
    here = {key: value for key, value in together.contents().items() if succeeded[key.partition(".")[0]]}
    assert here == apart.contents()


def _own_exports(pair: tuple[Template, Template], number: int) -> list[Template]:
    """The same templates with names that no other stack uses."""
    return [
        {
            "Resources": {
                name: {**entry, "Properties": {k: v for k, v in entry["Properties"].items() if k != "Name"}}
                for name, entry in body["Resources"].items()
            },
            "Outputs": {
                key: {**output, "Export": {"Name": f"{key}-{number}"}} for key, output in body["Outputs"].items()
            },
        }
        for body in pair
    ]


@examples
@given(body=templates(), trouble=troubles)
def test_a_state_survives_json(body: Template, trouble: Trouble) -> None:
    bench = Bench()
    trouble.strike(bench)
    with_failure(lambda: bench.deploy_without_rollback(body))
    state = bench.state()

    again = StackState.from_json(state.to_json())

    assert again == state
