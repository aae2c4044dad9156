"""The report is well-formed, loads nothing, escapes every row, and says in words what the window came to."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest

from functions.monitor.markup import VOID
from functions.monitor.report import render_report
from functions.monitor.report_style import STYLE
from functions.monitor.report_words import headline, sentences
from functions.monitor.violations import Violation
from functions.monitor.window_document import WindowDocument, from_json, to_json
from tests.functions.monitor.window_documents import changed, unchanged

HOSTILE = (
    "</title></style><script>alert(1)</script><img src=x onerror='a()'>\" & ' {x} \x00\u202e]]>--><svg onload=a()>"
)
# fmt: off
ELEMENTS = frozenset({
    "b", "body", "br", "circle", "code", "dd", "desc", "details", "div", "dl", "dt", "figcaption", "figure",
    "footer", "g", "h1", "h2", "h3", "head", "header", "html", "li", "line", "main", "meta", "p", "polyline", "pre",
    "rect", "section", "small", "span", "strong", "style", "summary", "sup", "svg", "table", "tbody", "td", "text",
    "th", "thead", "title", "tr", "tspan", "ul",
})
# fmt: on


class Page(HTMLParser):
    """A page's elements; fails where one is closed that is not open."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


DOCUMENTS = [changed(), unchanged(), unchanged(status="too_few_rows")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.status)
def test_the_page_is_well_formed_and_loads_nothing(document: WindowDocument) -> None:
    html = render_report(document)

    page = Page(html)

    assert {name for name, _ in page.elements} <= ELEMENTS
    attributes = {name for _, found in page.elements for name in found}
    assert not attributes & {"src", "href", "style", "srcset", "action", "data", "xlink:href", "background"}
    assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:|//", html.replace("</", "").replace("/>", ""))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.status)
def test_ids_are_unique_and_what_labels_an_element_is_there(document: WindowDocument) -> None:
    page = Page(render_report(document))

    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    labels = [name for attributes in page.all("svg") for name in (attributes.get("aria-labelledby") or "").split()]

    assert len(ids) == len(set(ids))
    assert sorted(labels) == sorted(str(name) for name in ids)


def test_a_window_with_a_change_has_every_section_in_order() -> None:
    page = Page(render_report(changed()))

    assert page.words("h1") == ["The inputs have changed: amount."]
    assert page.words("h2") == [
        "Evidence over the last windows",
        "What changed most",
        "Inputs: baseline and window",
        "Predictions: baseline and window",
        "Images and embeddings as a whole",
        "Values",
        "Examples",
        "Live quality",
        "Where the rows came from",
        "How to read this",
    ]


def test_every_column_has_a_picture_with_its_words_and_its_figures_as_a_table() -> None:
    document = changed()

    page = Page(render_report(document))

    pictures = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    assert len(pictures) == len(document.columns) + 2  # and the evidence, and the quality
    assert len(page.all("summary")) == len(document.columns) + 1 + 2 * len(document.examples)
    described = [text for text in page.words("desc") if text.startswith("up to 4.2: baseline")]
    assert len(described) == 1
    assert "above 390: baseline 10" in described[0]


def test_no_content_of_a_row_becomes_markup() -> None:
    document = hostile(changed())

    page = Page(render_report(document))

    assert {name for name, _ in page.elements} <= ELEMENTS
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\u202e", "\ufffd")
    assert shown in page.words("code")
    assert any(shown in text for text in page.words("h1"))
    assert any(shown in text for text in page.words("title"))
    attributes = {name for _, found in page.elements for name in found}
    assert not [name for name in attributes if name.startswith("on") or name == "src"]


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    html = render_report(changed())

    [policy] = [meta["content"] for meta in Page(html).all("meta") if "http-equiv" in meta]

    own = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{own}';")
    assert f"<style>{STYLE}</style>" in html


def test_light_dark_phone_and_paper_have_styles() -> None:
    for query in ("screen and (prefers-color-scheme: dark)", "(max-width: 46rem)", "print"):
        assert f"@media {query}" in STYLE
    used = set(re.findall(r"var\((--[a-z-]+)\)", STYLE))
    assert used <= set(re.findall(r"(--[a-z-]+):", STYLE))


def test_the_headline_says_how_far_how_surely_and_what_is_allowed() -> None:
    told = [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in sentences(changed())]

    assert told[0].startswith("In amount, 34 % of the requests would have to move to look as in training")
    assert told[0].endswith("the tolerance is 3 %.")
    assert told[1] == "Of amount, more rows are above 84: 56.2%, 30.0% in the baseline."
    assert told[2] == "Evidence: 10^4.0, the most that is kept; a change is called at 10^3.0."
    assert told[3] == "1 constraint on values is violated: amount."
    assert told[4].startswith("Live average precision is 0.52, between 0.44 and 0.59 with 95 % confidence")


def test_a_quiet_window_says_so_and_names_the_largest_difference() -> None:
    document = unchanged()

    assert headline(document) == "No change."
    assert "The largest difference is in merchant_category" in next(sentences(document))


def test_too_few_rows_are_no_sign_of_quiet() -> None:
    document = unchanged(status="too_few_rows")

    assert headline(document) == "Too few rows to say."
    assert next(sentences(document)) == (
        "12 rows in this window, and a comparison takes 200: this is no sign that nothing has changed."
    )


def test_violations_are_in_the_headline_of_a_window_without_a_change() -> None:
    document = replace(unchanged(), violations=changed().violations)

    assert headline(document) == "No change, but 1 constraint on values is violated: amount."
    assert 'class="verdict attention"' in render_report(document)


def test_changed_predictions_are_told_beside_inputs_and_alone() -> None:
    document = changed()
    called = replace(document.predictions, called=True, fields=("decision", "fraud_probability"))

    both = replace(document, predictions=called)
    alone = replace(unchanged(), predictions=called)

    assert headline(both) == (
        "The inputs have changed: amount. The predictions have changed too: decision and fraud_probability."
    )
    assert headline(alone) == "The predictions have changed: decision and fraud_probability. The inputs have not."
    assert 'class="verdict change"' in render_report(alone)


@pytest.mark.parametrize("labelled", [None, 0])
def test_no_labels_are_never_shown_as_quality(labelled: int | None) -> None:
    quality = changed().quality
    assert quality is not None
    document = replace(unchanged(), quality=None if labelled is None else replace(quality, labelled_rows=0, value=1.0))

    html = render_report(document)

    assert "There are no new labels: nothing here says how good the predictions are." in html
    assert "average precision" not in html


def test_quality_below_its_minimum_is_in_the_headline() -> None:
    quality = changed().quality
    assert quality is not None

    document = replace(unchanged(), quality=replace(quality, value=0.3, low=0.25, high=0.36))

    assert headline(document) == "No change, but live average precision is surely below its minimum."


def test_a_model_that_errs_more_than_on_its_holdout_is_in_the_headline() -> None:
    quality = changed().quality
    assert quality is not None

    document = replace(unchanged(), quality=replace(quality, evidence=3.4))

    assert headline(document) == "No change, but the model errs more than on its holdout: evidence 10^3.4."


def test_the_same_document_gives_the_same_page_also_after_it_was_written_and_read() -> None:
    document = changed()

    assert from_json(to_json(document)) == document
    assert render_report(from_json(to_json(document))) == render_report(document)


def test_reading_tolerates_what_a_later_release_adds() -> None:
    text = to_json(unchanged()).decode().replace("{", '{"added_later": 1, ', 1)

    assert from_json(text) == unchanged()


def test_what_is_not_among_the_rows_is_told_with_its_reason() -> None:
    document = changed()
    some = replace(document, traffic=replace(document.traffic, refusals_are_all=False, set_aside=17))

    page = Page(render_report(some))

    assert "no-id 1, not-json 1" in page.words("small")
    assert "There were more than are told here." in page.words("p")
    assert {"/amount", "the body as a whole"} <= set(page.words("th"))
    assert {"19", "17"} <= {*page.words("b"), *page.words("span")}


def test_a_window_of_many_columns_stays_a_page_one_can_send() -> None:
    document = changed()
    many = tuple(replace(column, name=f"{column.name}{number}") for number in range(20) for column in document.columns)

    html = render_report(replace(document, columns=many))

    assert len(html.encode()) < 1_000_000


def hostile(document: WindowDocument) -> WindowDocument:
    """The document with every free text replaced."""
    return _hostile(document)  # type: ignore[no-any-return]


def _hostile(value: Any, name: str = "") -> Any:
    if isinstance(value, Violation):
        return replace(value, feature_name=HOSTILE, description=HOSTILE)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **dict(_hostile_fields(value)))
    if isinstance(value, dict):
        return {HOSTILE: sum(value.values())}
    if isinstance(value, tuple):
        return tuple(_hostile(each, name) for each in value)
    fixed = ("status", "side", "kind", "block", "folded_by", "test")
    return HOSTILE if isinstance(value, str) and name not in fixed else value


def _hostile_fields(value: Any) -> Iterator[tuple[str, Any]]:
    for found in fields(value):
        yield found.name, _hostile(getattr(value, found.name), found.name)
