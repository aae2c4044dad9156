"""The report of one window: one HTML file that a person opens, with no script, no font and no request. Pure.

Values of captured rows are in it: the report belongs into the bucket that the rows are in, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from functions.monitor.markup import Content, Markup, element, style_sheet
from functions.monitor.report_parts import section, with_powers
from functions.monitor.report_sections import (
    changes_section,
    distributions_section,
    examples_section,
    history_section,
    quality_section,
    traffic_section,
    two_sample_section,
    values_section,
)
from functions.monitor.report_style import CONTENT_SECURITY_POLICY, STYLE
from functions.monitor.report_words import (
    NOTHING,
    count,
    evidence,
    headline,
    moment,
    number,
    percent,
    problems,
    sentences,
    span,
)
from functions.monitor.window_document import WindowDocument

TERMS = {
    "Change": "the share of rows that would have to move to another cell for the window to look as the baseline.",
    "Evidence": "",
    "Chance": "the mean of a distance if nothing had changed and rows were independent, for as many rows.",
    "PSI, Jensen-Shannon": "distances between the shares of the cells; Jensen-Shannon is at most 1.",
    "KS": "the largest difference of the two distribution functions at an edge; between edges it may be larger.",
    "Chi-square": "of two samples: the baseline is one too. p-values look once and take rows for independent.",
    "Wasserstein": "how far a row would have to move on average, in standard deviations of the baseline.",
}
BADGES = {"change": "Changed", "no_change": "No change", "too_few_rows": "No evidence", "attention": "Look"}


def render_report(document: WindowDocument) -> str:
    """The whole page. The same document gives the same text."""
    served = document.served
    title = f"{served.package}: window {document.window}"
    return "<!doctype html>\n" + element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=CONTENT_SECURITY_POLICY),
            element("meta", name="referrer", content="no-referrer"),
            element("title", title),
            style_sheet(STYLE),
        ),
        element("body", element("main", *_sections(document))),
        lang="en",
    )


def _sections(document: WindowDocument) -> Iterator[Content]:
    yield _verdict(document)
    yield _facts(document)
    yield history_section(document)
    yield changes_section(document)
    yield distributions_section(document, side="request", title="Inputs: baseline and window")
    yield distributions_section(document, side="response", title="Predictions: baseline and window")
    yield two_sample_section(document.two_sample)
    yield values_section(document)
    yield examples_section(document.examples)
    yield quality_section(document.quality)
    yield traffic_section(document.traffic)
    yield _how_to_read(document)
    yield _footer(document)


def _verdict(document: WindowDocument) -> Markup:
    served, tone = document.served, _tone(document)
    return element(
        "header",
        element("p", f"{served.package}, version {served.version} · {span(document.span)}", class_="eyebrow"),
        element("p", served.description, class_="quiet"),
        element(
            "div",
            element("span", BADGES[tone], class_="badge"),
            element("h1", with_powers(headline(document))),
            [element("p", with_powers(sentence)) for sentence in sentences(document)],
            class_=f"verdict {tone}",
        ),
    )


def _tone(document: WindowDocument) -> str:
    if document.inputs.called or document.predictions.called:
        return "change"
    return "attention" if any(problems(document)) else document.status


def _facts(document: WindowDocument) -> Markup:
    """The figures of the window, each with what to hold it against."""
    facts = [
        element(
            "div",
            element("dt", name),
            element("dd", element("b", with_powers(value)), element("span", with_powers(remark))),
        )
        for name, value, remark in (*_decided(document), *_found(document))
    ]
    return element("dl", facts, class_="facts")


def _decided(document: WindowDocument) -> Iterator[tuple[str, str, str]]:
    inputs, predictions = document.inputs, document.predictions
    tolerance = percent(document.settings.tolerance)
    yield "Largest change", percent(inputs.score), f"of an input; tolerance {tolerance}"
    yield "Evidence, inputs", evidence(inputs.evidence), f"called at {evidence(inputs.threshold)}"
    yield "Evidence, predictions", evidence(predictions.evidence), f"called at {evidence(predictions.threshold)}"


def _found(document: WindowDocument) -> Iterator[tuple[str, str, str]]:
    traffic, quality = document.traffic, document.quality
    by_row = document.settings.block == "row"
    yield "Rows", f"{traffic.rows:,}", "each counts" if by_row else f"in {count(traffic.blocks, 'block')}"
    yield "Coverage", NOTHING if traffic.coverage is None else percent(traffic.coverage), "of answers captured"
    yield "Refused", f"{traffic.refused:,}", "requests, by the gateway"
    yield "Violations", f"{len(document.violations)}", "of constraints"
    if quality and quality.labelled_rows:
        yield "Live quality", number(quality.value), quality.metric.replace("_", " ")
    else:
        yield "Live quality", NOTHING, "no new labels"


def _how_to_read(document: WindowDocument) -> Markup:
    settings = document.settings
    observation = {
        "row": "Each row is one observation.",
        "time": f"The rows of {settings.block_minutes} minutes are one observation.",
        "caller": "The rows of one caller are one observation.",
    }
    meanings = {
        **TERMS,
        "Evidence": (
            "what a sequential test has gathered over the life of the endpoint. Without a change beyond the tolerance, "
            f"one is called once in {settings.windows_per_false_alarm:,} windows on average, or less often. "
            f"{observation.get(settings.block, '')}"
        ),
    }
    terms = [element("p", element("strong", f"{name}: "), meaning) for name, meaning in meanings.items()]
    return section("How to read this", terms)


def _footer(document: WindowDocument) -> Markup:
    served, settings = document.served, document.settings
    season = f", season of {settings.season_hours} hours" if settings.season_hours else ""
    lines = (
        f"Endpoint {served.endpoint}, variant {served.variant}, version {served.version}, schema {served.schema_hash}; "
        f"baseline of {count(served.baseline_rows, 'row')}.",
        f"Settings: tolerance {percent(settings.tolerance)}, {settings.windows_per_false_alarm:,} windows a false alarm"
        f", block {settings.block}{season}, a look every {settings.window_minutes} minutes, "
        f"at most {settings.maximum_violation_percent:g} % of wrong values, "
        f"coverage of at least {settings.minimum_coverage_percent:g} %.",
        f"Window {document.window}, closed {moment(document.span.closed)}.",
    )
    return element("footer", [element("p", line) for line in lines])
