"""Whether a challenger may take the champion's place: a pure function from evidence to a decision with reasons.

Every rule is always reported, passed or not. A number that is none (NaN, infinity) never passes: what was not measured
proves nothing. What each rule is for, and how often the gate errs: docs/decisions/gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from functions.retraining.loop_state import Reason
from model_packages.contract import Gate, Rollout
from model_packages.evidence import Evidence, Paired

LATENCY_NOISE = 1.25
"""A 99th percentile of some hundred calls varies by so much from one measurement of the same model to the next."""
BYTES_A_MB = 1_000_000
NAMED = 5
"""How many names a reason repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`summary` is one sentence; where nothing is promoted, it begins with the first rule that failed."""

    promote: bool
    reasons: tuple[Reason, ...]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the rules look at."""

    evidence: Evidence
    gate: Gate
    rollout: Rollout
    serving_schema_hash: str

    @property
    def compare(self) -> str:
        """The metric that decides which of the two is better."""
        return self.gate.compare or self.gate.metric


def judge(evidence: Evidence, gate: Gate, rollout: Rollout, *, serving_schema_hash: str) -> Decision:
    """Promotes a challenger that passes every rule. `serving_schema_hash` is of the format that callers use now."""
    case = Case(evidence=evidence, gate=gate, rollout=rollout, serving_schema_hash=serving_schema_hash)
    reasons = tuple(rule(case) for rule in RULES)
    failed = [reason for reason in reasons if not reason.passed]
    return Decision(promote=not failed, reasons=reasons, summary=_rejected(failed) if failed else _promoted(case))


def _schema(case: Case) -> Reason:
    """No version of another schema is compatible: the gateway would check requests against the wrong one."""
    found = case.evidence.challenger.schema_hash
    return Reason(
        rule="schema",
        passed=found == case.serving_schema_hash,
        found=found,
        allowed=f"{case.serving_schema_hash}, the format that is served; for a new one deploy its package first",
    )


def _minimum(case: Case) -> Reason:
    value = case.evidence.challenger.metrics.get(case.gate.metric, math.nan)
    return Reason(
        rule="minimum",
        passed=math.isfinite(value) and value >= case.gate.minimum,
        found=f"{case.gate.metric} {_number(value)}",
        allowed=f"{_number(case.gate.minimum)} or more",
    )


def _gain(case: Case) -> Reason:
    """Better than the champion, and not by chance."""
    evidence, gate = case.evidence, case.gate
    compared = evidence.compared
    allowed = f"surely more than {_number(gate.minimum_gain)} ({_percent(gate.confidence)})"
    if compared is None:
        alone = evidence.champion is None
        found = "no champion that could be compared with" if alone else f"{case.compare} could not be compared"
        return Reason(rule="gain", passed=alone, found=found, allowed=allowed)
    is_asked = evidence.compare == case.compare and evidence.confidence >= gate.confidence
    return Reason(
        rule="gain",
        passed=is_asked and _is_measured(compared) and compared.low > gate.minimum_gain,
        found=f"{evidence.compare} {_change(compared)}, surely more than {_number(compared.low)} "
        f"({_percent(evidence.confidence)}, {compared.rows} rows)",
        allowed=allowed if is_asked else f"{case.compare}, {allowed}",
    )


def _slices(case: Case) -> Reason:
    """No group pays for what the others gain: none is surely worse, and by more than a little."""
    slices, loss = case.evidence.slices, case.gate.maximum_slice_loss
    worse = sorted(name for name, each in slices.items() if not _is_kept(each, loss=loss))
    named = ", ".join(f"{name} {_change(slices[name])}" for name in worse[:NAMED])
    return Reason(
        rule="slices",
        passed=not worse,
        found=f"{len(worse)} of {len(slices)} worse: {named}{_more(worse)}" if worse else f"none of {len(slices)}",
        allowed=f"no slice surely worse and by more than {_number(loss)}",
    )


def _behaviours(case: Case) -> Reason:
    """One that the champion fails too still fails: what is known to be wrong is not rolled out."""
    challenger, champion = case.evidence.challenger, case.evidence.champion
    failed = sorted(challenger.failed_behaviours)
    old = sorted(set(failed) & set(champion.failed_behaviours)) if champion else []
    also = f"; the champion fails {', '.join(old[:NAMED])}{_more(old)} too" if old else ""
    found = f"{challenger.behaviours - len(failed)} of {challenger.behaviours} pass"
    return Reason(
        rule="behaviours",
        passed=not failed and challenger.behaviours > 0,
        found=f"{found}; failed: {', '.join(failed[:NAMED])}{_more(failed)}{also}" if failed else found,
        allowed="all, and one or more",
    )


def _calibration(case: Case) -> Reason:
    error, limit = case.evidence.challenger.calibration_error, case.gate.maximum_calibration_error
    return Reason(
        rule="calibration",
        passed=limit is None or error is None or (math.isfinite(error) and error <= limit),
        found="no probability is predicted" if error is None else f"off by {_number(error)}",
        allowed="anything" if limit is None else f"{_number(limit)} or less",
    )


def _latency(case: Case) -> Reason:
    """The evaluation's machine is not the endpoint's. So what counts is the limit, and where this machine is too slow
    for it, what the champion, which keeps the limit in service, needs on this machine.
    """
    challenger, champion = case.evidence.challenger.p99_latency_ms, case.evidence.champion
    limit = case.rollout.maximum_p99_latency_ms
    known = champion is not None and math.isfinite(champion.p99_latency_ms)
    most = max(limit, LATENCY_NOISE * champion.p99_latency_ms) if champion is not None and known else limit
    return Reason(
        rule="latency",
        passed=math.isfinite(challenger) and challenger <= most,
        found=f"p99 {_number(challenger)} ms"
        + (f"; the champion's {_number(champion.p99_latency_ms)} ms" if champion is not None else ""),
        allowed=f"{_number(most)} ms or less" + (" (the champion's and a quarter)" if most > limit else ""),
    )


def _size(case: Case) -> Reason:
    megabytes, limit = case.evidence.challenger.size_bytes / BYTES_A_MB, case.gate.maximum_model_mb
    return Reason(
        rule="size",
        passed=limit is None or megabytes <= limit,
        found=f"{_number(megabytes)} MB",
        allowed="anything" if limit is None else f"{_number(limit)} MB or less",
    )


RULES: tuple[Callable[[Case], Reason], ...] = (
    _schema,
    _minimum,
    _gain,
    _slices,
    _behaviours,
    _calibration,
    _latency,
    _size,
)
"""In the order in which they are reported."""


def _is_measured(paired: Paired) -> bool:
    numbers = (paired.champion, paired.challenger, paired.gain, paired.low, paired.high)
    return all(math.isfinite(number) for number in numbers)


def _is_kept(paired: Paired, *, loss: float) -> bool:
    return _is_measured(paired) and not (paired.gain < -loss and paired.high < 0)


def _rejected(failed: list[Reason]) -> str:
    first, *others = failed
    also = f"; also failed: {', '.join(reason.rule for reason in others)}" if others else ""
    return f"{first.rule}: found {first.found}; allowed: {first.allowed}{also}"


def _promoted(case: Case) -> str:
    compared, gate = case.evidence.compared, case.gate
    if compared is None:
        value = _number(case.evidence.challenger.metrics[gate.metric])
        return f"{gate.metric} {value}, and no champion that could be compared with"
    return (
        f"{case.compare} {_change(compared)}, surely more than {_number(compared.low)} "
        f"({_percent(case.evidence.confidence)}, {compared.rows} rows)"
    )


def _change(paired: Paired) -> str:
    return f"{_number(paired.champion)} -> {_number(paired.challenger)} ({paired.gain:+.3g})"


def _more(names: list[str]) -> str:
    return f" and {len(names) - NAMED} more" if len(names) > NAMED else ""


def _number(value: float) -> str:
    return f"{value:.4g}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
