"""What the loop made and nobody needs goes; what serves, what going back needs and what others made stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from functions.retraining.loop_state import LoopState
from tests.functions.retraining.deployments import STACK_CONFIG, STACK_MODEL, VERSION_3, VERSION_4, refused
from tests.functions.retraining.loops import GROUP
from tests.functions.retraining.rollouts import Run

VERSION_5 = f"{GROUP}/5"
STALE = "flyball-flowers-v2-0123abcd"


def left(run: Run) -> set[str]:
    return {*run.sagemaker.models, *run.sagemaker.configs}


def test_a_rollout_that_was_taken_back_leaves_nothing() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle(back=True)

    removed = run.remove_leftovers()

    assert sorted(removed) == sorted([rolled_out["config"], rolled_out["model"]])
    assert left(run) == {STACK_CONFIG, STACK_MODEL}


def test_a_run_that_never_came_to_its_update_leaves_nothing() -> None:
    run = Run()

    def refuse(operation: str) -> None:
        if operation == "update_endpoint":
            raise refused("no such role", "UpdateEndpoint")

    run.sagemaker.before = refuse
    with pytest.raises(ClientError):
        run.roll_out(VERSION_3)

    run.remove_leftovers()

    assert left(run) == {STACK_CONFIG, STACK_MODEL}


def test_the_champion_and_as_many_before_it_as_the_package_states_stay() -> None:
    run = Run()
    run.sagemaker.versions[VERSION_5] = {"ModelApprovalStatus": "Approved"}
    first, second, third = (run.serve(version) for version in (VERSION_3, VERSION_4, VERSION_5))

    removed = run.remove_leftovers()

    assert sorted(removed) == sorted([first["config"], first["model"]])
    kept = {each[name] for each in (second, third) for name in ("config", "model")}
    assert left(run) == {STACK_CONFIG, STACK_MODEL, *kept}


def test_what_serves_stays_though_nobody_promoted_it() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle()

    assert run.remove_leftovers() == []
    assert {rolled_out["config"], rolled_out["model"]} <= left(run)


def test_while_the_endpoint_changes_nothing_is_touched() -> None:
    run = Run()
    run.sagemaker.put_loop_config(STALE, model=STALE)
    run.roll_out(VERSION_3)

    assert run.remove_leftovers() == []
    assert STALE in left(run)


def test_while_another_run_is_under_way_nothing_is_touched() -> None:
    run = Run()
    run.sagemaker.put_loop_config(STALE, model=STALE)

    assert run.remove_leftovers(run="another") == []
    assert STALE in left(run)


def test_a_run_that_was_settled_by_another_process_is_cleaned_up_after() -> None:
    run = Run()
    run.sagemaker.put_loop_config(STALE, model=STALE)
    run.store.change(lambda state: replace(state, lock=None))

    assert run.remove_leftovers(run="another") == [STALE, STALE]


def test_what_others_made_is_never_touched() -> None:
    run = Run()
    others = {"flyball-flowers-v2-v3-0123abcd", "flyball-flowers-vases", "Model-of-another-stack", f"my-{STALE}"}
    for name in others:
        run.sagemaker.put_loop_config(name, model=name)

    assert run.remove_leftovers() == []
    assert others <= left(run)


def test_more_than_one_page_is_cleaned_up() -> None:
    run = Run()
    run.sagemaker.page_size = 2
    for number in range(5):
        run.sagemaker.put_loop_config(f"flyball-flowers-v{number}-0123abcd", model=f"flyball-flowers-v{number}-4567")

    assert len(run.remove_leftovers()) == 10
    assert left(run) == {STACK_CONFIG, STACK_MODEL}


def test_what_somebody_else_deletes_meanwhile_is_gone_and_that_is_all() -> None:
    run = Run()
    run.sagemaker.put_loop_config(STALE, model=STALE)

    def be_quicker(operation: str) -> None:
        if operation == "delete_model":
            run.sagemaker.models.pop(STALE, None)

    run.sagemaker.before = be_quicker

    assert run.remove_leftovers() == [STALE, STALE]


def test_a_model_that_may_not_be_deleted_is_told() -> None:
    run = Run()
    run.sagemaker.put_loop_config(STALE, model=STALE)

    def refuse(operation: str) -> None:
        if operation == "delete_model":
            raise refused("not authorized", "DeleteModel")

    run.sagemaker.before = refuse

    with pytest.raises(ClientError, match="not authorized"):
        run.remove_leftovers()


def test_without_an_endpoint_there_is_nothing_to_tell_what_is_needed_by() -> None:
    run = Run()
    run.sagemaker.put_loop_config(STALE, model=STALE)
    run.sagemaker.endpoint = {}

    assert run.remove_leftovers() == []
    assert run.state != LoopState()
