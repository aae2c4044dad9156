"""The calibration error: 0 where probabilities are what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from container.calibration import calibration_error
from model_packages.dataset import Record
from model_packages.profile.quality_fields import QualityFields

FRAUD = QualityFields("probability", "risk", "fraud", "accuracy", positive="true")


def drawn(rows: int, *, claimed: float) -> tuple[list[dict[str, Any]], list[Record]]:
    """Answers that claim so much more, or less, than the risk that the labels are drawn with."""
    generator = np.random.default_rng(1)
    risks = generator.beta(0.5, 5, rows)
    answers = [{"risk": float(min(1.0, claimed * risk))} for risk in risks]
    labels = generator.random(rows) < risks
    return answers, [{"request": {}, "label": {"fraud": bool(fraud)}} for fraud in labels]


def test_probabilities_that_are_what_they_say_have_hardly_an_error() -> None:
    found = calibration_error(FRAUD, *drawn(20_000, claimed=1.0))

    assert found is not None
    assert found < 0.01


@pytest.mark.parametrize(("claimed", "error"), [(2.0, 0.09), (0.5, 0.045)])
def test_probabilities_that_claim_too_much_or_too_little_are_off_by_it(claimed: float, error: float) -> None:
    """The mean risk is 1/11."""
    assert calibration_error(FRAUD, *drawn(20_000, claimed=claimed)) == pytest.approx(error, abs=0.01)


def test_rows_without_a_probability_or_a_label_do_not_count() -> None:
    answers: list[dict[str, Any]] = [{"risk": 1.0}, {"risk": None}, {}, {"risk": 0.5}]
    records: list[Record] = [{"request": {}, "label": {"fraud": each}} for each in (True, True, True, None)]

    assert calibration_error(FRAUD, answers, records) == 0.0
    assert calibration_error(FRAUD, answers[1:], records[1:]) is None


def test_without_a_probability_there_is_no_calibration() -> None:
    answers, records = drawn(10, claimed=1.0)

    assert calibration_error(None, answers, records) is None
    assert calibration_error(QualityFields("class", "risk", "fraud", "accuracy"), answers, records) is None
