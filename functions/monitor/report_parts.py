"""The building blocks of the report: sections, tables that become cards on a phone, figures behind a fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from functions.monitor.markup import Content, Markup, element, joined

Row = Sequence[Content]
_POWER = re.compile(r"\b10\^(-?\d+(?:\.\d+)?)")


def section(title: str, *content: Content) -> Markup:
    return element("section", element("h2", title), *content)


def legend(**entries: str) -> Markup:
    return element("ul", [element("li", words, class_=kind) for kind, words in entries.items()], class_="legend quiet")


def table(head: Sequence[str], rows: Iterable[Row]) -> Markup:
    """A table whose rows become cards on a phone."""
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            [
                element("td", element("span", cell), data_head=name)
                for name, cell in zip(head[1:], row[1:], strict=True)
            ],
        )
        for row in rows
    ]
    headings = (
        element("thead", element("tr", [element("th", name, scope="col") for name in head])) if any(head) else None
    )
    return element("div", element("table", headings, element("tbody", body), class_="stacked"), class_="scroll")


def numbers(head: Sequence[str], rows: Iterable[Row]) -> Markup:
    """The picture above as a table, for who cannot see it or wants the figures."""
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]]) for row in rows
    ]
    return element(
        "details",
        element("summary", "Figures"),
        element(
            "table",
            element("thead", element("tr", [element("th", name, scope="col") for name in head])),
            element("tbody", body),
        ),
    )


def folded(title: str, text: str) -> Content:
    return element("details", element("summary", title), element("pre", element("code", text))) if text else None


def with_powers(text: str) -> Markup:
    """Text in which 10^5.2 is set as a power."""
    parts = _POWER.split(text)
    return joined(*(part if index % 2 == 0 else ["10", element("sup", part)] for index, part in enumerate(parts)))


def small(text: str) -> Content:
    return element("small", with_powers(text)) if text else None
