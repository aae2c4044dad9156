"""Every condition operator: AWS's documented cases, and what a missing key means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.iam.conditions import OPERATORS, MalformedCondition, read_conditions

CASES: list[tuple[str, Any, Any, bool]] = [
    ("StringEquals", "ann", "ann", True),
    ("StringEquals", "ann", "Ann", False),
    ("StringEquals", ["bob", "ann"], "ann", True),
    ("StringEquals", "a*", "ann", False),
    ("StringNotEquals", ["bob", "ann"], "ann", False),
    ("StringNotEquals", ["bob", "eve"], "ann", True),
    ("StringEqualsIgnoreCase", "ANN", "ann", True),
    ("StringNotEqualsIgnoreCase", "ANN", "ann", False),
    ("StringLike", "AWS/SageMaker*", "AWS/SageMaker/x", True),
    ("StringLike", "a?n", "ann", True),
    ("StringNotLike", "a*", "ann", False),
    ("NumericEquals", "10", "10.0", True),
    ("NumericNotEquals", "10", "11", True),
    ("NumericLessThan", 10, "9", True),
    ("NumericLessThanEquals", 10, "10", True),
    ("NumericGreaterThan", 10, "10", False),
    ("NumericGreaterThanEquals", 10, "10", True),
    ("NumericEquals", "10", "ten", False),
    ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
    ("DateNotEquals", "2026-01-01", "2026-01-02", True),
    ("DateLessThan", "2026-01-01T00:00:00Z", "1767225599", True),
    ("DateGreaterThan", "1767225599", "2026-01-01T00:00:00Z", True),
    ("DateLessThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", False),
    ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
    ("Bool", "true", "true", True),
    ("Bool", False, "false", True),
    ("Bool", "true", "false", False),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ4", False),
    ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
    ("IpAddress", "203.0.113.9", "203.0.113.9", True),
    ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ("NotIpAddress", "203.0.113.0/24", "203.0.114.9", True),
    ("ArnLike", "arn:aws:sns:*:123456789012:*", "arn:aws:sns:us-east-1:123456789012:topic:x", True),
    ("ArnLike", "arn:aws:sq*:us-east-1", "arn:aws:sns:us-east-1:123456789012:topic", False),
    ("ArnEquals", "arn:aws:sns:*:123456789012:topic", "arn:aws:sns:us-east-1:123456789012:topic", True),
    ("ArnNotEquals", "arn:aws:sns:*:123456789012:topic", "arn:aws:sns:us-east-1:123456789012:topic", False),
    ("ArnNotLike", "arn:aws:sqs:*:*:*", "arn:aws:sns:us-east-1:123456789012:topic", True),
    ("ArnLike", "*", "ann", False),
    ("ForAllValues:StringEquals", ["a", "b"], ("a",), True),
    ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), False),
    ("ForAllValues:StringEquals", ["a", "b"], (), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c", "b"), True),
    ("ForAnyValue:StringEquals", ["a", "b"], ("c",), False),
    ("ForAllValues:StringNotEquals", ["a"], ("b", "c"), True),
    ("ForAnyValue:StringNotLike", ["a*"], ("ab", "b"), True),
    ("Null", "true", "x", False),
    ("Null", "false", "x", True),
]


@pytest.mark.parametrize(("name", "wanted", "found", "holds"), CASES, ids=str)
def test_an_operator_compares_as_on_aws(name: str, wanted: Any, found: Any, holds: bool) -> None:  # noqa: FBT001
    (condition,) = read_conditions({name: {"aws:Key": wanted}})

    assert condition.holds({"aws:key": found}) is holds


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("StringEquals", False),
        ("StringEqualsIfExists", True),
        ("StringNotEquals", True),
        ("StringNotEqualsIfExists", True),
        ("ArnNotLike", True),
        ("NotIpAddress", True),
        ("NumericLessThan", False),
        ("BoolIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringEqualsIfExists", True),
        ("ForAnyValue:StringNotEquals", False),
        ("Null", True),
    ],
)
def test_a_key_that_the_request_lacks(name: str, holds: bool) -> None:  # noqa: FBT001
    values = {"NotIpAddress": "10.0.0.1", "NumericLessThan": "1"}
    value = "true" if name in ("Null", "BoolIfExists") else values.get(name, "x")
    (condition,) = read_conditions({name: {"aws:Key": value}})

    assert condition.holds({}) is holds


def test_all_conditions_of_a_statement_are_read() -> None:
    conditions = read_conditions({"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}})

    assert {each.key for each in conditions} == {"a", "b", "c"}


@given(name=st.text(max_size=12).filter(lambda name: name not in OPERATORS and name != "Null"))
def test_an_unknown_operator_is_refused(name: str) -> None:
    with pytest.raises(MalformedCondition):
        read_conditions({name: {"aws:username": "1"}})


@given(values=st.lists(st.text(max_size=3), min_size=1, max_size=3), found=st.text(max_size=3))
def test_a_negated_operator_is_the_opposite_where_the_key_is_present(values: list[str], found: str) -> None:
    for name in ("StringEquals", "StringLike", "StringEqualsIgnoreCase"):
        kind = name.removeprefix("String")
        (plain,) = read_conditions({name: {"k": values}})
        (negated,) = read_conditions({f"StringNot{kind}": {"k": values}})

        assert plain.holds({"k": found}, has_variables=False) != negated.holds({"k": found}, has_variables=False)


def test_a_variable_in_a_value_is_filled_and_taken_literally() -> None:
    (condition,) = read_conditions({"StringLike": {"s3:prefix": ["${aws:username}/*", ""]}})

    assert condition.holds({"aws:username": "ann", "s3:prefix": "ann/photos"})
    assert not condition.holds({"aws:username": "*", "s3:prefix": "bob/photos"})
    assert not condition.holds({"s3:prefix": "bob/photos"})


def test_a_variable_may_have_a_default() -> None:
    (condition,) = read_conditions({"StringEquals": {"k": "${aws:PrincipalTag/team, 'none'}"}})

    assert condition.holds({"k": "none"})
    assert condition.holds({"k": "red", "aws:principaltag/team": "red"})
