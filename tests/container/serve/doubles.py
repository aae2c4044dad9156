"""Doubles for the server's tests: a model that computes when the test says so, and rows for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from container.tensors import Row
from model_packages.errors import FieldProblem, InvalidRequest


def row(value: float, *, shape: tuple[int, ...] = (), size_bytes: int = 4) -> Row:
    return Row(values={"x": value}, signature=(("x", shape, "float32"),), size_bytes=size_bytes)


class DoublingModel:
    """Doubles x. Holds every batch until `let_pass`, if it is made closed; an x below 0 raises."""

    def __init__(self, *, is_open: bool = True, error: type[Exception] = ValueError) -> None:
        self.batches: list[list[float]] = []
        self.entered = threading.Semaphore(0)
        self._error = error
        self._gate = threading.Event()
        if is_open:
            self.let_pass()

    def let_pass(self) -> None:
        self._gate.set()

    def row(self, request: Mapping[str, Any]) -> Row:
        if not isinstance(request.get("x"), int | float):
            raise InvalidRequest([FieldProblem(pointer="/x", code="type", found="no number", allowed="a number")])
        return row(request["x"], shape=(int(request.get("length", 0)),))

    def forward(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        values = [row.values["x"] for row in rows]
        self.batches.append(values)
        self.entered.release()
        self._gate.wait()
        if any(value < 0 for value in values):
            raise self._error(f"a negative x in {values}")
        return [{"y": 2 * value} for value in values]
