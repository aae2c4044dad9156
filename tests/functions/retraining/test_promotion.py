"""The champion pointer follows what serves, and nothing else; going back goes back."""

from __future__ import annotations

import pytest

from functions.retraining.loop_state import ChampionRecord, LoopState
from functions.retraining.promotion import previous_champion
from model_packages.errors import OperatorError
from tests.functions.retraining.cloud import PARAMETER
from tests.functions.retraining.deployments import VERSION_3
from tests.functions.retraining.loops import NOON
from tests.functions.retraining.rollouts import Run


def test_the_pointer_names_the_version_that_serves_and_the_state_remembers_it() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle()

    answer = run.promote(VERSION_3, rolled_out)

    assert answer == {"champion": VERSION_3}
    assert run.cloud.parameters[PARAMETER] == VERSION_3
    assert run.state.champions == (
        ChampionRecord(
            arn=VERSION_3,
            config=rolled_out["config"],
            model=rolled_out["model"],
            since=run.sagemaker.now,
            run="one",
        ),
    )


def test_promoting_twice_is_promoting_once() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle()

    answers = [run.promote(VERSION_3, rolled_out) for _ in range(2)]

    assert answers == [{"champion": VERSION_3}] * 2
    assert len(run.state.champions) == 1


def test_a_version_that_does_not_serve_any_more_is_not_champion() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)
    run.sagemaker.settle()
    run.sagemaker.endpoint["EndpointConfigName"] = "Config-9f9f9f"

    with pytest.raises(OperatorError, match=r"serves from Config-9f9f9f by now; allowed: flyball-flowers-v3-"):
        run.promote(VERSION_3, rolled_out)

    assert run.cloud.parameters[PARAMETER] == "none"
    assert run.state.champions == ()


def test_a_version_that_is_still_baking_is_not_champion() -> None:
    run = Run()
    rolled_out = run.roll_out(VERSION_3)

    with pytest.raises(OperatorError, match="by now; allowed"):
        run.promote(VERSION_3, rolled_out)

    assert run.cloud.parameters[PARAMETER] == "none"


def test_going_back_to_the_initial_version_makes_the_pointer_say_none() -> None:
    run = Run()
    run.serve(VERSION_3)
    rolled_out = run.roll_out("none")
    run.sagemaker.settle()

    run.promote("none", rolled_out)

    assert run.cloud.parameters[PARAMETER] == "none"
    assert run.state.champions[-1].arn == "none"


@pytest.mark.parametrize(
    ("served", "previous"),
    [
        ([], None),
        (["3"], "none"),
        (["3", "4"], "3"),
        (["3", "4", "3"], "none"),
        (["3", "4", "3", "5"], "3"),
        (["3", "4", "none"], None),
        (["3", "4", "none", "5"], "none"),
        (["3", "3", "4", "4"], "3"),
    ],
)
def test_going_back_again_leads_further_back_and_not_forth(served: list[str], previous: str | None) -> None:
    records = tuple(
        ChampionRecord(arn=arn, config=f"c{number}", model=f"m{number}", since=NOON, run=str(number))
        for number, arn in enumerate(served)
    )

    assert previous_champion(LoopState(champions=records)) == previous
