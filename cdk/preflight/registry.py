"""Every check and every rule: a check that does not stand here does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from cdk.cost import budget
from cdk.preflight import (
    acceptance,
    alarms,
    environments,
    gpu_software,
    instance_types,
    limits,
    logs,
    memory,
    payloads,
    retraining,
    rollouts,
    scaling,
    timeouts,
)
from cdk.preflight.account import rules as account
from cdk.preflight.findings import Finding, Rule
from cdk.preflight.installation import Installation

Check = Callable[[Installation], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    instance_types.check,
    gpu_software.check,
    memory.check,
    timeouts.check,
    payloads.check,
    rollouts.check,
    alarms.check,
    scaling.check,
    retraining.check,
    logs.check,
    environments.check,
    limits.check,
)
"""What reads templates and packages alone, in the order in which a person would mend things."""

RULES: tuple[Rule, ...] = (
    *instance_types.RULES,
    *gpu_software.RULES,
    *memory.RULES,
    *timeouts.RULES,
    *payloads.RULES,
    *rollouts.RULES,
    *alarms.RULES,
    *scaling.RULES,
    *retraining.RULES,
    *logs.RULES,
    *environments.RULES,
    *limits.RULES,
    *budget.RULES,
    *acceptance.RULES,
    *account.RULES,
)

RULES_BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}
