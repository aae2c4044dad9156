"""What a user's token says, and who is asked whether a user pool gave it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Claims = Mapping[str, str]
ClaimsLookup = Callable[[str, Sequence[str]], Claims | None]
"""(token, ARNs of user pools) -> what the token says of its user; None if none of them gave it, or it has expired."""


def no_user_pools(_token: str, _user_pools: Sequence[str]) -> Claims | None:
    """Nobody has a token."""
    return None
