"""Filter patterns of CloudWatch Logs, as their documentation describes them."""

# ruff: noqa: FBT001 - tables are read as tables, and say whether

from __future__ import annotations

import time

import pytest

from local.services.logs.filter_patterns import compiled
from local.services.logs.problems import InvalidPattern

JSON = (
    '{"eventType": "UpdateTrail", "n": 5, "who": {"name": "ada", "ids": [7, 8]}, "ok": true, "none": null, "v": "1.5"}'
)
COLUMNS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

# FilterAndPatternSyntax.html
# fmt: off
TERMS = [
    # pattern                    line                         matches
    ("",                         "anything",                  True),
    ("ERROR",                    "[ERROR 400] BAD REQUEST",   True),
    ("ERROR",                    "error",                     False),
    ("ERROR ARGUMENTS",          "[ERROR] MISSING ARGUMENTS", True),
    ("ERROR ARGUMENTS",          "[ERROR] MISSING",           False),
    ("?ERROR ?WARN",             "[WARN] slow",               True),
    ("?ERROR ?WARN",             "[INFO] fine",               False),
    ('"INTERNAL SERVER ERROR"',  "INTERNAL SERVER ERROR 500", True),
    ('"INTERNAL SERVER ERROR"',  "SERVER ERROR, INTERNAL",    False),
    ("ERROR -ARGUMENTS",         "[ERROR] MISSING ARGUMENTS", False),
    ("ERROR -ARGUMENTS",         "[ERROR] BAD REQUEST",       True),
    ('-"exit code"',             "no exit",                   True),
    ("%AUTHORIZED-\\d+%",        "UNAUTHORIZED-42",           True),
    ('"say \\"hello\\""',        'say "hello" now',           True),
]
OF_JSON = [
    # pattern                                                    matches
    ('{ $.eventType = "UpdateTrail" }',                          True),
    ('{ $.eventType != "UpdateTrail" }',                         False),
    ('{ $.eventType = "Update*" }',                              True),
    ('{ $.eventType = *Trail }',                                 True),
    ("{ $.n > 4 }",                                              True),
    ("{ $.n >= 5 && $.n < 6 }",                                  True),
    ("{ $.n = 5e0 }",                                            True),
    ("{ $.v = 1.5 }",                                            True),
    ("{ $.who.ids[1] = 8 }",                                     True),
    ("{ $.who.ids[*] = 9 }",                                     False),
    ("{ $.who['name'] = \"ada\" }",                              True),
    ('{ ($.who.name = "bob") || ($.n = 5) }',                    True),
    ('{ $.who.name = "bob" && $.n = 5 || $.ok IS TRUE }',        True),
    ("{ $.ok IS FALSE }",                                        False),
    ("{ $.none IS NULL }",                                       True),
    ("{ $.missing NOT EXISTS }",                                 True),
    ("{ $.missing != 1 }",                                       False),
    ("{ $.eventType = %Trail$% }",                               True),
]
OF_COLUMNS = [
    # pattern                                                                matches
    ("[ip, server, username, timestamp, request, status_code, bytes]",       True),
    ("[ip, server, username, timestamp, request, status_code]",              False),
    ("[ip, server, username, timestamp, request, status_code=404, bytes]",   True),
    ("[..., status_code = 4*, bytes]",                                       True),
    ("[..., status_code = 4*, bytes > 1000 && bytes < 2000]",                True),
    ("[..., status_code != 404, bytes]",                                     False),
    ("[ip, ..., request = *html*, status_code, bytes]",                      True),
    ("[ip != 127.0.0.1, ...]",                                               False),
    ("[..., (status_code = 403 || status_code = 404), bytes]",               True),
]
# fmt: on


@pytest.mark.parametrize(("pattern", "line", "matches"), TERMS)
def test_words_and_phrases(pattern: str, line: str, matches: bool) -> None:
    assert (compiled(pattern)(line) is not None) is matches


@pytest.mark.parametrize(("pattern", "matches"), OF_JSON)
def test_json(pattern: str, matches: bool) -> None:
    assert (compiled(pattern)(JSON) is not None) is matches
    assert compiled(pattern)("no json") is None


@pytest.mark.parametrize(("pattern", "matches"), OF_COLUMNS)
def test_columns(pattern: str, matches: bool) -> None:
    assert (compiled(pattern)(COLUMNS) is not None) is matches


def test_columns_that_match_are_told_by_name() -> None:
    found = compiled("[ip, ..., status_code, bytes]")(COLUMNS)

    assert found == {"ip": "127.0.0.1", "status_code": "404", "bytes": "1534"}


@pytest.mark.parametrize(
    "pattern", ["{ $.a = }", "{ $.a = 1", "{ a = 1 }", '{ $.a > "x" }', "[a", "[a, ..., b, ...]", "%(%"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern, match="Invalid filter pattern"):
        compiled(pattern)


def test_many_lines_are_quick() -> None:
    begun = time.perf_counter()

    matches = [compiled("RefusedField -debug")(f"line {index} RefusedField") for index in range(50_000)]

    assert all(match is not None for match in matches)
    assert time.perf_counter() - begun < 2
