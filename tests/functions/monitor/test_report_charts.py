"""The report's pictures show the shares that were counted, within their frames."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from functions.monitor.report_charts import (
    MOST_CATEGORIES,
    WIDTH,
    Bar,
    bars_of,
    distribution,
    evidence_history,
    quality_interval,
)
from functions.monitor.report_words import apart, evidence, number, p_value, percent
from model_packages.profile.columns import Column
from tests.functions.monitor.window_documents import AMOUNT, NEW_DEVICE, changed, column

NUMBERS = re.compile(r'(?:x|x1|x2|cx)="(-?[\d.e+-]+)"')


def test_bars_are_shares_of_each_sample() -> None:
    found = replace(column(NEW_DEVICE, baseline=[1, 1, 0], window=[1, 1, 0]), baseline=(75, 25, 0), window=(5, 15, 0))

    assert bars_of(found) == [Bar("false", 0.75, 0.25), Bar("true", 0.25, 0.75)]


def test_rows_without_a_value_are_a_bar_of_their_own() -> None:
    found = replace(
        column(NEW_DEVICE, baseline=[1, 1, 0], window=[1, 1, 0]),
        baseline=(60, 20, 0),
        baseline_rows=80,
        window=(5, 5, 0),
        window_rows=40,
    )

    assert bars_of(found)[-1] == Bar("no value", 0.0, 0.75)
    assert "no value: baseline 0" in distribution(found, identity="a")


def test_the_small_ones_of_many_categories_are_one_bar() -> None:
    many = Column("shop", "shop", "request", "category", categories=tuple(f"shop {number}" for number in range(40)))
    shares = [float(number) for number in range(40, -1, -1)]

    bars = bars_of(column(many, baseline=shares, window=shares))

    assert len(bars) == MOST_CATEGORIES
    assert bars[-1].label == "29 smaller"
    assert sum(bar.baseline for bar in bars) == pytest.approx(1)


def test_a_column_of_one_cell_and_one_without_rows_can_be_drawn() -> None:
    constant = replace(column(AMOUNT, baseline=[1] * 10, window=[1] * 10), edges=(), baseline=(20,), window=(3,))
    empty = replace(column(AMOUNT, baseline=[1] * 10, window=[1] * 10), window=(0,) * 10, distances=None)

    assert "any number: baseline 100" in distribution(constant, identity="a")
    assert "<svg" in distribution(empty, identity="b")


def test_pictures_stay_within_their_frame() -> None:
    document = changed()
    assert document.quality is not None
    pictures = [distribution(each, identity="a") for each in document.columns]
    pictures.append(quality_interval(document.quality, identity="b"))

    for picture in pictures:
        assert all(0 <= float(x) <= WIDTH for x in NUMBERS.findall(picture))


def test_the_history_of_one_window_and_of_two_hundred_can_be_drawn() -> None:
    document = changed()
    past = document.history

    one = evidence_history(past[-1:], inputs=document.inputs, identity="a")
    many = evidence_history((past * 5)[:200], inputs=document.inputs, identity="a")

    assert one.count("<circle") == 1
    assert many.count("<circle") == 200
    assert "Evidence of a change over the last 1 window<" in one


def test_numbers_are_short_and_never_rounded_to_none_or_all() -> None:
    shares = [
        percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0, 0.00001, 0.0123, 0.0996, 0.34, 0.9999, 1)
    ]

    assert shares == ["0 %", "< 0.01 %", "1.2 %", "10 %", "34 %", "> 99.9 %", "100 %"]
    assert [number(value) for value in (0, 0.001234, 12.345, 999.7, 1234.0, 5e7)] == [
        "0",
        "0.00123",
        "12.3",
        "1,000",
        "1,230",
        "5e+07",
    ]
    assert [evidence(value) for value in (None, -1.0, 0.0, 5.24)] == ["–", "none", "none", "10^5.2"]
    assert [p_value(value) for value in (None, 1e-9, 0.0312)] == ["–", "p < 0.0001", "p = 0.031"]


def test_edges_have_as_many_digits_as_it_takes_to_tell_them_apart() -> None:
    assert apart([14.0, 14.02, 15.0]) == ["14", "14.02", "15"]
    assert apart([0.1, 0.1000001]) == ["0.1", "0.1000001"]
    assert apart([1234.6, 1234.8, -20.0]) == ["1234.6", "1234.8", "-20"]
    assert apart([]) == []
