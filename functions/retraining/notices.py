"""What people are told, as plain text for a mail: how a run ended, or that it waits for them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.retraining.admission import moment
from functions.retraining.loop_state import Approval, Outcome, Reason, RunRecord
from functions.shared.champion import label_of

MAXIMUM_SUBJECT_CHARACTERS = 100
"""SNS takes so many, of ASCII, in one line."""
MAXIMUM_MESSAGE_CHARACTERS = 60_000
"""SNS takes 256 KB; a mail that is longer than this is read by nobody."""

_SAID = {
    Outcome.PROMOTED: "promoted",
    Outcome.REJECTED: "rejected",
    Outcome.ROLLED_BACK: "rolled back",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed out",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A subject and a text, as SNS takes them."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """What failure.json holds: more than the loop's state may keep."""

    detail: str = ""
    log_tail: tuple[str, ...] = ()
    uri: str = ""


def ended(record: RunRecord, *, package: str, failure: FailureReport | None = None) -> Notice:
    """How a run ended."""
    said = _SAID[record.outcome]
    version = f", {label_of(record.version)}" if record.version else ""
    begun = f"Run {record.run} was started by: {record.kind}{f' ({record.why})' if record.why else ''}."
    lines = [
        f"{_sentence(record.summary)}",
        "",
        begun,
        f"It began {moment(record.started)} and ended {moment(record.ended)}.",
        *([f"Version: {record.version}"] if record.version else []),
        *([f"Alarm: {record.alarm}"] if record.alarm else []),
        *_compared(record),
        *_rules(record.reasons),
        *(_failed(failure) if failure else []),
        *(["", f"Its data: {record.manifest_uri}"] if record.manifest_uri else []),
        *(["The champion is being put back into service by another run."] if record.restores else []),
        "",
        f"All runs: flyball history {package}",
    ]
    return Notice(_subject(f"{package}: retraining {said}{version}"), _text(lines))


def asking(approval: Approval, *, package: str, summary: str, reasons: Sequence[Reason], hours: int) -> Notice:
    """That a version waits for a person."""
    label = label_of(approval.version)
    lines = [
        f"Version {label} of {package} waits for your approval for {hours} hours, since {moment(approval.asked)}.",
        "",
        *([_sentence(summary)] if summary else []),
        f"Version: {approval.version}",
        *_rules(reasons),
        "",
        f"To roll it out: flyball approve {package}",
        f"To refuse it:   flyball reject {package}",
    ]
    return Notice(_subject(f"{package}: version {label} waits for your approval"), _text(lines))


def _compared(record: RunRecord) -> list[str]:
    if record.champion_metric is None or record.challenger_metric is None:
        return []
    return [f"{record.metric}: champion {record.champion_metric:.4g}, challenger {record.challenger_metric:.4g}"]


def _rules(reasons: Sequence[Reason]) -> list[str]:
    if not reasons:
        return []
    told = (
        f"  {'passed' if reason.passed else 'FAILED'}  {reason.rule}: found {reason.found}; allowed: {reason.allowed}"
        for reason in sorted(reasons, key=lambda each: each.passed)
    )
    return ["", "The gate's rules:", *told]


def _failed(failure: FailureReport) -> list[str]:
    detail = ["", "What the step said:", f"  {failure.detail}"] if failure.detail else []
    tail = ["", "The end of the job's log:", *(f"  {line}" for line in failure.log_tail)] if failure.log_tail else []
    where = ["", f"More: {failure.uri}"] if failure.uri else []
    return [*detail, *tail, *where]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _subject(text: str) -> str:
    line = " ".join(text.split()).encode("ascii", "replace").decode()
    return line[:MAXIMUM_SUBJECT_CHARACTERS]


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines)[:MAXIMUM_MESSAGE_CHARACTERS] + "\n"
