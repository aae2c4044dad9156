"""The report's sections, each from its part of the window's document; one that has nothing to show is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from functions.monitor.distances import Distances
from functions.monitor.markup import Content, Markup, element, joined
from functions.monitor.report_charts import bars_of, change_meter, distribution, evidence_history, quality_interval
from functions.monitor.report_parts import Row, folded, legend, numbers, section, small, table, with_powers
from functions.monitor.report_words import (
    NOTHING,
    change_of,
    count,
    evidence,
    moment,
    number,
    ordered,
    p_value,
    percent,
    quality_sentence,
    says,
)
from functions.monitor.two_sample import TwoSampleResult
from functions.monitor.violations import Violation
from functions.monitor.window_document import (
    ColumnComparison,
    Decision,
    Example,
    FieldQuality,
    LiveQuality,
    PastWindow,
    Traffic,
    WindowDocument,
)

HISTORY_ROWS = 20


def history_section(document: WindowDocument) -> Content:
    past = document.history
    if not past:
        return None
    rows = [_past_row(window) for window in reversed(past[-HISTORY_ROWS:])]
    return section(
        "Evidence over the last windows",
        element(
            "figure",
            legend(input="inputs", prediction="predictions", called="a change is called"),
            element("div", evidence_history(past, inputs=document.inputs, identity="history"), class_="newest-first"),
            numbers(("Window's end", "Rows", "Inputs", "Predictions", "Largest change"), rows),
        ),
    )


def _past_row(past: PastWindow) -> Row:
    found = [with_powers(evidence(each)) for each in (past.evidence, past.prediction_evidence)]
    return (moment(past.end), f"{past.rows:,}", *found, percent(past.score))


def changes_section(document: WindowDocument) -> Content:
    full = max((max(change_of(column), 2 * column.tolerance) for column in document.columns), default=1.0)
    rows = [_change_row(each, each.distances, full=full) for each in ordered(document.columns) if each.distances]
    if not rows:
        return None
    return section(
        "What changed most",
        element(
            "p",
            "Beside each distance is what it would be on average if nothing had changed, for as many rows. "
            "Only the evidence decides: distances and p-values are here to look at.",
            class_="quiet",
        ),
        table(_CHANGE_HEAD, rows),
    )


_CHANGE_HEAD = ("Column", "Change", "Evidence", "PSI", "Jensen-Shannon", "KS or chi-square", "Wasserstein")


def _change_row(column: ColumnComparison, found: Distances, *, full: float) -> Row:
    """`full` is the change whose bar is full."""
    return (
        joined(column.name, small(_kind(column)), small(says(column))),
        joined(
            percent(change_of(column)),
            change_meter(change_of(column), tolerance=column.tolerance, full=full, called=column.changed),
            small(f"tolerance {percent(column.tolerance)}; chance {percent(found.total_variation_noise)}"),
        ),
        joined(with_powers(evidence(column.evidence)), small("called" if column.changed else "")),
        _beside_chance(found.psi, found.psi_noise),
        _beside_chance(found.js_distance, found.js_noise),
        _test(found),
        _beside_chance(found.wasserstein, found.wasserstein_noise),
    )


def _beside_chance(value: float | None, noise: float | None) -> Content:
    if value is None or noise is None:
        return NOTHING
    return joined(number(value), small(f"chance {number(noise)}"))


def _test(found: Distances) -> Content:
    """Of numbers Kolmogorov and Smirnov's, of categories chi-square."""
    if found.ks is not None:
        return joined(number(found.ks), small(p_value(found.ks_p_value)))
    degrees = count(found.chi_square_freedom or 0, "degree") + " of freedom"
    return joined(number(found.chi_square or 0.0), small(f"{p_value(found.chi_square_p_value)}; {degrees}"))


def distributions_section(document: WindowDocument, *, side: str, title: str) -> Content:
    columns = [column for column in ordered(document.columns) if column.side == side]
    if not columns:
        return None
    decision = document.inputs if side == "request" else document.predictions
    rows = columns[0].baseline_rows or document.served.baseline_rows
    return section(
        title,
        element("p", _decision_words(decision, side=side)),
        legend(baseline=f"baseline, {count(rows, 'row')}", window="this window"),
        element("div", [_figure(column, f"{side}-{index}") for index, column in enumerate(columns)], class_="cards"),
    )


def _decision_words(decision: Decision, *, side: str) -> str:
    noun = "inputs" if side == "request" else "predictions"
    if decision.called:
        return f"A change of the {noun} is called. Numbers are on the baseline's own cells, the same for both."
    return f"No change of the {noun} is called: differences within the tolerance, or that chance makes, do not count."


def _figure(column: ColumnComparison, identity: str) -> Markup:
    rows = [(bar.label, percent(bar.baseline), percent(bar.window)) for bar in bars_of(column)]
    remarks = [f"{percent(change_of(column))} would have to move", _kind(column), column.unit, column.description]
    return element(
        "figure",
        element(
            "div",
            element("h3", column.name),
            element("span", "changed", class_="badge change") if column.changed else None,
            class_="head",
        ),
        element("figcaption", "; ".join(remark for remark in remarks if remark)),
        distribution(column, identity=identity) if sum(column.window) else element("p", "no value in this window"),
        numbers(("Cell", "Baseline", "Window"), rows),
    )


def two_sample_section(results: Sequence[TwoSampleResult]) -> Content:
    if not results:
        return None
    names = {"mmd": "kernel test (MMD)", "domain_classifier": "domain classifier (area under the curve)"}
    rows = [
        (
            result.field,
            names[result.test],
            joined(number(result.statistic), small(f"chance {number(result.chance)}")),
            p_value(result.p_value),
            f"{result.baseline_rows:,} and {result.window_rows:,}",
        )
        for result in results
    ]
    return section(
        "Images and embeddings as a whole",
        element(
            "p",
            "Feature vectors of some rows of the baseline and the window. The classifier's area is how often it tells "
            "which of two vectors is the window's: 0.5 is guessing.",
            class_="quiet",
        ),
        table(("Field", "Test", "Statistic", "p-value", "Vectors"), rows),
    )


def values_section(document: WindowDocument) -> Markup:
    return section("Values", _violations(document.violations), _wrong_values(document.fields))


def _violations(violations: Sequence[Violation]) -> Markup:
    if not violations:
        return element("p", "No constraint is violated.")
    items = [
        element(
            "li",
            element("strong", f"{violation.feature_name or 'whole records'}: {violation.constraint_check_type}"),
            element("br"),
            violation.description,
        )
        for violation in violations
    ]
    return element("ul", items, class_="plain")


def _wrong_values(fields: Sequence[FieldQuality]) -> Content:
    rows = [(field.field, *(_of_rows(found, field.rows) for found in _faults(field))) for field in fields]
    wrong = [row for row, field in zip(rows, fields, strict=True) if any(_faults(field))]
    if not wrong:
        return element("p", "Every row has a good value in every field.", class_="quiet") if fields else None
    return table(("Field", "Missing", "Wrong type", "Out of range", "Unknown category"), wrong)


def examples_section(examples: Sequence[Example]) -> Content:
    if not examples:
        return None
    cards = [
        element(
            "div",
            element("h3", example.column),
            element("pre", element("code", example.value)),
            element("p", f"inference id {example.inference_id}", class_="quiet") if example.inference_id else None,
            folded("Request", example.request),
            folded("Answer", example.response),
            class_="card",
        )
        for example in examples
    ]
    return section(
        "Examples",
        element("p", "Captured rows from where a column has more of them than the baseline.", class_="quiet"),
        element("div", cards, class_="cards"),
    )


def quality_section(quality: LiveQuality | None) -> Markup:
    if quality is None or not quality.labelled_rows:
        remarks = ["A changed input may hurt the model or not; labels sent as feedback tell."]
        picture: Content = None
    else:
        remarks = list(_quality_remarks(quality))
        picture = element("div", element("figure", quality_interval(quality, identity="quality")), class_="cards")
    return section(
        "Live quality",
        element("p", quality_sentence(quality)),
        [element("p", with_powers(remark), class_="quiet") for remark in remarks],
        picture,
    )


def _quality_remarks(quality: LiveQuality) -> Iterator[str]:
    if quality.since:
        yield f"Labelled predictions since {moment(quality.since)}."
    if quality.unmatched_labels:
        yield f"{count(quality.unmatched_labels, 'label')} without a captured prediction."
    if quality.evidence is not None:
        yield f"Evidence that the model errs more than on its holdout: {evidence(quality.evidence)}."


def traffic_section(traffic: Traffic) -> Markup:
    facts: list[Row] = [
        ("Rows", f"{traffic.rows:,} in {count(traffic.records, 'record')} of {count(traffic.files, 'file')}"),
        ("Captured twice, counted once", f"{traffic.duplicates:,}"),
        ("Too late to be compared", f"{traffic.late:,}"),
        ("Unreadable, kept aside", joined(f"{traffic.unreadable:,}", small(_by_reason(traffic.unreadable_by_reason)))),
        ("Of the version before, not compared", f"{traffic.set_aside:,}"),
        ("Answered by the endpoint", NOTHING if traffic.answered is None else f"{traffic.answered:,}"),
        ("Counted by", "the monitor function" if traffic.folded_by == "function" else "a processing job on Spark"),
    ]
    return section("Where the rows came from", table(("", ""), facts), _refusals(traffic))


def _by_reason(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {found:,}" for reason, found in sorted(counts.items()))


def _refusals(traffic: Traffic) -> Markup:
    refusals = traffic.refusals
    if not refusals:
        return element("p", "The gateway refused no request during this window.", class_="quiet")
    rows = [(refusal.field or "the body as a whole", refusal.reason, f"{refusal.count:,}") for refusal in refusals]
    more = None if traffic.refusals_are_all else element("p", "There were more than are told here.", class_="quiet")
    return joined(table(("Refused field", "Reason", "Requests"), rows), more)


def _kind(column: ColumnComparison) -> str:
    side = "input" if column.side == "request" else "prediction"
    derived = f", of {column.field}" if column.field != column.name else ""
    return f"{side}{derived}" + ("" if column.watched else ", not watched")


def _faults(field: FieldQuality) -> tuple[int, int, int, int]:
    return field.missing, field.wrong_type, field.out_of_range, field.unknown


def _of_rows(found: int, rows: int) -> str:
    return f"{found:,} ({percent(found / rows)})" if found and rows else "0"
