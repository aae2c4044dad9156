"""Answers in pages: a token says how many entries were given before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.services.states.failures import StatesRefused

DEFAULT_PAGE: Final = 100


def page(member: str, entries: Sequence[Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The page that a call asks for.

    Raises: StatesRefused for a token that is none.
    """
    token = arguments.get("nextToken", "0")
    if not token.isdigit():
        raise StatesRefused("InvalidToken", f"Invalid Token: '{token}'")
    start, size = int(token), arguments.get("maxResults") or DEFAULT_PAGE
    found: dict[str, Any] = {member: list(entries[start : start + size])}
    if start + size < len(entries):
        found["nextToken"] = str(start + size)
    return found
