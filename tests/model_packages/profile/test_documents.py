"""statistics.json and constraints.json, as a reader of Model Monitor's files expects them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from model_packages.contract import Monitor, MonitoredField
from model_packages.profile.documents import as_text, baseline_files, constraints, statistics
from model_packages.profile.fold import fold
from model_packages.profile.learning import build_baseline
from model_packages.profile.tally import Tally
from tests.model_packages.profile.samples import INTERFACE, captured, flowers, requests


def feature(document: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [feature for feature in document["features"] if feature["name"] == name]
    return dict(found)


def test_statistics_are_those_of_the_values() -> None:
    values = np.array([row["age"] for row in requests(600, seed=1) if row["age"] is not None])

    document = statistics(flowers(), flowers().tally)

    found = feature(document, "age")["numerical_statistics"]
    assert document["version"] == 0.0
    assert document["dataset"] == {"item_count": 600}
    assert found["common"] == {"num_present": len(values), "num_missing": 600 - len(values)}
    assert found["mean"] == pytest.approx(values.mean())
    assert found["sum"] == pytest.approx(values.sum())
    assert found["std_dev"] == pytest.approx(values.std())
    assert (found["min"], found["max"]) == (values.min(), values.max())
    buckets = found["distribution"]["kll"]["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == len(values)
    assert (buckets[0]["lower_bound"], buckets[-1]["upper_bound"]) == (values.min(), values.max())
    assert all(low["upper_bound"] == high["lower_bound"] for low, high in pairwise(buckets))


def test_digits_are_not_lost_where_values_lie_close_together_and_far_from_zero() -> None:
    values = 1e9 + np.random.default_rng(0).normal(scale=1e-3, size=500)
    rows = [{**row, "age": value} for row, value in zip(requests(500, seed=1), values.tolist(), strict=True)]

    baseline = build_baseline(INTERFACE, requests=rows, responses=[])

    found = feature(statistics(baseline, baseline.tally), "age")["numerical_statistics"]
    assert found["std_dev"] == pytest.approx(values.std(), rel=1e-3)


def test_categories_booleans_and_texts_are_strings() -> None:
    document = statistics(flowers(), flowers().tally)

    colour, wild, note = (feature(document, name) for name in ("colour", "wild", "note"))
    buckets = colour["string_statistics"]["distribution"]["categorical"]["buckets"]
    assert [bucket["value"] for bucket in buckets] == ["red", "green", "blue", "any other"]
    assert colour["string_statistics"]["distinct_count"] == 3
    assert wild["inferred_type"] == note["inferred_type"] == "String"
    assert set(note["flyball"]["columns"]) >= {"note.length", "note.unknown_tokens"}
    assert note["string_statistics"]["distinct_count"] > 100


def test_a_window_without_rows_has_statistics_without_numbers() -> None:
    document = statistics(flowers(), Tally.empty(flowers()))

    found = feature(document, "age")["numerical_statistics"]
    assert found["mean"] is None
    assert found["distribution"]["kll"]["buckets"] == []
    assert json.loads(as_text(document)) == document


def test_a_windows_statistics_tell_what_was_wrong() -> None:
    rows = captured(20, seed=3)
    rows[0]["request"] |= {"colour": "black", "height": "tall"}

    document = statistics(flowers(), fold(flowers(), rows))

    assert feature(document, "colour")["flyball"]["unknown"] == 1
    assert feature(document, "height")["flyball"]["wrong_type"] == 1
    assert document["flyball"]["rows"] == {"request": 20, "response": 17}


def test_constraints_have_the_published_form_and_ours_beside_it() -> None:
    monitor = Monitor(tolerance=0.03, fields={"height": MonitoredField(maximum=90.0, watch=False)})

    document = constraints(flowers(), monitor)

    height, colour, note = (feature(document, name) for name in ("height", "colour", "note"))
    assert height == {
        "name": "height",
        "inferred_type": "Fractional",
        "completeness": 1.0,
        "num_constraints": {"is_non_negative": True},
        "flyball": {"side": "request", "kind": "numeric", "minimum": 0.0, "maximum": 90.0, "watch": False},
    }
    assert colour["string_constraints"] == {"domains": ["red", "green", "blue"]}
    assert "string_constraints" not in note
    assert document["monitoring_config"]["distribution_constraints"]["comparison_threshold"] == 0.03


def test_a_versions_files_are_json_and_the_same_each_time() -> None:
    files = baseline_files(flowers(), Monitor())

    assert set(files) == {"statistics.json", "constraints.json", "baseline.json"}
    assert all(json.loads(text) for text in files.values())
    assert files == baseline_files(flowers(), Monitor())
