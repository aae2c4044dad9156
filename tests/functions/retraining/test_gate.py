"""The gate: each rule alone, and what holds of every evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.retraining.gate import RULES, Decision, judge
from model_packages.contract import Gate
from model_packages.evidence import Evidence, ModelEvidence, Paired
from tests.functions.retraining.evidences import (
    CHALLENGER,
    CHAMPION,
    GATE,
    GOOD,
    ROLLOUT,
    SCHEMA_HASH,
    of_challenger,
    paired,
)

Value = TypeVar("Value")
RULE_NAMES = ["schema", "minimum", "gain", "slices", "behaviours", "calibration", "latency", "size"]


def decide(evidence: Evidence, gate: Gate = GATE) -> Decision:
    return judge(evidence, gate, ROLLOUT, serving_schema_hash=SCHEMA_HASH)


def failed(decision: Decision) -> list[str]:
    return [reason.rule for reason in decision.reasons if not reason.passed]


def found(decision: Decision, rule: str) -> str:
    return next(reason.found for reason in decision.reasons if reason.rule == rule)


def test_a_challenger_that_passes_every_rule_is_promoted_and_each_rule_is_reported() -> None:
    decision = decide(GOOD)

    assert decision.promote
    assert [reason.rule for reason in decision.reasons] == RULE_NAMES
    assert decision.summary == "negative_log_loss -0.4 -> -0.3 (+0.1), surely more than 0.05 (95 %, 1000 rows)"


@pytest.mark.parametrize(
    ("evidence", "rule", "said"),
    [
        (of_challenger(schema_hash="ba9876543210"), "schema", "ba9876543210"),
        (of_challenger(metrics={"accuracy": 0.79}), "minimum", "accuracy 0.79"),
        (of_challenger(metrics={}), "minimum", "accuracy nan"),
        (replace(GOOD, compared=paired(0.1, low=0.0, high=0.2)), "gain", "surely more than 0 "),
        (replace(GOOD, compared=None), "gain", "could not be compared"),
        (replace(GOOD, compare="accuracy"), "gain", "accuracy"),
        (replace(GOOD, confidence=0.9), "gain", "90 %"),
        (replace(GOOD, slices={"red": paired(-0.06, low=-0.1, high=-0.01)}), "slices", "1 of 1 worse: red"),
        (of_challenger(failed_behaviours={"test_b": "..."}), "behaviours", "2 of 3 pass; failed: test_b"),
        (of_challenger(behaviours=0), "behaviours", "0 of 0 pass"),
        (of_challenger(calibration_error=0.11), "calibration", "off by 0.11"),
        (of_challenger(p99_latency_ms=101.0), "latency", "p99 101 ms; the champion's 20 ms"),
        (of_challenger(size_bytes=50_000_001), "size", "50 MB"),
    ],
)
def test_one_rule_alone_rejects(evidence: Evidence, rule: str, said: str) -> None:
    decision = decide(evidence)

    assert not decision.promote
    assert failed(decision) == [rule]
    assert said in found(decision, rule)
    assert decision.summary.startswith(f"{rule}: found {found(decision, rule)}; allowed: ")


def test_limits_that_are_reached_and_not_passed_are_kept() -> None:
    at_the_limits = replace(
        of_challenger(metrics={"accuracy": 0.8}, calibration_error=0.1, p99_latency_ms=100.0, size_bytes=50_000_000),
        slices={"red": paired(-0.05, low=-0.1, high=-0.01), "white": paired(-0.2, low=-0.5, high=0.0)},
    )

    assert decide(at_the_limits).promote


def test_without_a_champion_there_is_nothing_to_be_better_than() -> None:
    first = replace(GOOD, champion=None, compared=None, slices={})

    decision = decide(first)

    assert decision.promote
    assert decision.summary == "accuracy 0.88, and no champion that could be compared with"


def test_a_behaviour_that_the_champion_fails_too_still_fails_and_is_told_apart() -> None:
    both = {"test_a": "...", "test_b": "..."}
    evidence = replace(
        of_challenger(failed_behaviours=both), champion=replace(CHAMPION, failed_behaviours={"test_b": "..."})
    )

    decision = decide(evidence)

    assert failed(decision) == ["behaviours"]
    assert "failed: test_a, test_b; the champion fails test_b too" in found(decision, "behaviours")


@pytest.mark.parametrize(("challenger_ms", "failing"), [(249.0, []), (251.0, ["latency"])])
def test_on_a_machine_that_is_too_slow_for_the_limit_the_champion_is_the_measure(
    challenger_ms: float, failing: list[str]
) -> None:
    evidence = replace(of_challenger(p99_latency_ms=challenger_ms), champion=replace(CHAMPION, p99_latency_ms=200.0))

    assert failed(decide(evidence)) == failing


def test_limits_that_the_package_does_not_state_are_not_applied() -> None:
    gate = Gate(metric="accuracy", minimum=0.8, compare="negative_log_loss")
    evidence = of_challenger(calibration_error=1.0, size_bytes=10**12)

    decision = decide(evidence, gate)

    assert decision.promote
    assert [reason.allowed for reason in decision.reasons if reason.rule in ("calibration", "size")] == ["anything"] * 2


def test_a_model_without_probabilities_has_no_calibration_to_judge() -> None:
    assert decide(of_challenger(calibration_error=None)).promote


def test_the_metric_is_compared_by_where_no_other_is_stated() -> None:
    gate = Gate(metric="accuracy", minimum=0.8)

    decision = decide(replace(GOOD, compare="accuracy"), gate)

    assert decision.promote
    assert decision.summary.startswith("accuracy ")


def test_every_rule_that_failed_is_named_after_the_first() -> None:
    decision = decide(of_challenger(metrics={}, size_bytes=10**9))

    assert decision.summary.endswith("; also failed: size")


def test_names_beyond_the_first_few_are_counted() -> None:
    slices = {f"s{number}": paired(-0.5, low=-0.9, high=-0.1) for number in range(7)}

    decision = decide(replace(GOOD, slices=slices))

    assert found(decision, "slices").startswith("7 of 7 worse: s0 ")
    assert found(decision, "slices").endswith(" and 2 more")


# What holds of every evidence.

ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1.0, 1.0)
NAMES = st.text(alphabet="ab", min_size=1, max_size=2)
PAIRED = st.builds(
    Paired,
    champion=ANY_NUMBER,
    challenger=ANY_NUMBER,
    gain=ANY_NUMBER,
    low=ANY_NUMBER,
    high=ANY_NUMBER,
    rows=st.just(9),
)
MODEL = st.builds(
    ModelEvidence,
    metrics=st.dictionaries(st.sampled_from(["accuracy", "negative_log_loss"]), ANY_NUMBER),
    failed_behaviours=st.dictionaries(NAMES, st.just("...")),
    behaviours=st.integers(0, 5),
    calibration_error=st.none() | ANY_NUMBER,
    p99_latency_ms=ANY_NUMBER | st.floats(0.0, 300.0),
    size_bytes=st.integers(0, 10**8),
    schema_hash=st.sampled_from([SCHEMA_HASH, "ba9876543210"]),
)
EVIDENCE = st.builds(
    Evidence,
    package=st.just("flowers"),
    metric=st.just("accuracy"),
    compare=st.sampled_from(["negative_log_loss", "accuracy"]),
    confidence=st.sampled_from([0.9, 0.95, 0.99]),
    rows=st.just(1000),
    challenger=MODEL,
    champion=st.none() | MODEL,
    compared=st.none() | PAIRED,
    slices=st.dictionaries(NAMES, PAIRED, max_size=4),
)
NEARLY_GOOD = st.builds(
    lambda drawn, parts: replace(GOOD, **{part: getattr(drawn, part) for part in parts}),
    EVIDENCE,
    st.sets(st.sampled_from(["confidence", "challenger", "champion", "compared", "slices"]), max_size=2),
)
"""Anything is nearly always rejected: this is promoted often enough to say something of promotions."""
SMALL = st.floats(0.0, 0.5)


@given(EVIDENCE | NEARLY_GOOD)
def test_every_evidence_gives_a_decision_and_one_failed_rule_rejects(evidence: Evidence) -> None:
    decision = decide(evidence)

    assert [reason.rule for reason in decision.reasons] == RULE_NAMES
    assert len(decision.reasons) == len(RULES)
    assert decision.promote == all(reason.passed for reason in decision.reasons)
    assert all(reason.found and reason.allowed for reason in decision.reasons)


@given(EVIDENCE | NEARLY_GOOD)
def test_the_summary_of_a_rejection_begins_with_the_first_rule_that_failed(evidence: Evidence) -> None:
    decision = decide(evidence)

    first = next((reason for reason in decision.reasons if not reason.passed), None)
    assert decision.summary
    assert first is None or decision.summary.startswith(f"{first.rule}: found {first.found}")


@given(EVIDENCE | NEARLY_GOOD, st.randoms())
def test_the_order_of_slices_metrics_and_behaviours_does_not_matter(evidence: Evidence, source: Random) -> None:
    challenger = replace(
        evidence.challenger,
        metrics=_shuffled(evidence.challenger.metrics, source),
        failed_behaviours=_shuffled(evidence.challenger.failed_behaviours, source),
    )
    other = replace(evidence, slices=_shuffled(evidence.slices, source), challenger=challenger)

    assert decide(other) == decide(evidence)


def _shuffled(mapping: Mapping[str, Value], source: Random) -> dict[str, Value]:
    items = list(mapping.items())
    source.shuffle(items)
    return dict(items)


def _better(paired: Paired, by: float) -> Paired:
    return replace(
        paired,
        challenger=paired.challenger + by,
        gain=paired.gain + by,
        low=paired.low + by,
        high=paired.high + by,
    )


@given(NEARLY_GOOD, SMALL, st.integers(0, 10**6))
def test_a_challenger_that_is_better_in_anything_is_never_rejected_for_it(
    evidence: Evidence, by: float, bytes_less: int
) -> None:
    challenger = evidence.challenger
    changes: list[dict[str, Any]] = [
        {"metrics": {name: value + by for name, value in challenger.metrics.items()}},
        {"failed_behaviours": {}},
        {"calibration_error": challenger.calibration_error and challenger.calibration_error - by},
        {"p99_latency_ms": challenger.p99_latency_ms - by},
        {"size_bytes": challenger.size_bytes - bytes_less},
    ]
    improved = [replace(evidence, challenger=replace(challenger, **change)) for change in changes]
    improved.append(replace(evidence, slices={name: _better(each, by) for name, each in evidence.slices.items()}))
    improved.append(replace(evidence, compared=evidence.compared and _better(evidence.compared, by)))

    was_promoted = decide(evidence).promote

    assert all(decide(better).promote for better in improved if was_promoted)


@given(st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_number_that_is_none_never_passes(none: float) -> None:
    metrics = {**CHALLENGER.metrics, "accuracy": none}
    compared = paired(0.1, low=0.05, high=0.15)
    unmeasured = {
        "minimum": of_challenger(metrics=metrics),
        "gain": replace(GOOD, compared=replace(compared, low=none)),
        "slices": replace(GOOD, slices={"red": replace(compared, high=none)}),
        "calibration": of_challenger(calibration_error=none),
        "latency": of_challenger(p99_latency_ms=none),
    }

    assert {rule: failed(decide(evidence)) for rule, evidence in unmeasured.items()} == {
        rule: [rule] for rule in unmeasured
    }
