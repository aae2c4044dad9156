"""The payments package's own parts: its generator, its features and its metrics."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from model_packages.dataset import Record, read_records
from model_packages.errors import OperatorError
from model_packages.payments.generate import PROCESSOR_PREFIX, Shift, fraud_log_odds, generate, main
from model_packages.payments.inference import input_fn
from model_packages.payments.metrics import average_precision, negative_log_loss, roc_auc
from model_packages.payments.schema import Request

ROWS = 1_500
PLAIN = generate(ROWS, seed=5)
MIDDLE = datetime.fromisoformat(PLAIN[ROWS // 2]["time"])
RANKINGS = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(
    lambda pairs: len({positive for positive, _ in pairs}) == 2
)


def before_and_after(records: list[Record], field: str) -> tuple[list[Any], list[Any]]:
    values = [record["request"][field] for record in records]
    return values[: ROWS // 2], values[ROWS // 2 :]


def test_the_same_seed_gives_the_same_payments() -> None:
    assert generate(ROWS, seed=5) == PLAIN


def test_two_seeds_give_different_payments() -> None:
    other = generate(ROWS, seed=6)

    assert sum(one == two for one, two in zip(PLAIN, other, strict=True)) == 0


def test_more_rows_of_a_seed_begin_with_the_same_payments() -> None:
    assert generate(100, seed=5) == PLAIN[:100]


def test_payments_are_in_time_order_and_keep_the_schema() -> None:
    times = [record["time"] for record in PLAIN]

    assert times == sorted(times)
    for record in PLAIN:
        Request.model_validate(record["request"])


def test_a_few_percent_are_frauds_and_their_true_risk_is_higher() -> None:
    records = [record for record in generate(10_000, seed=0) if record["request"]["merchant_category"]]
    fraud = np.array([record["label"]["fraud"] for record in records])
    risk = np.array([fraud_log_odds(record["request"]) for record in records])

    assert 0.015 < fraud.mean() < 0.04
    assert roc_auc(fraud, risk) > 0.95


def test_a_large_online_payment_from_a_new_device_is_riskier_than_its_parts() -> None:
    fashion = {"merchant_category": "fashion", "channel": "in_store", "new_device": False, "amount": 200.0}
    calm = {**PLAIN[0]["request"], **fashion}
    base = fraud_log_odds(calm)

    online, device = fraud_log_odds(calm | {"channel": "online"}), fraud_log_odds(calm | {"new_device": True})
    both = fraud_log_odds(calm | {"channel": "online", "new_device": True})

    assert both - base > (online - base) + (device - base) + 1.0


@pytest.mark.parametrize(
    "shift",
    [
        Shift("amount", MIDDLE, 1.0),
        Shift("account_age_days", MIDDLE, -0.5),
        Shift("country", MIDDLE, 0.5),
        Shift("new_device", MIDDLE, 0.5),
        Shift("descriptor", MIDDLE, 0.5),
        Shift("merchant_category", MIDDLE, 0.5, missing=True),
        Shift("seconds_since_last_payment", MIDDLE, 0.5, missing=True),
    ],
    ids=lambda shift: f"{shift.field}{'-missing' if shift.missing else ''}",
)
def test_a_shift_changes_its_field_alone_and_only_from_its_time_on(shift: Shift) -> None:
    shifted = generate(ROWS, seed=5, shift=shift)

    changed = [index for index, (one, other) in enumerate(zip(PLAIN, shifted, strict=True)) if one != other]
    assert changed
    assert min(changed) >= ROWS // 2
    for index in changed:
        plain, other = PLAIN[index], shifted[index]
        assert {name for name in plain["request"] if plain["request"][name] != other["request"][name]} == {shift.field}
        assert (plain["label"], plain["time"]) == (other["label"], other["time"])
        Request.model_validate(other["request"])


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_a_number_moves_by_standard_deviations(size: float) -> None:
    field = "seconds_since_last_payment"
    deviation = np.std([record["request"][field] or 0.0 for record in generate(5_000, seed=0)])

    shifted = generate(ROWS, seed=5, shift=Shift(field, MIDDLE, size))

    moved = [
        new - old
        for old, new in zip(before_and_after(PLAIN, field)[1], before_and_after(shifted, field)[1], strict=True)
        if old is not None
    ]
    assert np.mean(moved) == pytest.approx(size * deviation, rel=0.05)


@pytest.mark.parametrize(
    ("shift", "value"),
    [
        (Shift("country", MIDDLE, 0.3), "other"),
        (Shift("new_device", MIDDLE, 0.3), True),
        (Shift("merchant_category", MIDDLE, 0.3, missing=True), None),
    ],
)
def test_a_size_below_one_is_a_share_of_the_payments(shift: Shift, value: Any) -> None:
    _, plain = before_and_after(PLAIN, shift.field)
    _, shifted = before_and_after(generate(ROWS, seed=5, shift=shift), shift.field)

    others = [new for old, new in zip(plain, shifted, strict=True) if old != value]
    assert np.mean([new == value for new in others]) == pytest.approx(0.3, abs=0.06)


def test_shifted_text_gets_a_prefix() -> None:
    _, shifted = before_and_after(generate(ROWS, seed=5, shift=Shift("descriptor", MIDDLE, 1.0)), "descriptor")

    assert all(text.startswith(PROCESSOR_PREFIX) for text in shifted)


def test_a_time_without_an_offset_is_utc() -> None:
    naive = Shift("amount", MIDDLE.replace(tzinfo=None), 1.0)

    assert generate(ROWS, seed=5, shift=naive) == generate(ROWS, seed=5, shift=Shift("amount", MIDDLE, 1.0))


@pytest.mark.parametrize(
    ("shift", "complaint"),
    [
        (Shift("price", MIDDLE, 1.0), "no field is called 'price'; allowed: amount, merchant_category"),
        (Shift("country", MIDDLE, 1.5), "size is 1.5; allowed for a share of the payments: 0 to 1"),
        (Shift("amount", MIDDLE, 0.1, missing=True), "amount may not be missing; allowed: a nullable field"),
    ],
)
def test_a_shift_that_cannot_be_is_refused(shift: Shift, complaint: str) -> None:
    with pytest.raises(OperatorError, match=complaint):
        generate(10, seed=0, shift=shift)


def test_the_command_writes_what_the_function_gives(tmp_path: Path) -> None:
    at = MIDDLE.isoformat()

    main(
        ["--rows", "300", "--seed", "5", "--shift", "amount", "--at", at, "--size", "2", "--out", f"{tmp_path}/a.jsonl"]
    )

    assert read_records(tmp_path) == generate(300, seed=5, shift=Shift("amount", MIDDLE, 2.0))


def test_a_shift_without_its_time_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rows", "3", "--seed", "5", "--shift", "amount", "--out", str(tmp_path / "a.jsonl")])

    assert "--shift needs --at and --size" in capsys.readouterr().err


def test_missing_fields_have_features_of_their_own() -> None:
    request = {**PLAIN[0]["request"], "merchant_category": "groceries", "seconds_since_last_payment": 0.0}
    missing = request | {"merchant_category": None, "seconds_since_last_payment": None}
    absent = {name: value for name, value in missing.items() if value is not None}

    known, unknown, left_out = input_fn(request), input_fn(missing), input_fn(absent)

    assert known["categories"][0] == 1
    assert unknown["categories"][0] == 0
    assert (known["numbers"][4], unknown["numbers"][4]) == (0.0, 1.0)
    assert all(np.array_equal(unknown[name], left_out[name]) for name in unknown)


@pytest.mark.parametrize("descriptor", ["", "A", "CAFÉ ☕", "x" * 64])
def test_every_descriptor_has_features_of_the_same_shape(descriptor: str) -> None:
    features = input_fn({**PLAIN[0]["request"], "descriptor": descriptor})

    assert {name: (value.shape, value.dtype.name) for name, value in features.items()} == {
        "numbers": ((6,), "float32"),
        "categories": ((3,), "int64"),
        "text": ((256,), "float32"),
    }


def test_text_is_hashed_as_the_weights_of_earlier_versions_expect() -> None:
    text = input_fn({**PLAIN[0]["request"], "descriptor": "Cafe Mila 7"})["text"]

    assert text.nonzero()[0].tolist() == [50, 58, 82, 106, 118, 121, 142, 182, 201, 232, 235]


@given(RANKINGS)
def test_the_metrics_agree_with_scikit_learn_ties_included(pairs: list[tuple[bool, int]]) -> None:
    positive = np.array([positive for positive, _ in pairs])
    score = np.array([float(score) for _, score in pairs])

    assert average_precision(positive, score) == pytest.approx(average_precision_score(positive, score))
    assert roc_auc(positive, score) == pytest.approx(roc_auc_score(positive, score))


@given(RANKINGS)
def test_the_log_loss_agrees_with_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    positive = np.array([positive for positive, _ in pairs])
    score = 1 / (1 + np.exp(-np.array([float(score) for _, score in pairs])))

    assert negative_log_loss(positive, score) == pytest.approx(-log_loss(positive, score))


def test_a_certain_prediction_that_was_wrong_costs_much_and_not_without_limit() -> None:
    assert -17 < negative_log_loss(np.array([True]), np.array([0.0])) < -16
