"""What a synth ends with: every check on what was just synthesized, and what it costs. Writes preflight.json, cost.json
and preflight.txt beside the templates; the text is for whoever runs the synth.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdk.cost import budget, table
from cdk.cost.estimate import Estimate, estimate
from cdk.preflight.acceptance import Report, sort_out
from cdk.preflight.findings import Finding, PreflightFailed
from cdk.preflight.installation import Installation, read_installation
from cdk.preflight.registry import CHECKS, RULES_BY_ID
from model_packages.discovery import ModelPackage

COST_FILE = "cost.json"
PREFLIGHT_FILE = "preflight.json"
TEXT_FILE = "preflight.txt"
"""What the synth printed; `flyball synth` shows it, too, where nothing had to be synthesized."""


@dataclass(frozen=True, slots=True)
class Review:
    """The findings about an installation, and its cost."""

    report: Report
    cost: Estimate

    @property
    def text(self) -> str:
        """The warnings, then the table."""
        return "\n".join([*(f"warning {finding}" for finding in self.report.warnings), table.text(self.cost)])


def review_synth(
    assembly: Path,
    *,
    packages: Iterable[ModelPackage],
    models: Path,
    monthly_budget_usd: float | None = None,
) -> Review:
    """Reviews what lies in `assembly` (cdk.out), and leaves its files there.

    Raises: PreflightFailed that lists every error, after the files have been written.
    """
    installation = read_installation(assembly, packages=tuple(packages), models=models)
    found = review(installation, monthly_budget_usd=monthly_budget_usd)
    _write(assembly / COST_FILE, {"monthly_budget_usd": monthly_budget_usd, **table.document(found.cost)})
    _write(assembly / PREFLIGHT_FILE, document(found.report))
    (assembly / TEXT_FILE).write_text(f"{found.text}\n", encoding="utf-8")
    if found.report.errors:
        raise PreflightFailed(found.report.errors)
    return found


def review(
    installation: Installation, *, monthly_budget_usd: float | None = None, more: Iterable[Finding] = ()
) -> Review:
    """Every check, with `more` findings from elsewhere."""
    cost = estimate(installation)
    findings = [*_findings(installation, cost, monthly_budget_usd), *more]
    packages = [package for _, package in installation.packages]
    return Review(report=sort_out(findings, packages, rules=RULES_BY_ID), cost=cost)


def document(report: Report) -> dict[str, Any]:
    """The report for a machine."""
    return {
        "errors": [_finding(finding) for finding in report.errors],
        "warnings": [_finding(finding) for finding in report.warnings],
        "accepted": [{**_finding(entry.finding), "reason": entry.reason} for entry in report.accepted],
    }


def _findings(installation: Installation, cost: Estimate, monthly_budget_usd: float | None) -> Iterator[Finding]:
    for check in CHECKS:
        yield from check(installation)
    yield from budget.check(installation, cost, monthly_budget_usd=monthly_budget_usd)


def _finding(finding: Finding) -> dict[str, str | None]:
    return {
        "id": finding.rule.id,
        "package": finding.package,
        "where": finding.where,
        "found": finding.found,
        "allowed": finding.allowed,
        "change": finding.change,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
