"""`[preflight.accept]` of package.toml: findings that somebody knows of and wants, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cdk.preflight.findings import Finding, Rule, Severity, error, warning
from model_packages.discovery import ModelPackage

UNKNOWN = error("accept-unknown", "package.toml accepts an id that no rule has: what was meant is still printed.")
REFUSED = error("accept-refused", "package.toml accepts what AWS would refuse: accepting it changes nothing there.")
UNUSED = warning("accept-unused", "package.toml accepts a finding that there is none of: the line can go.")
RULES = (UNKNOWN, REFUSED, UNUSED)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that a package accepts, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding of one preflight, sorted by what becomes of it."""

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    accepted: tuple[Accepted, ...] = ()


def sort_out(findings: Iterable[Finding], packages: Sequence[ModelPackage], *, rules: Mapping[str, Rule]) -> Report:
    """Takes the accepted findings out, and adds one for each line of `accept` that is wrong or of no use."""
    found = list(findings)
    reasons = {package.name: package.config.preflight.accept for package in packages}
    accepted = [
        Accepted(finding, reason)
        for finding in found
        if finding.rule.acceptable and (reason := reasons.get(finding.package or "", {}).get(finding.rule.id))
    ]
    taken = {id(entry.finding) for entry in accepted}
    left = [finding for finding in found if id(finding) not in taken]
    for package in packages:
        used = {entry.finding.rule.id for entry in accepted if entry.finding.package == package.name}
        left += _problems(package, used=used, rules=rules)
    return Report(
        errors=tuple(finding for finding in left if finding.rule.severity is Severity.ERROR),
        warnings=tuple(finding for finding in left if finding.rule.severity is Severity.WARNING),
        accepted=tuple(accepted),
    )


def _problems(package: ModelPackage, *, used: set[str], rules: Mapping[str, Rule]) -> Iterator[Finding]:
    where = f"{package.name}/package.toml, preflight.accept"
    for rule_id in package.config.preflight.accept:
        rule = rules.get(rule_id)
        if rule is None:
            close = ", ".join(get_close_matches(rule_id, rules, n=3)) or "an id of docs/preflight.md"
            yield UNKNOWN.broken(where, found=rule_id, allowed=close, change="spell it so", package=package.name)
        elif not rule.acceptable:
            yield REFUSED.broken(
                where,
                found=rule_id,
                allowed="warnings, and errors that rest on an estimate",
                change="remove the line, and what breaks the rule",
                package=package.name,
            )
        elif rule_id not in used:
            yield UNUSED.broken(
                where, found=rule_id, allowed="ids of findings", change="remove the line", package=package.name
            )
