"""The drift benchmark runs, and the other rules in it are what SciPy makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, kstwobign, wasserstein_distance

from tests.benchmarks import drift_libraries
from tests.benchmarks.drift_decision import NAMES, OURS, delay_table, false_alarm_table, measure
from tests.benchmarks.drift_rules import score_codes, score_numbers
from tests.benchmarks.drift_streams import KINDS, NUMERIC, ROWS, Stream


@pytest.mark.parametrize("field", [0, 12, 17])
def test_numbers_are_scored_as_scipy_does(field: int) -> None:
    stream = Stream("no change", 3)
    reference, values = stream.reference_numbers(field), stream.numbers(field)[:ROWS]

    scores = score_numbers(values, np.array([ROWS]), reference)

    both = np.sort(np.concatenate([reference, values]))
    found, expected = (np.searchsorted(np.sort(each), both, side="right") / len(each) for each in (values, reference))
    edges = np.histogram_bin_edges(reference.astype(float), bins="doane")
    bins = [np.histogram(each, edges)[0] / len(each) for each in (values, reference)]
    bins = [np.append(each, max(0.0, 1.0 - each.sum())) for each in bins]
    assert scores.p_value[0] == pytest.approx(
        kstwobign.sf(np.abs(found - expected).max() * np.sqrt(ROWS * 10_000 / 11_000)), rel=1e-6
    )
    assert scores.evidently[0] == pytest.approx(wasserstein_distance(reference, values) / reference.std(), rel=1e-4)
    assert scores.nannyml[0] == pytest.approx(jensenshannon(*bins, base=2), abs=1e-6)


def test_categories_are_scored_as_scipy_does() -> None:
    stream = Stream("no change", 3)
    reference, codes = stream.reference_codes(4), stream.codes(4)[:ROWS]

    scores = score_codes(codes, np.array([ROWS]), reference, categories=7)

    found, expected = (np.bincount(each, minlength=7) for each in (codes, reference))
    assert scores.p_value[0] == pytest.approx(chi2_contingency([found, expected])[1])
    assert scores.nannyml[0] == pytest.approx(jensenshannon(found, expected, base=2))
    assert scores.evidently[0] == pytest.approx(jensenshannon(found, expected))


def test_the_same_seed_gives_the_same_stream_and_a_shift_changes_nothing_else() -> None:
    one, shifted = Stream("bursty", 1).numbers(0), Stream("bursty", 1).numbers(0, shift=0.5)

    assert np.allclose(shifted - one, 0.5, atol=1e-5)


@pytest.mark.slow
def test_one_stream_of_each_kind_is_measured_by_every_rule_and_ours_is_quiet() -> None:
    results = measure(KINDS, 1)

    assert [results[kind][OURS].alarmed_streams for kind in KINDS] == [0] * len(KINDS)
    assert false_alarm_table(results, 1).count("\n") == len(NAMES) + 1
    for kind in KINDS:
        assert max(results[kind][OURS].delays["sudden, a number by 1 sd", 100]) <= 10
        assert delay_table(results, kind).count("\n") == len(NAMES) + 1


def test_a_library_that_cannot_be_imported_is_not_there(tmp_path: Path) -> None:
    broken = tmp_path / "evidently" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)

    assert not drift_libraries.imports("evidently", broken)
    assert len(drift_libraries.NAMES) == NUMERIC + 10
