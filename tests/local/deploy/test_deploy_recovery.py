"""A process that is killed while it deploys: every moment of a few rich operations, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local.deploy.documents import Json
from local.deploy.errors import StackFailed
from local.deploy.state import Status
from tests.local.deploy.doubles import NUMBERED, Bench, Cut, Saw, template, thing

BEFORE = template(
    A=thing(Value=1),
    B=thing(Fixed=1, Uses=[{"Fn::GetAtt": ["A", "Echo"]}]),
    C=thing(Name="c", Value=1),
    N=thing(Value=1, Fixed=1) | {"Type": NUMBERED},
    Gone=thing() | {"DependsOn": "A"},
    Kept=thing() | {"DeletionPolicy": "Retain"},
)
AFTER = template(
    A=thing(Value=2),
    B=thing(Fixed=2, Uses=[{"Fn::GetAtt": ["A", "Echo"]}]),
    C=thing(Name="c", Value=2, Mood="gay"),
    N=thing(Value=1, Fixed=2) | {"Type": NUMBERED},
    New=thing(Name="new"),
    Late=thing(Uses=[{"Ref": "New"}]) | {"Type": NUMBERED},
)


def deploy(bench: Bench) -> None:
    bench.deploy(AFTER)


def deploy_in_vain(bench: Bench) -> None:
    """The last of its creations fails half way, and everything is rolled back."""
    bench.cloud.half_way = True
    bench.cloud.fail_after(sum(1 for _ in AFTER["Resources"]) - 1)
    with pytest.raises(StackFailed):
        bench.deploy(AFTER)


def destroy(bench: Bench) -> None:
    bench.engine.destroy("stack")


def moments(begin: Callable[[], Bench], work: Callable[[Bench], None], *, at_save: bool) -> Iterator[Bench]:
    """A bench whose process was killed during `work`, for each call (or each save) of it, before and after."""
    for is_after in (False, True):
        number = 0
        while (bench := cut(begin(), work, Saw(number, is_after=is_after), at_save=at_save)) is not None:
            yield bench
            number += 1
        assert number > 0


def cut(bench: Bench, work: Callable[[Bench], None], saw: Saw, *, at_save: bool) -> Bench | None:
    """The bench after its process was killed; None where `work` was over before."""
    bench.cloud.was_disturbed = True
    if at_save:
        bench.store.saw = saw
    else:
        bench.cloud.saw = saw
    try:
        work(bench)
    except Cut:
        bench.store.saw = bench.cloud.saw = Saw()
        bench.cloud.fail_at = set()
        bench.start()
        return bench
    return None


def updated() -> Bench:
    bench = Bench()
    bench.deploy(BEFORE)
    return bench


def unknown(bench: Bench) -> set[str]:
    """The strays of which an event says that they may be there."""
    told = {event.logical_id for event in bench.events if "may be left that no stack knows of" in event.reason}
    return {stray for stray in bench.strays() if stray.partition("#")[0] in told}


def contents(body: Json) -> Json:
    bench = Bench()
    bench.deploy(body)
    return bench.contents()


@pytest.mark.parametrize("at_save", [False, True])
@pytest.mark.parametrize("begin", [Bench, updated])
@pytest.mark.parametrize("work", [deploy, deploy_in_vain])
def test_a_deployment_cut_off_anywhere_is_undone_or_was_done(
    begin: Callable[[], Bench], work: Callable[[Bench], None], *, at_save: bool
) -> None:
    before = contents(BEFORE) if begin is updated else {}
    after = contents(AFTER)

    for bench in moments(begin, work, at_save=at_save):
        was_cleaning = is_cleaning_up(bench)
        bench.engine.recover_all()

        state = bench.store.load("stack")
        assert state is None or not state.status.is_under_way
        assert bench.contents() == (after if was_cleaning else before)
        assert bench.strays() == unknown(bench) | (bench.retained() & bench.cloud.things.keys())
        assert bench.ghosts() == set()
        assert bench.deploy(AFTER) in ("created", "updated", "unchanged")
        assert bench.contents() == after


def is_cleaning_up(bench: Bench) -> bool:
    """Whether the update itself was over, and is not to be undone any more."""
    state = bench.store.load("stack")
    over = (Status.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, Status.UPDATE_COMPLETE, Status.CREATE_COMPLETE)
    return state is not None and state.status in over and "New" in state.resources


@pytest.mark.parametrize("at_save", [False, True])
def test_a_deletion_cut_off_anywhere_is_finished(*, at_save: bool) -> None:
    for bench in moments(updated, destroy, at_save=at_save):
        had_begun = bench.state().status is not Status.CREATE_COMPLETE
        bench.engine.recover_all()
        if not had_begun:
            bench.engine.destroy("stack")

        assert bench.state().status is Status.DELETE_COMPLETE
        assert bench.cloud.things.keys() == bench.retained()


def test_a_recovery_tells_what_was_under_way() -> None:
    bench = cut(updated(), deploy, Saw(1), at_save=False)
    assert bench is not None
    bench.events.clear()

    (recovered,) = bench.engine.recover_all()

    assert (recovered.state.status, recovered.unaccounted) == (Status.UPDATE_ROLLBACK_COMPLETE, ())
    assert bench.told()[:2] == [
        ("C", "UPDATE_FAILED", "The local cloud was stopped during this operation"),
        (
            "stack",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "The following resource(s) failed to update: [C]. The local cloud was stopped during this operation.",
        ),
    ]


def deploy_numbered(bench: Bench) -> None:
    bench.deploy(template(N=thing() | {"Type": NUMBERED}))


def test_a_creation_that_nobody_can_account_for_is_named() -> None:
    bench = cut(Bench(), deploy_numbered, Saw(0, is_after=True), at_save=False)
    assert bench is not None

    (recovered,) = bench.engine.recover_all()

    assert recovered.unaccounted == ("N",)
    left = "The local cloud was stopped during this operation; a Fake::Numbered may be left that no stack knows of"
    assert ("N", "CREATE_FAILED", left) in bench.told()
    assert bench.strays() == {"N#0"}


def test_a_stack_at_rest_needs_no_recovery() -> None:
    bench = updated()
    events = list(bench.events)

    assert bench.engine.recover_all() == []
    assert bench.engine.recover("stack") is None
    assert bench.engine.recover("nobody") is None
    assert bench.events == events
