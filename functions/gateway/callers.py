"""Who calls, as a word that tells callers apart and says nothing else of them: sixteen hex digits of a keyed hash.

A pseudonym, not anonymity: whoever knows a caller's name can compute its word.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2s
from typing import Any

from functions.shared.proxy import ProxyEvent

_WORD_BYTES = 8


class Callers:
    """One endpoint's callers; those of two endpoints have nothing in common."""

    def __init__(self, issuer: str) -> None:
        self._key = blake2s(issuer.encode(), person=b"callers").digest()

    def word_of(self, event: ProxyEvent) -> str | None:
        """The caller's word; None where the event says nothing of who calls."""
        found = identity_of(event)
        return None if found is None else blake2s(found.encode(), digest_size=_WORD_BYTES, key=self._key).hexdigest()


def identity_of(event: ProxyEvent) -> str | None:
    """The first that is known: IAM principal, user of a token, API key, address.

    A session of a role counts as the role: one caller's functions have a session each.
    """
    context: Mapping[str, Any] = event.get("requestContext") or {}
    identity: Mapping[str, Any] = context.get("identity") or {}
    claims: Mapping[str, Any] = (context.get("authorizer") or {}).get("claims") or {}
    found = (
        _without_session(identity.get("userArn") or ""),
        claims.get("sub"),
        identity.get("apiKeyId"),
        identity.get("sourceIp"),
    )
    return next((str(name) for name in found if name), None)


def _without_session(arn: str) -> str:
    return arn.rpartition("/")[0] if ":assumed-role/" in arn else arn
