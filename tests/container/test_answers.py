"""A holdout's answers, looked up: whatever evaluate() does with the requests, it gets the answers of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from container.answers import Holdout, Side, remembering
from model_packages.dataset import Record


class Doubling:
    """A model that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    def predict(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        self.asked += requests
        return [{"y": 2 * request["x"]} for request in requests]


@pytest.fixture
def model() -> Doubling:
    return Doubling()


@pytest.fixture
def holdout() -> Holdout:
    return Holdout([record(x) for x in (1.0, 2.0, 2.0, 3.0)])


def record(x: float) -> Record:
    return {"request": {"x": x, "side": "left"}, "label": {"y": 2 * x}}


def labelled(*names: str) -> list[dict[str, Any]]:
    return [{"y": name} for name in names]


def test_each_record_has_its_own_answer_even_where_requests_are_equal(holdout: Holdout, model: Doubling) -> None:
    predict = holdout.look_up(Side(labelled("a", "b", "c", "d"), model.predict))
    drawn = [holdout.records[row] for row in (2, 1, 2, 0)]

    answers = predict([each["request"] for each in drawn])

    assert answers == labelled("c", "b", "c", "a")
    assert model.asked == []


def test_a_copied_request_is_recognised_by_what_is_in_it(holdout: Holdout, model: Doubling) -> None:
    predict = holdout.look_up(Side(labelled("a", "b", "c", "d"), model.predict))

    answers = predict([{"side": "left", "x": 3.0}, {"side": "left", "x": 2.0}])

    assert answers == labelled("d", "b")
    assert model.asked == []


def test_a_request_that_evaluate_made_up_is_the_models_to_answer(holdout: Holdout, model: Doubling) -> None:
    predict = holdout.look_up(Side(labelled("a", "b", "c", "d"), model.predict))

    answers = predict([{"x": 8.0}, holdout.requests[0], {"x": 9.0}])

    assert answers == [{"y": 16.0}, {"y": "a"}, {"y": 18.0}]
    assert model.asked == [{"x": 8.0}, {"x": 9.0}]


def test_an_answer_that_is_changed_stays_as_it_was_for_the_next_call(holdout: Holdout, model: Doubling) -> None:
    predict = holdout.look_up(Side(labelled("a", "b", "c", "d"), model.predict))

    predict(holdout.requests)[0].clear()

    assert predict(holdout.requests)[0] == {"y": "a"}


def test_a_remembering_model_is_asked_once(model: Doubling) -> None:
    predict = remembering(model.predict)

    first = predict([{"x": 1.0}, {"x": 2.0}])
    second = predict([{"x": 2.0}, {"x": 3.0}, {"x": 1.0}])

    assert first == [{"y": 2.0}, {"y": 4.0}]
    assert second == [{"y": 4.0}, {"y": 6.0}, {"y": 2.0}]
    assert model.asked == [{"x": 1.0}, {"x": 2.0}, {"x": 3.0}]


def test_what_is_no_json_is_asked_each_time(model: Doubling) -> None:
    predict = remembering(model.predict)
    number = np.float128(2.0)

    answers = [predict([{"x": number}]) for _ in range(2)]

    assert answers == [[{"y": 4.0}], [{"y": 4.0}]]
    assert len(model.asked) == 2
