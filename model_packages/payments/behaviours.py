"""What a version must do whatever its scores are. The probe runs the same tests against the live endpoint, in a Lambda:
no torch, no numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from model_packages.interface import Predict

from .generate import generate

ORDINARY = {
    "amount": 23.4,
    "merchant_category": "groceries",
    "country": "DE",
    "channel": "in_store",
    "account_age_days": 2_400,
    "seconds_since_last_payment": 90_000.0,
    "payments_last_day": 0,
    "new_device": False,
    "descriptor": "NORDMARKT 0012 BERLIN",
}
SUSPICIOUS = {
    "amount": 640.0,
    "merchant_category": "gift_cards",
    "country": "US",
    "channel": "online",
    "account_age_days": 6,
    "seconds_since_last_payment": 45.0,
    "payments_last_day": 9,
    "new_device": True,
    "descriptor": "CARDORAMA*INSTANT CODE 4821",
}
POPULATION = [record["request"] for record in generate(200, seed=20_260_101)]


def test_an_ordinary_payment_is_approved(predict: Predict) -> None:
    [answer] = predict([ORDINARY])

    assert answer["decision"] == "approve"
    assert answer["fraud_probability"] < 0.01


def test_a_payment_with_every_warning_sign_is_reviewed(predict: Predict) -> None:
    [answer] = predict([SUSPICIOUS])

    assert answer["decision"] == "review"
    assert answer["fraud_probability"] > 0.8


def test_a_payment_without_its_optional_fields_is_scored(predict: Predict) -> None:
    optional = {"merchant_category": None, "seconds_since_last_payment": None}

    ordinary, suspicious = _probabilities(predict, [ORDINARY | optional, SUSPICIOUS | optional])

    assert ordinary < 0.05
    assert suspicious > 0.5


def test_case_and_the_digits_of_the_descriptor_do_not_matter(predict: Predict) -> None:
    rewritten = [{**request, "descriptor": _rewritten(request["descriptor"])} for request in POPULATION]

    before, after = _probabilities(predict, POPULATION), _probabilities(predict, rewritten)

    assert all(abs(a - b) < 1e-3 for a, b in zip(before, after, strict=True))


def test_a_new_device_raises_the_risk(predict: Predict) -> None:
    _assert_raises_the_risk(predict, {"new_device": False}, {"new_device": True})


def test_a_young_account_raises_the_risk(predict: Predict) -> None:
    _assert_raises_the_risk(predict, {"account_age_days": 1_500}, {"account_age_days": 5})


def test_a_quick_succession_raises_the_risk(predict: Predict) -> None:
    _assert_raises_the_risk(predict, {"seconds_since_last_payment": 86_400.0}, {"seconds_since_last_payment": 30.0})


def test_a_larger_amount_on_a_new_device_online_raises_the_risk(predict: Predict) -> None:
    online = {"new_device": True, "channel": "online"}

    _assert_raises_the_risk(predict, online | {"amount": 40.0}, online | {"amount": 400.0})


def _assert_raises_the_risk(predict: Predict, calm: Mapping[str, Any], risky: Mapping[str, Any]) -> None:
    """On a population: nine payments in ten get no safer, and their mean risk rises."""
    before = _probabilities(predict, [{**request, **calm} for request in POPULATION])
    after = _probabilities(predict, [{**request, **risky} for request in POPULATION])

    no_safer = [b >= a - 0.002 for a, b in zip(before, after, strict=True)]
    assert fmean(no_safer) >= 0.9, f"{fmean(no_safer):.0%} of the payments got no safer"
    assert fmean(after) > fmean(before)


def _probabilities(predict: Predict, requests: Sequence[Mapping[str, Any]]) -> list[float]:
    return [answer["fraud_probability"] for answer in predict(requests)]


def _rewritten(descriptor: str) -> str:
    return descriptor.lower().translate(str.maketrans("0123456789", "9876543210"))
