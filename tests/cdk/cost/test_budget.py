"""Budgets: of a package and of the environment; kept, broken, in danger, and impossible to tell."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.preflight.review import review
from tests.cdk.preflight.templates import Flowers, Json


def ids(flowers: Flowers, *, monthly_budget_usd: float | None = None) -> tuple[list[str], list[str]]:
    """The errors' ids and the warnings'."""
    report = review(flowers.installation(), monthly_budget_usd=monthly_budget_usd).report
    return [each.rule.id for each in report.errors], [each.rule.id for each in report.warnings]


@pytest.mark.parametrize(
    ("monthly_usd", "errors", "warnings"),
    [
        (3500.0, [], []),  # two to four ml.g6.xlarge: 1,648 to 3,293
        (3000.0, [], ["over-budget-when-scaled"]),
        (1600.0, ["over-budget"], []),
    ],
)
def test_a_packages_budget_is_compared_with_its_own_lines(
    flowers: Flowers, monthly_usd: float, errors: list[str], warnings: list[str]
) -> None:
    limited = flowers.having(sections={"budget": {"monthly_usd": monthly_usd}})

    assert ids(limited) == (errors, warnings)


def test_the_expected_requests_count(flowers: Flowers) -> None:
    busy = {"budget": {"monthly_usd": 3500.0, "requests_per_month": 1_000_000_000}}

    assert ids(flowers.having(sections=busy)) == (["over-budget"], [])


def test_the_message_says_what_was_found_allowed_and_what_to_change(flowers: Flowers) -> None:
    report = review(flowers.having(sections={"budget": {"monthly_usd": 1000.0}}).installation()).report

    (finding,) = report.errors

    assert finding.where == "flowers/package.toml, budget.monthly_usd"
    assert finding.found == "$1,665.11 a month, of which $1,645.42 for 2 to 4 x ml.g6.xlarge"
    assert finding.allowed == "$1,000.00"
    assert "endpoint.minimum_instances" in finding.change


@pytest.mark.parametrize(
    ("monthly_budget_usd", "errors", "warnings"),
    [(None, [], []), (5000.0, [], []), (2000.0, [], ["over-budget-when-scaled"]), (1648.5, ["over-budget"], [])],
)
def test_the_environments_budget_is_compared_with_everything(
    flowers: Flowers, monthly_budget_usd: float | None, errors: list[str], warnings: list[str]
) -> None:
    assert ids(flowers, monthly_budget_usd=monthly_budget_usd) == (errors, warnings)


@pytest.mark.parametrize(
    ("sections", "errors", "warnings"),
    [({}, [], ["price-unknown"]), ({"budget": {"monthly_usd": 10_000.0}}, ["budget-price-unknown"], [])],
)
def test_a_budget_over_an_unknown_price_is_an_error(
    flowers: Flowers, sections: dict[str, Any], errors: list[str], warnings: list[str]
) -> None:
    def choose(config: Json) -> None:
        config["ProductionVariants"][0]["InstanceType"] = "ml.g6.16xlarge"

    dear = flowers.having(sections=sections, edits={"AWS::SageMaker::EndpointConfig": choose})

    assert ids(dear) == (errors, warnings)


def test_a_package_that_may_scale_beyond_its_budget_can_say_that_it_knows(flowers: Flowers) -> None:
    known = {"budget": {"monthly_usd": 3000.0}, "preflight": {"accept": {"over-budget-when-scaled": "sales days only"}}}

    assert ids(flowers.having(sections=known)) == ([], [])
