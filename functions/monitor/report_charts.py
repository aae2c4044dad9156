"""The report's pictures as inline SVG: colours come from the page's style; each has a title and its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from functions.monitor.markup import Content, Markup, element
from functions.monitor.report_words import apart, count, evidence, moment, number, percent
from functions.monitor.window_document import ColumnComparison, Decision, LiveQuality, PastWindow

WIDTH = 320.0
LEFT = 36.0
"""Before a plot's columns, for its scale."""
PLOT_HEIGHT = 110.0
ROW_HEIGHT = 26.0
LABEL_WIDTH = 96.0
LONGEST_LABEL = 15
MOST_CATEGORIES = 12
MOST_TICKS = 5
TICK_CHARACTER = 6.2
"""The width of one, about."""
HISTORY_WIDTH, HISTORY_HEIGHT = 720.0, 150.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One cell: its share of the rows, before and now."""

    label: str
    baseline: float
    window: float

    @property
    def words(self) -> str:
        return f"{self.label}: baseline {percent(self.baseline)}, window {percent(self.window)}"


def bars_of(column: ColumnComparison) -> list[Bar]:
    """A column's cells and its rows without a value; the small categories of many are one bar."""
    rows, found = _with_rest(column.baseline, column.baseline_rows), _with_rest(column.window, column.window_rows)
    before, now = max(1, sum(rows)), max(1, sum(found))
    *bars, without = [
        Bar(label, was / before, is_now / now)
        for label, was, is_now in zip([*labels_of(column), "no value"], rows, found, strict=True)
    ]
    if column.kind == "category":
        bars = _most_common([bar for bar in bars if bar.baseline or bar.window])
    return [*bars, without] if without.baseline or without.window else bars


def labels_of(column: ColumnComparison) -> list[str]:
    """What falls into each cell."""
    if column.kind == "category":
        return [*column.categories, "any other"]
    edges = apart(column.edges)
    if not edges:
        return ["any number"]
    return [f"up to {edges[0]}", *(f"{low} to {high}" for low, high in pairwise(edges)), f"above {edges[-1]}"]


def _with_rest(cells: Sequence[int], rows: int) -> list[int]:
    return [*cells, max(0, rows - sum(cells))]


def distribution(column: ColumnComparison, *, identity: str) -> Markup:
    """Baseline and window side by side on the same cells."""
    bars = bars_of(column)
    if column.kind == "numeric":
        return _picture(
            *_columns(column, bars),
            size=(WIDTH, PLOT_HEIGHT + 26),
            title=f"Distribution of {column.name}",
            words="; ".join(bar.words for bar in bars),
            identity=identity,
        )
    return _picture(
        *_rows(bars),
        size=(WIDTH, max(1, len(bars)) * ROW_HEIGHT + 4),
        title=f"Shares of {column.name}",
        words="; ".join(bar.words for bar in bars),
        identity=identity,
    )


def change_meter(change: float, *, tolerance: float, full: float, called: bool) -> Markup:
    """A small bar with a mark at the tolerance; what it shows is beside it in figures."""
    scale = 100 / full
    return element(
        "svg",
        element("rect", class_="track", x=0, y=4, width=100, height=6, rx=3),
        element("rect", class_="called" if called else "window", x=0, y=4, width=scale * change, height=6, rx=3),
        element("line", class_="mark", x1=scale * tolerance, x2=scale * tolerance, y1=0, y2=14),
        class_="meter",
        viewBox="0 0 100 14",
        aria_hidden="true",
    )


def evidence_history(past: Sequence[PastWindow], *, inputs: Decision, identity: str) -> Markup:
    """The evidence after each of the last windows, and where a change is called."""
    values = [*(max(0.0, point.evidence) for point in past), *(max(0.0, point.prediction_evidence) for point in past)]
    top = 1.15 * max([inputs.threshold, *values])
    last = past[-1]
    return _picture(
        *_grid(top),
        *_threshold(inputs.threshold, top),
        _line([point.prediction_evidence for point in past], top, style="line prediction"),
        _line([point.evidence for point in past], top, style="line input"),
        *_points(past, top, threshold=inputs.threshold),
        _text(moment(past[0].end), min(_place(0, len(past)), 420.0), HISTORY_HEIGHT + 16, class_="tick"),
        _text(moment(last.end), HISTORY_WIDTH - 6, HISTORY_HEIGHT + 16, class_="tick end"),
        size=(HISTORY_WIDTH, HISTORY_HEIGHT + 22),
        title=f"Evidence of a change over the last {count(len(past), 'window')}",
        words=f"It is {evidence(last.evidence)} now; a change is called at {evidence(inputs.threshold)}.",
        identity=identity,
    )


def quality_interval(quality: LiveQuality, *, identity: str) -> Markup:
    """The metric with its interval, beside what the holdout showed and what is asked for."""
    marks = {"holdout": quality.expected, "minimum": quality.minimum}
    known = {name: value for name, value in marks.items() if value is not None}
    low, high = min([quality.low, *known.values()]), max([quality.high, *known.values()])
    margin = 0.15 * (high - low) or 0.1

    def place(value: float) -> float:
        return 20 + (WIDTH - 40) * (value - low + margin) / (high - low + 2 * margin)

    parts: list[Markup] = [element("line", class_="axis", x1=10, x2=WIDTH - 10, y1=34, y2=34)]
    for level, (name, value) in enumerate(known.items()):
        parts += [
            element("line", class_=f"mark {name}", x1=place(value), x2=place(value), y1=22, y2=46),
            _text(f"{name} {number(value)}", place(value), 14 if level % 2 == 0 else 60, class_="tick middle"),
        ]
    parts += [
        element("line", class_="interval", x1=place(quality.low), x2=place(quality.high), y1=34, y2=34),
        element("circle", class_="window", cx=place(quality.value), cy=34, r=5),
    ]
    return _picture(
        *parts,
        size=(WIDTH, 66),
        title=f"Live {quality.metric} with its 95 % interval",
        words=f"{number(quality.value)}, between {number(quality.low)} and {number(quality.high)}",
        identity=identity,
    )


def _picture(*parts: Content, size: tuple[float, float], title: str, words: str, identity: str) -> Markup:
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", words, id=f"{identity}-words"),
        *parts,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-words",
    )


def _columns(column: ColumnComparison, bars: Sequence[Bar]) -> list[Markup]:
    """Numbers: a pair of columns for each cell, and some of the edges below."""
    top = _top(bars)
    slot = (WIDTH - LEFT - 4) / max(1, len(bars))
    parts = [
        element("line", class_="axis", x1=LEFT, x2=WIDTH - 4, y1=PLOT_HEIGHT, y2=PLOT_HEIGHT),
        _text(percent(top), LEFT - 4, 12, class_="tick end"),
        element("line", class_="grid", x1=LEFT, x2=WIDTH - 4, y1=8, y2=8),
        _text("0", LEFT - 4, PLOT_HEIGHT + 1, class_="tick end"),
    ]
    for index, bar in enumerate(bars):
        left, wide = LEFT + index * slot + 0.08 * slot, 0.42 * slot
        parts.append(
            element(
                "g",
                element("title", bar.words),
                _column(left, bar.baseline / top, wide, style="baseline"),
                _column(left + wide, bar.window / top, wide, style="window"),
            )
        )
    labels = apart(column.edges)
    room = TICK_CHARACTER * (1 + max(map(len, labels), default=0))
    step = max(1, math.ceil(len(labels) / MOST_TICKS), math.ceil(room / slot))
    ticks = [
        _text(labels[index], LEFT + (index + 1) * slot, PLOT_HEIGHT + 16, class_="tick middle")
        for index in range((len(labels) - 1) % step // 2, len(labels), step)
    ]
    if len(bars) > len(column.edges) + 1:
        parts.append(_text("none", LEFT + (len(bars) - 0.5) * slot, PLOT_HEIGHT + 16, class_="tick middle"))
    return [*parts, *ticks]


def _column(left: float, share: float, width: float, *, style: str) -> Markup:
    height = share * (PLOT_HEIGHT - 8)
    return element("rect", class_=style, x=left, y=PLOT_HEIGHT - height, width=width, height=height)


def _rows(bars: Sequence[Bar]) -> list[Markup]:
    """Categories: a pair of rows for each, its name before it and its shares behind."""
    top, room = _top(bars), WIDTH - LABEL_WIDTH - 46
    parts: list[Markup] = []
    for index, bar in enumerate(bars):
        upper, left = index * ROW_HEIGHT + 3, LABEL_WIDTH + 6
        parts.append(
            element(
                "g",
                element("title", bar.words),
                _text(_short(bar.label), LABEL_WIDTH, upper + 14, class_="label end"),
                element("rect", class_="baseline", x=left, y=upper, width=room * bar.baseline / top, height=9),
                element("rect", class_="window", x=left, y=upper + 10, width=room * bar.window / top, height=9),
                _text(
                    percent(bar.window),
                    left + room * max(bar.window, bar.baseline) / top + 4,
                    upper + 14,
                    class_="tick",
                ),
            )
        )
    return parts


def _most_common(bars: list[Bar]) -> list[Bar]:
    if len(bars) <= MOST_CATEGORIES:
        return bars
    by_size = sorted(bars, key=lambda bar: -max(bar.baseline, bar.window))
    kept = {bar.label for bar in by_size[: MOST_CATEGORIES - 1]}
    rest = [bar for bar in bars if bar.label not in kept]
    together = Bar(f"{len(rest)} smaller", sum(bar.baseline for bar in rest), sum(bar.window for bar in rest))
    return [*(bar for bar in bars if bar.label in kept), together]


def _grid(top: float) -> list[Markup]:
    """Lines at whole powers of ten, a handful of them."""
    step = max(1, round(top / 4))
    parts = []
    for power in range(0, int(top) + 1, step):
        y = _height(power, top)
        parts.append(element("line", class_="grid", x1=34, x2=HISTORY_WIDTH - 4, y1=y, y2=y))
        parts.append(_text(["10", element("tspan", power, dy=-4)] if power else "1", 29, y + 4, class_="tick end"))
    return parts


def _threshold(threshold: float, top: float) -> list[Markup]:
    y = _height(threshold, top)
    return [
        element("line", class_="threshold", x1=34, x2=HISTORY_WIDTH - 4, y1=y, y2=y),
        _text("a change is called from here on", 40, y - 5, class_="tick"),
    ]


def _line(values: Sequence[float], top: float, *, style: str) -> Markup:
    points = " ".join(
        f"{_place(index, len(values)):.1f},{_height(value, top):.1f}" for index, value in enumerate(values)
    )
    return element("polyline", class_=style, points=points)


def _points(past: Sequence[PastWindow], top: float, *, threshold: float) -> list[Markup]:
    return [
        element(
            "g",
            element("title", f"{moment(point.end)}: {evidence(point.evidence)}, {count(point.rows, 'row')}"),
            element(
                "circle",
                class_="called" if point.evidence >= threshold else "input",
                cx=_place(index, len(past)),
                cy=_height(point.evidence, top),
                r=4 if index == len(past) - 1 else 2.5,
            ),
        )
        for index, point in enumerate(past)
    ]


def _place(index: int, windows: int) -> float:
    """The newest window is at the right, also where there are few."""
    return HISTORY_WIDTH - 14 - (windows - 1 - index) * (HISTORY_WIDTH - 60) / max(19, windows - 1)


def _height(log10: float, top: float) -> float:
    return HISTORY_HEIGHT - (HISTORY_HEIGHT - 10) * max(0.0, log10) / top


def _top(bars: Sequence[Bar]) -> float:
    return max([0.01, *(max(bar.baseline, bar.window) for bar in bars)])


def _text(text: Content, x: float, y: float, *, class_: str) -> Markup:
    return element("text", text, x=x, y=y, class_=class_)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
