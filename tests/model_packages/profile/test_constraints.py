"""What package.toml may state about a field in place of what was learnt."""

from __future__ import annotations

from typing import Any

import pytest

from model_packages.contract import Monitor
from model_packages.errors import PackageError
from model_packages.profile.constraints import check_overrides
from tests.model_packages.profile.samples import INTERFACE, flowers

FIELDS = [*INTERFACE.request_fields, *INTERFACE.response_fields]


def monitor(**fields: Any) -> Monitor:
    return Monitor.model_validate({"fields": fields}, strict=False)


def test_what_is_stated_replaces_what_was_learnt_and_nothing_else() -> None:
    stated = monitor(height={"maximum": 50.0, "completeness": 0.5, "tolerance": 0.1, "watch": False})

    [height] = [field.constraints for field in flowers().overridden(stated).fields if field.name == "height"]

    assert (height.minimum, height.maximum) == (0.0, 50.0)
    assert (height.completeness, height.tolerance, height.watch) == (0.5, 0.1, False)
    assert height.inferred_type == "Fractional"


def test_an_override_leaves_the_other_fields_and_the_cells_alone() -> None:
    baseline = flowers().overridden(monitor(score={"minimum": 0.1}))

    learnt = {field.key: field.constraints for field in flowers().fields if field.name != "score"}
    assert {field.key: field.constraints for field in baseline.fields if field.name != "score"} == learnt
    assert baseline.identity == flowers().identity


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"heigth": {"maximum": 1.0}}, "monitor.fields.heigth: found no such field; allowed: age, colour, height"),
        ({"colour": {"minimum": 1.0}}, "monitor.fields.colour.minimum: found a statement that no category field has"),
        (
            {"height": {"categories": ["a"]}},
            "monitor.fields.height.categories: found a statement that no numeric",
        ),
        ({"note": {"maximum": 9}}, "monitor.fields.note.maximum: found a statement that no text field has"),
        ({"wild": {"categories": ["true"]}}, "monitor.fields.wild.categories: found a statement that no boolean"),
        (
            {"colour": {"categories": ["red", "pink"]}},
            "fields.colour.categories: found pink; allowed: red, green, blue",
        ),
        (
            {"height": {"minimum": 3.0, "maximum": 1.0}},
            "found 3.0, above the maximum of 1.0; allowed: the maximum",
        ),
    ],
)
def test_what_a_field_cannot_have_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(PackageError, match=problem):
        check_overrides("flowers", monitor(**fields), FIELDS)
    with pytest.raises(PackageError, match=problem):
        flowers().overridden(monitor(**fields))


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(PackageError, match="2 problems in model packages"):
        check_overrides("flowers", monitor(leaves={"watch": False}, note={"minimum": 0.0}), FIELDS)
