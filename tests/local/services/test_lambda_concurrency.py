"""How many invocations may be under way at once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from local.services.lambda_concurrency import Concurrency
from local.services.lambda_function import Function, ThrottleReason, TooManyRequests


def function(name: str, *, reserved: int | None = None) -> Function:
    return Function(
        name=name,
        arn=f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        handler="app.handler",
        code_revision="1",
        open_code=Path,
        reserved_concurrency=reserved,
    )


def reason(concurrency: Concurrency, called: Function) -> ThrottleReason | None:
    try:
        with concurrency.slot(called):
            return None
    except TooManyRequests as throttled:
        return throttled.reason


def test_a_function_has_what_it_reserves_and_takes_nothing_from_the_others() -> None:
    concurrency = Concurrency(limit=1)
    reserving, other = function("reserving", reserved=2), function("other")

    with concurrency.slot(reserving), concurrency.slot(reserving):
        answers = reason(concurrency, reserving), reason(concurrency, other)

    assert answers == (ThrottleReason.RESERVED, None)
    assert reason(concurrency, reserving) is None


def test_versions_of_a_function_share_what_it_reserves() -> None:
    concurrency = Concurrency()
    latest = function("fn", reserved=1)

    with concurrency.slot(latest):
        answer = reason(concurrency, replace(latest, version="3"))

    assert answer is ThrottleReason.RESERVED


def test_functions_that_reserve_nothing_share_what_the_others_leave() -> None:
    concurrency = Concurrency(limit=200, reserved=lambda: 80)

    with ExitStack() as stack:
        for number in range(120):
            stack.enter_context(concurrency.slot(function(f"fn-{number % 3}")))
        answer = reason(concurrency, function("fn-0"))

    assert answer is ThrottleReason.ACCOUNT


def test_what_is_reserved_is_not_asked_for_as_long_as_it_cannot_matter() -> None:
    def ask() -> int:
        raise AssertionError("asked")

    with Concurrency(reserved=ask).slot(function("fn")):
        pass


def test_an_invocation_that_fails_frees_its_slot() -> None:
    concurrency = Concurrency()
    only_one = function("fn", reserved=1)

    with pytest.raises(ZeroDivisionError), concurrency.slot(only_one):
        raise ZeroDivisionError

    assert reason(concurrency, only_one) is None
