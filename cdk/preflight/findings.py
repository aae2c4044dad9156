"""A rule, a finding that breaks it, and the error that lists all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from model_packages.errors import OperatorError


class Severity(StrEnum):
    """An error stops the synth; a warning is printed."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that will go wrong: where it stands, what was found, what is allowed, what to change."""

    rule: Rule
    where: str
    found: str
    allowed: str
    change: str
    package: str | None = None
    """The package that it is about, whose package.toml may accept it; None: the installation."""

    def __str__(self) -> str:
        return f"[{self.rule.id}] {self.where}: found {self.found}; allowed: {self.allowed}; change: {self.change}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one check looks for. `id` is stable: package.toml names it."""

    id: str
    severity: Severity
    says: str
    """One sentence for docs/preflight.md: what breaks the rule, and what would happen on AWS."""
    rests_on_estimate: bool = False
    """An error of which a package may know better, and which it may therefore accept. A warning always may."""

    @property
    def acceptable(self) -> bool:
        """Whether `[preflight.accept]` of package.toml may name it."""
        return self.severity is Severity.WARNING or self.rests_on_estimate

    def broken(self, where: str, *, found: str, allowed: str, change: str, package: str | None = None) -> Finding:
        """A finding of this rule."""
        return Finding(rule=self, where=where, found=found, allowed=allowed, change=change, package=package)


def error(rule_id: str, says: str, *, rests_on_estimate: bool = False) -> Rule:
    """A rule whose findings stop the synth."""
    return Rule(id=rule_id, severity=Severity.ERROR, says=says, rests_on_estimate=rests_on_estimate)


def warning(rule_id: str, says: str) -> Rule:
    """A rule whose findings are printed."""
    return Rule(id=rule_id, severity=Severity.WARNING, says=says)


class PreflightFailed(OperatorError):
    """What was synthesized would fail on AWS; `findings` are the errors, all of them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        lines = "\n".join(f"  {finding}" for finding in self.findings)
        count = len(self.findings)
        super().__init__(
            f"preflight found {count} error{'s' if count != 1 else ''} (docs/preflight.md explains each id):\n{lines}"
        )
