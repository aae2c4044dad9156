"""What a version must do whatever its weights are. The probe runs the same tests against the live endpoint, in a
Lambda: no torch, no numpy.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from model_packages.interface import Predict

from .schema import Request

BENIGN = {
    "mean_radius": 12.2, "mean_texture": 17.4, "mean_perimeter": 78.2, "mean_area": 458.0, "mean_smoothness": 0.0908,
    "mean_compactness": 0.0753, "mean_concavity": 0.0371, "mean_concave_points": 0.0234, "mean_symmetry": 0.171,
    "mean_fractal_dimension": 0.0615, "radius_error": 0.258, "texture_error": 1.11, "perimeter_error": 1.85,
    "area_error": 19.6, "smoothness_error": 0.00653, "compactness_error": 0.0163, "concavity_error": 0.0184,
    "concave_points_error": 0.00906, "symmetry_error": 0.0191, "fractal_dimension_error": 0.00281,
    "worst_radius": 13.3, "worst_texture": 22.8, "worst_perimeter": 86.9, "worst_area": 547.0,
    "worst_smoothness": 0.125, "worst_compactness": 0.17, "worst_concavity": 0.141, "worst_concave_points": 0.0743,
    "worst_symmetry": 0.269, "worst_fractal_dimension": 0.0771,
}  # fmt: skip
"""The median of the benign records."""
MALIGNANT = {
    "mean_radius": 17.3, "mean_texture": 21.5, "mean_perimeter": 114.0, "mean_area": 932.0, "mean_smoothness": 0.102,
    "mean_compactness": 0.132, "mean_concavity": 0.151, "mean_concave_points": 0.0863, "mean_symmetry": 0.19,
    "mean_fractal_dimension": 0.0616, "radius_error": 0.547, "texture_error": 1.1, "perimeter_error": 3.68,
    "area_error": 58.5, "smoothness_error": 0.00621, "compactness_error": 0.0286, "concavity_error": 0.0371,
    "concave_points_error": 0.0142, "symmetry_error": 0.0177, "fractal_dimension_error": 0.00374,
    "worst_radius": 20.6, "worst_texture": 28.9, "worst_perimeter": 138.0, "worst_area": 1300.0,
    "worst_smoothness": 0.143, "worst_compactness": 0.356, "worst_concavity": 0.405, "worst_concave_points": 0.182,
    "worst_symmetry": 0.31, "worst_fractal_dimension": 0.0876,
}  # fmt: skip
"""The median of the malignant records."""

Nuclei = dict[str, float]


def test_typical_nuclei_are_told_apart(predict: Predict) -> None:
    benign, malignant = predict([BENIGN, MALIGNANT])

    assert (benign["diagnosis"], malignant["diagnosis"]) == ("benign", "malignant")
    assert benign["probability_malignant"] < 0.1
    assert malignant["probability_malignant"] > 0.9


def test_the_diagnosis_follows_the_probability(predict: Predict) -> None:
    answers = predict(_population())

    assert all((answer["diagnosis"] == "malignant") == (answer["probability_malignant"] >= 0.5) for answer in answers)


def test_the_order_of_the_measurements_does_not_matter(predict: Predict) -> None:
    backwards = {name: MALIGNANT[name] for name in reversed(Request.model_fields)}

    before, after = _probabilities(predict, [MALIGNANT, backwards])

    assert abs(before - after) < 1e-3


def test_a_measurement_error_of_a_thousandth_does_not_matter(predict: Predict) -> None:
    remeasured = [{name: value * 1.001 for name, value in nuclei.items()} for nuclei in _population()]

    before, after = _probabilities(predict, _population()), _probabilities(predict, remeasured)

    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 0.03


def test_a_larger_worst_radius_does_not_lower_the_probability(predict: Predict) -> None:
    _assert_does_not_lower_the_probability(predict, "worst_radius")


def test_a_more_concave_outline_does_not_lower_the_probability(predict: Predict) -> None:
    _assert_does_not_lower_the_probability(predict, "worst_concavity")
    _assert_does_not_lower_the_probability(predict, "worst_concave_points")


def test_a_coarser_texture_does_not_lower_the_probability(predict: Predict) -> None:
    _assert_does_not_lower_the_probability(predict, "worst_texture")


def _assert_does_not_lower_the_probability(predict: Predict, name: str) -> None:
    raised = [{**nuclei, name: nuclei[name] * 1.25} for nuclei in _population()]

    before, after = _probabilities(predict, _population()), _probabilities(predict, raised)

    worst = min(b - a for a, b in zip(before, after, strict=True))
    assert worst > -0.005, f"raising {name} by a quarter lowered a probability by {-worst:.3f}"


def _population() -> list[Nuclei]:
    """41 masses from typically benign to typically malignant, each measurement up to a tenth off."""
    draw = random.Random(0)  # noqa: S311 - the same population in every run
    return [_between(step / 40, draw) for step in range(41)]


def _between(share: float, draw: random.Random) -> Nuclei:
    return {name: (low + share * (MALIGNANT[name] - low)) * draw.uniform(0.9, 1.1) for name, low in BENIGN.items()}


def _probabilities(predict: Predict, requests: Sequence[Nuclei]) -> list[float]:
    return [answer["probability_malignant"] for answer in predict(requests)]
