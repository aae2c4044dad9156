"""The engine on a fake cloud: plans, events, retention, exports, conditions, and what happens when things fail."""

from __future__ import annotations

import pytest

from local.deploy.assembly import AssemblyStack
from local.deploy.changes import Action
from local.deploy.documents import Json
from local.deploy.errors import StackFailed, TemplateError
from local.deploy.state import Status
from tests.local.deploy.doubles import Bench, template, thing


def actions(bench: Bench, body: dict[str, Json]) -> dict[str, Action]:
    plan = bench.engine.plan(AssemblyStack(name="stack", template=body, parameters={}))
    return {change.logical_id: change.action for change in plan.changes}


def test_a_plan_says_what_would_happen_and_does_nothing() -> None:
    bench = Bench()
    bench.deploy(template(Same=thing(Value=1), Edited=thing(Value=1), Fixed=thing(Fixed=1), Gone=thing()))
    calls = list(bench.cloud.calls)

    planned = actions(bench, template(Same=thing(Value=1), Edited=thing(Value=2), Fixed=thing(Fixed=2), New=thing()))

    assert planned == {
        "Same": Action.KEEP,
        "Edited": Action.UPDATE,
        "Fixed": Action.REPLACE,
        "New": Action.CREATE,
        "Gone": Action.DELETE,
    }
    assert bench.cloud.calls == calls


def test_a_plan_gives_its_reasons() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1, Fixed=1)))

    plan = bench.engine.plan(AssemblyStack("stack", template(A=thing(Value=2, Fixed=2)), {}))

    (change,) = plan.changes
    assert change.reasons == ("Fixed cannot change in place",)
    assert change.settled


def test_a_change_that_hangs_on_a_new_resource_is_not_settled() -> None:
    bench = Bench()
    body = template(A=thing(Fixed=1), B=thing(Uses=[{"Ref": "A"}]))
    bench.deploy(body)
    body["Resources"]["A"] = thing(Fixed=2)

    plan = bench.engine.plan(AssemblyStack("stack", body, {}))

    assert [(change.action, change.settled) for change in plan.changes] == [
        (Action.REPLACE, True),
        (Action.UPDATE, False),
    ]


def test_what_was_foreseen_to_change_and_does_not_is_left_alone() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1, Mood="calm"), B=thing(Uses=[{"Fn::GetAtt": ["A", "Echo"]}])))
    bench.cloud.calls.clear()

    bench.deploy(template(A=thing(Value=1, Mood="gay"), B=thing(Uses=[{"Fn::GetAtt": ["A", "Echo"]}])))

    assert bench.cloud.calls == ["update A"]


def test_an_attribute_that_an_update_changes_is_unknown_until_then() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1), B=thing(Uses=[{"Fn::GetAtt": ["A", "Echo"]}])))

    planned = actions(bench, template(A=thing(Value=2), B=thing(Uses=[{"Fn::GetAtt": ["A", "Echo"]}])))

    assert planned == {"A": Action.UPDATE, "B": Action.UPDATE}


def test_what_is_depended_on_comes_first_and_goes_last() -> None:
    bench = Bench()

    bench.deploy(template(A=thing() | {"DependsOn": ["C"]}, B=thing(), C=thing() | {"DependsOn": "B"}))
    bench.engine.destroy("stack")

    assert bench.cloud.calls == ["create B", "create C", "create A", "delete A", "delete C", "delete B"]


def test_a_removed_resource_that_is_retained_stays() -> None:
    bench = Bench()
    bench.deploy(template(A=thing() | {"DeletionPolicy": "Retain"}, B=thing()))

    bench.deploy(template(B=thing()))

    assert len(bench.cloud.things) == 2
    assert set(bench.state().resources) == {"B"}


def test_a_replaced_resource_that_is_retained_stays() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Fixed=1) | {"UpdateReplacePolicy": "Retain"}))

    bench.deploy(template(A=thing(Fixed=2) | {"UpdateReplacePolicy": "Retain"}))

    assert sorted(properties["Fixed"] for properties in bench.cloud.things.values()) == [1, 2]


def test_a_retained_resource_does_not_take_the_name_of_a_later_one() -> None:
    bench = Bench()
    body = template(A=thing() | {"DeletionPolicy": "Retain"})
    bench.deploy(body)
    bench.engine.destroy("stack")

    bench.deploy(body)

    assert len(bench.cloud.things) == 2


def test_what_a_clean_up_could_not_delete_is_deleted_next_time() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(), B=thing()))
    bench.cloud.undeletable = {bench.state().resources["B"].physical_id}
    bench.deploy(template(A=thing()))
    assert len(bench.cloud.things) == 2
    bench.cloud.undeletable = set()

    result = bench.deploy(template(A=thing()))

    assert result == "updated"
    assert len(bench.cloud.things) == 1
    assert bench.state().leftovers == ()


def test_a_resource_behind_a_false_condition_is_not_made() -> None:
    bench = Bench()
    body = template(
        A=thing() | {"Condition": "Never"}, B=thing(Value={"Fn::If": ["Never", 1, {"Ref": "AWS::NoValue"}]})
    )
    body["Conditions"] = {"Never": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}]}}

    bench.deploy(body)

    assert bench.contents() == {"stack.B": {}}


def exporter(value: int) -> dict[str, Json]:
    body = template(A=thing(Fixed=value))
    body["Outputs"] = {"Name": {"Value": {"Ref": "A"}, "Export": {"Name": "shared"}}}
    return body


IMPORTER = template(B=thing(Uses=[{"Fn::ImportValue": "shared"}]))


def test_an_export_reaches_the_stack_that_imports_it() -> None:
    bench = Bench()

    bench.deploy(exporter(1), name="first")
    bench.deploy(IMPORTER, name="second")

    assert bench.state("second").resources["B"].properties["Uses"] == [bench.state("first").exports["shared"]]


@pytest.mark.parametrize(
    ("body", "verb"), [(template(A=thing(Fixed=1)), "deleted"), (exporter(2), "updated")], ids=["gone", "changed"]
)
def test_an_export_in_use_cannot_go_or_change(body: dict[str, Json], verb: str) -> None:
    bench = Bench()
    bench.deploy(exporter(1), name="first")
    bench.deploy(IMPORTER, name="second")
    contents = bench.contents()

    with pytest.raises(StackFailed, match=f"Export shared cannot be {verb} as it is in use by second"):
        bench.deploy(body, name="first")

    assert bench.contents() == contents
    reason = f"Export shared cannot be {verb} as it is in use by second"
    assert ("first", "UPDATE_ROLLBACK_IN_PROGRESS", reason) in bench.told()


def test_a_stack_whose_export_is_in_use_cannot_be_destroyed() -> None:
    bench = Bench()
    bench.deploy(exporter(1), name="first")
    bench.deploy(IMPORTER, name="second")
    bench.events.clear()

    with pytest.raises(TemplateError, match="cannot be deleted as it is in use by second"):
        bench.engine.destroy("first")

    assert bench.told() == [
        ("first", "DELETE_IN_PROGRESS", "User Initiated"),
        ("first", "CREATE_COMPLETE", "Export shared cannot be deleted as it is in use by second"),
    ]
    bench.engine.destroy("second")
    bench.engine.destroy("first")
    assert bench.cloud.things == {}


def test_an_export_belongs_to_one_stack() -> None:
    bench = Bench()
    bench.deploy(exporter(1), name="first")

    with pytest.raises(StackFailed, match="Export with name shared is already exported by stack first"):
        bench.deploy(exporter(1), name="second")

    assert bench.state("second").status is Status.ROLLBACK_COMPLETE
    assert len(bench.cloud.things) == 1


def test_an_export_that_no_stack_has_is_a_template_error() -> None:
    bench = Bench()

    with pytest.raises(TemplateError, match="No export named shared found"):
        bench.deploy(IMPORTER)


def test_resources_that_need_each_other_are_a_template_error() -> None:
    bench = Bench()

    with pytest.raises(TemplateError, match=r"Circular dependency between resources: \[A, B\]"):
        bench.deploy(template(A=thing(Uses=[{"Ref": "B"}]), B=thing(Uses=[{"Ref": "A"}])))


def test_a_rule_that_does_not_hold_stops_the_deployment() -> None:
    bench = Bench()
    body = template(A=thing())
    body["Parameters"] = {"Version": {"Type": "String", "Default": "3"}}
    check = {"Fn::Not": [{"Fn::Contains": [["1", "2", "3"], {"Ref": "Version"}]}]}
    body["Rules"] = {"Recent": {"Assertions": [{"Assert": check, "AssertDescription": "bootstrap again"}]}}

    with pytest.raises(TemplateError, match="bootstrap again"):
        bench.deploy(body)

    stack = AssemblyStack("stack", body, {"Version": "6"})
    assert bench.engine.execute(bench.engine.plan(stack)).result == "created"


def test_a_stack_destroyed_twice_is_gone_all_the_same() -> None:
    bench = Bench()
    bench.deploy(template(A=thing()))

    bench.engine.destroy("stack")
    bench.engine.destroy("stack")
    bench.engine.destroy("never there")

    assert bench.cloud.things == {}


def test_what_a_stuck_resource_needs_is_not_deleted_before_it() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(), B=thing(Uses=[{"Ref": "A"}]), C=thing()))
    bench.cloud.undeletable = {bench.state().resources["B"].physical_id}

    with pytest.raises(StackFailed):
        bench.engine.destroy("stack")

    assert set(bench.state().resources) == {"A", "B"}
    assert bench.state().status is Status.DELETE_FAILED


def test_names_are_the_same_for_the_same_deployments() -> None:
    benches = [Bench(), Bench()]

    for bench in benches:
        bench.deploy(template(A=thing(Fixed=1)))
        bench.deploy(template(A=thing(Fixed=2)))

    assert list(benches[0].cloud.things) == list(benches[1].cloud.things)
