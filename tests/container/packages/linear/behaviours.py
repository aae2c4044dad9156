"""What the line must do."""

from __future__ import annotations

from model_packages.interface import Predict


def test_a_larger_x_gives_a_larger_y(predict: Predict) -> None:
    low, high = predict([{"x": 0.0, "side": "left"}, {"x": 1.0, "side": "right"}])

    assert low["y"] < high["y"], f"{low['y']} at 0 is not below {high['y']} at 1"
