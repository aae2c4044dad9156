"""`[preflight.accept]`: what a package may accept, and what happens to a line that is wrong or of no use."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.preflight.acceptance import Report, sort_out
from cdk.preflight.findings import PreflightFailed, Severity
from cdk.preflight.registry import CHECKS, RULES, RULES_BY_ID
from cdk.preflight.review import document, review
from tests.cdk.preflight.templates import Flowers


def report(flowers: Flowers) -> Report:
    return sort_out(flowers.findings(), [flowers.package()], rules=RULES_BY_ID)


def patient(flowers: Flowers, **accept: str) -> Flowers:
    """Waits longer than API Gateway and the function do: an estimate, and something that cannot be accepted."""
    sections: dict[str, Any] = {"endpoint": {"timeout_seconds": 40}, "preflight": {"accept": accept}}
    return flowers.having(sections=sections)


def test_what_is_not_accepted_stops_the_synth_all_at_once(flowers: Flowers) -> None:
    found = report(patient(flowers))

    assert [finding.rule.id for finding in found.errors] == ["function-gives-up-first", "api-gives-up-first"]
    assert str(PreflightFailed(found.errors)).startswith("preflight found 2 errors")
    assert all(str(finding) in str(PreflightFailed(found.errors)) for finding in found.errors)


def test_an_error_that_rests_on_an_estimate_may_be_accepted_with_a_reason(flowers: Flowers) -> None:
    found = report(patient(flowers, **{"api-gives-up-first": "called by batch jobs alone"}))

    assert [finding.rule.id for finding in found.errors] == ["function-gives-up-first"]
    assert [(entry.finding.rule.id, entry.reason) for entry in found.accepted] == [
        ("api-gives-up-first", "called by batch jobs alone")
    ]


def test_what_aws_refuses_stays_an_error_however_often_it_is_accepted(flowers: Flowers) -> None:
    found = report(patient(flowers, **{"function-gives-up-first": "we like it so"}))

    assert {finding.rule.id for finding in found.errors} == {
        "function-gives-up-first",
        "api-gives-up-first",
        "accept-refused",
    }


@pytest.mark.parametrize(
    ("accepted", "errors", "warnings"),
    [
        ("idle-gpu", ["accept-unknown"], []),
        ("idle-gpus", [], ["accept-unused"]),
    ],
)
def test_a_line_that_names_nothing_is_a_finding(
    flowers: Flowers, accepted: str, errors: list[str], warnings: list[str]
) -> None:
    found = report(flowers.having(sections={"preflight": {"accept": {accepted: "because"}}}))

    assert [finding.rule.id for finding in found.errors] == errors
    assert [finding.rule.id for finding in found.warnings] == warnings


def test_one_package_cannot_accept_for_another(flowers: Flowers) -> None:
    findings = patient(flowers).findings()
    other = flowers.having(sections={"preflight": {"accept": {"api-gives-up-first": "mine"}}}).package()

    found = sort_out(findings, [type(other)("roses", other.path, other.config)], rules=RULES_BY_ID)

    assert "api-gives-up-first" in {finding.rule.id for finding in found.errors}


def test_ids_are_unique_and_rules_say_a_sentence() -> None:
    assert len(RULES_BY_ID) == len(RULES)
    assert all(rule.says.endswith(".") for rule in RULES)
    assert all(rule.acceptable for rule in RULES if rule.severity is Severity.WARNING)


def test_every_rule_of_a_check_is_registered() -> None:
    """A finding of a rule that is not registered could neither be looked up nor accepted."""
    modules = {check.__module__ for check in CHECKS}

    rules = [rule for module in modules for rule in __import__(module, fromlist=["RULES"]).RULES]

    assert set(rules) <= set(RULES)


def test_the_report_for_a_machine_has_every_part(flowers: Flowers) -> None:
    found = review(patient(flowers, **{"api-gives-up-first": "batch jobs"}).installation())

    content = document(found.report)

    assert [each["id"] for each in content["errors"]] == ["function-gives-up-first"]
    assert content["accepted"][0]["reason"] == "batch jobs"
    assert set(content["errors"][0]) == {"id", "package", "where", "found", "allowed", "change"}
