"""What a window came to, in plain words, and how numbers are written. Text only; the report puts it into HTML."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from functions.monitor.betting import HEADROOM
from functions.monitor.window_document import ColumnComparison, Decision, LiveQuality, Span, WindowDocument

LISTED_FIELDS = 4
NOTHING = "–"
LEAST_SAID = 0.05
"""log10; less evidence is none."""
MOST_BEYOND = math.log10(HEADROOM) - 0.005
PERCENT = "\N{NO-BREAK SPACE}%"


def headline(document: WindowDocument) -> str:
    """The one sentence that matters most."""
    inputs, predictions = document.inputs, document.predictions
    if inputs.called:
        also = f" The predictions have changed too: {listed(predictions.fields)}." if predictions.called else ""
        return f"The inputs have changed: {listed(inputs.fields)}.{also}"
    if predictions.called:
        return f"The predictions have changed: {listed(predictions.fields)}. The inputs have not."
    if document.status == "too_few_rows":
        return "Too few rows to say."
    problem = next(problems(document), None)
    return f"No change, but {problem}" if problem else "No change."


def problems(document: WindowDocument) -> Iterator[str]:
    """What is wrong beside a change: values that violate a constraint, a model that is surely worse than it was."""
    found = [each for each in document.violations if each.constraint_check_type != "baseline_drift_check"]
    if found:
        names = dict.fromkeys(each.feature_name or "whole records" for each in found)
        verb = "is" if len(found) == 1 else "are"
        yield f"{count(len(found), 'constraint')} on values {verb} violated: {listed([*names])}."
    quality = document.quality
    if quality is None or not quality.labelled_rows:
        return
    if quality.evidence is not None and quality.evidence >= document.inputs.threshold:
        yield f"the model errs more than on its holdout: evidence {evidence(quality.evidence)}."
    if quality.minimum is not None and quality.high < quality.minimum:
        yield f"live {quality.metric.replace('_', ' ')} is surely below its minimum."


def sentences(document: WindowDocument) -> Iterator[str]:
    """What the headline rests on, what else is wrong, and what it does not say."""
    if document.status == "too_few_rows":
        yield from _too_few(document)
    if document.inputs.called or document.status != "too_few_rows":
        yield from _decision(document, document.inputs, side="request")
    if document.predictions.called:
        yield from _decision(document, document.predictions, side="response")
    told = document.status == "no_change" and not document.predictions.called  # the headline has the first then
    yield from (f"{problem[0].upper()}{problem[1:]}" for problem in [*problems(document)][told:])
    yield quality_sentence(document.quality)


def quality_sentence(quality: LiveQuality | None) -> str:
    """How good the model is, as far as labels tell."""
    if quality is None or not quality.labelled_rows:
        return "There are no new labels: nothing here says how good the predictions are."
    found = (
        f"Live {quality.metric.replace('_', ' ')} is {number(quality.value)}, between {number(quality.low)} and "
        f"{number(quality.high)} with 95 % confidence, from {count(quality.labelled_rows, 'labelled row')}"
    )
    if quality.minimum is not None and quality.high < quality.minimum:
        return f"{found}: surely below the minimum of {number(quality.minimum)}."
    if quality.expected is not None:
        return f"{found}; the holdout showed {number(quality.expected)}."
    return f"{found}."


def ordered(columns: Sequence[ColumnComparison]) -> list[ColumnComparison]:
    """What has changed first, then what has moved furthest beyond chance."""
    return sorted(columns, key=lambda column: (not column.changed, -_beyond_chance(column), column.name))


def change_of(column: ColumnComparison) -> float:
    """The share of rows that would have to move."""
    if column.change is not None:
        return column.change
    return column.distances.total_variation if column.distances else 0.0


def says(column: ColumnComparison) -> str:
    """The decision's words about a column, where they rest on some evidence; they are about chance otherwise."""
    return column.words if (column.evidence or 0.0) >= LEAST_SAID else ""


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, or some of them and how many more."""
    if not names:
        return "no single field stands out"
    if len(names) > LISTED_FIELDS:
        return f"{', '.join(names[:LISTED_FIELDS])} and {len(names) - LISTED_FIELDS} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def percent(share: float) -> str:
    """Two digits that say something, and nothing rounded to none or all."""
    value = 100 * share
    if 0 < value < 0.01:
        return f"< 0.01{PERCENT}"
    if 99.9 < value < 100:
        return f"> 99.9{PERCENT}"
    return (f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.2g}") + PERCENT


def number(value: float, *, digits: int = 3) -> str:
    """Three digits or so many, and thousands apart."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else NOTHING
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if 999.5 <= abs(value) < 1e6 and "e" in text else text


def apart(values: Sequence[float]) -> list[str]:
    """Numbers with as many digits as it takes to tell them from each other."""
    for digits in range(3, 17):
        texts = [number(value, digits=digits) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def p_value(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def evidence(log10: float | None) -> str:
    """`10^5.2`; what is not more than none is none."""
    if log10 is None:
        return NOTHING
    return "none" if log10 < LEAST_SAID else f"10^{log10:.1f}"


def count(rows: int, noun: str) -> str:
    return f"{rows:,} {noun}" + ("" if rows == 1 else "s")


def moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def span(times: Span) -> str:
    """`2026-11-27 09:00 to 10:00 UTC`."""
    end = f"{times.end:%H:%M} UTC" if times.begin.date() == times.end.date() else moment(times.end)
    return f"{times.begin:%Y-%m-%d %H:%M} to {end}"


def _too_few(document: WindowDocument) -> Iterator[str]:
    traffic = document.traffic
    yield (
        f"{count(traffic.rows, 'row')} in this window, and a comparison takes {traffic.minimum_rows:,}: "
        "this is no sign that nothing has changed."
    )


def _decision(document: WindowDocument, decision: Decision, *, side: str) -> Iterator[str]:
    columns = ordered([column for column in document.columns if column.side == side and column.watched])
    noun = "requests" if side == "request" else "answers"
    if columns:
        yield _largest(columns[0], noun, called=decision.called)
    if decision.called:
        yield from (f"Of {column.name}, {says(column)}." for column in columns[:LISTED_FIELDS] if says(column))
    most = ", the most that is kept" if decision.evidence >= decision.threshold + MOST_BEYOND else ""
    yield f"Evidence: {evidence(decision.evidence)}{most}; a change is called at {evidence(decision.threshold)}."


def _largest(column: ColumnComparison, noun: str, *, called: bool) -> str:
    change, tolerance = percent(change_of(column)), percent(column.tolerance)
    noise = percent(column.distances.total_variation_noise) if column.distances else NOTHING
    name = f"In {column.name}," if called else f"The largest difference is in {column.name}:"
    moved = f"{name} {change} of the {noun} would have to move to look as in training"
    return f"{moved}. Chance alone makes about {noise}; the tolerance is {tolerance}."


def _beyond_chance(column: ColumnComparison) -> float:
    return change_of(column) - (column.distances.total_variation_noise if column.distances else 0.0)
