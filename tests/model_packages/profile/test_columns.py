"""How columns describe themselves."""

from __future__ import annotations

import pytest

from model_packages.profile.columns import Column


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (Column("x", "x", "request", "numeric"), ("any",)),
        (Column("x", "x", "request", "numeric", edges=(1.5, 2.0)), ("up to 1.5", "1.5 to 2", "above 2")),
        (Column("x", "x", "request", "numeric", edges=(-1e-9, 0.0, 3.0)), ("up to 0", "0", "0 to 3", "above 3")),
        (
            Column("n", "n", "request", "numeric", edges=(2.5, 3.0, 7.0), is_whole=True),
            ("up to 2", "3", "4 to 7", "8 and more"),
        ),
        (Column("c", "c", "response", "category", categories=("a", "other")), ("a", "other", "any other")),
    ],
)
def test_each_cell_has_a_label_for_people(column: Column, labels: tuple[str, ...]) -> None:
    assert column.labels == labels
    assert column.cells == len(labels)


def test_a_column_is_the_same_after_a_round_trip() -> None:
    column = Column("n", "n", "request", "numeric", edges=(0.1, 2.0), centre=0.3, is_whole=True)

    assert Column.from_json(column.as_json()) == column
