"""Asks the account everything that can be asked; a question that it refuses is a finding of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cdk.preflight.account import bootstrap, quotas, taken_names
from cdk.preflight.account.clients import Account, NotAsked
from cdk.preflight.account.rules import NOT_ASKED
from cdk.preflight.findings import Finding
from cdk.preflight.installation import Installation

LOCAL_REFUSAL = "NotImplementedByLocalCloud"


def inspect(account: Account, *, installation: Installation, assembly: Path) -> Iterator[Finding]:
    """Every finding about the account."""
    yield from _answered("quotas", quotas.check(account, installation), account)
    yield from _answered("bootstrap", bootstrap.check(account, assembly), account)
    yield from _answered("names", taken_names.check(account, installation), account)


def _answered(what: str, findings: Iterator[Finding], account: Account) -> Iterator[Finding]:
    """The findings up to a refusal, and the refusal."""
    try:
        yield from findings
    except NotAsked as refusal:
        reason = " ".join(str(refusal).split())
        is_local = LOCAL_REFUSAL in reason
        yield NOT_ASKED.broken(
            f"account {account.number}, {account.region}, {what}",
            found=reason,
            allowed="an answer",
            change="ask with credentials of AWS: the local cloud has none to tell"
            if is_local
            else "the permission to ask",
        )
