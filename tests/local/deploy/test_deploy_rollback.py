"""What happens when a deployment fails: the way back, the way back that fails, and deployments without one."""

from __future__ import annotations

import pytest

from local.deploy.documents import Json
from local.deploy.errors import StackFailed, StackInWrongState, TemplateError
from local.deploy.state import Status
from tests.local.deploy.doubles import NUMBERED, Bench, template, thing

REFUSED = 'Resource handler returned message: "told to fail"'
STAYED = 'Resource handler returned message: "told to stay"'


def test_a_failed_creation_leaves_nothing_and_says_why() -> None:
    bench = Bench()
    bench.cloud.fail_after(1)
    bench.cloud.half_way = True

    with pytest.raises(StackFailed) as failure:
        bench.deploy(template(A=thing(), B=thing() | {"DependsOn": "A"}))

    assert (failure.value.logical_id, failure.value.reason) == ("B", "told to fail half way")
    assert failure.value.rolled_back == ("B", "A")
    assert bench.cloud.things == {}
    assert bench.state().status is Status.ROLLBACK_COMPLETE
    assert bench.told() == [
        ("stack", "CREATE_IN_PROGRESS", "User Initiated"),
        ("A", "CREATE_IN_PROGRESS", ""),
        ("A", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("A", "CREATE_COMPLETE", ""),
        ("B", "CREATE_IN_PROGRESS", ""),
        ("B", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        ("B", "CREATE_FAILED", 'Resource handler returned message: "told to fail half way"'),
        (
            "stack",
            "ROLLBACK_IN_PROGRESS",
            "The following resource(s) failed to create: [B]. Rollback requested by user.",
        ),
        ("B", "DELETE_IN_PROGRESS", ""),
        ("B", "DELETE_COMPLETE", ""),
        ("A", "DELETE_IN_PROGRESS", ""),
        ("A", "DELETE_COMPLETE", ""),
        ("stack", "ROLLBACK_COMPLETE", ""),
    ]


def test_events_have_a_physical_id_from_the_moment_there_is_one() -> None:
    bench = Bench()

    bench.deploy(template(A=thing()))

    physical_id = bench.state().resources["A"].physical_id
    assert [event.physical_id for event in bench.events if event.logical_id == "A"] == ["", physical_id, physical_id]


def test_a_replacement_is_made_first_and_the_old_one_deleted_last() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Fixed=1)))
    old = bench.state().resources["A"].physical_id
    bench.events.clear()

    bench.deploy(template(A=thing(Fixed=2)))

    new = bench.state().resources["A"].physical_id
    assert bench.told() == [
        ("stack", "UPDATE_IN_PROGRESS", "User Initiated"),
        (
            "A",
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource; hence creating one.",
        ),
        ("A", "UPDATE_IN_PROGRESS", "Resource creation Initiated"),
        ("A", "UPDATE_COMPLETE", ""),
        ("stack", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("A", "DELETE_IN_PROGRESS", ""),
        ("A", "DELETE_COMPLETE", ""),
        ("stack", "UPDATE_COMPLETE", ""),
    ]
    assert [event.physical_id for event in bench.events if event.logical_id == "A"] == [old, new, new, old, old]


def test_a_failed_update_brings_changed_replaced_and_removed_resources_back_before_new_ones_go() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1), B=thing(Fixed=1) | {"DependsOn": "A"}, Gone=thing()))
    contents, resources = bench.contents(), bench.state().resources
    bench.events.clear()
    bench.cloud.fail_after(3)
    body = template(
        A=thing(Value=2),
        B=thing(Fixed=2) | {"DependsOn": "A"},
        C=thing() | {"DependsOn": "B"},
        D=thing() | {"DependsOn": "C"},
    )

    with pytest.raises(StackFailed) as failure:
        bench.deploy(body)

    assert (failure.value.logical_id, failure.value.kept) == ("D", ())
    assert (bench.contents(), bench.state().resources, bench.strays()) == (contents, resources, set())
    failed = next(number for number, entry in enumerate(bench.told()) if entry[1] == "CREATE_FAILED")
    assert bench.told()[failed:] == [
        ("D", "CREATE_FAILED", REFUSED),
        ("stack", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [D]. "),
        ("A", "UPDATE_IN_PROGRESS", ""),
        ("A", "UPDATE_COMPLETE", ""),
        ("B", "UPDATE_IN_PROGRESS", ""),
        ("B", "UPDATE_COMPLETE", ""),
        ("stack", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ("C", "DELETE_IN_PROGRESS", ""),
        ("C", "DELETE_COMPLETE", ""),
        ("B", "DELETE_IN_PROGRESS", ""),
        ("B", "DELETE_COMPLETE", ""),
        ("stack", "UPDATE_ROLLBACK_COMPLETE", ""),
    ]


def stuck_update(bench: Bench) -> dict[str, Json]:
    """Brings a stack to UPDATE_ROLLBACK_FAILED: A cannot be updated back, C is new. Returns the template before."""
    body = template(A=thing(Value=1), B=thing(Value=1) | {"DependsOn": "A"})
    bench.deploy(body)
    bench.events.clear()
    bench.cloud.fail_after(2, 3)
    new = template(A=thing(Value=2), C=thing() | {"DependsOn": "A"}, B=thing(Value=2) | {"DependsOn": "C"})
    with pytest.raises(StackFailed) as failure:
        bench.deploy(new)
    assert failure.value.kept == ("A",)
    bench.cloud.fail_at = set()
    return body


def test_a_rollback_that_fails_says_what_is_stuck_and_lets_no_update_in() -> None:
    bench = Bench()

    body = stuck_update(bench)

    assert bench.told()[-1] == ("stack", "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [A]. ")
    assert bench.contents() == {"stack.A": {"Value": 2}, "stack.B": {"Value": 1}, "stack.C": {}}
    assert bench.strays() == set()
    refusal = "Stack:arn:aws:cloudformation:.* is in UPDATE_ROLLBACK_FAILED state and can not be updated."
    with pytest.raises(StackInWrongState, match=refusal):
        bench.deploy(body)


def test_a_rollback_that_failed_can_be_continued() -> None:
    bench = Bench()
    stuck_update(bench)
    bench.events.clear()

    state = bench.engine.roll_back("stack")

    assert state.status is Status.UPDATE_ROLLBACK_COMPLETE
    assert bench.contents() == {"stack.A": {"Value": 1}, "stack.B": {"Value": 1}}
    assert bench.strays() == set()
    assert bench.told()[0] == ("stack", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")


def test_a_rollback_can_be_continued_without_the_resources_that_it_is_to_skip() -> None:
    bench = Bench()
    stuck_update(bench)
    bench.cloud.calls.clear()

    bench.engine.roll_back("stack", skip=["A"])

    assert bench.state().status is Status.UPDATE_ROLLBACK_COMPLETE
    assert bench.cloud.calls == ["delete C"]
    assert bench.contents() == {"stack.A": {"Value": 2}, "stack.B": {"Value": 1}}
    assert bench.state().resources["A"].properties == {"Value": 1}


def test_what_is_at_rest_cannot_be_rolled_back() -> None:
    bench = Bench()
    bench.deploy(template(A=thing()))

    with pytest.raises(StackInWrongState, match="is in CREATE_COMPLETE state and can not be rolled back"):
        bench.engine.roll_back("stack")
    with pytest.raises(StackInWrongState, match="does not exist"):
        bench.engine.roll_back("nobody")


def test_a_creation_whose_rollback_fails_keeps_what_is_left_until_it_is_deleted() -> None:
    bench = Bench()
    bench.cloud.fail_after(2, 3)

    with pytest.raises(StackFailed) as failure:
        bench.deploy(template(A=thing(), B=thing(Uses=[{"Ref": "A"}]), C=thing() | {"DependsOn": "B"}))

    assert failure.value.kept == ("B", "A")
    assert bench.told()[-1] == ("stack", "ROLLBACK_FAILED", "The following resource(s) failed to delete: [B]. ")
    assert ("B", "DELETE_FAILED", STAYED) in bench.told()
    bench.cloud.fail_at = set()
    with pytest.raises(StackInWrongState, match="ROLLBACK_FAILED state and can not be updated"):
        bench.deploy(template(A=thing()))
    bench.engine.destroy("stack")
    assert bench.cloud.things == {}


def test_a_clean_up_that_fails_ends_the_update_all_the_same_and_is_tried_again_with_the_next() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(), B=thing(Fixed=1)))
    bench.cloud.undeletable = {resource.physical_id for resource in bench.state().resources.values()}

    bench.deploy(template(B=thing(Fixed=2)))

    assert bench.told()[-1] == (
        "stack",
        "UPDATE_COMPLETE",
        "Update successful. One or more resources could not be deleted.",
    )
    assert {entry[0] for entry in bench.told() if entry[1] == "DELETE_FAILED"} == {"A", "B"}
    bench.cloud.undeletable = set()
    bench.deploy(template(B=thing(Fixed=2, Value=1)))
    assert bench.contents() == {"stack.B": {"Fixed": 2, "Value": 1}}
    assert (bench.strays(), bench.state().leftovers) == (set(), ())


@pytest.mark.parametrize(("policy", "is_left"), [("Delete", False), ("Retain", True), ("RetainExceptOnCreate", False)])
def test_a_retained_resource_outlives_the_rollback_that_made_it(policy: str, *, is_left: bool) -> None:
    bench = Bench()
    bench.cloud.fail_after(1)

    with pytest.raises(StackFailed):
        bench.deploy(template(A=thing() | {"DeletionPolicy": policy}, B=thing() | {"DependsOn": "A"}))

    assert bool(bench.cloud.things) is is_left
    assert (("A", "DELETE_SKIPPED", "") in bench.told()) is is_left


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_a_retained_resource_outlives_its_stack(policy: str) -> None:
    bench = Bench()
    bench.deploy(template(A=thing() | {"DeletionPolicy": policy}))

    bench.engine.destroy("stack")

    assert len(bench.cloud.things) == 1


def test_a_custom_named_resource_cannot_be_replaced() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Name="mine", Fixed=1)))

    with pytest.raises(StackFailed):
        bench.deploy(template(A=thing(Name="mine", Fixed=2)))

    refusal = (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        "Rename mine and update the stack again."
    )
    assert ("A", "UPDATE_FAILED", refusal) in bench.told()
    assert bench.contents() == {"stack.A": {"Name": "mine", "Fixed": 1}}
    bench.deploy(template(A=thing(Name="yours", Fixed=2)))
    assert list(bench.cloud.things) == ["yours"]


def test_a_nested_create_only_property_alone_forces_a_replacement() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Deep={"Fixed": 1, "Loose": 1})))
    first = bench.state().resources["A"].physical_id

    bench.deploy(template(A=thing(Deep={"Fixed": 1, "Loose": 2})))
    second = bench.state().resources["A"].physical_id
    bench.deploy(template(A=thing(Deep={"Fixed": 2, "Loose": 2})))

    assert first == second != bench.state().resources["A"].physical_id


def test_a_type_cannot_change() -> None:
    bench = Bench()
    bench.deploy(template(A=thing()))

    with pytest.raises(TemplateError, match=r"modifies resource type of the following resources: \[A\]"):
        bench.deploy(template(A=thing() | {"Type": NUMBERED}))


def test_a_deployment_without_rollback_stays_as_it_failed_and_the_next_goes_on() -> None:
    bench = Bench()
    bench.cloud.fail_after(1)
    bench.cloud.half_way = True
    body = template(A=thing(), B=thing(Name="mine") | {"DependsOn": "A"})

    with pytest.raises(StackFailed) as failure:
        bench.deploy_without_rollback(body)

    assert failure.value.rolled_back == ()
    assert bench.told()[-1] == ("stack", "CREATE_FAILED", "The following resource(s) failed to create: [B]. ")
    assert len(bench.cloud.things) == 2
    bench.cloud.fail_at = set()
    assert bench.deploy(body) == "updated"
    assert bench.contents() == {"stack.A": {}, "stack.B": {"Name": "mine"}}
    assert bench.cloud.calls == ["create A", "create B", "delete B", "create B"]


def test_nothing_is_replaced_without_rollback() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Fixed=1)))
    contents = bench.contents()

    with pytest.raises(StackFailed, match="Replacement type updates not supported on stack with disable-rollback"):
        bench.deploy_without_rollback(template(A=thing(Fixed=2)))

    assert (bench.state().status, bench.contents(), bench.strays()) == ("UPDATE_FAILED", contents, set())
    assert bench.deploy(template(A=thing(Fixed=2))) == "updated"


def test_replaced_resources_go_back_in_the_order_in_which_they_need_each_other() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Fixed=1), B=thing(Fixed=1) | {"DependsOn": "A"}))
    bench.events.clear()
    bench.cloud.fail_after(2)
    body = template(A=thing(Fixed=2), B=thing(Fixed=2) | {"DependsOn": "A"}, C=thing() | {"DependsOn": "B"})

    with pytest.raises(StackFailed):
        bench.deploy(body)

    deleted = [logical_id for logical_id, status, _reason in bench.told() if status == "DELETE_COMPLETE"]
    assert deleted == ["B", "A"]


@pytest.mark.parametrize("value", [1, 2, 3])
def test_an_update_without_rollback_that_failed_half_way_is_put_right_by_the_next(value: int) -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1, Mood="calm")))
    bench.cloud.fail_after(0)
    bench.cloud.half_way = True
    with pytest.raises(StackFailed):
        bench.deploy_without_rollback(template(A=thing(Value=2, Mood="gay")))
    assert bench.state().status is Status.UPDATE_FAILED
    bench.cloud.fail_at = set()

    bench.deploy(template(A=thing(Value=value, Mood="calm")))

    assert bench.contents() == {"stack.A": {"Value": value, "Mood": "calm"}}


def test_an_update_without_rollback_can_be_rolled_back_later() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1), B=thing(Fixed=1)))
    contents = bench.contents()
    bench.cloud.fail_after(2)
    with pytest.raises(StackFailed):
        bench.deploy_without_rollback(
            template(A=thing(Value=2), B=thing(Fixed=2) | {"DependsOn": "A"}, C=thing() | {"DependsOn": "B"})
        )
    assert bench.contents() != contents

    bench.engine.roll_back("stack")

    assert (bench.contents(), bench.strays()) == (contents, set())
    assert bench.state().status is Status.UPDATE_ROLLBACK_COMPLETE


def test_a_resource_that_two_updates_without_rollback_changed_goes_back_from_what_the_last_left() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1), B=thing(Fixed=1) | {"DependsOn": "A"}))
    contents = bench.contents()
    for value in (2, 3):
        with pytest.raises(StackFailed, match="Replacement type updates"):
            bench.deploy_without_rollback(template(A=thing(Value=value), B=thing(Fixed=2) | {"DependsOn": "A"}))
    bench.cloud.calls.clear()

    bench.engine.roll_back("stack")

    assert (bench.contents(), bench.cloud.calls) == (contents, ["update A"])


def test_a_creation_without_rollback_can_be_rolled_back_later() -> None:
    bench = Bench()
    bench.cloud.fail_after(1)
    with pytest.raises(StackFailed):
        bench.deploy_without_rollback(template(A=thing(), B=thing() | {"DependsOn": "A"}))

    bench.engine.roll_back("stack")

    assert bench.state().status is Status.ROLLBACK_COMPLETE
    assert bench.cloud.things == {}


def test_an_update_that_is_called_off_is_rolled_back() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1), B=thing(Value=1) | {"DependsOn": "A"}))
    contents = bench.contents()
    bench.events.clear()
    body = template(A=thing(Value=2), B=thing(Value=2) | {"DependsOn": "A"})
    plan = bench.engine.plan(bench.stack(body))

    with pytest.raises(StackFailed):
        bench.engine.execute(plan, is_cancelled=lambda: bench.cloud.calls[-1] == "update A")

    assert bench.contents() == contents
    assert ("stack", "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated") in bench.told()
    assert "update B" not in bench.cloud.calls


def test_a_deletion_may_leave_named_resources_behind() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(), B=thing() | {"DependsOn": "A"}))
    stuck = bench.state().resources["A"].physical_id
    bench.cloud.undeletable = {stuck}
    with pytest.raises(StackFailed):
        bench.engine.destroy("stack")
    assert bench.told()[-1] == ("stack", "DELETE_FAILED", "The following resource(s) failed to delete: [A]. ")

    bench.engine.destroy("stack", retain=["A"])

    assert bench.state().status is Status.DELETE_COMPLETE
    assert list(bench.cloud.things) == [stuck]


def test_tags_of_the_stack_do_not_reach_a_type_that_takes_none() -> None:
    bench = Bench()

    bench.deploy(template(A=thing(Value=1)), owner="us")

    assert bench.contents() == {"stack.A": {"Value": 1}}


@pytest.mark.parametrize(
    ("former", "latter", "scope"),
    [
        ({}, {"Metadata": {"a": 1}}, ("Metadata",)),
        ({"DeletionPolicy": "Delete"}, {"DeletionPolicy": "Retain"}, ("DeletionPolicy",)),
    ],
)
def test_a_change_beside_the_properties_is_an_update_that_calls_nothing(
    former: Json, latter: Json, scope: tuple[str, ...]
) -> None:
    bench = Bench()
    bench.deploy(template(A=thing() | former))
    calls = list(bench.cloud.calls)
    plan = bench.engine.plan(bench.stack(template(A=thing() | latter)))

    outcome = bench.engine.execute(plan)

    assert (outcome.result, plan.changes[0].scope) == ("updated", scope)
    assert bench.cloud.calls == calls
    assert bench.state().resources["A"].deletion_policy == latter.get("DeletionPolicy", "Delete")


def test_a_description_alone_is_no_update() -> None:
    bench = Bench()
    bench.deploy(template(A=thing()))

    result = bench.deploy(template(A=thing()) | {"Description": "of nothing new"})

    assert result == "unchanged"


def test_an_output_alone_is_an_update() -> None:
    bench = Bench()
    bench.deploy(template(A=thing(Value=1)))

    result = bench.deploy(template(A=thing(Value=1)) | {"Outputs": {"E": {"Value": {"Fn::GetAtt": ["A", "Echo"]}}}})

    assert (result, bench.state().outputs) == ("updated", {"E": "echo 1"})
