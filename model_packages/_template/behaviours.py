"""What a version of __name__ must do whatever its weights are: one test_ function a behaviour, with plain asserts.

They run before a version is deployed, in the gate, and against the live endpoint from a Lambda: no torch, no numpy.
"""

from __future__ import annotations

from model_packages.interface import Predict

TYPICAL = {"distance": 8.0, "stops": 4, "vehicle": "van"}


# Minimum functionality: a case that every version has to get right.
def test_a_typical_delivery_takes_half_an_hour_to_an_hour(predict: Predict) -> None:
    [answer] = predict([TYPICAL])

    assert 30 < answer["duration"] < 60


# Invariance: what must not matter.
def test_the_order_of_the_fields_does_not_matter(predict: Predict) -> None:
    before, after = predict([TYPICAL, dict(reversed(TYPICAL.items()))])

    assert abs(before["duration"] - after["duration"]) < 0.01


# Direction: which way an answer has to move.
def test_a_longer_way_takes_longer(predict: Predict) -> None:
    near, far = predict([TYPICAL, TYPICAL | {"distance": 16.0}])

    assert near["duration"] < far["duration"]


def test_another_stop_takes_longer(predict: Predict) -> None:
    few, many = predict([TYPICAL, TYPICAL | {"stops": 9}])

    assert few["duration"] < many["duration"]
