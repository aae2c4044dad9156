"""Stacks that do not need each other are deployed at the same time, the others in order."""

from __future__ import annotations

import threading

import pytest

from local.deploy.schedule import run_in_order


def test_independent_work_runs_at_the_same_time() -> None:
    both_begun = threading.Barrier(2, timeout=10)

    results = run_in_order({"a": [], "b": []}, lambda name: (name, both_begun.wait()), at_a_time=2)

    assert {result[0] for result in results.values()} == {"a", "b"}


def test_work_begins_after_all_that_it_needs() -> None:
    done: list[str] = []

    run_in_order({"model": ["platform"], "platform": [], "other": ["platform", "model"]}, done.append, at_a_time=4)

    assert done == ["platform", "model", "other"]


def test_a_failure_is_raised_and_nothing_that_needs_it_is_begun() -> None:
    begun: list[str] = []

    def work(name: str) -> None:
        begun.append(name)
        if name == "platform":
            raise ValueError("no platform")

    with pytest.raises(ValueError, match="no platform"):
        run_in_order({"platform": [], "model": ["platform"]}, work, at_a_time=4)

    assert begun == ["platform"]


def test_what_is_under_way_when_another_fails_is_finished() -> None:
    both_begun, failed = threading.Barrier(2, timeout=10), threading.Event()
    finished: list[str] = []

    def work(name: str) -> None:
        both_begun.wait()
        if name == "bad":
            failed.set()
            raise ValueError("bad")
        assert failed.wait(10)
        finished.append(name)

    with pytest.raises(ValueError, match="bad"):
        run_in_order({"bad": [], "good": []}, work, at_a_time=2)

    assert finished == ["good"]
