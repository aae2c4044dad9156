"""Whether a token is one that a Cognito user pool has given to a user of its own: a COGNITO_USER_POOLS authorizer.

Without scopes on the method, which this gateway refuses, API Gateway takes ID tokens only. Pools and keys are read from
moto's memory, where the pools live.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from local.services.apigateway.claims import Claims, ClaimsLookup

SCHEME: Final = "Bearer "


def moto_user_pools(*, account: str, region: str, now_seconds: Callable[[], float] = time.time) -> ClaimsLookup:
    """The pools of one account and region. moto stamps its tokens with the machine's time, so they are read by it."""

    def claims_of(token: str, user_pools: Sequence[str]) -> Claims | None:
        from moto.cognitoidp.models import cognitoidp_backends  # noqa: PLC0415 - half a second to import

        pools: Mapping[str, Any] = cognitoidp_backends[account][region].user_pools
        allowed = [pools[arn.rpartition("/")[2]] for arn in user_pools if arn.rpartition("/")[2] in pools]
        for pool in allowed:
            claims = _claims(token.removeprefix(SCHEME), pool, now_seconds=now_seconds())
            if claims is not None:
                return {key: _text(value) for key, value in claims.items()}
        return None

    return claims_of


def _claims(token: str, pool: Any, *, now_seconds: float) -> Mapping[str, Any] | None:
    """Signature, issuer, kind, audience, time: each has to be right."""
    from joserfc import jwt  # noqa: PLC0415 - as above
    from joserfc.errors import JoseError  # noqa: PLC0415

    try:
        claims = jwt.decode(token, pool.json_web_key, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        return None
    issuer = f"https://cognito-idp.{pool.region}.amazonaws.com/{pool.id}"
    if claims.get("iss") != issuer or claims.get("token_use") != "id" or claims.get("aud") not in pool.clients:
        return None
    return claims if float(claims.get("exp", 0)) > now_seconds else None


def _text(value: Any) -> str:
    """API Gateway hands claims on as texts."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
