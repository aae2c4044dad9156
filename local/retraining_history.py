"""The history of a retraining loop for a person; the loop's own function says what is in it (its step `history`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.retraining import INITIAL

Document = Mapping[str, Any]


def text(history: Document) -> str:
    """The history for a person: what is under way first, then a block for each run, newest first."""
    return "\n".join([*_now(history), *(line for run in history["runs"] for line in _run(run)), *_skipped(history)])


def _now(history: Document) -> Iterator[str]:
    yield f"serving   version {history['champion'] or INITIAL}"
    if running := history["running"]:
        yield f"running   {running['run']} since {_moment(running['since'])} ({running['trigger']}, {running['phase']})"
    if approval := history["approval"]:
        yield f"waiting   version {approval['version']} for `flyball approve` since {_moment(approval['asked'])}"
    if waiting := history["waiting"]:
        yield f"deferred  {waiting['trigger']} since {_moment(waiting['since'])}: {waiting['why']}"
    if not history["runs"]:
        yield "no run has ended yet; `flyball retrain` starts one"


def _run(run: Document) -> Iterator[str]:
    version = f"version {run['version']}" if run["version"] else "no version"
    yield f"{_moment(run['started'])}  {run['trigger']:8}  {run['outcome']:11}  {version}"
    if run["metric"] and run["challenger_metric"] is not None:
        before = f"{run['champion_metric']:.4g} -> " if run["champion_metric"] is not None else ""
        yield f"    {run['metric']} {before}{run['challenger_metric']:.4g} (champion: version {run['champion']})"
    yield f"    {run['why']}"
    if run["trigger_reason"]:
        yield f"    because {run['trigger_reason']}"
    for reason in run["reasons"]:
        mark = "ok  " if reason["passed"] else "FAIL"
        yield f"    {mark} {reason['rule']}: {reason['found']} (allowed: {reason['allowed']})"
    if run["manifest_uri"]:
        yield f"    data {run['manifest_uri']}"


def _skipped(history: Document) -> Iterator[str]:
    if history["skipped"]:
        yield "not acted on:"
    for skipped in history["skipped"]:
        yield f"  {_moment(skipped['at'])}  {skipped['trigger']:8}  {skipped['why']}"


def _moment(written: str) -> str:
    return written[:16].replace("T", " ")
