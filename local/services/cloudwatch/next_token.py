"""The tokens that CloudWatch gives with a page of an answer: here, how much was given before."""

from __future__ import annotations

from local.services.cloudwatch.errors import InvalidNextToken


def position(token: str | None) -> int:
    """How much of the answer was given already.

    Raises: InvalidNextToken.
    """
    if token is None:
        return 0
    if not token.isdigit():
        raise InvalidNextToken(f"NextToken {token} was given by no answer")
    return int(token)


def next_token(position: int, *, total: int) -> dict[str, str]:
    """The member for what follows from a position on; none where nothing does."""
    return {"NextToken": str(position)} if position < total else {}
