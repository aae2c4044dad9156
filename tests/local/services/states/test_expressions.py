"""JSONata as Step Functions evaluates it: nothing, null and functions told apart, AWS's own functions, its limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.services.states.expressions import Bindings, compiled, evaluated, filled
from local.services.states.failures import StateFailed
from local.services.states.references import EVERYWHERE, wrong_references

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
INPUT = {"a": 1, "none": None, "list": [1, 2, 3], "text": '{"b": null}', "rows": [{"v": 1}, {"v": 2}]}


def value(source: str, **variables: Any) -> Any:
    bindings = Bindings(states={"input": INPUT, "context": {}}, variables=variables, now=NOW)
    return evaluated(source, field="Output", bindings=bindings)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("$states.input.a + 1", 2),
        ("$states.input.none", None),
        ("$exists($states.input.none)", True),
        ("$type($states.input.none)", "null"),
        ("{'n': $states.input.none, 'x': $states.input.absent}", {"n": None}),
        ("[$states.input.absent]", []),
        ("$states.input.rows[v > 1].v", 2),
        ("$states.input.rows.v", [1, 2]),
        ("$states.input.list[$ > 5][]", []),
        ("$map([1..3], function($x) { $x * 2 })", [2, 4, 6]),
        ("($x := 3; $x & 'a')", "3a"),
        ("$now()", "2026-03-01T12:30:00.000Z"),
        ("$millis()", int(NOW.timestamp() * 1000)),
        ("$toMillis($now()) = $millis()", True),
        ("$partition([1..5], 2)", [[1, 2], [3, 4], [5]]),
        ("$partition([1..5], 2.9)", [[1, 2], [3, 4], [5]]),
        ("$range(0, 10, 5)", [0, 5, 10]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$range(-1.7, 1, 1)", [-1, 0, 1]),
        ("$range(1, 1, 1)", 1),
        ("$hash('a', 'MD5')", "0cc175b9c0f1b6a831c399e269772661"),
        ("$hash('a', 'SHA-256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("$parse($states.input.text)", {"b": None}),
        ("$parse('null')", None),
        ("$random(7) = $random(7)", True),
        ("$length($uuid())", 36),
    ],
)
def test_what_an_expression_gives(source: str, expected: Any) -> None:
    if source.endswith("[]"):
        with pytest.raises(StateFailed, match="returned nothing"):
            value(source)
    else:
        assert value(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "$states.input.absent",
        "$absent",
        "$partition([], 2)",
        "$partition([1], 0)",
        "$range(0, 10, -1)",
        "$range(0, 10)",
        "$hash('a')",
    ],
)
def test_what_gives_nothing_is_an_error(source: str) -> None:
    with pytest.raises(StateFailed, match=r"specified for the field 'Output' returned nothing \(undefined\)\."):
        value(source)


@pytest.mark.parametrize("source", ["$sum", "function($x) { $x }", "[function($x) { $x }]", "/a/"])
def test_what_is_no_json_is_an_error(source: str) -> None:
    with pytest.raises(StateFailed, match=r"returned an unsupported result type\."):
        value(source)


@pytest.mark.parametrize(
    "source", ["'a' + 1", "$eval('1')", "$hash('a', 'CRC32')", "$parse('{')", "$nothing()", "1 / 0", "$error('no')"]
)
def test_what_goes_wrong_inside_is_an_error(source: str) -> None:
    with pytest.raises(StateFailed, match="threw an error during evaluation"):
        value(source)


def test_variables_may_be_null_and_hide_nothing() -> None:
    assert value("$type($x) & $y.z", x=None, y={"z": 1}) == "null1"


def test_the_time_that_an_evaluation_may_take_does_not_begin_when_it_is_compiled() -> None:
    assert compiled("$states.input.a").environment.lookup("__evaluate_entry") is None


def test_a_recursion_without_end_is_cut_off() -> None:
    with pytest.raises(StateFailed, match="threw an error during evaluation"):
        value("($f := function($x) { 1 + $f($x + 1) }; $f(1))")


def test_a_template_is_filled_wherever_an_expression_stands() -> None:
    bindings = Bindings(states={"input": INPUT}, variables={}, now=NOW + timedelta(days=1))
    template = {"a": "{% $states.input.a %}", "b": ["text", {"c": "{%$states.input.list%}"}], "d": "{% no end"}

    found = filled(template, field="Output", bindings=bindings)

    assert found == {"a": 1, "b": ["text", {"c": [1, 2, 3]}], "d": "{% no end"}


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ("$states.input.rows[v > 1].w", []),
        ("$states.input.rows.{'a': v, 'b': $}", []),
        ("$map($states.input.list, function($x) { $x.a })", []),
        ("$states.input.rows^(>v)", []),
        ("$x{name: value}", []),
        ("phone", ["Reference to 'phone' at the top level is not supported."]),
        ("{'a': phone.number}", ["Reference to 'phone' at the top level is not supported."]),
        ("$map($states.input.list, function($x) { b })", ["Reference to 'b' at the top level is not supported."]),
        ("$", ["Reference to '$' at the top level is not supported."]),
        ("$$", ["Reference to '$$' is not supported."]),
        ("$eval('1')", ["Function '$eval' is not supported."]),
        ("$states.result.a", ["Reference to '$states.result' is not supported here."]),
        ("$states.errorOutput", ["Reference to '$states.errorOutput' is not supported here."]),
    ],
)
def test_what_an_expression_must_not_refer_to(source: str, messages: list[str]) -> None:
    assert [message for _code, message in wrong_references(source, allowed=EVERYWHERE)] == messages


def test_what_is_no_jsonata_is_told_apart() -> None:
    ((code, message),) = wrong_references("$states.input.a[", allowed=EVERYWHERE)

    assert (code, message) == ("INVALID_JSONATA_EXPRESSION", "Expected ] before end of expression")
